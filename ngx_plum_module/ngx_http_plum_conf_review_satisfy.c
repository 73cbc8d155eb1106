
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


static void ngx_http_plum_review_shared(ngx_conf_t *cf,
    ngx_http_plum_signature_t *clear, ngx_http_plum_signature_t *mac);


/*
 * A line makes a stronger one void if it alone is enough: then somebody must
 * have written "plum_satisfy any" where the lines are.  It does so, too, if it
 * sends the secret of the stronger one with each delivery.
 */

ngx_int_t
ngx_http_plum_review_satisfy(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i, k, n;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_signature_t  **signature;

    plcf = location->plcf;
    signature = plcf->signatures->elts;
    n = plcf->signatures->nelts;

    if (plcf->satisfy_outer && n > 1) {
        (void) ngx_http_plum_conf_error(cf, &signature[n - 1]->where,
                         "\"plum_satisfy any\" of an outer level would make "
                         "any of these \"plum_signature\" lines enough: "
                         "write \"plum_satisfy any\" or \"plum_satisfy all\" "
                         "beside them");
        return NGX_ERROR;
    }

    if (plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ANY) {
        return NGX_OK;
    }

    for (i = 0; i < n; i++) {

        if (signature[i]->scheme.kind == PLUM_SCHEME_MAC) {
            continue;
        }

        for (k = 0; k < n; k++) {
            if (signature[k]->scheme.kind == PLUM_SCHEME_MAC) {
                ngx_http_plum_review_shared(cf, signature[i], signature[k]);
            }
        }
    }

    return NGX_OK;
}


/* a key or token that comes with each delivery, and is a key of signatures */

static void
ngx_http_plum_review_shared(ngx_conf_t *cf, ngx_http_plum_signature_t *clear,
    ngx_http_plum_signature_t *mac)
{
    ngx_uint_t          i, k;
    ngx_plum_secret_t  *a, *b;

    for (i = 0; i < clear->nkeys; i++) {
        for (k = 0; k < mac->nkeys; k++) {

            a = clear->secrets[i];
            b = mac->secrets[k];

            if (b->public_key || !ngx_http_plum_same(&a->bytes, &b->bytes)) {
                continue;
            }

            ngx_http_plum_conf_warn(cf, &mac->where,
                             "scheme \"%*s\" sends the secret \"%V\" with "
                             "each delivery, so that who has seen one can "
                             "sign as scheme \"%*s\" does: use another "
                             "secret for one of them", clear->scheme.name.len,
                             clear->scheme.name.data, &a->label,
                             mac->scheme.name.len, mac->scheme.name.data);
            return;
        }
    }
}
