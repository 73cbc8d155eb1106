
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


static ngx_uint_t ngx_plum_redis_calls_known(ngx_plum_redis_conn_t *conn,
    const plum_script_t *script);


ngx_int_t
ngx_plum_redis_calls_put(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call)
{
    size_t             len;
    u_char            *out, *p;
    ngx_msec_t         deadline;
    static const char  asking[] = "*1\r\n$6\r\nASKING\r\n";

    if (conn->checks) {
        conn->client->check(conn);
    }

    len = plum_resp_room(call->script, call->argv, call->argc);

    out = ngx_plum_redis_io_room(&conn->io, len + sizeof(asking));
    if (out == NULL) {
        return NGX_ERROR;
    }

    p = out;

    if (call->asking) {
        p = ngx_cpymem(p, asking, sizeof(asking) - 1);
    }

    if (call->script == NULL) {
        p += plum_resp_command(p, call->argv, call->argc);

    } else {
        p += plum_resp_script(p, call->script,
                              !ngx_plum_redis_calls_known(conn, call->script)
                              || call->eval,
                              call->nkeys, call->argv, call->argc);
    }

    ngx_plum_redis_io_wrote(&conn->io, p - out);

    deadline = ngx_current_msec + conn->conf->timeout;

    call->conn = conn;
    call->sent = 1;
    call->end = conn->io.written;
    call->deadline = ((ngx_msec_int_t) (call->limit - deadline) > 0)
                     ? call->limit : deadline;

    ngx_queue_insert_tail(&conn->sent, &call->queue);

    conn->replicas = ngx_max(conn->replicas, call->replicas);

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "plum redis call %p: %uz bytes, to %V", call,
                   (size_t) (p - out), &conn->hosts[conn->host].text);

    return NGX_OK;
}


/*
 * The first call of a script over a connection is sent with EVAL and the text.
 * After NOSCRIPT the call would be sent again, behind calls that came later.
 */

static ngx_uint_t
ngx_plum_redis_calls_known(ngx_plum_redis_conn_t *conn,
    const plum_script_t *script)
{
    ngx_uint_t  i;

    for (i = 0; i < conn->nscripts; i++) {
        if (conn->scripts[i] == script) {
            return 1;
        }
    }

    if (i == NGX_PLUM_REDIS_SCRIPTS) {
        return 1;
    }

    conn->scripts[i] = script;
    conn->nscripts++;

    return 0;
}


void
ngx_plum_redis_calls_hold(ngx_plum_redis_conn_t *conn, ngx_queue_t *queue,
    ngx_plum_redis_call_t *call)
{
    call->conn = conn;

    ngx_queue_insert_tail(queue, &call->queue);

    ngx_plum_redis_calls_given(conn, call);
}


void
ngx_plum_redis_calls_given(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call)
{
    call->counted = 1;

    conn->pending++;
    conn->deadline.cancelable = 0;

    ngx_plum_redis_calls_by(conn, call->deadline);
}


/* its handler sets the timer again for the call with the oldest deadline */

void
ngx_plum_redis_calls_by(ngx_plum_redis_conn_t *conn, ngx_msec_t when)
{
    ngx_msec_int_t  left;

    if (conn->deadline.timer_set) {

        if ((ngx_msec_int_t) (conn->deadline.timer.key - when) <= 0) {
            return;
        }

        ngx_del_timer(&conn->deadline);
    }

    left = (ngx_msec_int_t) (when - ngx_current_msec);

    ngx_add_timer(&conn->deadline, ngx_max(left, 1));
}


void
ngx_plum_redis_calls_taken(ngx_plum_redis_call_t *call)
{
    ngx_plum_redis_conn_t  *conn;

    conn = call->conn;

    ngx_queue_remove(&call->queue);

    call->conn = NULL;

    if (call->counted) {
        call->counted = 0;
        conn->pending--;

        /* the timer stays set, as another call is likely to come soon */

        conn->deadline.cancelable = (conn->pending == 0);
    }
}


void
ngx_plum_redis_calls_end(ngx_plum_redis_conn_t *conn, ngx_queue_t *calls,
    uint64_t tried)
{
    ngx_queue_t              *q;
    ngx_plum_redis_call_t    *call;
    ngx_plum_redis_status_e   status;

    while (!ngx_queue_empty(calls)) {
        q = ngx_queue_head(calls);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        ngx_plum_redis_calls_taken(call);

        /* without its last byte a command is not executed */

        status = !conn->opened ? NGX_PLUM_REDIS_CLOSED
                 : (call->sent && call->end <= tried) ? NGX_PLUM_REDIS_UNKNOWN
                 : NGX_PLUM_REDIS_NOT_SENT;

        (void) call->done(conn, call, status, NULL);
    }
}


void
ngx_plum_redis_calls_write(ngx_plum_redis_conn_t *conn)
{
    ngx_queue_t            *q, calls;
    ngx_plum_redis_call_t  *call;

    ngx_queue_init(&calls);

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        ngx_queue_remove(q);

        if (ngx_plum_redis_calls_put(conn, call) != NGX_OK) {
            ngx_queue_insert_tail(&calls, q);
        }
    }

    ngx_plum_redis_calls_end(conn, &calls, 0);
}


void
ngx_plum_redis_calls_unsent(ngx_plum_redis_conn_t *conn, uint64_t tried)
{
    ngx_queue_t            *q, *next;
    ngx_plum_redis_call_t  *call;

    for (q = ngx_queue_head(&conn->sent);
         q != ngx_queue_sentinel(&conn->sent);
         q = next)
    {
        next = ngx_queue_next(q);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if (call->end <= tried
            || !call->counted
            || call == &conn->ping
            || call == &conn->check
            || call == &conn->wait)
        {
            continue;
        }

        ngx_plum_redis_calls_taken(call);

        call->sent = 0;
        call->deadline = call->limit;

        ngx_plum_redis_calls_hold(conn, &conn->waiting, call);
    }
}


void
ngx_plum_redis_calls_late(ngx_plum_redis_conn_t *conn)
{
    ngx_queue_t            *q, *next, late;
    ngx_plum_redis_call_t  *call;

    ngx_queue_init(&late);

    for (q = ngx_queue_head(&conn->waiting);
         q != ngx_queue_sentinel(&conn->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if ((ngx_msec_int_t) (call->deadline - ngx_current_msec) > 0) {
            ngx_plum_redis_calls_by(conn, call->deadline);
            continue;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&late, q);
    }

    ngx_plum_redis_calls_end(conn, &late, 0);
}
