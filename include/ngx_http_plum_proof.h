/*
 * What is known of the lines of plum_signature: which ones hold, by which
 * secret.
 */

#ifndef _NGX_HTTP_PLUM_PROOF_H_INCLUDED_
#define _NGX_HTTP_PLUM_PROOF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <ngx_plum_secret.h>
#include <plum_reason.h>


/*
 * proof: line n of plum_signature does not hold.  NGX_DECLINED, with the
 * reason in ctx->reason, if that refuses the request: with "all" always, with
 * "any" if no line is left.  Else NGX_OK.
 */

ngx_int_t ngx_http_plum_proof_fails(ngx_http_plum_ctx_t *ctx, ngx_uint_t n,
    plum_reason_t reason);

/*
 * The secret that fitted: of the first line that holds, in the order of the
 * stages; else of the first one that fitted and was refused for its
 * timestamp.  NULL if there is none.
 */

const ngx_plum_secret_t *ngx_http_plum_proof_secret(ngx_http_plum_ctx_t *ctx);

/*
 * credential: judges the timestamps that are known by now, at the current
 * second.  NGX_OK, or NGX_DECLINED with timestamp_stale.
 */

ngx_int_t ngx_http_plum_fresh(ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_PROOF_H_INCLUDED_ */
