
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


#define NGX_PLUM_REDIS_RETRY     50      /* ms */


static void ngx_plum_redis_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_exit(ngx_plum_redis_t *client);
static void ngx_plum_redis_cleanup(void *data);
static ngx_int_t ngx_plum_redis_send(ngx_plum_redis_call_t *call);
static ngx_int_t ngx_plum_redis_retry(ngx_plum_redis_call_t *call);
static void ngx_plum_redis_retry_handler(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
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
static void ngx_plum_redis_end(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_redis_ready(ngx_plum_redis_t *client);
static u_char *ngx_plum_redis_log_handler(ngx_log_t *log, u_char *buf,
    size_t len);


/* the clients of all cycles of this process; a cleanup takes them out */

static ngx_queue_t  ngx_plum_redis_list;


ngx_plum_redis_t *
ngx_plum_redis_create(ngx_conf_t *cf, const ngx_plum_redis_conf_t *conf,
    const ngx_plum_redis_user_t *user, void *data)
{
    ngx_plum_redis_t    *client;
    ngx_pool_cleanup_t  *cln;

    client = ngx_pcalloc(cf->pool, sizeof(ngx_plum_redis_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (client == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_plum_redis_cleanup;
    cln->data = client;

    client->conf = conf;
    client->user = user;
    client->data = data;
    client->cycle = cf->cycle;

    client->ready = ngx_plum_redis_ready;
    client->wait = ngx_plum_redis_wait_before;
    client->replicated = ngx_plum_redis_replicated;

    if (ngx_plum_redis_list.next == NULL) {
        ngx_queue_init(&ngx_plum_redis_list);
    }

    ngx_queue_insert_tail(&ngx_plum_redis_list, &client->queue);

    return client;
}


static void
ngx_plum_redis_cleanup(void *data)
{
    ngx_plum_redis_t *client = data;

    ngx_plum_redis_exit(client);

    ngx_queue_remove(&client->queue);
}


ngx_int_t
ngx_plum_redis_init_process(ngx_cycle_t *cycle)
{
    ngx_queue_t       *q;
    ngx_plum_redis_t  *client;

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || ngx_plum_redis_list.next == NULL)
    {
        return NGX_OK;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        client = ngx_queue_data(q, ngx_plum_redis_t, queue);

        if (client->cycle == cycle) {
            ngx_plum_redis_open(client);
        }
    }

    return NGX_OK;
}


void
ngx_plum_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_queue_t  *q;

    if (ngx_plum_redis_list.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        ngx_plum_redis_exit(ngx_queue_data(q, ngx_plum_redis_t, queue));
    }
}


static void
ngx_plum_redis_open(ngx_plum_redis_t *client)
{
    client->opened = 1;

    client->log = *ngx_cycle->log;
    client->log.handler = ngx_plum_redis_log_handler;
    client->log.data = client;
    client->log.action = NULL;

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

    client->topology = client->conf->topology->open(client);
}


static void
ngx_plum_redis_exit(ngx_plum_redis_t *client)
{
    ngx_queue_t            *q;
    ngx_plum_redis_call_t  *call;

    if (!client->opened) {
        return;
    }

    client->opened = 0;
    client->closed = 1;

    while (!ngx_queue_empty(&client->retries)) {
        q = ngx_queue_head(&client->retries);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        ngx_queue_remove(q);
        ngx_plum_redis_end(call, NGX_PLUM_REDIS_CLOSED, NULL);
    }

    if (client->retry.timer_set) {
        ngx_del_timer(&client->retry);
    }

    if (client->topology) {
        client->conf->topology->close(client->topology);
        client->topology = NULL;
    }

    if (client->user->closed) {
        client->user->closed(client->data);
    }
}


ngx_log_t *
ngx_plum_redis_log(ngx_plum_redis_t *client)
{
    return client->log.handler ? &client->log : ngx_cycle->log;
}


ngx_int_t
ngx_plum_redis_call(ngx_plum_redis_t *client, ngx_plum_redis_call_t *call)
{
    ngx_int_t  rc;

    if (!client->opened) {

        if (client->closed
            || (ngx_process != NGX_PROCESS_WORKER
                && ngx_process != NGX_PROCESS_SINGLE))
        {
            return NGX_DECLINED;
        }

        /* after a reload without a master process */

        ngx_plum_redis_open(client);
    }

    call->client = client;
    call->done = ngx_plum_redis_done;
    call->limit = call->until ? call->until
                              : ngx_current_msec + client->conf->timeout;
    call->reply = NULL;
    call->tries = 0;
    call->sent = 0;
    call->skip = 1;
    call->large = 0;
    call->asking = 0;
    call->eval = 0;
    call->cancelled = 0;

    rc = ngx_plum_redis_send(call);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &client->log, 0,
                   "plum redis call %p: %s", call,
                   rc == NGX_OK ? "taken" : "declined");

    return rc;
}


ngx_int_t
ngx_plum_redis_cancel(ngx_plum_redis_call_t *call)
{
    if (call->conn) {
        return ngx_plum_redis_conn_cancel(call);
    }

    /* among those that are to be sent again */

    ngx_queue_remove(&call->queue);

    return NGX_OK;
}


void
ngx_plum_redis_complain(ngx_plum_redis_call_t *call, const char *what,
    const redisReply *reply)
{
    ngx_plum_redis_report_error(call->log, what, reply->str, reply->len);
}


/* NGX_OK or NGX_DECLINED, as ngx_plum_redis_call() */

static ngx_int_t
ngx_plum_redis_send(ngx_plum_redis_call_t *call)
{
    ngx_plum_redis_t       *client;
    ngx_plum_redis_conn_t  *conn;

    client = call->client;

    if (client->topology == NULL) {

        /* there was no memory */

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
 * It was not executed: it is sent again, to wherever it belongs then.
 * NGX_DECLINED: it was cancelled, or has had all its tries or its time.
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


/* a call leaves its connection: with a reply, or without one */

static ngx_int_t
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

    /* another node may be there for it */

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
 * It was not executed, as it belongs elsewhere, or the deployment is changing.
 * NGX_OK: it is on its way, or has ended.  NGX_DECLINED: it leads nowhere.
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


/* a call that may need memory of Redis has succeeded */

static void
ngx_plum_redis_accepted(ngx_plum_redis_conn_t *conn)
{
    conn->worked = 1;

    ngx_plum_redis_report_accepted(conn);
}


static void
ngx_plum_redis_end(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &call->client->log, 0,
                   "plum redis call %p: ends, status %d", call, (int) status);

    call->handler(call, status, reply);
}


static void
ngx_plum_redis_ready(ngx_plum_redis_t *client)
{
    if (client->user->ready) {
        client->user->ready(client->data);
    }
}


static u_char *
ngx_plum_redis_log_handler(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_plum_redis_t  *client;

    client = log->data;

    return ngx_snprintf(buf, len, ", %s: \"%V\"", client->conf->kind,
                        &client->conf->name);
}
