/*
 * The states of the lines of plum_signature: which of them hold, and by which
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
 * Line n of plum_signature fails.  NGX_DECLINED: the request is refused, and
 * ctx->reason is set: always with "all", with "any" if all lines have failed.
 * Else NGX_OK.
 */

ngx_int_t ngx_http_plum_proof_fails(ngx_http_plum_ctx_t *ctx, ngx_uint_t n,
    plum_reason_t reason);

/*
 * Returns the secret that has matched: of the first line that holds, in the
 * order of the stages, or else of the first line that was refused only for its
 * timestamp.  NULL: none.
 */

const ngx_plum_secret_t *ngx_http_plum_proof_secret(ngx_http_plum_ctx_t *ctx);

/*
 * Compares the timestamps that are known so far with the current time.  NGX_OK,
 * or NGX_DECLINED with timestamp_stale.
 */

ngx_int_t ngx_http_plum_fresh(ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_PROOF_H_INCLUDED_ */
