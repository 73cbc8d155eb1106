
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_stage.h>
#include <plum_media.h>
#include <plum_str.h>


static ngx_int_t ngx_http_plum_head_type(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_head_identity(ngx_http_request_t *r);


/* what is forwarded, without and with the charset */

static const ngx_str_t  ngx_http_plum_json[] = {
    ngx_string("application/json"),
    ngx_string("application/json; charset=utf-8")
};


ngx_int_t
ngx_http_plum_head(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    if (r->method != NGX_HTTP_POST) {
        ctx->reason = PLUM_REASON_METHOD;
        return NGX_DECLINED;
    }

    if (ngx_http_plum_head_type(r, ctx) != NGX_OK) {
        ctx->reason = PLUM_REASON_CONTENT_TYPE;
        return NGX_DECLINED;
    }

    /* signatures are over the bytes sent; the projector needs plain JSON */

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


/*
 * Checks that there is one media type, that the rules allow it, and that the
 * charset is UTF-8.  The Content-Type of the sender is not forwarded, so that
 * no consumer can interpret the clean body in another way than it was judged:
 * the type is JSON, or the one of plum_types, and the only parameter is the
 * charset.
 */

static ngx_int_t
ngx_http_plum_head_type(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    plum_str_t                   value;
    ngx_uint_t                   i, n, utf_8;
    plum_media_t                 media;
    ngx_http_plum_type_t        *type;
    const plum_str_t             name = PLUM_STR("content-type");

    if (ngx_http_plum_find_header(r, &name, &value) != 1
        || plum_media_parse(&value, &media) != PLUM_OK
        || media.charset == PLUM_CHARSET_OTHER)
    {
        return NGX_DECLINED;
    }

    utf_8 = (media.charset == PLUM_CHARSET_UTF_8);

    n = ctx->plcf->types ? ctx->plcf->types->nelts : 0;
    type = ctx->plcf->types ? ctx->plcf->types->elts : NULL;

    for (i = 0; i < n; i++) {
        if (plum_str_same(&type[i].name, &media.type)) {
            ctx->content_type = &type[i].forwarded[utf_8];
            return NGX_OK;
        }
    }

    ctx->content_type = &ngx_http_plum_json[utf_8];

    return plum_media_json(&media.type) ? NGX_OK : NGX_DECLINED;
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
