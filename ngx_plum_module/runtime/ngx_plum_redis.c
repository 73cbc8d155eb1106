
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_RETRY     50      /* ms */
#define NGX_PLUM_REDIS_QUIET     5000    /* ms without an error reply: it
                                            accepts commands again */
#define NGX_PLUM_REDIS_TEXT      200     /* of an error reply, in the log */


static void ngx_plum_redis_open(ngx_plum_redis_t *redis);
static void ngx_plum_redis_exit(ngx_plum_redis_t *redis);
static void ngx_plum_redis_retry_handler(ngx_event_t *ev);
static void ngx_plum_redis_cleanup(void *data);
static u_char *ngx_plum_redis_log(ngx_log_t *log, u_char *buf, size_t len);


/* the stores of all cycles of this process; a cleanup takes them out */

static ngx_queue_t  ngx_plum_redis_list;


ngx_int_t
ngx_plum_redis_register(ngx_conf_t *cf, ngx_plum_redis_t *redis)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_plum_redis_cleanup;
    cln->data = redis;

    if (ngx_plum_redis_list.next == NULL) {
        ngx_queue_init(&ngx_plum_redis_list);
    }

    ngx_queue_insert_tail(&ngx_plum_redis_list, &redis->queue);

    return NGX_OK;
}


static void
ngx_plum_redis_cleanup(void *data)
{
    ngx_plum_redis_t *redis = data;

    ngx_plum_redis_exit(redis);

    ngx_queue_remove(&redis->queue);
}


ngx_int_t
ngx_plum_redis_init_process(ngx_cycle_t *cycle)
{
    ngx_queue_t       *q;
    ngx_plum_redis_t  *redis;

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || ngx_plum_redis_list.next == NULL)
    {
        return NGX_OK;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        redis = ngx_queue_data(q, ngx_plum_redis_t, queue);

        if (redis->cycle == cycle) {
            ngx_plum_redis_open(redis);
        }
    }

    return NGX_OK;
}


void
ngx_plum_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_queue_t       *q;
    ngx_plum_redis_t  *redis;

    if (ngx_plum_redis_list.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        redis = ngx_queue_data(q, ngx_plum_redis_t, queue);

        ngx_plum_redis_exit(redis);
    }
}


static void
ngx_plum_redis_open(ngx_plum_redis_t *redis)
{
    redis->opened = 1;

    redis->log = *ngx_cycle->log;
    redis->log.handler = ngx_plum_redis_log;
    redis->log.data = redis;
    redis->log.action = NULL;

    redis->fake.fd = (ngx_socket_t) -1;
    redis->fake.data = redis;

    ngx_queue_init(&redis->retries);

    /* somebody waits for it: an exiting worker does, too */

    redis->retry.handler = ngx_plum_redis_retry_handler;
    redis->retry.data = &redis->fake;
    redis->retry.log = &redis->log;

    ngx_plum_redis_settle_open(redis);

    switch (redis->mode) {

    case NGX_PLUM_REDIS_PLAIN:
        ngx_plum_redis_conn_open(&redis->conn, redis, redis->hosts,
                                 redis->nhosts);
        break;

    case NGX_PLUM_REDIS_SENTINEL:
        redis->sentinel.sentinel = 1;
        redis->sentinel.lazy = 1;
        redis->nowhere.text = redis->master;

        ngx_plum_redis_conn_open(&redis->sentinel, redis, redis->hosts,
                                 redis->nhosts);
        ngx_plum_redis_conn_open(&redis->conn, redis, &redis->nowhere, 1);
        break;

    case NGX_PLUM_REDIS_CLUSTER:
        redis->cluster = ngx_plum_redis_cluster_open(redis);
        break;
    }
}


static void
ngx_plum_redis_exit(ngx_plum_redis_t *redis)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    if (!redis->opened) {
        return;
    }

    redis->opened = 0;
    redis->closed = 1;

    ngx_plum_redis_settle_exit(redis);

    while (!ngx_queue_empty(&redis->retries)) {
        q = ngx_queue_head(&redis->retries);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);
        op->type->dropped(op);
    }

    if (redis->retry.timer_set) {
        ngx_del_timer(&redis->retry);
    }

    ngx_plum_redis_conn_exit(&redis->conn);
    ngx_plum_redis_conn_exit(&redis->sentinel);

    if (redis->cluster) {
        ngx_plum_redis_cluster_exit(redis->cluster);
        redis->cluster = NULL;
    }
}


ngx_int_t
ngx_plum_redis_submit(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    if (!redis->opened) {

        if (redis->closed) {
            return NGX_DECLINED;
        }

        /* after a reload without a master process */

        ngx_plum_redis_open(redis);
    }

    if (redis->mode != NGX_PLUM_REDIS_CLUSTER) {
        return ngx_plum_redis_conn_submit(&redis->conn, op);
    }

    /* NULL: no memory */

    return redis->cluster ? ngx_plum_redis_cluster_submit(redis->cluster, op)
                          : NGX_DECLINED;
}


ngx_int_t
ngx_plum_redis_retry(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    if (op->unwanted
        || op->tries++ >= NGX_PLUM_REDIS_TRIES
        || (ngx_msec_int_t) (op->until - ngx_current_msec) <= 0)
    {
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&redis->retries, &op->queue);

    if (!redis->retry.timer_set) {
        ngx_add_timer(&redis->retry, NGX_PLUM_REDIS_RETRY);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_retry_handler(ngx_event_t *ev)
{
    ngx_queue_t          *q, ops;
    ngx_connection_t     *fake;
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    fake = ev->data;
    redis = fake->data;

    ngx_queue_init(&ops);

    if (!ngx_queue_empty(&redis->retries)) {
        ngx_queue_add(&ops, &redis->retries);
        ngx_queue_init(&redis->retries);
    }

    while (!ngx_queue_empty(&ops)) {
        q = ngx_queue_head(&ops);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);

        if (op->unwanted || ngx_plum_redis_submit(redis, op) != NGX_OK) {
            op->tries = NGX_PLUM_REDIS_TRIES;
            op->type->failed(&redis->conn, op, NGX_PLUM_OP_NOT_SENT);
        }
    }
}


ngx_uint_t
ngx_plum_redis_unused(ngx_plum_redis_t *redis)
{
    return redis->unsettled == 0
           && redis->conn.pending == 0
           && ngx_queue_empty(&redis->retries)
           && (redis->cluster == NULL
               || !ngx_plum_redis_cluster_pending(redis->cluster));
}


void
ngx_plum_redis_ready(ngx_plum_redis_conn_t *conn)
{
    if (conn->redis->cluster) {
        ngx_plum_redis_cluster_ready(conn->redis->cluster);
    }

    ngx_plum_redis_settle_all(conn->redis);
}


void
ngx_plum_redis_lost(ngx_plum_redis_conn_t *conn)
{
    if (conn->redis->cluster && !conn->lazy) {
        ngx_plum_redis_cluster_changed(conn->redis->cluster);
    }
}


void
ngx_plum_redis_refused(ngx_plum_redis_conn_t *conn, const char *what,
    u_char *text, size_t len)
{
    conn->refused = ngx_current_msec;

    if (!conn->refusing) {
        conn->refusing = 1;

        ngx_plum_redis_complain(conn, what, text, len);
    }
}


void
ngx_plum_redis_complain(ngx_plum_redis_conn_t *conn, const char *what,
    u_char *text, size_t len)
{
    u_char  clean[NGX_PLUM_REDIS_TEXT];
    size_t  i;

    len = ngx_min(len, NGX_PLUM_REDIS_TEXT);

    for (i = 0; i < len; i++) {
        clean[i] = (text[i] < 0x20 || text[i] > 0x7e) ? '?' : text[i];
    }

    ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                  "plum: redis refuses a command%s: \"%*s\"", what, len,
                  clean);
}


void
ngx_plum_redis_accepted(ngx_plum_redis_conn_t *conn)
{
    if (conn->refusing
        && (ngx_msec_int_t) (ngx_current_msec - conn->refused)
           >= NGX_PLUM_REDIS_QUIET)
    {
        conn->refusing = 0;

        ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0,
                      "plum: redis accepts commands again");
    }
}


static u_char *
ngx_plum_redis_log(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_plum_redis_t  *redis;

    redis = log->data;

    return ngx_snprintf(buf, len, ", plum store: \"%V\"",
                        &redis->store->name);
}
