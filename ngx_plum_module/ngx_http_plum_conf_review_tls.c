
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


static void ngx_http_plum_review_listen(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_http_conf_addr_t *addr);
static ngx_uint_t ngx_http_plum_loopback(struct sockaddr *sa);
static void ngx_http_plum_review_protocols(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);


ngx_int_t
ngx_http_plum_review_tls(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    ngx_uint_t                  p, a, s;
    ngx_http_conf_port_t       *port;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_srv_conf_t  **cscf;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (p = 0; p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            cscf = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscf[s] == location->cscf) {
                    ngx_http_plum_review_listen(cf, location, &addr[a]);
                }
            }
        }
    }

    return NGX_OK;
}


static void
ngx_http_plum_review_listen(ngx_conf_t *cf, ngx_http_plum_location_t *location,
    ngx_http_conf_addr_t *addr)
{
    if (location->plcf->tls->minimum == 0) {

        if (!ngx_http_plum_loopback(addr->opt.sockaddr)) {
            ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                    "\"plum_tls off\" on a public listen");
        }

        return;
    }

    if (addr->opt.ssl && location->plcf->tls->version == NULL) {
        ngx_http_plum_review_protocols(cf, location);
    }
}


static ngx_uint_t
ngx_http_plum_loopback(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ? 1 : 0;
#endif

    default: /* AF_UNIX */
        return 1;
    }
}


static void
ngx_http_plum_review_protocols(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t               lower;
    ngx_http_ssl_srv_conf_t *sscf;

    sscf = location->cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    lower = NGX_SSL_SSLv2|NGX_SSL_SSLv3|NGX_SSL_TLSv1|NGX_SSL_TLSv1_1;

    if (location->plcf->tls->minimum == TLS1_3_VERSION) {
        lower |= NGX_SSL_TLSv1_2;
    }

    if (sscf->protocols & lower) {
        ngx_http_plum_conf_warn(cf, &location->plcf->where,
                                "\"ssl_protocols\" of the server allows less "
                                "than \"plum_tls\" demands");
    }
}
