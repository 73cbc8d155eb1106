/*
 * In which format a status page is sent: by its name, or by the Accept headers
 * of the request (RFC 9110, section 12.5.1).
 */

#ifndef _PLUM_FORMAT_H_INCLUDED_
#define _PLUM_FORMAT_H_INCLUDED_


#include <plum_types.h>


/* in the order of preference, where a request likes several equally */

typedef enum {
    PLUM_FORMAT_PROMETHEUS = 0,
    PLUM_FORMAT_JSON,
    PLUM_FORMAT_OPENMETRICS,
    PLUM_FORMAT_HTML,

    PLUM_FORMAT_MAX              /* none of these */
} plum_format_t;


/* what a request says of each format; set to zero first */

typedef struct {
    unsigned        rank[PLUM_FORMAT_MAX];   /* how exactly it was named */
    unsigned        quality[PLUM_FORMAT_MAX];    /* in thousandths */
} plum_formats_t;


/* of "html", "json", "prometheus", "openmetrics"; or PLUM_FORMAT_MAX */

plum_format_t plum_format_find(const plum_str_t *name);

/*
 * Reads one Accept header; there may be several.  A range that is malformed is
 * skipped.  Parameters but "q" are ignored: each format has one version.
 */

void plum_format_accept(plum_formats_t *formats, const plum_str_t *value);

/*
 * The format of the highest quality; among equals the one that was named most
 * exactly.  PLUM_FORMAT_PROMETHEUS where none is acceptable, or nothing was
 * said: a text that anybody can read.
 */

plum_format_t plum_format_choose(const plum_formats_t *formats);


#endif /* _PLUM_FORMAT_H_INCLUDED_ */
