
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_headers.h>


ngx_int_t
ngx_http_plum_event_type(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *type)
{
    const ngx_http_plum_loc_conf_t  *plcf;

    plcf = ctx->plcf;

    *type = ctx->event_type;

    if (plcf->allowlist->event == NGX_HTTP_PLUM_EVENT_PATH
        && ctx->probes[plcf->event_slot].kind == PLUM_VALUE_STRING
        && ngx_http_plum_probe(r, ctx, plcf->event_slot, type) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a header that comes twice says nothing: the consumer may read the other */

ngx_int_t
ngx_http_plum_event_outside(ngx_http_request_t *r,
    const ngx_http_plum_allowlist_t *list, ngx_str_t *type)
{
    plum_str_t  value;

    ngx_str_null(type);

    if (list->event == NGX_HTTP_PLUM_EVENT_VARIABLE) {
        return ngx_http_complex_value(r, list->event_value, type);
    }

    if (list->event == NGX_HTTP_PLUM_EVENT_HEADER
        && ngx_http_plum_find_header(r, &list->event_type, &value) == 1)
    {
        type->data = (u_char *) value.data;
        type->len = value.len;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_plum_event_matches(const plum_str_t *events, ngx_uint_t nevents,
    const ngx_str_t *type)
{
    size_t             len;
    ngx_uint_t         i;
    const plum_str_t  *event;

    for (i = 0; i < nevents; i++) {
        event = &events[i];
        len = event->len;

        if (event->data[len - 1] == '*') {
            len--;

        } else if (type->len != len) {
            continue;
        }

        if (type->len && type->len >= len
            && ngx_memcmp(type->data, event->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
