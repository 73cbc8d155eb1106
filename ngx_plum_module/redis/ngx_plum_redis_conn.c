
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * A connection as its users see it: it is opened, takes calls, and ends each
 * call by its reply.  ngx_plum_redis_conn_state.c connects and reconnects.
 */


#define NGX_PLUM_REDIS_IDLE      500     /* ms without a reply: PING is sent
                                            before the next call */


static ngx_uint_t ngx_plum_redis_conn_proved(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_conn_pong(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *ping, ngx_plum_redis_status_e status,
    redisReply **reply);
static void ngx_plum_redis_conn_before(ngx_plum_redis_io_t *io);
static void ngx_plum_redis_conn_expect(ngx_plum_redis_io_t *io,
    ngx_uint_t *array, size_t *max, size_t *skip);
static ngx_int_t ngx_plum_redis_conn_reply(ngx_plum_redis_io_t *io,
    redisReply **reply);
static ngx_uint_t ngx_plum_redis_conn_quit(ngx_plum_redis_io_t *io);
static void ngx_plum_redis_conn_broken(ngx_plum_redis_io_t *io,
    const char *text);


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

    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->held);

    ngx_plum_redis_conn_init(conn);
    ngx_plum_redis_io_init(&conn->io, &ngx_plum_redis_conn_io_news,
                           &conn->log);

    conn->opened = 1;

    /* a new worker looks at posted events only after its first other event */

    if (!conn->lazy) {
        ngx_add_timer(&conn->backoff, 1);
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

        /* a worker that exits reconnects only if a call has asked for it */

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
 * A load balancer or a NAT may have dropped an idle connection silently.  So
 * PING is sent first, and calls wait for its reply.  Any reply shows that the
 * connection works, an error too.
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

    /* the other half of the timeout is left for a new connection */

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
ngx_plum_redis_conn_query(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, char *action)
{
    conn->action = action;
    call->limit = ngx_current_msec + conn->conf->timeout;

    if (ngx_plum_redis_calls_put(conn, call) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    /* ngx_add_timer() does not move a timer that is set by a little */

    if (conn->timeout.timer_set) {
        ngx_del_timer(&conn->timeout);
    }

    ngx_add_timer(&conn->timeout, conn->conf->timeout);

    return NGX_OK;
}


static void
ngx_plum_redis_conn_before(ngx_plum_redis_io_t *io)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_queue_data(io, ngx_plum_redis_conn_t, io);

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

    conn = ngx_queue_data(io, ngx_plum_redis_conn_t, io);

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

    conn = ngx_queue_data(io, ngx_plum_redis_conn_t, io);

    if (ngx_queue_empty(&conn->sent)) {
        ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
        return NGX_ERROR;
    }

    q = ngx_queue_head(&conn->sent);
    call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

    if (call->asking) {

        /* the reply to ASKING: if Redis refuses it, it refuses the command */

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

        /* put back: the call ends as the others that were sent do */

        ngx_plum_redis_calls_hold(conn, &conn->sent, call);
        ngx_plum_redis_conn_lost(conn, 0, "an unexpected reply");
    }

    return io->connection ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_plum_redis_conn_quit(ngx_plum_redis_io_t *io)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_queue_data(io, ngx_plum_redis_conn_t, io);

    if (conn->pending) {
        return 0;
    }

    ngx_plum_redis_conn_close(conn);

    return 1;
}


static void
ngx_plum_redis_conn_broken(ngx_plum_redis_io_t *io, const char *text)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_queue_data(io, ngx_plum_redis_conn_t, io);

    ngx_plum_redis_conn_lost(conn, 0, text);
}
