
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_compat.h>
#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_review.h>


static ngx_uint_t ngx_http_plum_review_listen(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_http_conf_addr_t *addr);
static void ngx_http_plum_review_protocols(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);
static void ngx_http_plum_review_version(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_uint_t secure);
static void ngx_http_plum_review_certificate(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_uint_t secure);


ngx_int_t
ngx_http_plum_review_tls(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    ngx_uint_t  secure;

    secure = ngx_http_plum_review_addresses(cf, location,
                                            ngx_http_plum_review_listen);

    ngx_http_plum_review_version(cf, location, secure);
    ngx_http_plum_review_certificate(cf, location, secure);

    return NGX_OK;
}


/* whether the address has TLS */

static ngx_uint_t
ngx_http_plum_review_listen(ngx_conf_t *cf, ngx_http_plum_location_t *location,
    ngx_http_conf_addr_t *addr)
{
    ngx_uint_t  secure;

    secure = ngx_http_plum_secure(addr) ? 1 : 0;

    if (location->plcf->tls->minimum == 0) {

        if (!ngx_http_plum_loopback(addr->opt.sockaddr)) {
            ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                    "\"plum_tls off\" on a public listen");
        }

    } else if (secure && location->plcf->tls->version == NULL) {
        ngx_http_plum_review_protocols(cf, location);
    }

    return secure;
}


static void
ngx_http_plum_review_protocols(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                lower, enough;
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = location->cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    lower = NGX_SSL_SSLv2|NGX_SSL_SSLv3|NGX_SSL_TLSv1|NGX_SSL_TLSv1_1;
    enough = NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3;

    if (location->plcf->tls->minimum == TLS1_3_VERSION) {
        lower |= NGX_SSL_TLSv1_2;
        enough = NGX_SSL_TLSv1_3;
    }

    if (!(sscf->protocols & enough)) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"ssl_protocols\" of the server allows "
                                "nothing that \"plum_tls\" demands: every "
                                "delivery is refused");

    } else if (sscf->protocols & lower) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"ssl_protocols\" of the server allows less "
                                "than \"plum_tls\" demands");
    }
}


static void
ngx_http_plum_review_version(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_uint_t secure)
{
    ngx_http_plum_tls_t  *tls;

    tls = location->plcf->tls;

    if (tls->minimum && tls->version == NULL && !secure) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"plum_tls\" demands TLS, and no \"listen\" "
                                "of the server has it: every delivery is "
                                "refused; write \"listen ... ssl\", or "
                                "\"version=\" where a balancer ends TLS, or "
                                "\"plum_tls off\"");
    }
}


static void
ngx_http_plum_review_certificate(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_uint_t secure)
{
    ngx_http_plum_tls_t      *tls;
    ngx_http_ssl_srv_conf_t  *sscf;

    tls = location->plcf->tls;
    sscf = location->cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (!tls->connection || (!secure && !tls->version)) {
        return;
    }

    if (!secure) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"client_certificate\" of \"plum_tls\" is "
                                "that of the connection, and no \"listen\" of "
                                "the server has TLS: every delivery is "
                                "refused; write \"client_certificate="
                                "$variable\" where a balancer verifies it");

    } else if (sscf->ssl.ctx == NULL) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"plum_tls\" demands a client certificate, "
                                "and the server has no \"ssl_certificate\" of "
                                "its own, so that another server does the TLS "
                                "handshakes: every delivery is refused");

    } else if (!sscf->verify) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"plum_tls\" demands a client certificate, "
                                "and the server does not ask for one: every "
                                "delivery is refused; write "
                                "\"ssl_verify_client optional\"");

    } else if (sscf->client_certificate.len == 0
               && sscf->trusted_certificate.len == 0)
    {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"plum_tls\" demands a client certificate, "
                                "and the server has no "
                                "\"ssl_client_certificate\" and no "
                                "\"ssl_trusted_certificate\" to verify it by: "
                                "every delivery is refused");
    }
}
