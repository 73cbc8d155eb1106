
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


#define NGX_HTTP_PLUM_SECRETS    4       /* live ones, without a warning */


/* a rotation needs two; each more is work for whoever sends a request */

ngx_int_t
ngx_http_plum_review_secrets(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i;
    ngx_http_plum_signature_t  **signature;

    signature = location->plcf->signatures->elts;

    for (i = 0; i < location->plcf->signatures->nelts; i++) {

        if (signature[i]->nkeys <= NGX_HTTP_PLUM_SECRETS
            || signature[i]->scheme.kind != PLUM_SCHEME_MAC)
        {
            continue;
        }

        ngx_http_plum_conf_warn(cf, &signature[i]->where,
                                "%ui secrets \"%V\" are live: every body is "
                                "hashed for each of them, also one of a "
                                "stranger; remove those that no sender uses",
                                signature[i]->nkeys, &signature[i]->secret);
    }

    return NGX_OK;
}
