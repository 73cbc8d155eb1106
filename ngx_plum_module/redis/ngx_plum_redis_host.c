
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


static char *ngx_plum_redis_host(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *url, in_port_t port);
static ngx_int_t ngx_plum_redis_host_text(ngx_pool_t *pool,
    ngx_plum_redis_host_t *host);
static ngx_int_t ngx_plum_redis_host_learned(
    const ngx_plum_redis_conf_t *conf, ngx_pool_t *pool,
    ngx_plum_redis_host_t *host);
static ngx_int_t ngx_plum_redis_host_addrs(ngx_pool_t *pool,
    ngx_plum_redis_host_t *host, const ngx_plum_redis_host_t *known);
static ngx_int_t ngx_plum_redis_addr(ngx_pool_t *pool, ngx_addr_t *addr,
    struct sockaddr *sockaddr, socklen_t socklen, in_port_t port);
static ngx_str_t ngx_plum_redis_node_name(const plum_host_t *node,
    const ngx_plum_redis_host_t *from);


/* hosts separated by commas, or one path of a socket */

char *
ngx_plum_redis_hosts(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *list, in_port_t port)
{
    u_char      *p, *last;
    ngx_str_t    url;
    ngx_uint_t   n;

    last = list->data + list->len;
    n = 1;

    for (p = list->data; port && p < last; p++) {
        if (*p == ',') {
            n++;
        }
    }

    conf->hosts = ngx_pcalloc(cf->pool, n * sizeof(ngx_plum_redis_host_t));
    if (conf->hosts == NULL) {
        return NGX_CONF_ERROR;
    }

    url.data = list->data;

    for ( ;; ) {
        p = port ? ngx_strlchr(url.data, last, ',') : NULL;
        url.len = (p ? p : last) - url.data;

        if (ngx_plum_redis_host(cf, conf, &url, port) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (p == NULL) {
            return NGX_CONF_OK;
        }

        url.data = p + 1;
    }
}


static char *
ngx_plum_redis_host(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *url, in_port_t port)
{
    ngx_url_t               u;
    ngx_plum_redis_host_t  *host;

    host = &conf->hosts[conf->nhosts++];

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *url;
    u.default_port = port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\" of %s \"%V\"",
                           u.err ? u.err : "no memory", url, conf->kind,
                           &conf->name);
        return NGX_CONF_ERROR;
    }

    host->addrs = u.addrs;
    host->naddrs = u.naddrs;

    if (port == 0) {
        host->local = 1;
        host->text = u.url;

        return NGX_CONF_OK;
    }

    host->port = u.port;
    host->name = u.host;

    if (host->name.len > 2 && host->name.data[0] == '[') {
        host->name.data++;
        host->name.len -= 2;
    }

    if (ngx_plum_redis_host_text(cf->pool, host) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * The system is asked now: that blocks, which is allowed at configuration time
 * only.  What it does not know may be known to the resolver, which is asked
 * before each connection.
 */

char *
ngx_plum_redis_resolve(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf)
{
    ngx_url_t               u;
    ngx_uint_t              i;
    ngx_plum_redis_host_t  *host;

    for (i = 0; i < conf->nhosts; i++) {
        host = &conf->hosts[i];

        if (host->naddrs) {
            continue;
        }

        ngx_memzero(&u, sizeof(ngx_url_t));

        u.url = host->text;

        if (ngx_parse_url(cf->pool, &u) == NGX_OK) {
            host->addrs = u.addrs;
            host->naddrs = u.naddrs;

        } else if (conf->resolver == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s in \"%V\" of %s \"%V\" in %V:%ui",
                          u.err ? u.err : "no memory", &host->text,
                          conf->kind, &conf->name, &conf->file, conf->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* sets name (a copy), ip and text; name and port are set */

static ngx_int_t
ngx_plum_redis_host_text(ngx_pool_t *pool, ngx_plum_redis_host_t *host)
{
    u_char      *p;
    ngx_addr_t   addr;

    host->ip = (ngx_parse_addr(pool, &addr, host->name.data, host->name.len)
                == NGX_OK);

    p = ngx_pnalloc(pool, 2 * host->name.len + sizeof("[]:65535") + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, host->name.data, host->name.len);
    p[host->name.len] = '\0';

    host->name.data = p;
    host->text.data = p + host->name.len + 1;

    p = host->text.data;

    if (ngx_strchr(host->name.data, ':')) {
        p = ngx_sprintf(p, "[%V]:%d", &host->name, (int) host->port);

    } else {
        p = ngx_sprintf(p, "%V:%d", &host->name, (int) host->port);
    }

    host->text.len = p - host->text.data;

    return NGX_OK;
}


ngx_plum_redis_host_t *
ngx_plum_redis_learn(const ngx_plum_redis_conf_t *conf,
    const plum_host_t *node, const ngx_plum_redis_host_t *from,
    ngx_pool_t **pool)
{
    ngx_plum_redis_host_t  *host;

    *pool = ngx_create_pool(512, ngx_cycle->log);
    if (*pool == NULL) {
        return NULL;
    }

    host = ngx_pcalloc(*pool, sizeof(ngx_plum_redis_host_t));

    if (host) {
        host->name = ngx_plum_redis_node_name(node, from);
        host->port = node->port;

        if (ngx_plum_redis_host_text(*pool, host) == NGX_OK
            && ngx_plum_redis_host_learned(conf, *pool, host) == NGX_OK)
        {
            return host;
        }
    }

    ngx_destroy_pool(*pool);
    *pool = NULL;

    return NULL;
}


static ngx_int_t
ngx_plum_redis_host_learned(const ngx_plum_redis_conf_t *conf,
    ngx_pool_t *pool, ngx_plum_redis_host_t *host)
{
    ngx_uint_t              i;
    ngx_addr_t             *addr;
    ngx_plum_redis_host_t  *known;

    if (host->ip) {
        addr = ngx_pcalloc(pool, sizeof(ngx_addr_t));

        if (addr == NULL
            || ngx_parse_addr(pool, addr, host->name.data, host->name.len)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_inet_set_port(addr->sockaddr, host->port);

        addr->name = host->text;
        host->addrs = addr;
        host->naddrs = 1;

        return NGX_OK;
    }

    /*
     * the system has been asked for the configured names; a node may have one
     * of them, and another port
     */

    for (i = 0; i < conf->nhosts; i++) {
        known = &conf->hosts[i];

        if (known->name.len == host->name.len
            && ngx_strncasecmp(known->name.data, host->name.data,
                               host->name.len)
               == 0)
        {
            return ngx_plum_redis_host_addrs(pool, host, known);
        }
    }

    return NGX_OK;
}


/* sets addrs and naddrs: those of a host of the same name, but its own port */

static ngx_int_t
ngx_plum_redis_host_addrs(ngx_pool_t *pool, ngx_plum_redis_host_t *host,
    const ngx_plum_redis_host_t *known)
{
    ngx_uint_t         i;
    const ngx_addr_t  *from;

    host->addrs = ngx_pcalloc(pool, known->naddrs * sizeof(ngx_addr_t));
    if (host->addrs == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < known->naddrs; i++) {
        from = &known->addrs[i];

        if (ngx_plum_redis_addr(pool, &host->addrs[i], from->sockaddr,
                                from->socklen, host->port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    host->naddrs = known->naddrs;

    return NGX_OK;
}


ngx_uint_t
ngx_plum_redis_same(const ngx_plum_redis_host_t *host,
    const plum_host_t *node, const ngx_plum_redis_host_t *from)
{
    ngx_str_t  name;

    name = ngx_plum_redis_node_name(node, from);

    return host->port == node->port
           && host->name.len == name.len
           && ngx_strncasecmp(host->name.data, name.data, name.len) == 0;
}


static ngx_str_t
ngx_plum_redis_node_name(const plum_host_t *node,
    const ngx_plum_redis_host_t *from)
{
    ngx_str_t  name;

    if (node->host.len == 0) {
        return from->name;
    }

    name.data = (u_char *) (uintptr_t) node->host.data;
    name.len = node->host.len;

    return name;
}


ngx_addr_t *
ngx_plum_redis_addrs(ngx_resolver_ctx_t *ctx,
    const ngx_plum_redis_host_t *host, ngx_uint_t *naddrs, ngx_pool_t **pool)
{
    ngx_uint_t   i;
    ngx_addr_t  *addrs;

    *pool = ngx_create_pool(512, ngx_cycle->log);
    if (*pool == NULL) {
        return NULL;
    }

    addrs = ngx_pcalloc(*pool, (ctx->naddrs + host->naddrs)
                               * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        ngx_destroy_pool(*pool);
        return NULL;
    }

    for (i = 0; i < ctx->naddrs; i++) {
        if (ngx_plum_redis_addr(*pool, &addrs[i], ctx->addrs[i].sockaddr,
                                ctx->addrs[i].socklen, host->port)
            != NGX_OK)
        {
            ngx_destroy_pool(*pool);
            return NULL;
        }
    }

    *naddrs = ctx->naddrs + host->naddrs;

    if (host->naddrs) {
        ngx_memcpy(&addrs[i], host->addrs,
                   host->naddrs * sizeof(ngx_addr_t));
    }

    return addrs;
}


static ngx_int_t
ngx_plum_redis_addr(ngx_pool_t *pool, ngx_addr_t *addr,
    struct sockaddr *sockaddr, socklen_t socklen, in_port_t port)
{
    addr->sockaddr = ngx_palloc(pool, socklen);
    addr->name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

    if (addr->sockaddr == NULL || addr->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, sockaddr, socklen);
    ngx_inet_set_port(addr->sockaddr, port);

    addr->socklen = socklen;
    addr->name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                   addr->name.data, NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}
