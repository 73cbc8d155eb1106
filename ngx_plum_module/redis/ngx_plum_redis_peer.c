
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


/*
 * TCP keepalive.  The defaults of the system are hours.  With these values a
 * load balancer or a NAT with an idle timeout sees traffic in time, and a host
 * that is gone is noticed.
 */

#define NGX_PLUM_REDIS_KEEPIDLE   30     /* s */
#define NGX_PLUM_REDIS_KEEPINTVL  10     /* s */
#define NGX_PLUM_REDIS_KEEPCNT    3


static ngx_int_t ngx_plum_redis_peer_resolve(ngx_plum_redis_peer_t *peer);
static ngx_int_t ngx_plum_redis_peer_tcp(ngx_plum_redis_peer_t *peer);
static ngx_int_t ngx_plum_redis_peer_options(ngx_plum_redis_peer_t *peer);
static ngx_int_t ngx_plum_redis_peer_tls(ngx_plum_redis_peer_t *peer);
static void ngx_plum_redis_peer_advance(ngx_plum_redis_peer_t *peer);
static void ngx_plum_redis_peer_end(ngx_plum_redis_peer_t *peer,
    ngx_err_t err, const char *text);
static void ngx_plum_redis_peer_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_plum_redis_peer_read(ngx_event_t *rev);
static void ngx_plum_redis_peer_write(ngx_event_t *wev);
static ngx_int_t ngx_plum_redis_peer_connected(ngx_connection_t *c,
    ngx_err_t *err);
static void ngx_plum_redis_peer_handshaked(ngx_connection_t *c);
static void ngx_plum_redis_peer_timer(ngx_event_t *ev);


/*
 * start() begins a step.  NGX_OK: go on with the next step; NGX_AGAIN: wait for
 * an event, at most for the timeout; NGX_ERROR: peer->text says what failed.
 */

typedef struct ngx_plum_redis_step_s  ngx_plum_redis_step_t;

struct ngx_plum_redis_step_s {
    char                 *action;        /* of the log: "while ..." */
    ngx_int_t           (*start)(ngx_plum_redis_peer_t *peer);
};


static const ngx_plum_redis_step_t  ngx_plum_redis_steps[] = {
    { "resolving", ngx_plum_redis_peer_resolve },
    { "connecting", ngx_plum_redis_peer_tcp },
    { "connecting", ngx_plum_redis_peer_options },
    { "TLS handshaking", ngx_plum_redis_peer_tls },
    { NULL, NULL }
};


void
ngx_plum_redis_peer_init(ngx_plum_redis_peer_t *peer,
    const ngx_plum_redis_conf_t *conf, ngx_plum_redis_peer_pt handler)
{
    peer->conf = conf;
    peer->handler = handler;

    peer->fake.fd = (ngx_socket_t) -1;
    peer->fake.data = peer;

    peer->timer.handler = ngx_plum_redis_peer_timer;
    peer->timer.data = &peer->fake;
    peer->timer.cancelable = 1;
}


void
ngx_plum_redis_peer_connect(ngx_plum_redis_peer_t *peer,
    ngx_plum_redis_host_t *host, ngx_uint_t learned, ngx_log_t *log)
{
    peer->host = host;
    peer->learned = learned;
    peer->log = log;
    peer->timer.log = log;
    peer->step = ngx_plum_redis_steps;

    ngx_plum_redis_peer_advance(peer);
}


static void
ngx_plum_redis_peer_advance(ngx_plum_redis_peer_t *peer)
{
    ngx_int_t  rc;

    for ( /* void */ ; peer->step->start; peer->step++) {

        rc = peer->step->start(peer);

        if (rc == NGX_AGAIN) {

            /* ngx_add_timer() does not move a timer that is set by a little */

            if (peer->timer.timer_set) {
                ngx_del_timer(&peer->timer);
            }

            ngx_add_timer(&peer->timer, peer->conf->timeout);
            return;
        }

        if (rc != NGX_OK) {
            ngx_plum_redis_peer_end(peer, 0, peer->text);
            return;
        }
    }

    ngx_plum_redis_peer_end(peer, 0, NULL);
}


static void
ngx_plum_redis_peer_end(ngx_plum_redis_peer_t *peer, ngx_err_t err,
    const char *text)
{
    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    peer->handler(peer, err, text);
}


char *
ngx_plum_redis_peer_action(ngx_plum_redis_peer_t *peer)
{
    return peer->step ? peer->step->action : NULL;
}


static ngx_int_t
ngx_plum_redis_peer_resolve(ngx_plum_redis_peer_t *peer)
{
    ngx_resolver_ctx_t  *ctx;

    if (peer->address) {

        /* the host has been resolved: this is another address of it */

        return NGX_OK;
    }

    peer->addrs = peer->host->addrs;
    peer->naddrs = peer->host->naddrs;

    if (peer->host->ip || peer->host->local) {
        return NGX_OK;
    }

    peer->text = "its name could not be resolved";

    if (peer->conf->resolver == NULL) {
        peer->text = "its name needs a \"resolver\"";
        return peer->naddrs ? NGX_OK : NGX_ERROR;
    }

    ctx = ngx_resolve_start(peer->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return peer->naddrs ? NGX_OK : NGX_ERROR;
    }

    ctx->name = peer->host->name;
    ctx->handler = ngx_plum_redis_peer_resolved;
    ctx->data = peer;

    /* calls wait, and there are the addresses that the system found */

    ctx->timeout = peer->naddrs ? peer->conf->timeout / 4 + 1
                                : peer->conf->timeout;

    /* ngx_resolve_name() may call the handler */

    peer->resolving = ctx;
    peer->inside = 1;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        peer->resolving = NULL;
    }

    peer->inside = 0;

    if (peer->resolving) {
        return NGX_AGAIN;
    }

    return peer->naddrs ? NGX_OK : NGX_ERROR;
}


static void
ngx_plum_redis_peer_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t              level, naddrs;
    ngx_addr_t             *addrs;
    ngx_pool_t             *pool;
    ngx_plum_redis_peer_t  *peer;

    peer = ctx->data;

    if (ctx->state != NGX_OK) {
        level = peer->naddrs ? NGX_LOG_INFO : NGX_LOG_WARN;

        ngx_log_error(level, peer->log, 0,
                      "plum: \"%V\" could not be resolved (%i: %s)",
                      &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

    } else {
        addrs = ngx_plum_redis_addrs(ctx, peer->host, &naddrs, &pool);

        if (addrs) {
            if (peer->resolved) {
                ngx_destroy_pool(peer->resolved);
            }

            peer->resolved = pool;
            peer->addrs = addrs;
            peer->naddrs = naddrs;
        }
    }

    peer->resolving = NULL;

    ngx_resolve_name_done(ctx);

    if (peer->inside) {
        return;
    }

    if (peer->naddrs == 0) {
        ngx_plum_redis_peer_end(peer, 0, peer->text);
        return;
    }

    peer->step++;
    ngx_plum_redis_peer_advance(peer);
}


static ngx_int_t
ngx_plum_redis_peer_tcp(ngx_plum_redis_peer_t *peer)
{
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    addr = &peer->addrs[peer->address];
    pc = &peer->peer;

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &addr->name;
    pc->get = ngx_event_get_peer;
    pc->log = peer->log;
    pc->log_error = NGX_ERROR_ERR;
    pc->so_keepalive = !peer->host->local;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, peer->log, 0,
                   "plum redis connect to %V", &addr->name);

    peer->text = "connect() failed";

    rc = ngx_event_connect_peer(pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return NGX_ERROR;
    }

    c = pc->connection;
    peer->connection = c;

    c->data = peer;
    c->log = peer->log;
    /* the loss is logged once, not for each recv() that fails */
    c->log_error = NGX_ERROR_INFO;
    c->read->handler = ngx_plum_redis_peer_read;
    c->write->handler = ngx_plum_redis_peer_write;

    c->pool = ngx_create_pool(512, peer->log);
    if (c->pool == NULL) {
        peer->text = "no memory";
        return NGX_ERROR;
    }

    return rc;
}


static void
ngx_plum_redis_peer_read(ngx_event_t *rev)
{
    /* the write event says whether the connection is made */
}


static void
ngx_plum_redis_peer_write(ngx_event_t *wev)
{
    ngx_err_t               err;
    ngx_connection_t       *c;
    ngx_plum_redis_peer_t  *peer;

    c = wev->data;
    peer = c->data;

    if (ngx_plum_redis_peer_connected(c, &err) != NGX_OK) {
        ngx_plum_redis_peer_end(peer, err, peer->text);
        return;
    }

    peer->step++;
    ngx_plum_redis_peer_advance(peer);
}


static ngx_int_t
ngx_plum_redis_peer_connected(ngx_connection_t *c, ngx_err_t *err)
{
    int        value;
    socklen_t  len;

#if (NGX_HAVE_KQUEUE)

    if (ngx_event_flags & NGX_USE_KQUEUE_EVENT)  {
        if (c->write->pending_eof || c->read->pending_eof) {
            *err = c->write->pending_eof ? c->write->kq_errno
                                         : c->read->kq_errno;
            return NGX_ERROR;
        }

        return NGX_OK;
    }

#endif

    value = 0;
    len = sizeof(int);

    /* on Solaris getsockopt() fails; other systems return the error in value */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &value, &len) == -1) {
        value = ngx_socket_errno;
    }

    *err = value;

    return value ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_plum_redis_peer_options(ngx_plum_redis_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->connection;
    peer->text = "setsockopt() failed";

    if (peer->host->local) {
        return NGX_OK;
    }

#if (NGX_HAVE_KEEPALIVE_TUNABLE)
    {
    int  i;

    static const struct {
        int  name;
        int  seconds;
    } options[] = {
        { TCP_KEEPIDLE, NGX_PLUM_REDIS_KEEPIDLE },
        { TCP_KEEPINTVL, NGX_PLUM_REDIS_KEEPINTVL },
        { TCP_KEEPCNT, NGX_PLUM_REDIS_KEEPCNT }
    };

    for (i = 0; i < 3; i++) {
        if (setsockopt(c->fd, IPPROTO_TCP, options[i].name,
                       (const void *) &options[i].seconds, sizeof(int))
            == -1)
        {
            return NGX_ERROR;
        }
    }
    }
#endif

    return ngx_tcp_nodelay(c);
}


static ngx_int_t
ngx_plum_redis_peer_tls(ngx_plum_redis_peer_t *peer)
{
    ngx_int_t  rc;

    if (peer->conf->ssl == NULL) {
        return NGX_OK;
    }

    peer->text = "TLS could not be started";

    rc = ngx_plum_redis_tls_start(peer->conf, peer->connection, peer->host,
                                  peer->learned,
                                  ngx_plum_redis_peer_handshaked);
    if (rc != NGX_OK) {
        return rc;
    }

    peer->text = ngx_plum_redis_tls_verify(peer->conf, peer->connection,
                                           peer->host, peer->learned,
                                           peer->buf);

    return peer->text ? NGX_ERROR : NGX_OK;
}


static void
ngx_plum_redis_peer_handshaked(ngx_connection_t *c)
{
    ngx_plum_redis_peer_t  *peer;

    peer = c->data;

    peer->text = ngx_plum_redis_tls_verify(peer->conf, c, peer->host,
                                           peer->learned, peer->buf);

    if (peer->text) {
        ngx_plum_redis_peer_end(peer, 0, peer->text);
        return;
    }

    peer->step++;
    ngx_plum_redis_peer_advance(peer);
}


static void
ngx_plum_redis_peer_timer(ngx_event_t *ev)
{
    ngx_connection_t  *fake;

    fake = ev->data;

    ngx_plum_redis_peer_end(fake->data, NGX_ETIMEDOUT, "it is too slow");
}


ngx_uint_t
ngx_plum_redis_peer_next(ngx_plum_redis_peer_t *peer)
{
    if (peer->step == NULL
        || peer->step == ngx_plum_redis_steps
        || peer->address + 1 >= peer->naddrs)
    {
        peer->address = 0;
        return 0;
    }

    peer->address++;

    return 1;
}


void
ngx_plum_redis_peer_close(ngx_plum_redis_peer_t *peer)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = peer->connection;

    peer->connection = NULL;
    peer->step = NULL;

    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    if (peer->resolving) {
        ngx_resolve_name_done(peer->resolving);
        peer->resolving = NULL;
    }

    if (c == NULL) {
        return;
    }

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


void
ngx_plum_redis_peer_free(ngx_plum_redis_peer_t *peer)
{
    ngx_plum_redis_peer_close(peer);

    if (peer->resolved) {
        ngx_destroy_pool(peer->resolved);
        peer->resolved = NULL;
    }
}
