
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_store_redis.h>


#define NGX_PLUM_STORE_SETTLE    200     /* ms between attempts */


/*
 * Settlements: commits and releases.  Where one fails it waits in
 * redis->settlements for the settle timer or the next connection, until the
 * reply comes or the lease has lapsed.
 *
 * The settle timer runs as long as there is any settlement, and then is not
 * cancelable, so that an exiting worker stays for them.
 */


static void ngx_plum_store_settle_send(ngx_plum_store_op_t *op);
static void ngx_plum_store_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static ngx_uint_t ngx_plum_store_settle_over(ngx_plum_store_op_t *op,
    ngx_plum_redis_status_e status);
static void ngx_plum_store_settle_end(ngx_plum_store_op_t *op);
static void ngx_plum_store_settle_handler(ngx_event_t *ev);
static void ngx_plum_store_settle_lapsed(ngx_plum_store_redis_t *redis);


void
ngx_plum_store_settle(ngx_plum_store_op_t *op)
{
    ngx_plum_store_redis_t  *redis;

    redis = op->store;

    if (redis->settlements.next == NULL) {
        ngx_queue_init(&redis->settlements);

        redis->fake.fd = (ngx_socket_t) -1;
        redis->fake.data = redis;

        redis->settle.handler = ngx_plum_store_settle_handler;
        redis->settle.data = &redis->fake;
        redis->settle.log = ngx_plum_redis_log(redis->client);
    }

    op->until = ngx_current_msec + op->lease;
    op->call.handler = ngx_plum_store_settled;
    op->call.urgent = 1;

    redis->unsettled++;
    redis->settle.cancelable = 0;

    ngx_plum_store_settle_send(op);

    if (!redis->settle.timer_set) {
        ngx_add_timer(&redis->settle, NGX_PLUM_STORE_SETTLE);
    }
}


static void
ngx_plum_store_settle_send(ngx_plum_store_op_t *op)
{
    if (ngx_plum_store_op_send(op) != NGX_OK) {
        ngx_queue_insert_tail(&op->store->settlements, &op->queue);
    }
}


static void
ngx_plum_store_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_store_op_t  *op;

    op = call->data;

    if (status == NGX_PLUM_REDIS_CLOSED) {
        ngx_free(op);
        return;
    }

    if (ngx_plum_store_settle_over(op, status)) {
        ngx_plum_store_settle_end(op);
        return;
    }

    if (status == NGX_PLUM_REDIS_UNKNOWN || status == NGX_PLUM_REDIS_ALONE) {
        op->again = 1;
    }

    op->alone = (status == NGX_PLUM_REDIS_ALONE) | op->alone;

    ngx_queue_insert_tail(&op->store->settlements, &op->queue);
}


static ngx_uint_t
ngx_plum_store_settle_over(ngx_plum_store_op_t *op,
    ngx_plum_redis_status_e status)
{
    if (status == NGX_PLUM_REDIS_REFUSED) {

        /* later it may be allowed */

        return op->result.outcome == PLUM_RECORD_FOREIGN;
    }

    if (status != NGX_PLUM_REDIS_OK) {
        return 0;
    }

    if (op->result.outcome == PLUM_RECORD_LOST && !op->quiet) {
        ngx_log_error(NGX_LOG_WARN, op->call.log, 0,
                      "plum: the lease of a claim lapsed before it could "
                      "be %s; a copy may have been forwarded",
                      op->kind == PLUM_RECORD_COMMIT ? "committed"
                                                     : "released");
    }

    return 1;
}


static void
ngx_plum_store_settle_end(ngx_plum_store_op_t *op)
{
    ngx_plum_store_redis_t  *redis;

    redis = op->store;

    ngx_free(op);

    redis->unsettled--;

    redis->settle.cancelable = (redis->unsettled == 0);
}


static void
ngx_plum_store_settle_handler(ngx_event_t *ev)
{
    ngx_connection_t        *fake;
    ngx_plum_store_redis_t  *redis;

    fake = ev->data;
    redis = fake->data;

    ngx_plum_store_settle_lapsed(redis);
    ngx_plum_store_settle_all(redis);

    if (redis->unsettled && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PLUM_STORE_SETTLE);
    }
}


void
ngx_plum_store_settle_all(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_queue_t          *q, ops;

    if (redis->settlements.next == NULL
        || ngx_queue_empty(&redis->settlements))
    {
        return;
    }

    ngx_queue_init(&ops);
    ngx_queue_add(&ops, &redis->settlements);
    ngx_queue_init(&redis->settlements);

    while (!ngx_queue_empty(&ops)) {
        q = ngx_queue_head(&ops);

        ngx_queue_remove(q);

        ngx_plum_store_settle_send(ngx_queue_data(q, ngx_plum_store_op_t,
                                                  queue));
    }
}


static void
ngx_plum_store_settle_lapsed(ngx_plum_store_redis_t *redis)
{
    ngx_log_t            *log;
    ngx_uint_t            commits, alone, releases;
    ngx_queue_t          *q, *next;
    ngx_plum_store_op_t  *op;

    log = ngx_plum_redis_log(redis->client);

    commits = 0;
    alone = 0;
    releases = 0;

    for (q = ngx_queue_head(&redis->settlements);
         q != ngx_queue_sentinel(&redis->settlements);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_plum_store_op_t, queue);

        if ((ngx_msec_int_t) (op->until - ngx_current_msec) > 0) {
            continue;
        }

        if (op->alone) {
            alone++;

        } else if (op->kind == PLUM_RECORD_COMMIT) {
            commits++;

        } else {
            releases++;
        }

        ngx_queue_remove(q);
        ngx_plum_store_settle_end(op);
    }

    if (commits) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: %ui commits could not be written before their "
                      "leases lapsed; copies of these deliveries would be "
                      "forwarded", commits);
    }

    if (alone) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: %ui commits did not reach their replicas before "
                      "their leases lapsed; a failover may forget them",
                      alone);
    }

    if (releases) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "plum: %ui releases could not be written before their "
                      "leases lapsed", releases);
    }
}


void
ngx_plum_store_settle_exit(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_queue_t  *q;

    if (redis->unsettled == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_plum_redis_log(redis->client), 0,
                  "plum: %ui commits and releases are given up",
                  redis->unsettled);

    while (!ngx_queue_empty(&redis->settlements)) {
        q = ngx_queue_head(&redis->settlements);

        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_plum_store_op_t, queue));
    }

    redis->unsettled = 0;

    if (redis->settle.timer_set) {
        ngx_del_timer(&redis->settle);
    }
}
