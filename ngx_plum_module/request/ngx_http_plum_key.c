
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>


ngx_int_t
ngx_http_plum_key(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *record)
{
    u_char                    *p;
    ngx_str_t                  value;
    ngx_uint_t                 i, n;
    plum_str_t                *part;
    ngx_http_complex_value_t  *cv;

    cv = ctx->plcf->key->elts;
    n = ctx->plcf->key->nelts;

    part = ngx_palloc(r->pool, n * sizeof(plum_str_t));
    p = ngx_pnalloc(r->pool, PLUM_RECORD_MAX);

    if (part == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ctx->key.data = ngx_cpymem(p, ctx->plcf->owner, PLUM_OWNER_LEN);

    for (i = 0; i < n; i++) {
        if (ngx_http_complex_value(r, &cv[i], &value) != NGX_OK) {
            return NGX_ERROR;
        }

        part[i].data = value.data;
        part[i].len = value.len;
    }

    if (plum_key_join(part, n, ctx->key.data, &ctx->key.len) != PLUM_OK) {
        ctx->key.len = 0;
        ctx->reason = PLUM_REASON_KEY_MISSING;
        return NGX_DECLINED;
    }

    record->data = p;
    record->len = PLUM_OWNER_LEN + ctx->key.len;

    return NGX_OK;
}
