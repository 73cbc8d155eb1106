
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


#define NGX_PLUM_REDIS_STABLE    1000    /* ms ready before a loss: a good
                                            connection, tried again at once */
#define NGX_PLUM_REDIS_LOSSES    2       /* of others, in a row: bad luck */
#define NGX_PLUM_REDIS_IDLE      500     /* ms without a reply: the connection
                                            is proved before it is used */

#define ngx_plum_redis_conn_of(member, ptr)                                   \
    ((ngx_plum_redis_conn_t *)                                                \
     ((u_char *) (ptr) - offsetof(ngx_plum_redis_conn_t, member)))


static void ngx_plum_redis_conn_event(ngx_plum_redis_conn_t *conn,
    ngx_event_t *ev, ngx_event_handler_pt handler);
static ngx_uint_t ngx_plum_redis_conn_proved(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_conn_pong(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *ping, ngx_plum_redis_status_e status,
    redisReply **reply);
static void ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_connected(ngx_plum_redis_peer_t *peer,
    ngx_err_t err, const char *text);
static void ngx_plum_redis_conn_wake_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_timer_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_before(ngx_plum_redis_io_t *io);
static void ngx_plum_redis_conn_expect(ngx_plum_redis_io_t *io,
    ngx_uint_t *array, size_t *max, size_t *skip);
static ngx_int_t ngx_plum_redis_conn_reply(ngx_plum_redis_io_t *io,
    redisReply **reply);
static ngx_uint_t ngx_plum_redis_conn_quit(ngx_plum_redis_io_t *io);
static void ngx_plum_redis_conn_broken(ngx_plum_redis_io_t *io,
    const char *text);
static ngx_msec_t ngx_plum_redis_conn_pause(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_again(ngx_plum_redis_conn_t *conn,
    ngx_msec_t pause);
static u_char *ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf,
    size_t len);


static const ngx_plum_redis_io_news_t  ngx_plum_redis_conn_io_news = {
    ngx_plum_redis_conn_before,
    ngx_plum_redis_conn_expect,
    ngx_plum_redis_conn_reply,
    ngx_plum_redis_conn_quit,
    ngx_plum_redis_conn_broken
};


void
ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_t *client, const ngx_plum_redis_news_t *news,
    ngx_plum_redis_host_t *hosts, ngx_uint_t nhosts)
{
    conn->client = client;
    conn->conf = client->conf;
    conn->news = news;
    conn->hosts = hosts;
    conn->nhosts = nhosts;

    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_plum_redis_conn_log;
    conn->log.data = conn;

    conn->mute = conn->log;
    conn->mute.log_level = NGX_LOG_ALERT;
    conn->mute.next = NULL;

    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->held);

    conn->fake.fd = (ngx_socket_t) -1;
    conn->fake.data = conn;

    ngx_plum_redis_peer_init(&conn->peer, conn->conf,
                             ngx_plum_redis_conn_connected);
    ngx_plum_redis_io_init(&conn->io, &ngx_plum_redis_conn_io_news,
                           &conn->log);

    ngx_plum_redis_conn_event(conn, &conn->wake,
                              ngx_plum_redis_conn_wake_handler);
    ngx_plum_redis_conn_event(conn, &conn->timer,
                              ngx_plum_redis_conn_timer_handler);

    conn->timer.cancelable = 1;

    /*
     * Not cancelable while calls are pending: requests wait for them, so a
     * worker that shuts down must not drop this timer.
     */

    ngx_plum_redis_conn_event(conn, &conn->deadline,
                              ngx_plum_redis_conn_deadline_handler);

    conn->opened = 1;

    /* a new worker looks at posted events only after its first other event */

    if (!conn->lazy) {
        ngx_add_timer(&conn->timer, 1);
    }
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
ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn)
{
    if (!conn->opened) {
        return;
    }

    conn->opened = 0;

    ngx_plum_redis_conn_close(conn);

    ngx_plum_redis_calls_end(conn, &conn->sent, 0);
    ngx_plum_redis_calls_end(conn, &conn->held, 0);
    ngx_plum_redis_calls_end(conn, &conn->waiting, 0);

    if (conn->deadline.timer_set) {
        ngx_del_timer(&conn->deadline);
    }

    if (conn->wake.posted) {
        ngx_delete_posted_event(&conn->wake);
    }

    ngx_plum_redis_io_free(&conn->io);
    ngx_plum_redis_peer_free(&conn->peer);

    if (conn->pool) {
        ngx_destroy_pool(conn->pool);
        conn->pool = NULL;
    }
}


ngx_int_t
ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call)
{
    if (!conn->opened
        || (conn->pending >= conn->conf->max_pending && !call->urgent))
    {
        return NGX_DECLINED;
    }

    if (conn->failing) {

        /* a worker that exits tries again only where somebody wants it */

        conn->wanted = 1;
        ngx_plum_redis_conn_wake(conn);

        return NGX_DECLINED;
    }

    if (conn->state == NGX_PLUM_REDIS_READY
        && ngx_plum_redis_conn_proved(conn))
    {
        if (ngx_plum_redis_calls_put(conn, call) != NGX_OK) {
            return NGX_DECLINED;
        }

        ngx_plum_redis_calls_given(conn, call);

        return NGX_OK;
    }

    call->sent = 0;
    call->deadline = call->limit;

    ngx_plum_redis_calls_hold(conn, &conn->waiting, call);
    ngx_plum_redis_conn_wake(conn);

    return NGX_OK;
}


/*
 * A balancer or a NAT may have forgotten an idle connection, and says nothing:
 * so a PING goes first, and the calls wait for its reply.  Whatever that is
 * proves the connection.
 */

static ngx_uint_t
ngx_plum_redis_conn_proved(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_call_t    *ping;
    static const plum_str_t   word[] = { PLUM_STR("PING") };

    ping = &conn->ping;

    if (ping->conn) {
        return 0;
    }

    if (ngx_current_msec - conn->heard < NGX_PLUM_REDIS_IDLE
        || !ngx_queue_empty(&conn->sent))
    {
        return 1;
    }

    ngx_memzero(ping, sizeof(ngx_plum_redis_call_t));

    ping->argv = word;
    ping->argc = 1;
    ping->limit = ngx_current_msec;
    ping->done = ngx_plum_redis_conn_pong;

    if (ngx_plum_redis_calls_put(conn, ping) != NGX_OK) {
        return 1;
    }

    /* the other half is for a new connection */

    ping->deadline = ngx_current_msec + conn->conf->timeout / 2;

    ngx_plum_redis_calls_given(conn, ping);

    return 0;
}


static ngx_int_t
ngx_plum_redis_conn_pong(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *ping, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    if (status == NGX_PLUM_REDIS_OK) {
        ngx_plum_redis_calls_write(conn);
    }

    return NGX_OK;
}


ngx_int_t
ngx_plum_redis_conn_cancel(ngx_plum_redis_call_t *call)
{
    if (call->sent) {
        call->cancelled = 1;
        return NGX_AGAIN;
    }

    ngx_plum_redis_calls_taken(call);

    return NGX_OK;
}


ngx_int_t
ngx_plum_redis_conn_ask(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, char *action)
{
    conn->action = action;
    call->limit = ngx_current_msec + conn->conf->timeout;

    if (ngx_plum_redis_calls_put(conn, call) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    /* a set timer would not be moved by a little */

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_add_timer(&conn->timer, conn->conf->timeout);

    return NGX_OK;
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

    if (conn->timer.timer_set) {

        if (conn->failing || conn->attempts <= NGX_PLUM_REDIS_LOSSES) {
            return;
        }

        /* the pause after losses that no call has met */

        ngx_del_timer(&conn->timer);
    }

    ngx_plum_redis_conn_begin(conn);
}


static void
ngx_plum_redis_conn_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->state != NGX_PLUM_REDIS_NONE) {
        ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT, "it is too slow");
        return;
    }

    ngx_plum_redis_conn_begin(conn);
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

    conn = ngx_plum_redis_conn_of(peer, peer);

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


void
ngx_plum_redis_conn_ready(ngx_plum_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->peer.connection;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    conn->state = NGX_PLUM_REDIS_READY;
    conn->action = NULL;
    conn->since = ngx_current_msec;
    conn->heard = ngx_current_msec;
    conn->failing = 0;
    conn->worked = 0;
    conn->first = conn->host;

    c->log = &conn->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->pool->log = c->log;

    /* one that is lazy may go with the next call again */

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

    /* what is held has a WAIT among those sent, or is about to write it */

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

    /* some may wait, since the loss from inside of it */

    ngx_plum_redis_calls_late(conn);
}


static void
ngx_plum_redis_conn_before(ngx_plum_redis_io_t *io)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_plum_redis_conn_of(io, io);

    if (conn->replicas && conn->state == NGX_PLUM_REDIS_READY) {
        conn->client->wait(conn);
    }
}


static void
ngx_plum_redis_conn_expect(ngx_plum_redis_io_t *io, ngx_uint_t *array,
    size_t *max, size_t *skip)
{
    ngx_queue_t            *q;
    ngx_plum_redis_call_t  *call;
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_plum_redis_conn_of(io, io);

    *array = 0;
    *max = NGX_PLUM_REDIS_REPLY;

    if (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_head(&conn->sent);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if (!call->asking) {
            *array = call->array;
            *max = call->max_reply ? call->max_reply : *max;
        }

        if (call->skip) {
            *skip = PLUM_RESP_SKIP_MAX;
            return;
        }
    }

    *skip = *max;
}


static ngx_int_t
ngx_plum_redis_conn_reply(ngx_plum_redis_io_t *io, redisReply **reply)
{
    ngx_int_t                rc;
    ngx_queue_t             *q;
    ngx_plum_redis_call_t   *call;
    ngx_plum_redis_conn_t   *conn;
    ngx_plum_redis_status_e  status;

    conn = ngx_plum_redis_conn_of(io, io);

    if (ngx_queue_empty(&conn->sent)) {
        ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
        return NGX_ERROR;
    }

    q = ngx_queue_head(&conn->sent);
    call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

    if (call->asking) {

        /* of ASKING itself: if it was refused, the command will be, too */

        call->asking = 0;
        return NGX_OK;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "plum redis call %p: reply of type %d", call,
                   *reply ? (*reply)->type : 0);

    conn->heard = ngx_current_msec;

    status = *reply ? NGX_PLUM_REDIS_OK : NGX_PLUM_REDIS_UNKNOWN;

    call->large = (*reply == NULL);

    ngx_plum_redis_calls_taken(call);

    rc = call->done(conn, call, status, reply);

    if (rc == NGX_ABORT) {
        conn->role = 1;
        ngx_plum_redis_conn_lost(conn, 0, "it is no master any more");

    } else if (rc == NGX_ERROR) {

        /* the call ends with the others that were sent */

        ngx_plum_redis_calls_hold(conn, &conn->sent, call);
        ngx_plum_redis_conn_lost(conn, 0, "an unexpected reply");
    }

    return io->connection ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_plum_redis_conn_quit(ngx_plum_redis_io_t *io)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_plum_redis_conn_of(io, io);

    if (conn->pending) {
        return 0;
    }

    ngx_plum_redis_conn_close(conn);

    return 1;
}


static void
ngx_plum_redis_conn_broken(ngx_plum_redis_io_t *io, const char *text)
{
    ngx_plum_redis_conn_lost(ngx_plum_redis_conn_of(io, io), 0, text);
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


/* what a loss means; the pause before the next attempt: 0, none */

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

            /* calls wait for the next connection, which must be in time */

            return ngx_min(plum_resp_backoff(conn->attempts,
                                             (uint32_t) ngx_random()),
                           conn->conf->timeout / 4 + 1);
        }

        /* calls have not met it: the first one that comes is to try */

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


/* the next host in this round: 0 if all have been tried */

static ngx_uint_t
ngx_plum_redis_conn_next(ngx_plum_redis_conn_t *conn)
{
    if (conn->news->next) {
        return conn->news->next(conn);
    }

    conn->host = (conn->host + 1) % conn->nhosts;

    return conn->host != conn->first;
}


static void
ngx_plum_redis_conn_again(ngx_plum_redis_conn_t *conn, ngx_msec_t pause)
{
    if (conn->lazy && ngx_queue_empty(&conn->waiting)) {

        /* the next call, if any, is the next attempt */

        conn->failing = 0;

    } else if (pause) {
        ngx_add_timer(&conn->timer, pause);

    } else {
        ngx_plum_redis_conn_wake(conn);
    }
}


void
ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_plum_redis_call_t  *call;

    /* a question of HELLO, the only call then, goes with its connection */

    if (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_head(&conn->sent);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if (!call->counted) {
            ngx_plum_redis_calls_taken(call);
        }
    }

    conn->state = NGX_PLUM_REDIS_NONE;
    conn->replicas = 0;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
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
