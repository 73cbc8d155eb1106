/*
 * After a request has passed the gate: its hops (internal redirects), its
 * outcome, and the settlement of its claim.
 */

#ifndef _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <plum_idempotency.h>


/* the processing of a request in one location, see ngx_http_plum_outcome.c */

typedef struct {
    ngx_uint_t                       attempts;   /* at upstreams, before it */
    ngx_http_upstream_t             *upstream;   /* r->upstream, before it */
    ngx_http_core_loc_conf_t        *location;
    unsigned                         error_page:1;   /* r->error_page, before
                                                        it */
    unsigned                         failed:1;   /* what led to this hop
                                                    was no success */
} ngx_http_plum_hop_t;


/*
 * passed()        marks the request as passed, and begins its first hop
 * hop()           begins the next hop; to be called in the first phase of an
 *                 internal redirect
 * hop_location()  the hop continues in another location because of "rewrite ...
 *                 last" or "if"
 * judge()         returns the outcome; to be called before the answer is sent,
 *                 or when the request ends without an answer
 */

void ngx_http_plum_passed(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_hop(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_hop_location(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
plum_outcome_t ngx_http_plum_judge(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/*
 * 1 if an upstream has answered with a status line.  Without one NGINX takes
 * the answer for HTTP/0.9 and its status for 200; that counts as no answer.
 */

ngx_uint_t ngx_http_plum_upstream_answered(ngx_http_request_t *r,
    const ngx_http_upstream_state_t *state);

/*
 * settle()  ends the claim according to the outcome.  Only the first call has
 *           an effect.  The answer (or NULL) is kept with the record of a
 *           success
 * hold()    the request has obtained the claim, which is renewed from now on
 *           until it is settled
 */

void ngx_http_plum_settle(ngx_http_plum_ctx_t *ctx, plum_outcome_t outcome,
    ngx_str_t *answer);
void ngx_http_plum_hold(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);

/*
 * Wraps the content handler of a request that has passed, so that the forward
 * goes on when the sender closes its connection.  To be called again after a
 * redirect, which selects another handler.  Without a content handler it does
 * nothing; nor for a request that is only observed and holds no claim.
 */

void ngx_http_plum_watch(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_ */
