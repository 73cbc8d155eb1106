
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>


ngx_int_t
ngx_http_plum_probe(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    unsigned slot, ngx_str_t *value)
{
    const plum_value_t  *v;

    ngx_str_null(value);

    v = &ctx->probes[slot];

    if (v->kind == PLUM_VALUE_NONE) {
        return NGX_DECLINED;
    }

    /* a decoded string is never longer than the encoded one */

    value->data = ngx_pnalloc(r->pool,
                        ngx_min(v->raw.len, NGX_HTTP_PLUM_CAPTURE_MAX) + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    if (plum_value_decode(v, value->data,
                          ngx_min(v->raw.len, NGX_HTTP_PLUM_CAPTURE_MAX),
                          &value->len)
        != PLUM_OK)
    {
        value->len = 0;
        return NGX_DECLINED;
    }

    return NGX_OK;
}
