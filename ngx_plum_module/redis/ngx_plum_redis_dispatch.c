
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * The way of a call: it is routed to a connection; by its reply it ends, or is
 * sent again, to the same node or to another one.
 */


#define NGX_PLUM_REDIS_RETRY     50      /* ms */


static ngx_int_t ngx_plum_redis_retry(ngx_plum_redis_call_t *call);
static void ngx_plum_redis_retry_handler(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_result(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, redisReply **reply);
static ngx_int_t ngx_plum_redis_error(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, const redisReply *reply);
static ngx_int_t ngx_plum_redis_elsewhere(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, const redisReply *reply,
    plum_resp_error_t error);
static void ngx_plum_redis_replicated(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_uint_t replicas);
static void ngx_plum_redis_accepted(ngx_plum_redis_conn_t *conn);


void
ngx_plum_redis_dispatch_init(ngx_plum_redis_t *client)
{
    client->replicated = ngx_plum_redis_replicated;

    client->fake.fd = (ngx_socket_t) -1;
    client->fake.data = client;

    ngx_queue_init(&client->retries);

    /*
     * Not cancelable: requests wait for these calls, so a worker that shuts
     * down must not drop this timer.
     */

    client->retry.handler = ngx_plum_redis_retry_handler;
    client->retry.data = &client->fake;
    client->retry.log = &client->log;
}


ngx_int_t
ngx_plum_redis_send(ngx_plum_redis_call_t *call)
{
    ngx_plum_redis_t       *client;
    ngx_plum_redis_conn_t  *conn;

    client = call->client;

    if (client->topology == NULL) {

        /* there was no memory for it */

        return NGX_DECLINED;
    }

    switch (client->conf->topology->route(client->topology, call, &conn)) {

    case NGX_OK:
        return ngx_plum_redis_conn_submit(conn, call);

    case NGX_AGAIN:
        return ngx_plum_redis_retry(call);

    default: /* NGX_DECLINED */
        return NGX_DECLINED;
    }
}


/*
 * For a call that was not executed: it is routed again after a pause.
 * NGX_DECLINED: it was cancelled, or has no tries or no time left.
 */

static ngx_int_t
ngx_plum_redis_retry(ngx_plum_redis_call_t *call)
{
    ngx_plum_redis_t  *client;

    client = call->client;

    if (call->cancelled
        || call->tries++ >= NGX_PLUM_REDIS_TRIES
        || (ngx_msec_int_t) (call->limit - ngx_current_msec) <= 0)
    {
        return NGX_DECLINED;
    }

    call->sent = 0;

    ngx_queue_insert_tail(&client->retries, &call->queue);

    if (!client->retry.timer_set) {
        ngx_add_timer(&client->retry, NGX_PLUM_REDIS_RETRY);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_retry_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q, calls;
    ngx_connection_t       *fake;
    ngx_plum_redis_t       *client;
    ngx_plum_redis_call_t  *call;

    fake = ev->data;
    client = fake->data;

    ngx_queue_init(&calls);

    if (!ngx_queue_empty(&client->retries)) {
        ngx_queue_add(&calls, &client->retries);
        ngx_queue_init(&client->retries);
    }

    while (!ngx_queue_empty(&calls)) {
        q = ngx_queue_head(&calls);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        ngx_queue_remove(q);

        if (ngx_plum_redis_send(call) != NGX_OK) {
            ngx_plum_redis_end(call, NGX_PLUM_REDIS_NOT_SENT, NULL);
        }
    }
}


ngx_int_t
ngx_plum_redis_done(ngx_plum_redis_conn_t *conn, ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, redisReply **reply)
{
    ngx_plum_redis_t  *client;

    client = call->client;

    call->log = &conn->log;

    if (status == NGX_PLUM_REDIS_OK) {
        return (*reply)->type == REDIS_REPLY_ERROR
               ? ngx_plum_redis_error(conn, call, *reply)
               : ngx_plum_redis_result(conn, call, reply);
    }

    if (call->reply) {
        freeReplyObject(call->reply);
        call->reply = NULL;
    }

    /* another node may take over */

    if (status == NGX_PLUM_REDIS_NOT_SENT
        && client->conf->topology->others(client->topology)
        && ngx_plum_redis_retry(call) == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_plum_redis_end(call, status, NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_result(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, redisReply **reply)
{
    ngx_int_t  rc;

    rc = call->judge ? call->judge(call, *reply) : NGX_AGAIN;

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_AGAIN && call->replicas) {
        ngx_plum_redis_wait_hold(conn, call, reply);
        return NGX_OK;
    }

    if (rc == NGX_AGAIN && call->adds) {
        ngx_plum_redis_accepted(conn);
    }

    ngx_plum_redis_end(call, NGX_PLUM_REDIS_OK, *reply);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_error(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, const redisReply *reply)
{
    ngx_int_t          rc;
    plum_resp_error_t  error;

    error = plum_resp_error(reply);
    rc = NGX_DECLINED;

    if (error == PLUM_RESP_NOSCRIPT) {

        if (call->script && !call->eval && !call->cancelled) {
            call->eval = 1;
            conn->nscripts = 0;

            rc = ngx_plum_redis_conn_submit(conn, call);

            if (rc != NGX_OK) {
                ngx_plum_redis_end(call, NGX_PLUM_REDIS_NOT_SENT, NULL);
            }

            return NGX_OK;
        }

    } else if (error != PLUM_RESP_FINAL) {
        rc = ngx_plum_redis_elsewhere(conn, call, reply, error);
    }

    if (rc == NGX_DECLINED) {

        if (call->judge == NULL || call->judge(call, reply) != NGX_DECLINED) {
            ngx_plum_redis_report_refused(conn, "", reply->str, reply->len);
        }

        ngx_plum_redis_end(call, NGX_PLUM_REDIS_REFUSED, reply);
    }

    return (error == PLUM_RESP_READONLY) ? NGX_ABORT : NGX_OK;
}


/*
 * For a call that was not executed because of MOVED, ASK, TRYAGAIN and the
 * like.  NGX_OK: the call is sent again, or has ended.  NGX_DECLINED: the
 * error is final.
 */

static ngx_int_t
ngx_plum_redis_elsewhere(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, const redisReply *reply,
    plum_resp_error_t error)
{
    ngx_plum_redis_t                 *client;
    const ngx_plum_redis_topology_t  *topology;

    client = call->client;
    topology = client->conf->topology;

    if (call->cancelled) {
        ngx_plum_redis_end(call, NGX_PLUM_REDIS_NOT_SENT, NULL);
        return NGX_OK;
    }

    if (error == PLUM_RESP_TRYAGAIN || error == PLUM_RESP_READONLY) {

        if (topology->changed) {
            topology->changed(client->topology);
        }

        return ngx_plum_redis_retry(call);
    }

    if (topology->redirect == NULL
        || ++call->tries > NGX_PLUM_REDIS_TRIES
        || topology->redirect(client->topology, conn, call, reply, &conn)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_plum_redis_conn_submit(conn, call) != NGX_OK
        && ngx_plum_redis_retry(call) != NGX_OK)
    {
        ngx_plum_redis_end(call, NGX_PLUM_REDIS_NOT_SENT, NULL);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_replicated(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_uint_t replicas)
{
    u_char                   text[NGX_INT_T_LEN * 2 + sizeof(" of  replicas")];
    u_char                  *last;
    redisReply              *reply, integer;
    ngx_plum_redis_status_e  status;

    reply = call->reply;
    call->reply = NULL;

    ngx_memzero(&integer, sizeof(redisReply));

    integer.type = REDIS_REPLY_INTEGER;
    integer.integer = call->integer;

    status = NGX_PLUM_REDIS_OK;

    if (replicas < call->replicas) {
        status = NGX_PLUM_REDIS_ALONE;
        last = ngx_sprintf(text, "%ui of %ui replicas", replicas,
                           call->replicas);

        ngx_plum_redis_report_refused(conn, ", it did not reach its replicas",
                                      (char *) text, last - text);

    } else if (call->adds) {
        ngx_plum_redis_accepted(conn);
    }

    ngx_plum_redis_end(call, status, reply ? reply : &integer);

    if (reply) {
        freeReplyObject(reply);
    }
}


static void
ngx_plum_redis_accepted(ngx_plum_redis_conn_t *conn)
{
    conn->worked = 1;

    ngx_plum_redis_report_accepted(conn);
}


void
ngx_plum_redis_end(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &call->client->log, 0,
                   "plum redis call %p: ends, status %d", call, (int) status);

    call->handler(call, status, reply);
}
