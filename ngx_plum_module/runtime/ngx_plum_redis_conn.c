
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_STABLE    1000    /* ms ready before a loss: a good
                                            connection, tried again at once */


static void ngx_plum_redis_conn_flush_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_connect_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_report(ngx_plum_redis_conn_t *conn,
    ngx_uint_t ready, ngx_err_t err, const char *text);
static ngx_uint_t ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_drop(ngx_queue_t *ops);
static u_char *ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf,
    size_t len);


void
ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn, ngx_plum_redis_t *redis,
    ngx_plum_redis_host_t *hosts, ngx_uint_t nhosts)
{
    conn->redis = redis;
    conn->hosts = hosts;
    conn->nhosts = nhosts;

    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_plum_redis_conn_log;
    conn->log.data = conn;
    conn->log.action = "starting";

    conn->mute = conn->log;
    conn->mute.log_level = NGX_LOG_ALERT;
    conn->mute.next = NULL;

    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->held);

    conn->fake.fd = (ngx_socket_t) -1;
    conn->fake.data = conn;

    conn->flush.handler = ngx_plum_redis_conn_flush_handler;
    conn->flush.data = &conn->fake;
    conn->flush.log = &conn->log;

    conn->connect.handler = ngx_plum_redis_conn_connect_handler;
    conn->connect.data = &conn->fake;
    conn->connect.log = &conn->log;
    conn->connect.cancelable = 1;

    /* somebody waits for it: an exiting worker does, too */

    conn->deadline.handler = ngx_plum_redis_conn_deadline_handler;
    conn->deadline.data = &conn->fake;
    conn->deadline.log = &conn->log;

    conn->opened = 1;

    /* a new worker looks at posted events only after its first other event */

    if (!conn->lazy) {
        ngx_add_timer(&conn->connect, 1);
    }
}


void
ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn)
{
    if (!conn->opened) {
        return;
    }

    conn->opened = 0;

    ngx_plum_redis_conn_close(conn);

    ngx_plum_redis_conn_drop(&conn->sent);
    ngx_plum_redis_conn_drop(&conn->held);
    ngx_plum_redis_conn_drop(&conn->waiting);

    conn->pending = 0;

    if (conn->deadline.timer_set) {
        ngx_del_timer(&conn->deadline);
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->out) {
        ngx_free(conn->out);
        conn->out = NULL;
        conn->out_size = 0;
    }

    if (conn->resolved) {
        ngx_destroy_pool(conn->resolved);
        conn->resolved = NULL;
    }

    if (conn->pool) {
        ngx_destroy_pool(conn->pool);
        conn->pool = NULL;
    }
}


static void
ngx_plum_redis_conn_drop(ngx_queue_t *ops)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    while (!ngx_queue_empty(ops)) {
        q = ngx_queue_head(ops);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);
        op->type->dropped(op);
    }
}


ngx_int_t
ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    if (!conn->opened
        || conn->failing
        || (conn->pending >= conn->redis->max_pending && !op->settlement))
    {
        return NGX_DECLINED;
    }

    if (ngx_plum_redis_at(conn, READY)) {
        if (ngx_plum_redis_conn_put(conn, op) != NGX_OK) {
            return NGX_DECLINED;
        }

    } else {
        op->end = (uint64_t) -1;
        op->deadline = ngx_current_msec + conn->redis->timeout;

        ngx_queue_insert_tail(&conn->waiting, &op->queue);

        ngx_plum_redis_conn_wake(conn);
    }

    ngx_plum_redis_conn_given(conn);

    return NGX_OK;
}


void
ngx_plum_redis_conn_wake(ngx_plum_redis_conn_t *conn)
{
    if (conn->step == NULL) {
        ngx_post_event(&conn->flush, &ngx_posted_events);

    } else if (ngx_plum_redis_at(conn, LOCATE)) {

        /* where nobody waited, an exiting worker has not begun to ask */

        ngx_plum_redis_conn_wake(&conn->redis->sentinel);
    }
}


void
ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn)
{
    conn->step = &ngx_plum_redis_steps[0];

    ngx_plum_redis_conn_advance(conn);
}


void
ngx_plum_redis_conn_advance(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t  rc;

    for ( ;; ) {
        conn->log.action = conn->step->action;
        conn->mute.action = conn->step->action;

        rc = conn->step->start(conn);

        if (rc != NGX_OK) {
            break;
        }

        conn->step++;
    }

    if (rc == NGX_AGAIN) {

        /* a set timer would not be moved by a little */

        if (conn->connect.timer_set) {
            ngx_del_timer(&conn->connect);
        }

        ngx_add_timer(&conn->connect, conn->redis->timeout);
    }
}


static void
ngx_plum_redis_conn_flush_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->step == NULL) {
        if (!conn->connect.timer_set
            && (!ngx_exiting || !ngx_plum_redis_unused(conn->redis)))
        {
            ngx_plum_redis_conn_begin(conn);
        }

        return;
    }

    if (ngx_plum_redis_connected(conn)) {
        ngx_plum_redis_conn_flush(conn);
    }
}


static void
ngx_plum_redis_conn_connect_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->step) {
        ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT, "it is too slow");
        return;
    }

    if (!ngx_exiting || !ngx_plum_redis_unused(conn->redis)) {
        ngx_plum_redis_conn_begin(conn);
    }
}


static void
ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q, *oldest, ops;
    ngx_msec_int_t          left;
    ngx_connection_t       *fake;
    ngx_plum_redis_op_t    *op;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    /* what is held has a WAIT among those sent, or is about to write it */

    oldest = ngx_queue_empty(&conn->sent) ? &conn->held : &conn->sent;

    if (!ngx_queue_empty(oldest)) {
        q = ngx_queue_head(oldest);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        if (left > 0) {
            ngx_add_timer(ev, left);
            return;
        }

        conn->failing = 1;
        ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT, "it did not answer");

        /* then there may be some that wait, from inside of the call */
    }

    ngx_queue_init(&ops);
    left = 0;

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        if (left > 0) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ops, q);
    }

    if (!ngx_queue_empty(&conn->waiting) && !ev->timer_set) {
        ngx_add_timer(ev, left);
    }

    ngx_plum_redis_conn_fail(conn, &ops, 0);
}


void
ngx_plum_redis_conn_given(ngx_plum_redis_conn_t *conn)
{
    conn->pending++;

    /* where it is set already it is early, and set again for the oldest one */

    conn->deadline.cancelable = 0;

    if (!conn->deadline.timer_set) {
        ngx_add_timer(&conn->deadline, conn->redis->timeout);
    }
}


void
ngx_plum_redis_conn_taken(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    ngx_queue_remove(&op->queue);

    conn->pending--;

    /* the next operation is near: only an exiting worker does without it */

    conn->deadline.cancelable = (conn->pending == 0);
}


void
ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    uint64_t     tried;
    ngx_uint_t   ready, pause;
    ngx_queue_t  ops;

    if (conn->sentinel) {
        ngx_plum_redis_sentinel_lost(conn, err, text);
        return;
    }

    pause = 0;
    ready = ngx_plum_redis_at(conn, READY);

    if (ready
        && (ngx_msec_int_t) (ngx_current_msec - conn->since)
           >= NGX_PLUM_REDIS_STABLE)
    {
        conn->attempts = 0;
        conn->address = 0;

    } else if (ready || !ngx_plum_redis_conn_next(conn)) {
        conn->address = 0;
        conn->attempts++;
        conn->failing = 1;

        pause = plum_redis_backoff(conn->attempts, (uint32_t) ngx_random());

        if (conn->redis->mode != NGX_PLUM_REDIS_PLAIN) {
            pause = ngx_min(pause, NGX_PLUM_REDIS_PAUSE_MAX);
        }
    }

    ngx_plum_redis_conn_report(conn, ready, err, text);

    tried = conn->tried;

    ngx_plum_redis_conn_close(conn);

    ngx_queue_init(&ops);

    if (!ngx_queue_empty(&conn->held)) {
        ngx_queue_add(&ops, &conn->held);
        ngx_queue_init(&conn->held);
    }

    if (!ngx_queue_empty(&conn->sent)) {
        ngx_queue_add(&ops, &conn->sent);
        ngx_queue_init(&conn->sent);
    }

    if (conn->failing && !ngx_queue_empty(&conn->waiting)) {
        ngx_queue_add(&ops, &conn->waiting);
        ngx_queue_init(&conn->waiting);
    }

    if (conn->lazy && ngx_queue_empty(&conn->waiting)) {

        /* the next operation, if any, is the next attempt */

        conn->failing = 0;

    } else if (pause) {
        ngx_add_timer(&conn->connect, pause);

    } else {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    ngx_plum_redis_lost(conn);

    ngx_plum_redis_conn_fail(conn, &ops, tried);
}


void
ngx_plum_redis_conn_available(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t  level;

    level = conn->reported ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, &conn->log, 0, "plum: redis is available%s",
                  conn->reported ? " again" : "");

    conn->reported = 0;
}


/* once per change of state; a loss that nobody noticed is none */

static void
ngx_plum_redis_conn_report(ngx_plum_redis_conn_t *conn, ngx_uint_t ready,
    ngx_err_t err, const char *text)
{
    ngx_uint_t  named;

    named = (conn->redis->mode == NGX_PLUM_REDIS_SENTINEL && !ready);

    if (conn->reported) {
        ngx_log_debug1(NGX_LOG_DEBUG_CORE, &conn->log, err,
                       "plum: redis is unavailable: %s", text);

    } else if ((conn->failing
                && (!conn->lazy || !ngx_queue_empty(&conn->waiting)))
               || (ready && conn->pending))
    {
        ngx_log_error(NGX_LOG_ERR, &conn->log, err,
                      "plum: redis is unavailable: %s", text);
        conn->reported = 1;

    } else if (named) {
        ngx_log_error(NGX_LOG_WARN, &conn->log, err,
                      "plum: a sentinel names a node that is of no use: %s",
                      text);

    } else {
        ngx_log_error(NGX_LOG_INFO, &conn->log, err,
                      "plum: the connection to redis ended: %s", text);
    }
}


/* the next address, or host, in this round: 0 if all have been tried */

static ngx_uint_t
ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn)
{
    if (conn->address + 1 < conn->naddrs
        && conn->step > &ngx_plum_redis_steps[NGX_PLUM_REDIS_RESOLVE])
    {
        conn->address++;
        return 1;
    }

    conn->address = 0;

    if (conn->redis->mode == NGX_PLUM_REDIS_SENTINEL) {
        return ngx_plum_redis_sentinel_left(conn);
    }

    conn->host = (conn->host + 1) % conn->nhosts;

    return conn->host != conn->first;
}


void
ngx_plum_redis_conn_fail(ngx_plum_redis_conn_t *conn, ngx_queue_t *ops,
    uint64_t tried)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    while (!ngx_queue_empty(ops)) {
        q = ngx_queue_head(ops);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_plum_redis_conn_taken(conn, op);

        /* without TLS, a command of which the last byte is missing is none */

        op->type->failed(conn, op, op->end <= tried ? NGX_PLUM_OP_UNKNOWN
                                                    : NGX_PLUM_OP_NOT_SENT);
    }
}


void
ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = conn->connection;

    conn->connection = NULL;
    conn->step = NULL;
    conn->log.action = NULL;

    if (conn->connect.timer_set) {
        ngx_del_timer(&conn->connect);
    }

    if (conn->resolving) {
        ngx_resolve_name_done(conn->resolving);
        conn->resolving = NULL;
    }

    conn->replicas = 0;

    if (conn->out) {
        ngx_explicit_memzero(conn->out, conn->out_len);
    }

    conn->out_pos = 0;
    conn->out_len = 0;

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
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


static u_char *
ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                 *p;
    ngx_plum_redis_conn_t  *conn;

    conn = log->data;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    return ngx_snprintf(p, len, ", plum store: \"%V\", redis: \"%V\"",
                        &conn->redis->store->name,
                        &conn->hosts[conn->host].text);
}
