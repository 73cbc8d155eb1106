
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_store_redis.h>


/*
 * Commits and releases are settlements, see ngx_plum_settle.h: each is tried
 * until the reply comes or the lease has lapsed.
 */


/* of those that lapse */

#define NGX_PLUM_STORE_COMMITS   0
#define NGX_PLUM_STORE_ALONE     1
#define NGX_PLUM_STORE_RELEASES  2


static ngx_int_t ngx_plum_store_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement);
static void ngx_plum_store_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static ngx_uint_t ngx_plum_store_settle_over(ngx_plum_store_op_t *op,
    ngx_plum_redis_status_e status);
static ngx_int_t ngx_plum_store_settle_lapsed(
    ngx_plum_settlement_t *settlement);
static void ngx_plum_store_settle_report(ngx_plum_settler_t *settler,
    const ngx_uint_t *counts);


static const ngx_plum_settle_kind_t  ngx_plum_store_settle_kind = {
    ngx_plum_store_settle_send,
    ngx_plum_store_settle_lapsed,
    ngx_plum_store_settle_report
};


void
ngx_plum_store_settle(ngx_plum_store_op_t *op)
{
    ngx_plum_store_redis_t  *redis;

    redis = op->store;

    redis->settler.kind = &ngx_plum_store_settle_kind;
    redis->settler.data = redis;

    op->settlement.until = ngx_current_msec + op->lease;
    op->call.handler = ngx_plum_store_settled;
    op->call.urgent = 1;

    ngx_plum_settle(&redis->settler, &op->settlement,
                    ngx_plum_redis_log(redis->client));
}


static ngx_int_t
ngx_plum_store_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement)
{
    return ngx_plum_store_op_send((ngx_plum_store_op_t *) settlement);
}


static void
ngx_plum_store_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_store_op_t  *op;

    op = call->data;

    ngx_plum_store_op_measure(op, status);

    if (status == NGX_PLUM_REDIS_CLOSED) {
        ngx_free(op);
        return;
    }

    if (ngx_plum_store_settle_over(op, status)) {
        ngx_plum_settle_end(&op->store->settler, &op->settlement);
        return;
    }

    if (status == NGX_PLUM_REDIS_UNKNOWN || status == NGX_PLUM_REDIS_ALONE) {
        op->again = 1;
    }

    op->alone = (status == NGX_PLUM_REDIS_ALONE) | op->alone;

    ngx_plum_settle_later(&op->store->settler, &op->settlement);
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


static ngx_int_t
ngx_plum_store_settle_lapsed(ngx_plum_settlement_t *settlement)
{
    ngx_plum_store_op_t  *op;

    op = (ngx_plum_store_op_t *) settlement;

    if (op->alone) {
        return NGX_PLUM_STORE_ALONE;
    }

    return (op->kind == PLUM_RECORD_COMMIT) ? NGX_PLUM_STORE_COMMITS
                                            : NGX_PLUM_STORE_RELEASES;
}


static void
ngx_plum_store_settle_report(ngx_plum_settler_t *settler,
    const ngx_uint_t *counts)
{
    ngx_log_t  *log;

    log = settler->timer.log;

    if (counts[NGX_PLUM_STORE_COMMITS]) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: %ui commits could not be written before their "
                      "leases lapsed; copies of these deliveries would be "
                      "forwarded", counts[NGX_PLUM_STORE_COMMITS]);
    }

    if (counts[NGX_PLUM_STORE_ALONE]) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: %ui commits did not reach their replicas before "
                      "their leases lapsed; a failover may forget them",
                      counts[NGX_PLUM_STORE_ALONE]);
    }

    if (counts[NGX_PLUM_STORE_RELEASES]) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "plum: %ui releases could not be written before their "
                      "leases lapsed", counts[NGX_PLUM_STORE_RELEASES]);
    }
}


void
ngx_plum_store_settle_all(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_plum_settle_all(&redis->settler);
}


void
ngx_plum_store_settle_exit(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_uint_t  n;

    n = ngx_plum_settle_exit(&redis->settler);

    if (n) {
        ngx_log_error(NGX_LOG_WARN, ngx_plum_redis_log(redis->client), 0,
                      "plum: %ui commits and releases are given up", n);
    }
}
