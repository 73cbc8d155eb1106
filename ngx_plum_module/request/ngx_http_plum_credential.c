
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_stage.h>


static int64_t ngx_http_plum_now(void);


static const plum_reason_t  ngx_http_plum_credential_reasons[] = {
    PLUM_REASON_NONE,                    /* PLUM_CREDENTIAL_OK */
    PLUM_REASON_CREDENTIAL_MISSING,      /* PLUM_CREDENTIAL_MISSING */
    PLUM_REASON_CREDENTIAL_MALFORMED,    /* PLUM_CREDENTIAL_MALFORMED */
    PLUM_REASON_CREDENTIAL_MISMATCH,     /* PLUM_CREDENTIAL_MISMATCH */
    PLUM_REASON_TIMESTAMP_STALE          /* PLUM_CREDENTIAL_STALE */
};


/*
 * Checks everything that needs the headers only, static keys among it, so that
 * an unauthentic request is refused before its body is read.
 */

ngx_int_t
ngx_http_plum_credential(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    size_t                        matched;
    ngx_uint_t                    i, n;
    plum_str_t                    uri;
    plum_credential_t             cred;
    plum_credential_rc_t          rc;
    ngx_http_plum_proof_t        *proof;
    ngx_http_plum_signature_t   **signature, *s;

    signature = ctx->plcf->signatures->elts;
    n = ctx->plcf->signatures->nelts;

    ctx->proofs = ngx_pcalloc(r->pool, n * sizeof(ngx_http_plum_proof_t));
    if (ctx->proofs == NULL) {
        return NGX_ERROR;
    }

    uri.data = r->unparsed_uri.data;
    uri.len = r->unparsed_uri.len;

    for (i = 0; i < n; i++) {

        s = signature[i];
        proof = &ctx->proofs[i];

        if (s->scheme.kind == PLUM_SCHEME_BODY_TOKEN) {
            continue;
        }

        rc = plum_signature_parse(&s->scheme, ngx_http_plum_find_header, r,
                                  &uri, ngx_http_plum_now(), &cred);

        if (rc == PLUM_CREDENTIAL_OK
            && s->scheme.kind == PLUM_SCHEME_API_KEY)
        {
            rc = plum_signature_verify(&s->scheme, &cred, s->keys, s->nkeys,
                                       NULL, &matched);

            if (rc == PLUM_CREDENTIAL_OK) {
                proof->secret = s->secrets[matched];
            }
        }

        if (rc == PLUM_CREDENTIAL_NOMEM) {
            return NGX_ERROR;
        }

        if (rc != PLUM_CREDENTIAL_OK) {

            if (ngx_http_plum_proof_fails(ctx, i,
                                         ngx_http_plum_credential_reasons[rc])
                != NGX_OK)
            {
                return NGX_DECLINED;
            }

            continue;
        }

        /* only the part in use is kept: cred has room for many candidates */

        proof->credential = ngx_palloc(r->pool, plum_credential_size(&cred));
        if (proof->credential == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(proof->credential, &cred, plum_credential_size(&cred));
    }

    return NGX_OK;
}


/* timestamps in headers and, when the body has been parsed, in the body */

ngx_int_t
ngx_http_plum_fresh(ngx_http_plum_ctx_t *ctx)
{
    int64_t                       now;
    ngx_uint_t                    i;
    ngx_http_plum_signature_t   **signature;

    signature = ctx->plcf->signatures->elts;
    now = ngx_http_plum_now();

    for (i = 0; i < ctx->plcf->signatures->nelts; i++) {

        if (signature[i]->scheme.kind == PLUM_SCHEME_MAC
            && ctx->proofs[i].reason == PLUM_REASON_NONE
            && !plum_signature_fresh(&signature[i]->scheme,
                                     ctx->proofs[i].credential, now)
            && ngx_http_plum_proof_fails(ctx, i, PLUM_REASON_TIMESTAMP_STALE)
               != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/*
 * The time cached by NGINX may be old by "timer_resolution", and a delivery
 * would be accepted for so long after its tolerance.
 */

static int64_t
ngx_http_plum_now(void)
{
    return (int64_t) time(NULL);
}
