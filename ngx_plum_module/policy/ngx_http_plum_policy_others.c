
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>


/*
 * The structures below are those of modules of NGINX, which have no header.
 * They are as they are here from NGINX 1.22.1 on, up to the mainline of 2026;
 * t/plum_policy.t reads each of them back.
 */

typedef struct {
    in_addr_t                      mask;
    in_addr_t                      addr;
    ngx_uint_t                     deny;
} ngx_http_plum_access_t;

#if (NGX_HAVE_INET6)

typedef struct {
    struct in6_addr                addr;
    struct in6_addr                mask;
    ngx_uint_t                     deny;
} ngx_http_plum_access6_t;

#endif

typedef struct {
    ngx_array_t                   *rules;
#if (NGX_HAVE_INET6)
    ngx_array_t                   *rules6;
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
    ngx_array_t                   *rules_un;     /* ngx_uint_t: deny */
#endif
} ngx_http_plum_access_conf_t;

typedef struct {
    ngx_http_complex_value_t      *realm;
    ngx_http_complex_value_t      *user_file;
} ngx_http_plum_auth_basic_t;


typedef struct {
    const char                    *module;
    const char                    *name;
} ngx_http_plum_upstream_t;


static json_t *ngx_http_plum_policy_rules(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf);
static void ngx_http_plum_policy_rule(ngx_http_plum_policy_t *policy,
    json_t *rules, ngx_uint_t deny, int family, void *addr, void *mask);
static ngx_uint_t ngx_http_plum_policy_auth_basic(
    ngx_http_plum_policy_t *policy, ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_http_plum_policy_limits(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf, const char *name);
static json_t *ngx_http_plum_policy_addresses(ngx_http_plum_policy_t *policy,
    ngx_http_upstream_srv_conf_t *uscf);


/* modules whose configuration begins with an ngx_http_upstream_conf_t */

static const ngx_http_plum_upstream_t  ngx_http_plum_upstreams[] = {
    { "ngx_http_proxy_module", "proxy" },
    { "ngx_http_fastcgi_module", "fastcgi" },
    { "ngx_http_uwsgi_module", "uwsgi" },
    { "ngx_http_scgi_module", "scgi" },
    { "ngx_http_grpc_module", "grpc" },
    { "ngx_http_memcached_module", "memcached" },
    { NULL, NULL }
};


void *
ngx_http_plum_policy_conf(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    const char *name)
{
    ngx_uint_t      i;
    ngx_module_t  **modules;

    modules = cf->cycle->modules;

    for (i = 0; modules[i]; i++) {
        if (modules[i]->type == NGX_HTTP_MODULE
            && ngx_strcmp(modules[i]->name, name) == 0)
        {
            return clcf->loc_conf[modules[i]->ctx_index];
        }
    }

    return NULL;
}


void
ngx_http_plum_policy_access(ngx_http_plum_policy_t *policy, json_t *object,
    ngx_http_core_loc_conf_t *clcf)
{
    json_t     *access;
    ngx_str_t  *uri;

    access = json_object();

    ngx_http_plum_policy_set(policy, access, "rules",
                             ngx_http_plum_policy_rules(policy, clcf));
    ngx_http_plum_policy_set(policy, access, "satisfy",
                 json_string(clcf->satisfy == NGX_HTTP_SATISFY_ANY ? "any"
                                                                   : "all"));
    ngx_http_plum_policy_set(policy, access, "auth_basic",
                 json_boolean(ngx_http_plum_policy_auth_basic(policy, clcf)));

    /* its configuration begins with the URI, empty: off */

    uri = ngx_http_plum_policy_conf(policy->cf, clcf,
                                    "ngx_http_auth_request_module");

    ngx_http_plum_policy_set(policy, access, "auth_request",
                             (uri && uri->len) ? ngx_http_plum_policy_str(uri)
                                               : json_null());

    ngx_http_plum_policy_set(policy, access, "limit_req",
                     json_integer(ngx_http_plum_policy_limits(policy, clcf,
                                               "ngx_http_limit_req_module")));
    ngx_http_plum_policy_set(policy, access, "limit_conn",
                     json_integer(ngx_http_plum_policy_limits(policy, clcf,
                                              "ngx_http_limit_conn_module")));

    ngx_http_plum_policy_set(policy, object, "access", access);
}


/* in their order, but those of IPv4 before those of IPv6; "all" is of each */

static json_t *
ngx_http_plum_policy_rules(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf)
{
    json_t                       *rules;
    ngx_uint_t                    i, *deny;
    ngx_http_plum_access_t       *rule;
    ngx_http_plum_access_conf_t  *conf;
#if (NGX_HAVE_INET6)
    ngx_http_plum_access6_t      *rule6;
#endif

    rules = json_array();

    conf = ngx_http_plum_policy_conf(policy->cf, clcf,
                                     "ngx_http_access_module");
    if (conf == NULL) {
        return rules;
    }

    rule = conf->rules ? conf->rules->elts : NULL;

    for (i = 0; rule && i < conf->rules->nelts; i++) {
        ngx_http_plum_policy_rule(policy, rules, rule[i].deny, AF_INET,
                                  &rule[i].addr, &rule[i].mask);
    }

#if (NGX_HAVE_INET6)

    rule6 = conf->rules6 ? conf->rules6->elts : NULL;

    for (i = 0; rule6 && i < conf->rules6->nelts; i++) {
        ngx_http_plum_policy_rule(policy, rules, rule6[i].deny, AF_INET6,
                                  &rule6[i].addr, &rule6[i].mask);
    }

#endif

#if (NGX_HAVE_UNIX_DOMAIN)

    deny = conf->rules_un ? conf->rules_un->elts : NULL;

    for (i = 0; deny && i < conf->rules_un->nelts; i++) {
        ngx_http_plum_policy_push(policy, rules,
                              json_string(deny[i] ? "deny unix:"
                                                  : "allow unix:"));
    }

#endif

    return rules;
}


static void
ngx_http_plum_policy_rule(ngx_http_plum_policy_t *policy, json_t *rules,
    ngx_uint_t deny, int family, void *addr, void *mask)
{
    size_t      i, n;
    u_char      text[NGX_INET6_ADDRSTRLEN], line[128], *bits, *last;
    ngx_uint_t  prefix;

    n = (family == AF_INET) ? 4 : 16;
    bits = mask;
    prefix = 0;

    for (i = 0; i < n * 8; i++) {
        prefix += (bits[i / 8] >> (7 - i % 8)) & 1;
    }

    last = ngx_sprintf(line, "%s %*s/%ui", deny ? "deny" : "allow",
                       ngx_inet_ntop(family, addr, text, sizeof(text)), text,
                       prefix);

    ngx_http_plum_policy_push(policy, rules,
                              ngx_http_plum_policy_bytes(line, last - line));
}


static ngx_uint_t
ngx_http_plum_policy_auth_basic(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_plum_auth_basic_t  *conf;
    static ngx_str_t             off = ngx_string("off");

    conf = ngx_http_plum_policy_conf(policy->cf, clcf,
                                     "ngx_http_auth_basic_module");

    return conf && conf->realm && conf->user_file
           && !ngx_http_plum_same(&conf->realm->value, &off);
}


/* of limit_req and limit_conn, whose configurations begin with an array */

static ngx_uint_t
ngx_http_plum_policy_limits(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf, const char *name)
{
    ngx_array_t  *limits;

    limits = ngx_http_plum_policy_conf(policy->cf, clcf, name);

    return (limits && limits->elts) ? limits->nelts : 0;
}


json_t *
ngx_http_plum_policy_target(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf)
{
    json_t                          *target;
    ngx_http_plum_where_t            where;
    ngx_http_upstream_conf_t        *conf;
    ngx_http_upstream_srv_conf_t    *uscf;
    const ngx_http_plum_upstream_t  *upstream;

    /* an "if" block goes on with the handler of its location */

    if (clcf->handler == NULL && !clcf->noname) {
        return json_null();
    }

    uscf = NULL;

    for (upstream = ngx_http_plum_upstreams; upstream->module; upstream++) {
        conf = ngx_http_plum_policy_conf(policy->cf, clcf, upstream->module);

        if (conf && conf->upstream) {
            uscf = conf->upstream;
            break;
        }
    }

    if (uscf == NULL && clcf->handler == NULL) {
        return json_null();
    }

    target = json_object();

    if (uscf == NULL) {
        ngx_http_plum_policy_set(policy, target, "module", json_null());
        return target;
    }

    /* of an upstream{} block; the place of others is that of the directive */

    where.file.data = uscf->file_name;
    where.file.len = uscf->file_name ? ngx_strlen(uscf->file_name) : 0;
    where.line = uscf->file_name ? uscf->line : 0;

    ngx_http_plum_policy_set(policy, target, "module",
                             json_string(upstream->name));
    ngx_http_plum_policy_set(policy, target, "upstream",
                             ngx_http_plum_policy_str(&uscf->host));
    ngx_http_plum_policy_set(policy, target, "at",
                             ngx_http_plum_policy_where(&where));
    ngx_http_plum_policy_set(policy, target, "addresses",
                             ngx_http_plum_policy_addresses(policy, uscf));

    return target;
}


static json_t *
ngx_http_plum_policy_addresses(ngx_http_plum_policy_t *policy,
    ngx_http_upstream_srv_conf_t *uscf)
{
    u_char                      *p, *last;
    json_t                      *addresses;
    ngx_uint_t                   i, k;
    ngx_http_upstream_server_t  *server;

    addresses = json_array();

    if (uscf->servers) {
        server = uscf->servers->elts;

        for (i = 0; i < uscf->servers->nelts; i++) {
            for (k = 0; k < server[i].naddrs; k++) {
                ngx_http_plum_policy_push(policy, addresses,
                        ngx_http_plum_policy_str(&server[i].addrs[k].name));
            }
        }

        return addresses;
    }

    /* what stands in the directive itself; no port: a unix socket */

    p = malloc(uscf->host.len + 1 + NGX_INT_T_LEN);
    if (p == NULL) {
        policy->failed = 1;
        return addresses;
    }

    last = uscf->port ? ngx_sprintf(p, "%V:%d", &uscf->host, (int) uscf->port)
                      : ngx_sprintf(p, "%V", &uscf->host);

    ngx_http_plum_policy_push(policy, addresses,
                              ngx_http_plum_policy_bytes(p, last - p));
    free(p);

    return addresses;
}
