
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_stage.h>


/* signatures over the exact bytes that were received */

ngx_int_t
ngx_http_plum_verify(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    size_t                        matched;
    ngx_uint_t                    i;
    plum_str_t                    body;
    plum_credential_rc_t          rc;
    ngx_http_plum_proof_t        *proof;
    ngx_http_plum_signature_t   **signature, *s;

    body.data = ctx->raw.data;
    body.len = ctx->raw.len;

    signature = ctx->plcf->signatures->elts;

    for (i = 0; i < ctx->plcf->signatures->nelts; i++) {

        s = signature[i];
        proof = &ctx->proofs[i];

        if (s->scheme.kind != PLUM_SCHEME_MAC
            || proof->reason != PLUM_REASON_NONE)
        {
            continue;
        }

        rc = plum_signature_verify(&s->scheme, proof->credential, s->keys,
                                   s->nkeys, &body, &matched);

        if (rc == PLUM_CREDENTIAL_NOMEM) {
            return NGX_ERROR;
        }

        if (rc == PLUM_CREDENTIAL_OK) {
            proof->secret = s->secrets[matched];
            continue;
        }

        if (ngx_http_plum_proof_fails(ctx, i, PLUM_REASON_CREDENTIAL_MISMATCH)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
