
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


/*
 * The states of a connection: it is made, becomes ready, is lost, and is made
 * again; see ngx_plum_redis_state_e.
 */


#define NGX_PLUM_REDIS_STABLE    1000    /* ms: a connection that was ready for
                                            so long is made again at once */
#define NGX_PLUM_REDIS_LOSSES    2       /* others, in a row, before the node
                                            counts as failing */


static void ngx_plum_redis_conn_event(ngx_plum_redis_conn_t *conn,
    ngx_event_t *ev, ngx_event_handler_pt handler);
static void ngx_plum_redis_conn_wake_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_backoff_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_connected(ngx_plum_redis_peer_t *peer,
    ngx_err_t err, const char *text);
static void ngx_plum_redis_conn_timeout_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev);
static ngx_msec_t ngx_plum_redis_conn_pause(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_again(ngx_plum_redis_conn_t *conn,
    ngx_msec_t pause);
static u_char *ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf,
    size_t len);


void
ngx_plum_redis_conn_init(ngx_plum_redis_conn_t *conn)
{
    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_plum_redis_conn_log;
    conn->log.data = conn;

    conn->mute = conn->log;
    conn->mute.log_level = NGX_LOG_ALERT;
    conn->mute.next = NULL;

    conn->fake.fd = (ngx_socket_t) -1;
    conn->fake.data = conn;

    ngx_plum_redis_peer_init(&conn->peer, conn->conf,
                             ngx_plum_redis_conn_connected);

    ngx_plum_redis_conn_event(conn, &conn->wake,
                              ngx_plum_redis_conn_wake_handler);
    ngx_plum_redis_conn_event(conn, &conn->backoff,
                              ngx_plum_redis_conn_backoff_handler);
    ngx_plum_redis_conn_event(conn, &conn->timeout,
                              ngx_plum_redis_conn_timeout_handler);

    conn->backoff.cancelable = 1;
    conn->timeout.cancelable = 1;

    /*
     * Not cancelable while calls are pending: requests wait for them, so a
     * worker that shuts down must not drop this timer.
     */

    ngx_plum_redis_conn_event(conn, &conn->deadline,
                              ngx_plum_redis_conn_deadline_handler);
}


static void
ngx_plum_redis_conn_event(ngx_plum_redis_conn_t *conn, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &conn->fake;
    ev->log = &conn->log;
}


void
ngx_plum_redis_conn_wake(ngx_plum_redis_conn_t *conn)
{
    if (conn->state == NGX_PLUM_REDIS_NONE) {
        ngx_post_event(&conn->wake, &ngx_posted_events);
    }
}


static void
ngx_plum_redis_conn_wake_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->state != NGX_PLUM_REDIS_NONE) {
        return;
    }

    if (conn->backoff.timer_set) {

        if (conn->failing || conn->attempts <= NGX_PLUM_REDIS_LOSSES) {
            return;
        }

        /* nothing was pending when it was lost: a call need not wait */

        ngx_del_timer(&conn->backoff);
    }

    ngx_plum_redis_conn_begin(conn);
}


static void
ngx_plum_redis_conn_backoff_handler(ngx_event_t *ev)
{
    ngx_connection_t  *fake;

    fake = ev->data;

    ngx_plum_redis_conn_begin(fake->data);
}


static void
ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn)
{
    if (ngx_exiting && conn->pending == 0 && !conn->wanted) {
        return;
    }

    conn->wanted = 0;
    conn->state = NGX_PLUM_REDIS_LOCATE;
    conn->action = "looking for the master";

    if (conn->news->locate && conn->news->locate(conn) != NGX_OK) {
        return;
    }

    ngx_plum_redis_conn_go(conn);
}


void
ngx_plum_redis_conn_go(ngx_plum_redis_conn_t *conn)
{
    conn->state = NGX_PLUM_REDIS_CONNECT;

    ngx_plum_redis_peer_connect(&conn->peer, &conn->hosts[conn->host],
                                conn->pool != NULL,
                                conn->reported ? &conn->mute : &conn->log);
}


static void
ngx_plum_redis_conn_connected(ngx_plum_redis_peer_t *peer, ngx_err_t err,
    const char *text)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_queue_data(peer, ngx_plum_redis_conn_t, peer);

    if (text) {
        ngx_plum_redis_conn_lost(conn, err, text);
        return;
    }

    conn->state = NGX_PLUM_REDIS_HELLO;
    conn->nscripts = 0;

    if (ngx_plum_redis_io_start(&conn->io, peer->connection) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return;
    }

    conn->news->hello(conn);
}


static void
ngx_plum_redis_conn_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t  *fake;

    fake = ev->data;

    ngx_plum_redis_conn_lost(fake->data, NGX_ETIMEDOUT, "it is too slow");
}


void
ngx_plum_redis_conn_ready(ngx_plum_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->peer.connection;

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    conn->state = NGX_PLUM_REDIS_READY;
    conn->action = NULL;
    conn->since = ngx_current_msec;
    conn->heard = ngx_current_msec;
    conn->failing = 0;
    conn->worked = 0;
    conn->round_start = conn->host;

    c->log = &conn->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->pool->log = c->log;

    /* a lazy connection may be closed again after the next call */

    if (!conn->lazy) {
        ngx_plum_redis_report_available(conn);
    }

    /* an exiting worker has closed its idle connections already */

    c->idle = !ngx_exiting;

    ngx_plum_redis_calls_write(conn);

    if (conn->news->ready) {
        conn->news->ready(conn);
    }
}


static void
ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q, *oldest;
    ngx_msec_int_t          left;
    ngx_connection_t       *fake;
    ngx_plum_redis_call_t  *call;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    /* a call that is held has a WAIT in "sent", or one is about to be sent */

    oldest = ngx_queue_empty(&conn->sent) ? &conn->held : &conn->sent;

    if (!ngx_queue_empty(oldest)) {
        q = ngx_queue_head(oldest);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        left = (ngx_msec_int_t) (call->deadline - ngx_current_msec);

        if (left > 0) {
            ngx_plum_redis_calls_by(conn, call->deadline);

        } else {
            conn->failing = (call != &conn->ping);
            ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT,
                                     "it did not answer");
        }
    }

    /* calls that wait for the connection may be late, too */

    ngx_plum_redis_calls_late(conn);
}


void
ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    uint64_t      tried;
    ngx_msec_t    pause;
    ngx_queue_t   calls;

    pause = ngx_plum_redis_conn_pause(conn);

    if (conn->news->report) {
        conn->news->report(conn, err, text);

    } else {
        ngx_plum_redis_report_lost(conn, err, text);
    }

    tried = conn->io.tried;

    ngx_plum_redis_conn_close(conn);

    if (!conn->failing) {
        ngx_plum_redis_calls_unsent(conn, tried);
    }

    ngx_queue_init(&calls);

    if (!ngx_queue_empty(&conn->held)) {
        ngx_queue_add(&calls, &conn->held);
        ngx_queue_init(&conn->held);
    }

    if (!ngx_queue_empty(&conn->sent)) {
        ngx_queue_add(&calls, &conn->sent);
        ngx_queue_init(&conn->sent);
    }

    if (conn->failing && !ngx_queue_empty(&conn->waiting)) {
        ngx_queue_add(&calls, &conn->waiting);
        ngx_queue_init(&conn->waiting);
    }

    ngx_plum_redis_conn_again(conn, pause);

    if (conn->news->lost) {
        conn->news->lost(conn);
    }

    ngx_plum_redis_calls_end(conn, &calls, tried);
}


/*
 * Decides whether the connection counts as failing after a loss, and returns
 * the pause before the next attempt in ms; 0: none.
 */

static ngx_msec_t
ngx_plum_redis_conn_pause(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t  failing;
    ngx_msec_t  pause;

    failing = 1;

    if (conn->state == NGX_PLUM_REDIS_READY) {

        if (conn->worked
            || (ngx_msec_int_t) (ngx_current_msec - conn->since)
               >= NGX_PLUM_REDIS_STABLE)
        {
            conn->attempts = 0;
            conn->peer.address = 0;

            return 0;
        }

        if (conn->attempts < NGX_PLUM_REDIS_LOSSES) {
            conn->attempts++;
            conn->peer.address = 0;

            /* calls wait for the next connection: it must come in time */

            return ngx_min(plum_resp_backoff(conn->attempts,
                                             (uint32_t) ngx_random()),
                           conn->conf->timeout / 4 + 1);
        }

        /* if no call was pending, the first one that comes may reconnect */

        failing = (conn->pending != 0);

    } else if (ngx_plum_redis_peer_next(&conn->peer)
               || ngx_plum_redis_conn_next(conn))
    {
        return 0;
    }

    conn->peer.address = 0;
    conn->attempts++;
    conn->failing = failing;

    pause = plum_resp_backoff(conn->attempts, (uint32_t) ngx_random());

    return conn->pause_max ? ngx_min(pause, conn->pause_max) : pause;
}


/* goes on to the next host; 0: each one has been tried in this round */

static ngx_uint_t
ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn)
{
    if (conn->news->next) {
        return conn->news->next(conn);
    }

    conn->host = (conn->host + 1) % conn->nhosts;

    return conn->host != conn->round_start;
}


static void
ngx_plum_redis_conn_again(ngx_plum_redis_conn_t *conn, ngx_msec_t pause)
{
    if (conn->lazy && ngx_queue_empty(&conn->waiting)) {

        /* the next call, if there is one, connects */

        conn->failing = 0;

    } else if (pause) {
        ngx_add_timer(&conn->backoff, pause);

    } else {
        ngx_plum_redis_conn_wake(conn);
    }
}


void
ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_plum_redis_call_t  *call;

    /* a query of HELLO, the only call then, is dropped */

    if (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_head(&conn->sent);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if (!call->counted) {
            ngx_plum_redis_calls_taken(call);
        }
    }

    conn->state = NGX_PLUM_REDIS_NONE;
    conn->replicas = 0;

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    if (conn->backoff.timer_set) {
        ngx_del_timer(&conn->backoff);
    }

    ngx_plum_redis_io_stop(&conn->io);
    ngx_plum_redis_peer_close(&conn->peer);
}


static u_char *
ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf, size_t len)
{
    char                   *action;
    u_char                 *p;
    ngx_plum_redis_conn_t  *conn;

    conn = log->data;
    p = buf;

    action = (conn->state == NGX_PLUM_REDIS_CONNECT)
             ? ngx_plum_redis_peer_action(&conn->peer) : conn->action;

    if (action && conn->state != NGX_PLUM_REDIS_NONE) {
        p = ngx_snprintf(buf, len, " while %s", action);
        len -= p - buf;
    }

    return ngx_snprintf(p, len, ", %s: \"%V\", redis: \"%V\"",
                        conn->conf->kind, &conn->conf->name,
                        &conn->hosts[conn->host].text);
}
