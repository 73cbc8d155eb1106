
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


static ngx_int_t ngx_http_plum_head_json(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_head_identity(ngx_http_request_t *r);


ngx_int_t
ngx_http_plum_head(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    if (r->method != NGX_HTTP_POST) {
        ctx->reason = PLUM_REASON_METHOD;
        return NGX_DECLINED;
    }

    if (!ngx_http_plum_head_json(r)) {
        ctx->reason = PLUM_REASON_CONTENT_TYPE;
        return NGX_DECLINED;
    }

    /* signatures cover the bytes sent, and the projector reads plain JSON */

    if (!ngx_http_plum_head_identity(r)) {
        ctx->reason = PLUM_REASON_CONTENT_ENCODING;
        return NGX_DECLINED;
    }

    if (r->headers_in.content_length_n > ctx->plcf->body_limit) {
        ctx->reason = PLUM_REASON_BODY_TOO_LARGE;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* application/json, or a type with the suffix +json (RFC 6839), once */

static ngx_int_t
ngx_http_plum_head_json(ngx_http_request_t *r)
{
    u_char            *p, *last;
    size_t             len;
    plum_str_t         type;
    const plum_str_t   name = PLUM_STR("content-type");

    if (ngx_http_plum_find_header(r, &name, &type) != 1) {
        return 0;
    }

    p = (u_char *) type.data;
    last = p + type.len;

    while (p < last && *p != ';') {
        p++;
    }

    while (p > type.data && (p[-1] == ' ' || p[-1] == '\t')) {
        p--;
    }

    len = p - type.data;

    /* as nearly everybody spells it, or else in some other case */

    if (len == sizeof("application/json") - 1
        && (ngx_memcmp(type.data, "application/json", len) == 0
            || ngx_strncasecmp((u_char *) type.data,
                               (u_char *) "application/json", len)
               == 0))
    {
        return 1;
    }

    return len > sizeof("application/+json") - 1
           && ngx_strncasecmp((u_char *) type.data,
                              (u_char *) "application/", 12)
              == 0
           && ngx_strncasecmp(p - 5, (u_char *) "+json", 5) == 0;
}


static ngx_int_t
ngx_http_plum_head_identity(ngx_http_request_t *r)
{
    size_t            n;
    plum_str_t        coding;
    const plum_str_t  name = PLUM_STR("content-encoding");

    n = ngx_http_plum_find_header(r, &name, &coding);

    return n == 0
           || (n == 1
               && coding.len == sizeof("identity") - 1
               && ngx_strncasecmp((u_char *) coding.data,
                                  (u_char *) "identity", coding.len)
                  == 0);
}
