
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


/* signatures over the exact bytes that were received */

ngx_int_t
ngx_http_plum_verify(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    size_t                        matched;
    ngx_uint_t                    i;
    plum_str_t                    body, uri;
    plum_credential_rc_t          rc;
    ngx_http_plum_signature_t   **signature, *s;

    body.data = ctx->raw.data;
    body.len = ctx->raw.len;
    uri.data = r->unparsed_uri.data;
    uri.len = r->unparsed_uri.len;

    signature = ctx->plcf->signatures->elts;

    for (i = 0; i < ctx->plcf->signatures->nelts; i++) {

        s = signature[i];

        if (s->scheme.kind != PLUM_SCHEME_MAC) {
            continue;
        }

        rc = plum_signature_verify(&s->scheme, ctx->credentials[i], s->keys,
                                   s->nkeys, &uri, &body, &matched);

        if (rc == PLUM_CREDENTIAL_NOMEM) {
            return NGX_ERROR;
        }

        if (rc != PLUM_CREDENTIAL_OK) {
            ctx->reason = PLUM_REASON_CREDENTIAL_MISMATCH;
            return NGX_DECLINED;
        }

        if (ctx->secret == NULL) {
            ctx->secret = s->secrets[matched];
        }
    }

    return NGX_OK;
}
