
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


/*
 * NGINX reads headers by the rules of the server that it knows at that moment:
 * the default server of the address or the one that SNI names, until Host has
 * been read.  So any server of an address can let headers in for the others.
 */


static ngx_uint_t ngx_http_plum_review_address(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_http_conf_addr_t *addr);
static void ngx_http_plum_review_names(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);
static void ngx_http_plum_review_name(ngx_conf_t *cf,
    ngx_http_plum_where_t *where, const plum_str_t *name);


ngx_int_t
ngx_http_plum_review_headers(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t  let_in;

    let_in = ngx_http_plum_review_addresses(cf, location,
                                            ngx_http_plum_review_address);

    if (!let_in) {
        ngx_http_plum_review_names(cf, location);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_plum_review_address(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_http_conf_addr_t *addr)
{
    ngx_uint_t                  s, let_in;
    ngx_http_core_srv_conf_t  **cscf;

    let_in = 0;
    cscf = addr->servers.elts;

    for (s = 0; s < addr->servers.nelts; s++) {

        if (cscf[s]->underscores_in_headers) {
            let_in = 1;
            ngx_http_plum_conf_warn(cf, &location->plcf->where,
                     "\"underscores_in_headers on\" of a server on this "
                     "address lets in X_Name beside X-Name, which upstreams "
                     "may not tell apart: turn it off, unless the sender "
                     "needs it");
        }

        if (!cscf[s]->ignore_invalid_headers) {
            let_in = 1;
            ngx_http_plum_conf_warn(cf, &location->plcf->where,
                     "\"ignore_invalid_headers off\" of a server on this "
                     "address lets in X_Name beside X-Name, which upstreams "
                     "may not tell apart: turn it on, unless the sender "
                     "needs it off");
        }
    }

    return let_in;
}


/* headers that the rules of the location need and NGINX drops */

static void
ngx_http_plum_review_names(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    size_t                       n;
    ngx_uint_t                   i;
    const plum_str_t            *name;
    ngx_http_plum_allowlist_t   *list;
    ngx_http_plum_signature_t  **signature;

    list = location->plcf->allowlist;

    if (list->event == NGX_HTTP_PLUM_EVENT_HEADER) {
        ngx_http_plum_review_name(cf, &list->where, &list->event_type);
    }

    signature = location->plcf->signatures->elts;

    for (i = 0; i < location->plcf->signatures->nelts; i++) {

        for (n = 0; /* void */ ; n++) {
            name = plum_scheme_reads(&signature[i]->scheme, n);

            if (name == NULL) {
                break;
            }

            ngx_http_plum_review_name(cf, &signature[i]->where, name);
        }
    }
}


static void
ngx_http_plum_review_name(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const plum_str_t *name)
{
    if (memchr(name->data, '_', name->len)) {
        ngx_http_plum_conf_warn(cf, where,
                 "NGINX drops the header \"%*s\", so that every delivery is "
                 "refused: write it with \"-\", or set "
                 "\"underscores_in_headers on\" in the server",
                 name->len, name->data);
    }
}
