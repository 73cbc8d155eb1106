
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


typedef struct {
    ngx_str_t  name;
    int        version;
} ngx_http_plum_tls_name_t;


static ngx_int_t ngx_http_plum_tls_connection(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_trusted(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_refuse(ngx_http_plum_ctx_t *ctx,
    plum_reason_t reason);


/* as $ssl_protocol and balancers spell them */

static const ngx_http_plum_tls_name_t  ngx_http_plum_tls_names[] = {
    { ngx_string("TLSv1.3"), TLS1_3_VERSION },
    { ngx_string("TLSv1.2"), TLS1_2_VERSION },
    { ngx_string("TLSv1.1"), TLS1_1_VERSION },
    { ngx_string("TLSv1"), TLS1_VERSION },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_http_plum_tls(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_str_t                   verify;
    const ngx_http_plum_tls_t  *tls;

    tls = ctx->plcf->tls;

    rc = tls->version ? ngx_http_plum_tls_trusted(r, ctx)
                      : ngx_http_plum_tls_connection(r, ctx);

    if (rc != NGX_OK || !tls->certificate) {
        return rc;
    }

    if (ngx_http_complex_value(r, tls->verify, &verify) != NGX_OK) {
        return NGX_ERROR;
    }

    if (verify.len != sizeof("SUCCESS") - 1
        || ngx_strncmp(verify.data, "SUCCESS", verify.len) != 0)
    {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_CLIENT_CERTIFICATE);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_tls_connection(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    int  minimum;

    minimum = ctx->plcf->tls->minimum;

    if (r->connection->ssl == NULL) {
        return minimum ? ngx_http_plum_tls_refuse(ctx,
                                                  PLUM_REASON_TLS_REQUIRED)
                       : NGX_OK;
    }

    ctx->tls_version.data = (u_char *)
                            SSL_get_version(r->connection->ssl->connection);
    ctx->tls_version.len = ngx_strlen(ctx->tls_version.data);

    if (minimum == 0) {
        return NGX_OK;
    }

    if (SSL_version(r->connection->ssl->connection) < minimum) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_TLS_VERSION);
    }

    if (!SSL_is_init_finished(r->connection->ssl->connection)) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_EARLY_DATA);
    }

    return NGX_OK;
}


/* TLS ends before us; what ended it says what it was */

static ngx_int_t
ngx_http_plum_tls_trusted(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_str_t                        value;
    plum_str_t                       text;
    const plum_str_t                 early = PLUM_STR("early-data");
    const ngx_http_plum_tls_name_t  *name;

    if (ngx_http_complex_value(r, ctx->plcf->tls->version, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (value.len == 0
        || (value.len == 1 && value.data[0] == '-'))
    {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_TLS_REQUIRED);
    }

    for (name = ngx_http_plum_tls_names; name->version; name++) {
        if (name->name.len == value.len
            && ngx_strncasecmp(name->name.data, value.data, value.len) == 0)
        {
            break;
        }
    }

    ctx->tls_version = value;

    if (name->version < ctx->plcf->tls->minimum) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_TLS_VERSION);
    }

    /* RFC 8470, section 5.1: set by what has accepted the early data */

    if (ngx_http_plum_find_header(r, &early, &text)) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_EARLY_DATA);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_tls_refuse(ngx_http_plum_ctx_t *ctx, plum_reason_t reason)
{
    ctx->reason = reason;

    return NGX_DECLINED;
}
