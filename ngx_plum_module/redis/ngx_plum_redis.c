
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/* Clients: created with the configuration, opened in each worker. */


static void ngx_plum_redis_cleanup(void *data);
static void ngx_plum_redis_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_exit(ngx_plum_redis_t *client);
static void ngx_plum_redis_ready(ngx_plum_redis_t *client);
static u_char *ngx_plum_redis_log_handler(ngx_log_t *log, u_char *buf,
    size_t len);


/* clients of all cycles of this process; a pool cleanup removes them */

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
    client->check = ngx_plum_redis_hello_again;

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

    ngx_plum_redis_dispatch_init(client);

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

    /* the call is among client->retries */

    ngx_queue_remove(&call->queue);

    return NGX_OK;
}


void
ngx_plum_redis_complain(ngx_plum_redis_call_t *call, const char *what,
    const redisReply *reply)
{
    ngx_plum_redis_report_error(call->log, what, reply->str, reply->len);
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
