
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_certificate.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_stage.h>


typedef struct {
    ngx_str_t  name;
    int        version;
} ngx_http_plum_tls_name_t;


static ngx_int_t ngx_http_plum_tls_connection(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_trusted(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_early_data(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_certificate(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_tls_refuse(ngx_http_plum_ctx_t *ctx,
    plum_reason_t reason);


/* spelled as in $ssl_protocol and by load balancers */

static const ngx_http_plum_tls_name_t  ngx_http_plum_tls_names[] = {
    { ngx_string("TLSv1.3"), TLS1_3_VERSION },
    { ngx_string("TLSv1.2"), TLS1_2_VERSION },
    { ngx_string("TLSv1.1"), TLS1_1_VERSION },
    { ngx_string("TLSv1"), TLS1_VERSION },
    { ngx_null_string, 0 }
};


/*
 * May be called again for the same request: the handshake may have finished
 * meanwhile.  Nothing else that is checked here changes while a request waits.
 */

ngx_int_t
ngx_http_plum_tls(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ctx->plcf->tls->version ? ngx_http_plum_tls_trusted(r, ctx)
                                 : ngx_http_plum_tls_connection(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_plum_tls_early_data(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_plum_tls_certificate(r, ctx);
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

    if (SSL_version(r->connection->ssl->connection) < minimum) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_TLS_VERSION);
    }

    return NGX_OK;
}


/* a proxy has terminated TLS, and reports the version in a variable */

static ngx_int_t
ngx_http_plum_tls_trusted(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_str_t                        value;
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

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_tls_early_data(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    plum_str_t        value;
    const plum_str_t  early = PLUM_STR("early-data");

    /*
     * Early-Data, RFC 8470, section 5.1: set by a proxy that has forwarded the
     * request before the handshake of its client was complete.  Any value, and
     * more than one header, mean the same.
     */

    if (ngx_http_plum_find_header(r, &early, &value)) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_EARLY_DATA);
    }

    /* a client that has completed the handshake is no replay */

    if (ctx->plcf->tls->minimum
        && r->connection->ssl
        && !SSL_is_init_finished(r->connection->ssl->connection))
    {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_EARLY_DATA);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_tls_certificate(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                       rc;
    ngx_str_t                       verify;
    const ngx_http_plum_loc_conf_t *plcf;

    plcf = ctx->plcf;

    if (plcf->tls->verify) {

        if (ngx_http_complex_value(r, plcf->tls->verify, &verify) != NGX_OK) {
            return NGX_ERROR;
        }

        if (verify.len != sizeof("SUCCESS") - 1
            || ngx_strncmp(verify.data, "SUCCESS", verify.len) != 0)
        {
            return ngx_http_plum_tls_refuse(ctx,
                                            PLUM_REASON_CLIENT_CERTIFICATE);
        }
    }

    if (plcf->certificate == NULL) {
        return NGX_OK;
    }

    rc = ngx_http_plum_certificate(r, plcf->certificate,
                                   plcf->tls->connection);

    if (rc == NGX_DECLINED) {
        return ngx_http_plum_tls_refuse(ctx, PLUM_REASON_CLIENT_CERTIFICATE);
    }

    return rc;
}


static ngx_int_t
ngx_http_plum_tls_refuse(ngx_http_plum_ctx_t *ctx, plum_reason_t reason)
{
    ctx->reason = reason;

    return NGX_DECLINED;
}
