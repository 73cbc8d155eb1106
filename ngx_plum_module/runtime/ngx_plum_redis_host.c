
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


static char *ngx_plum_redis_host(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *url, in_port_t port);
static ngx_int_t ngx_plum_redis_host_text(ngx_pool_t *pool,
    ngx_plum_redis_host_t *host);
static void ngx_plum_redis_node_name(ngx_plum_redis_conn_t *from,
    const plum_node_t *node, ngx_str_t *name);
static void ngx_plum_redis_resolved(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_plum_redis_resolved_addrs(ngx_plum_redis_conn_t *conn,
    ngx_resolver_ctx_t *ctx);


/* hosts separated by commas, or one path of a socket */

char *
ngx_plum_redis_hosts(ngx_conf_t *cf, ngx_plum_redis_t *redis,
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

    redis->hosts = ngx_pcalloc(cf->pool, n * sizeof(ngx_plum_redis_host_t));
    if (redis->hosts == NULL) {
        return NGX_CONF_ERROR;
    }

    url.data = list->data;

    for ( ;; ) {
        p = port ? ngx_strlchr(url.data, last, ',') : NULL;
        url.len = (p ? p : last) - url.data;

        if (ngx_plum_redis_host(cf, redis, &url, port) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (p == NULL) {
            return NGX_CONF_OK;
        }

        url.data = p + 1;
    }
}


static char *
ngx_plum_redis_host(ngx_conf_t *cf, ngx_plum_redis_t *redis, ngx_str_t *url,
    in_port_t port)
{
    ngx_url_t               u;
    ngx_plum_redis_host_t  *host;

    host = &redis->hosts[redis->nhosts++];

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *url;
    u.default_port = port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"%V\" of plum store \"%V\"",
                           u.err ? u.err : "no memory", url,
                           &redis->store->name);
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
 * Names are asked for before each connection, where there is a resolver.
 * Without one they are looked up now: that blocks, which is allowed at
 * configuration time.
 */

char *
ngx_plum_redis_hosts_finish(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_resolver_t *resolver)
{
    ngx_url_t               u;
    ngx_uint_t              i;
    ngx_plum_redis_t       *redis;
    ngx_plum_redis_host_t  *host;

    redis = store->data;
    redis->resolver = resolver;

    for (i = 0; resolver == NULL && i < redis->nhosts; i++) {
        host = &redis->hosts[i];

        if (host->naddrs) {
            continue;
        }

        ngx_memzero(&u, sizeof(ngx_url_t));

        u.url = host->text;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s in \"%V\" of plum store \"%V\" in %V:%ui",
                          u.err ? u.err : "no memory", &host->text,
                          &store->name, &store->file, store->line);
            return NGX_CONF_ERROR;
        }

        host->addrs = u.addrs;
        host->naddrs = u.naddrs;
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


ngx_int_t
ngx_plum_redis_learn(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_conn_t *from, const plum_node_t *node)
{
    ngx_uint_t              i;
    ngx_pool_t             *pool;
    ngx_addr_t             *addr;
    ngx_plum_redis_host_t  *host, *known;

    pool = ngx_create_pool(512, &conn->redis->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    host = ngx_pcalloc(pool, sizeof(ngx_plum_redis_host_t));
    addr = ngx_pcalloc(pool, sizeof(ngx_addr_t));

    if (host == NULL || addr == NULL) {
        goto failed;
    }

    ngx_plum_redis_node_name(from, node, &host->name);
    host->port = node->port;

    if (ngx_plum_redis_host_text(pool, host) != NGX_OK) {
        goto failed;
    }

    if (host->ip) {
        if (ngx_parse_addr(pool, addr, host->name.data, host->name.len)
            != NGX_OK)
        {
            goto failed;
        }

        ngx_inet_set_port(addr->sockaddr, host->port);

        addr->name = host->text;
        host->addrs = addr;
        host->naddrs = 1;

    } else {

        /* a configured host has been looked up already */

        for (i = 0; i < conn->redis->nhosts; i++) {
            known = &conn->redis->hosts[i];

            if (known->text.len == host->text.len
                && ngx_strncasecmp(known->text.data, host->text.data,
                                   host->text.len)
                   == 0)
            {
                host->addrs = known->addrs;
                host->naddrs = known->naddrs;
            }
        }
    }

    if (conn->pool) {
        ngx_destroy_pool(conn->pool);
    }

    conn->pool = pool;
    conn->hosts = host;
    conn->nhosts = 1;
    conn->host = 0;
    conn->address = 0;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


ngx_uint_t
ngx_plum_redis_same(ngx_plum_redis_conn_t *conn, ngx_plum_redis_conn_t *from,
    const plum_node_t *node)
{
    ngx_str_t               name;
    ngx_plum_redis_host_t  *host;

    host = &conn->hosts[conn->host];

    ngx_plum_redis_node_name(from, node, &name);

    return host->port == node->port
           && host->name.len == name.len
           && ngx_strncasecmp(host->name.data, name.data, name.len) == 0;
}


static void
ngx_plum_redis_node_name(ngx_plum_redis_conn_t *from, const plum_node_t *node,
    ngx_str_t *name)
{
    if (node->host.len == 0) {
        *name = from->hosts[from->host].name;
        return;
    }

    name->data = (u_char *) (uintptr_t) node->host.data;
    name->len = node->host.len;
}


ngx_int_t
ngx_plum_redis_start_resolve(ngx_plum_redis_conn_t *conn)
{
    ngx_resolver_t         *resolver;
    ngx_resolver_ctx_t     *ctx;
    ngx_plum_redis_host_t  *host;

    host = &conn->hosts[conn->host];
    resolver = conn->redis->resolver;

    if (conn->address) {
        return NGX_OK;
    }

    conn->addrs = host->addrs;
    conn->naddrs = host->naddrs;

    if (conn->naddrs) {
        return NGX_OK;
    }

    if (resolver == NULL) {
        ngx_plum_redis_conn_lost(conn, 0, "its name needs a \"resolver\"");
        return NGX_ERROR;
    }

    ctx = ngx_resolve_start(resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_plum_redis_conn_lost(conn, 0, "its name could not be resolved");
        return NGX_ERROR;
    }

    ctx->name = host->name;
    ctx->handler = ngx_plum_redis_resolved;
    ctx->data = conn;
    ctx->timeout = conn->redis->timeout;

    /* the handler may be called from inside, and then step is NULL */

    conn->resolving = ctx;
    conn->step = NULL;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        conn->resolving = NULL;
    }

    conn->step = &ngx_plum_redis_steps[NGX_PLUM_REDIS_RESOLVE];

    if (conn->resolving) {
        return NGX_AGAIN;
    }

    if (conn->naddrs == 0) {
        ngx_plum_redis_conn_lost(conn, 0, "its name could not be resolved");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_plum_redis_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ctx->data;

    if (ctx->state != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, conn->reported ? &conn->mute : &conn->log,
                      0, "plum: \"%V\" could not be resolved (%i: %s)",
                      &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

    } else if (ngx_plum_redis_resolved_addrs(conn, ctx) != NGX_OK) {
        conn->naddrs = 0;
    }

    conn->resolving = NULL;

    ngx_resolve_name_done(ctx);

    if (conn->step == NULL) {
        return;
    }

    if (conn->naddrs == 0) {
        ngx_plum_redis_conn_lost(conn, 0, "its name could not be resolved");
        return;
    }

    conn->step++;
    ngx_plum_redis_conn_advance(conn);
}


static ngx_int_t
ngx_plum_redis_resolved_addrs(ngx_plum_redis_conn_t *conn,
    ngx_resolver_ctx_t *ctx)
{
    u_char           *p;
    ngx_uint_t        i;
    ngx_pool_t       *pool;
    ngx_addr_t       *addrs;
    struct sockaddr  *sockaddr;

    pool = ngx_create_pool(512, &conn->redis->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    addrs = ngx_pcalloc(pool, ctx->naddrs * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        goto failed;
    }

    for (i = 0; i < ctx->naddrs; i++) {
        sockaddr = ngx_palloc(pool, ctx->addrs[i].socklen);
        p = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

        if (sockaddr == NULL || p == NULL) {
            goto failed;
        }

        ngx_memcpy(sockaddr, ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);
        ngx_inet_set_port(sockaddr, conn->hosts[conn->host].port);

        addrs[i].sockaddr = sockaddr;
        addrs[i].socklen = ctx->addrs[i].socklen;
        addrs[i].name.data = p;
        addrs[i].name.len = ngx_sock_ntop(sockaddr, addrs[i].socklen, p,
                                          NGX_SOCKADDR_STRLEN, 1);
    }

    if (conn->resolved) {
        ngx_destroy_pool(conn->resolved);
    }

    conn->resolved = pool;
    conn->addrs = addrs;
    conn->naddrs = ctx->naddrs;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}
