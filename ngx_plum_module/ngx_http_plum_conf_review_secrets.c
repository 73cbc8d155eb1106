
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>
#include <plum_secret.h>


#define NGX_HTTP_PLUM_SECRETS    4       /* live ones, without a warning */


static ngx_int_t ngx_http_plum_review_secret(ngx_conf_t *cf,
    ngx_http_plum_signature_t *signature, ngx_plum_secret_t *secret);


ngx_int_t
ngx_http_plum_review_secrets(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i, k;
    ngx_http_plum_signature_t  **signature, *s;

    signature = location->plcf->signatures->elts;

    for (i = 0; i < location->plcf->signatures->nelts; i++) {

        s = signature[i];

        for (k = 0; k < s->nkeys; k++) {
            if (ngx_http_plum_review_secret(cf, s, s->secrets[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        /* a rotation needs two; each more is work for any request */

        if (s->nkeys > NGX_HTTP_PLUM_SECRETS
            && s->scheme.kind == PLUM_SCHEME_MAC)
        {
            ngx_http_plum_conf_warn(cf, &s->where,
                             "%ui secrets \"%V\" are live: every body is "
                             "hashed for each of them, also one of a "
                             "stranger; remove those that no sender uses",
                             s->nkeys, &s->secret);
        }
    }

    return NGX_OK;
}


/* one of the secrets of a line, against what its scheme can receive */

static ngx_int_t
ngx_http_plum_review_secret(ngx_conf_t *cf,
    ngx_http_plum_signature_t *signature, ngx_plum_secret_t *secret)
{
    plum_str_t   bytes;
    const char  *text;

    bytes.data = secret->bytes.data;
    bytes.len = secret->bytes.len;

    text = secret->public_key ? plum_secret_check_public(bytes.data)
                              : plum_secret_check(&signature->scheme, &bytes);

    if (text) {
        (void) ngx_http_plum_conf_error(cf, &signature->where,
                         "secret \"%V\" of file \"%V\" cannot work with "
                         "scheme \"%*s\": %s", &secret->label,
                         &secret->file, signature->scheme.name.len,
                         signature->scheme.name.data, text);
        return NGX_ERROR;
    }

    text = secret->raw ? plum_secret_doubt(&signature->scheme, &bytes) : NULL;

    if (text) {
        ngx_http_plum_conf_warn(cf, &signature->where,
                         "secret \"%V\" of file \"%V\" looks wrong for "
                         "scheme \"%*s\": %s", &secret->label,
                         &secret->file, signature->scheme.name.len,
                         signature->scheme.name.data, text);
    }

    return NGX_OK;
}
