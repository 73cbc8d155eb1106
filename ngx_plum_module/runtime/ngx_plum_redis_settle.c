
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis.h>


#define NGX_PLUM_REDIS_SETTLE    200     /* ms between attempts */


/*
 * Settlements: commits and releases.  Where one fails it waits in
 * redis->settlements for the settle timer or the next connection, until the
 * reply comes or the lease has lapsed.
 *
 * The settle timer runs as long as there is any settlement, and then is not
 * cancelable, so that an exiting worker stays for them.
 */


static void ngx_plum_redis_settle_end(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);
static void ngx_plum_redis_settle_handler(ngx_event_t *ev);
static void ngx_plum_redis_settle_lapsed(ngx_plum_redis_t *redis);


void
ngx_plum_redis_settle_open(ngx_plum_redis_t *redis)
{
    ngx_queue_init(&redis->settlements);

    redis->settle.handler = ngx_plum_redis_settle_handler;
    redis->settle.data = &redis->fake;
    redis->settle.log = &redis->log;
}


void
ngx_plum_redis_settle(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    op->settlement = 1;
    op->until = ngx_current_msec + (ngx_msec_t) op->command.lease;

    redis->unsettled++;
    redis->settle.cancelable = 0;

    if (ngx_plum_redis_submit(redis, op) != NGX_OK) {
        ngx_queue_insert_tail(&redis->settlements, &op->queue);
    }

    if (!redis->settle.timer_set) {
        ngx_add_timer(&redis->settle, NGX_PLUM_REDIS_SETTLE);
    }
}


void
ngx_plum_redis_settle_later(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    ngx_queue_insert_tail(&redis->settlements, &op->queue);
}


void
ngx_plum_redis_settle_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result)
{
    ngx_plum_redis_t  *redis;

    redis = conn->redis;

    switch (result->outcome) {

    case PLUM_REDIS_LOST:
        if (!op->quiet) {
            ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                          "plum: the lease of a claim lapsed before it could "
                          "be %s; a copy may have been forwarded",
                          op->command.kind == PLUM_REDIS_COMMIT
                          ? "committed" : "released");
        }

        /* fall through */

    case PLUM_REDIS_OK:
    case PLUM_REDIS_FOREIGN:
        ngx_plum_redis_settle_end(redis, op);
        return;

    default:

        /* refused: later it may be allowed */

        ngx_plum_redis_settle_later(redis, op);
    }
}


/* op is in no queue */

static void
ngx_plum_redis_settle_end(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    op->type->dropped(op);

    redis->unsettled--;

    redis->settle.cancelable = (redis->unsettled == 0);
}


static void
ngx_plum_redis_settle_handler(ngx_event_t *ev)
{
    ngx_connection_t  *fake;
    ngx_plum_redis_t  *redis;

    fake = ev->data;
    redis = fake->data;

    ngx_plum_redis_settle_lapsed(redis);
    ngx_plum_redis_settle_all(redis);

    if (redis->unsettled && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PLUM_REDIS_SETTLE);
    }
}


void
ngx_plum_redis_settle_all(ngx_plum_redis_t *redis)
{
    ngx_queue_t          *q, ops;
    ngx_plum_redis_op_t  *op;

    if (ngx_queue_empty(&redis->settlements)) {
        return;
    }

    ngx_queue_init(&ops);
    ngx_queue_add(&ops, &redis->settlements);
    ngx_queue_init(&redis->settlements);

    while (!ngx_queue_empty(&ops)) {
        q = ngx_queue_head(&ops);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);

        op->tries = 0;
        op->asking = 0;

        if (ngx_plum_redis_submit(redis, op) != NGX_OK) {
            ngx_queue_insert_tail(&redis->settlements, q);
        }
    }
}


static void
ngx_plum_redis_settle_lapsed(ngx_plum_redis_t *redis)
{
    ngx_uint_t            commits, alone, releases;
    ngx_queue_t          *q, *next;
    ngx_plum_redis_op_t  *op;

    commits = 0;
    alone = 0;
    releases = 0;

    for (q = ngx_queue_head(&redis->settlements);
         q != ngx_queue_sentinel(&redis->settlements);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        if ((ngx_msec_int_t) (op->until - ngx_current_msec) > 0) {
            continue;
        }

        if (op->alone) {
            alone++;

        } else if (op->command.kind == PLUM_REDIS_COMMIT) {
            commits++;

        } else {
            releases++;
        }

        ngx_queue_remove(q);
        ngx_plum_redis_settle_end(redis, op);
    }

    if (commits) {
        ngx_log_error(NGX_LOG_ERR, &redis->log, 0,
                      "plum: %ui commits could not be written before their "
                      "leases lapsed; copies of these deliveries would be "
                      "forwarded", commits);
    }

    if (alone) {
        ngx_log_error(NGX_LOG_WARN, &redis->log, 0,
                      "plum: %ui commits did not reach their replicas before "
                      "their leases lapsed; a failover may forget them",
                      alone);
    }

    if (releases) {
        ngx_log_error(NGX_LOG_INFO, &redis->log, 0,
                      "plum: %ui releases could not be written before their "
                      "leases lapsed", releases);
    }
}


void
ngx_plum_redis_settle_exit(ngx_plum_redis_t *redis)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    if (redis->unsettled) {
        ngx_log_error(NGX_LOG_WARN, &redis->log, 0,
                      "plum: %ui commits and releases are given up",
                      redis->unsettled);
    }

    while (!ngx_queue_empty(&redis->settlements)) {
        q = ngx_queue_head(&redis->settlements);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);
        op->type->dropped(op);
    }

    redis->unsettled = 0;

    if (redis->settle.timer_set) {
        ngx_del_timer(&redis->settle);
    }
}
