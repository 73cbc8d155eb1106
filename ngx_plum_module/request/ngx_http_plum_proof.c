
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_proof.h>


/*
 * The state of each line of plum_signature (ctx->proofs):
 *
 *   not judged  (no reason, no secret)  a later stage judges it
 *   fits        (no reason, a secret)   it holds, unless its timestamp, which
 *                                       may be in the body, is refused
 *   fails       (a reason)              for the rest of the request
 *
 * With "plum_satisfy all" the first line that fails ends the request.  With
 * "any" all other lines are judged in the same order and with the same work,
 * and the request ends when the last one has failed.  So neither the answer
 * nor its time shows how far a line got.
 */


/* in the order of the stages: first keys in headers, last tokens in the body */

static const plum_scheme_kind_t  ngx_http_plum_proof_order[] = {
    PLUM_SCHEME_API_KEY,
    PLUM_SCHEME_MAC,
    PLUM_SCHEME_BODY_TOKEN
};


ngx_int_t
ngx_http_plum_proof_fails(ngx_http_plum_ctx_t *ctx, ngx_uint_t n,
    plum_reason_t reason)
{
    ngx_uint_t  i;

    ctx->proofs[n].reason = reason;

    if (ctx->plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ALL) {
        ctx->reason = reason;
        return NGX_DECLINED;
    }

    for (i = 0; i < ctx->plcf->signatures->nelts; i++) {

        if (ctx->proofs[i].reason == PLUM_REASON_NONE) {
            return NGX_OK;
        }

        /* a later reason in the list means that the line got further */

        reason = ngx_max(reason, ctx->proofs[i].reason);
    }

    ctx->reason = reason;

    return NGX_DECLINED;
}


const ngx_plum_secret_t *
ngx_http_plum_proof_secret(ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t                   i, k, failed;
    ngx_http_plum_signature_t  **signature;

    if (ctx->proofs == NULL) {
        return NULL;
    }

    signature = ctx->plcf->signatures->elts;

    for (failed = 0; failed < 2; failed++) {
        for (k = 0; k < 3; k++) {
            for (i = 0; i < ctx->plcf->signatures->nelts; i++) {

                if (signature[i]->scheme.kind == ngx_http_plum_proof_order[k]
                    && ctx->proofs[i].secret
                    && (failed || ctx->proofs[i].reason == PLUM_REASON_NONE))
                {
                    return ctx->proofs[i].secret;
                }
            }
        }
    }

    return NULL;
}
