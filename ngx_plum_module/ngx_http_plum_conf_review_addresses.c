
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


ngx_uint_t
ngx_http_plum_review_addresses(ngx_conf_t *cf,
    ngx_http_plum_location_t *location,
    ngx_http_plum_review_address_pt handler)
{
    ngx_uint_t                  p, a, s, bits;
    ngx_http_conf_port_t       *port;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_srv_conf_t  **cscf;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    bits = 0;
    port = cmcf->ports->elts;

    for (p = 0; p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            cscf = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (cscf[s] == location->cscf) {
                    bits |= handler(cf, location, &addr[a]);
                    break;
                }
            }
        }
    }

    return bits;
}
