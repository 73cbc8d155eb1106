/*
 * What becomes of a request that has passed the gate, and of its claim: its
 * hops (internal redirects), its outcome, and the settlement of the claim.
 */

#ifndef _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <plum_idempotency.h>


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


/*
 * outcome: what became of a request that has passed the gate.  passed marks it
 * so and begins its first hop.  hop begins the next one: call it in the first
 * phase of an internal redirect.  hop_location is for a hop that goes on in
 * another location, by "rewrite ... last" or "if".  judge tells the outcome
 * when the answer is about to be sent, or when there will be none.
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
 * settle: ends the claim by the outcome, once, whoever calls first.  answer,
 * or NULL, is kept with the record of a success.
 *
 * hold: the claim is ours from now on, and is renewed until it is settled.
 */

void ngx_http_plum_settle(ngx_http_plum_ctx_t *ctx, plum_outcome_t outcome,
    ngx_str_t *answer);
void ngx_http_plum_hold(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);

/*
 * hangup: watch wraps the content handler of a request that has passed, so
 * that a forward goes on when the sender leaves, over HTTP/3 also when its
 * connection ends.  To be called again after a redirect, which chooses another
 * handler.  Does nothing without a content handler, and where a request is
 * only observed and no claim is held.
 */

void ngx_http_plum_watch(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_OUTCOME_H_INCLUDED_ */
