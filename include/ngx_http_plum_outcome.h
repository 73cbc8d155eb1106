/*
 * What became of a request that has passed the gate, and of the upstream's
 * answer to it: the types of ngx_http_plum_outcome.c and ngx_http_plum_kept.c.
 */

#ifndef _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* the way of a passed request through one location, see ..._outcome.c */

typedef struct {
    ngx_uint_t                       attempts;   /* at upstreams, before it */
    ngx_http_upstream_t             *upstream;   /* r->upstream, before it */
    ngx_http_core_loc_conf_t        *location;
    unsigned                         error_page:1;   /* r->error_page, before
                                                        it */
    unsigned                         failed:1;   /* what led here was no
                                                    success */
} ngx_http_plum_hop_t;


/* what became of the upstream's answer where answer= is given */

typedef enum {
    NGX_HTTP_PLUM_KEPT_NONE = 0,             /* it was not to be kept */
    NGX_HTTP_PLUM_KEPT,
    NGX_HTTP_PLUM_KEPT_REPEATED,             /* a duplicate got it */
    NGX_HTTP_PLUM_KEPT_MISSING,              /* a duplicate had to be refused */
    NGX_HTTP_PLUM_KEPT_TOO_LARGE,            /* not kept, for this and the
                                                following reasons */
    NGX_HTTP_PLUM_KEPT_CUT,
    NGX_HTTP_PLUM_KEPT_ENCODED,
    NGX_HTTP_PLUM_KEPT_PARTIAL,
    NGX_HTTP_PLUM_KEPT_NOT_UTF8,
    NGX_HTTP_PLUM_KEPT_NOT_SUCCESS,
    NGX_HTTP_PLUM_KEPT_BUDGET,
    NGX_HTTP_PLUM_KEPT_NO_ROOM               /* in the store */
} ngx_http_plum_kept_e;


#endif /* _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_ */
