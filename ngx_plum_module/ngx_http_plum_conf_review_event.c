
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


static ngx_uint_t ngx_http_plum_review_covered(plum_scheme_t *scheme,
    ngx_http_plum_allowlist_t *list);


/* variables of the request line, which {uri} covers; "arg_" begins a name */

static ngx_str_t  ngx_http_plum_uri_variables[] = {
    ngx_string("request_uri"),
    ngx_string("args"),
    ngx_string("query_string"),
    ngx_null_string
};


/*
 * A type that no signature covers can be changed in a recorded delivery, which
 * then is stripped by other rules.  Where there is no signature, but a key or
 * a token, the body is not covered either: nothing is said.
 */

ngx_int_t
ngx_http_plum_review_event(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i, macs, covered;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_allowlist_t   *list;
    ngx_http_plum_signature_t  **signature;

    plcf = location->plcf;
    list = plcf->allowlist;

    if (list->event != NGX_HTTP_PLUM_EVENT_HEADER
        && list->event != NGX_HTTP_PLUM_EVENT_VARIABLE)
    {
        return NGX_OK;
    }

    macs = 0;
    covered = 0;
    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        if (signature[i]->scheme.kind != PLUM_SCHEME_MAC) {
            continue;
        }

        macs++;
        covered += ngx_http_plum_review_covered(&signature[i]->scheme, list);
    }

    if (covered == macs
        || (covered && plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ALL))
    {
        return NGX_OK;
    }

    ngx_http_plum_conf_warn(cf, &plcf->where,
             "%s signature %s \"%*s\", which is the event type of allowlist "
             "\"%V\": a recorded delivery can be sent again as another type",
             covered ? "not every" : "no",
             (list->event == NGX_HTTP_PLUM_EVENT_HEADER)
             ? "covers the header" : "is known to cover the variable",
             list->event_type.len, list->event_type.data, &list->name);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_plum_review_covered(plum_scheme_t *scheme,
    ngx_http_plum_allowlist_t *list)
{
    ngx_str_t    name, *uri;
    plum_str_t   header;

    header = list->event_type;

    if (list->event == NGX_HTTP_PLUM_EVENT_HEADER) {
        return plum_scheme_covers(scheme, &header);
    }

    name.data = (u_char *) list->event_type.data + 1;
    name.len = list->event_type.len - 1;

    if (name.len > 5 && ngx_strncmp(name.data, "http_", 5) == 0) {
        header.data = name.data + 5;
        header.len = name.len - 5;

        return plum_scheme_covers(scheme, &header);
    }

    if (name.len > 4 && ngx_strncmp(name.data, "arg_", 4) == 0) {
        return plum_scheme_covers_uri(scheme);
    }

    for (uri = ngx_http_plum_uri_variables; uri->len; uri++) {
        if (ngx_http_plum_same(uri, &name)) {
            return plum_scheme_covers_uri(scheme);
        }
    }

    return 0;
}
