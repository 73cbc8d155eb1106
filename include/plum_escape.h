/*
 * A text as a part of a page: the label of a metric, a string of JSON, or the
 * text of HTML.  What comes out is valid UTF-8, whatever comes in: a byte that
 * is no part of a valid sequence becomes U+FFFD.
 */

#ifndef _PLUM_ESCAPE_H_INCLUDED_
#define _PLUM_ESCAPE_H_INCLUDED_


#include <plum_types.h>


typedef enum {
    PLUM_ESCAPE_LABEL = 0,       /* Prometheus and OpenMetrics: \\ \" \n */
    PLUM_ESCAPE_JSON,            /* RFC 8259, section 7 */
    PLUM_ESCAPE_HTML             /* text, or a value in double quotes */
} plum_escape_t;


/* a byte becomes this many bytes at most */

#define PLUM_ESCAPE_MAX  6


/*
 * Writes the text into out, which has room for PLUM_ESCAPE_MAX * text->len
 * bytes, and returns how many bytes were written.  Quotes around the text are
 * not written.
 */

size_t plum_escape(plum_escape_t kind, const plum_str_t *text, uint8_t *out);

/* 1 if the text is valid UTF-8 */

int plum_utf8(const plum_str_t *text);


#endif /* _PLUM_ESCAPE_H_INCLUDED_ */
