
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_compat.h>


typedef struct {
    ngx_uint_t    bit;
    const char   *name;
} ngx_http_plum_protocol_t;


static json_t *ngx_http_plum_policy_names(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf);
static json_t *ngx_http_plum_policy_modifier(ngx_http_core_loc_conf_t *clcf);
static json_t *ngx_http_plum_policy_listens(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf);
static json_t *ngx_http_plum_policy_listen(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf, ngx_http_conf_addr_t *addr);
static json_t *ngx_http_plum_policy_ssl(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf);


static const ngx_http_plum_protocol_t  ngx_http_plum_protocols[] = {
    { NGX_SSL_SSLv2, "SSLv2" },
    { NGX_SSL_SSLv3, "SSLv3" },
    { NGX_SSL_TLSv1, "TLSv1" },
    { NGX_SSL_TLSv1_1, "TLSv1.1" },
    { NGX_SSL_TLSv1_2, "TLSv1.2" },
    { NGX_SSL_TLSv1_3, "TLSv1.3" },
    { 0, NULL }
};


/* ssl_verify_client, as NGINX counts it */

static const char  *ngx_http_plum_verify[] = {
    "off", "on", "optional", "optional_no_ca"
};


void
ngx_http_plum_policy_place(ngx_http_plum_policy_t *policy, json_t *object,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_plum_loc_conf_t  *plcf, *server;

    plcf = clcf->loc_conf[ngx_http_plum_module.ctx_index];
    server = cscf->ctx->loc_conf[ngx_http_plum_module.ctx_index];

    ngx_http_plum_policy_set(policy, object, "server",
                             ngx_http_plum_policy_names(policy, cscf));
    ngx_http_plum_policy_set(policy, object, "server_at",
                             ngx_http_plum_policy_where(&server->block));
    ngx_http_plum_policy_set(policy, object, "modifier",
                             ngx_http_plum_policy_modifier(clcf));
    ngx_http_plum_policy_set(policy, object, "location",
                             ngx_http_plum_policy_str(&clcf->name));
    ngx_http_plum_policy_set(policy, object, "location_at",
                             ngx_http_plum_policy_where(&plcf->block));

    /* of "if" and "limit_except", which have the name of their location */

    ngx_http_plum_policy_set(policy, object, "inner",
                             json_boolean(clcf->noname));
}


static json_t *
ngx_http_plum_policy_names(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf)
{
    json_t                  *names;
    ngx_uint_t               i;
    ngx_http_server_name_t  *name;

    names = json_array();
    name = cscf->server_names.elts;

    for (i = 0; i < cscf->server_names.nelts; i++) {
        if (name[i].name.len) {
            ngx_http_plum_policy_push(policy, names,
                                      ngx_http_plum_policy_str(&name[i].name));
        }
    }

    return names;
}


static json_t *
ngx_http_plum_policy_modifier(ngx_http_core_loc_conf_t *clcf)
{
#if (NGX_PCRE)
    if (clcf->regex) {
        return json_string("~");
    }
#endif

    return json_string(clcf->exact_match ? "="
                       : clcf->noregex ? "^~" : "");
}


void
ngx_http_plum_policy_caller(ngx_http_plum_policy_t *policy, json_t *object,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_plum_policy_set(policy, object, "listens",
                             ngx_http_plum_policy_listens(policy, cscf));
    ngx_http_plum_policy_set(policy, object, "ssl",
                             ngx_http_plum_policy_ssl(policy, cscf));

    ngx_http_plum_policy_access(policy, object, clcf);
}


static json_t *
ngx_http_plum_policy_listens(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf)
{
    json_t                     *listens;
    ngx_uint_t                  p, a, s;
    ngx_http_conf_port_t       *port;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_srv_conf_t  **servers;
    ngx_http_core_main_conf_t  *cmcf;

    listens = json_array();

    cmcf = ngx_http_conf_get_module_main_conf(policy->cf,
                                              ngx_http_core_module);
    if (cmcf->ports == NULL) {
        return listens;
    }

    port = cmcf->ports->elts;

    for (p = 0; p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            servers = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {
                if (servers[s] == cscf) {
                    ngx_http_plum_policy_push(policy, listens,
                         ngx_http_plum_policy_listen(policy, cscf, &addr[a]));
                    break;
                }
            }
        }
    }

    return listens;
}


static json_t *
ngx_http_plum_policy_listen(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf, ngx_http_conf_addr_t *addr)
{
    json_t  *listen;

    listen = json_object();

    ngx_http_plum_policy_set(policy, listen, "address",
                             ngx_http_plum_policy_str(&addr->opt.addr_text));
    ngx_http_plum_policy_set(policy, listen, "loopback",
                  json_boolean(ngx_http_plum_loopback(addr->opt.sockaddr)));
    ngx_http_plum_policy_set(policy, listen, "tls",
                             json_boolean(ngx_http_plum_secure(addr)));
    ngx_http_plum_policy_set(policy, listen, "proxy_protocol",
                             json_boolean(addr->opt.proxy_protocol));
    ngx_http_plum_policy_set(policy, listen, "default",
                             json_boolean(addr->default_server == cscf));

    return listen;
}


ngx_uint_t
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


static json_t *
ngx_http_plum_policy_ssl(ngx_http_plum_policy_t *policy,
    ngx_http_core_srv_conf_t *cscf)
{
    json_t                          *ssl, *protocols;
    ngx_uint_t                       verify;
    ngx_http_ssl_srv_conf_t         *sscf;
    const ngx_http_plum_protocol_t  *protocol;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    protocols = json_array();

    for (protocol = ngx_http_plum_protocols; protocol->bit; protocol++) {
        if (sscf->protocols & protocol->bit) {
            ngx_http_plum_policy_push(policy, protocols,
                                      json_string(protocol->name));
        }
    }

    verify = sscf->verify;

    if (verify >= sizeof(ngx_http_plum_verify) / sizeof(char *)) {
        verify = 0;
    }

    ssl = json_object();

    ngx_http_plum_policy_set(policy, ssl, "protocols", protocols);
    ngx_http_plum_policy_set(policy, ssl, "verify",
                             json_string(ngx_http_plum_verify[verify]));

    return ssl;
}
