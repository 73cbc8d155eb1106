
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis.h>


#define NGX_PLUM_REDIS_SETTLE    200     /* ms between attempts */
#define NGX_PLUM_REDIS_TEXT      200     /* of an error reply, in the log */


/*
 * What becomes of an operation:
 *
 *   claim    a reply, or a failure, goes to the claim's handler.  Where nobody
 *            waits any more and it was made, or it is not known whether it
 *            was made, the operation turns into a release: a settlement
 *   renew    is not tried again: the next one follows
 *   commit, release
 *            settlements: where they fail they wait in redis->settlements for
 *            the settle timer or the next connection, until the reply comes
 *            or the lease has lapsed
 *
 * The settle timer runs as long as there is any settlement, and is not
 * cancelable, so that an exiting worker stays for them.
 */


static ngx_int_t ngx_plum_store_redis_claim(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static void ngx_plum_store_redis_cancel(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_int_t ngx_plum_store_redis_renew(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_int_t ngx_plum_store_redis_commit(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim, ngx_msec_t retention, ngx_str_t *answer);
static ngx_int_t ngx_plum_store_redis_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);

static ngx_plum_redis_op_t *ngx_plum_redis_op_create(ngx_plum_redis_t *redis,
    ngx_plum_claim_t *claim, plum_redis_kind_t kind, ngx_str_t *answer);
static void ngx_plum_redis_op_claimed(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static void ngx_plum_redis_op_settled(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static void ngx_plum_redis_claim_end(ngx_plum_claim_t *claim,
    ngx_plum_outcome_e outcome);
static void ngx_plum_redis_compensate(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, ngx_uint_t again);
static void ngx_plum_redis_reclaim(ngx_plum_redis_t *redis,
    ngx_plum_claim_t *claim);
static void ngx_plum_redis_settle(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);
static void ngx_plum_redis_settle_end(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);
static void ngx_plum_redis_settle_handler(ngx_event_t *ev);
static void ngx_plum_redis_settle_all(ngx_plum_redis_t *redis);
static void ngx_plum_redis_settle_lapsed(ngx_plum_redis_t *redis);
static void ngx_plum_redis_report(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static char *ngx_plum_store_redis_create(ngx_conf_t *cf,
    ngx_plum_store_t *store, char *scheme, ngx_str_t *address,
    ngx_str_t *parameters, ngx_uint_t nparameters);


static const ngx_plum_store_ops_t  ngx_plum_store_redis_ops = {
    ngx_plum_store_redis_claim,
    ngx_plum_store_redis_cancel,
    ngx_plum_store_redis_renew,
    ngx_plum_store_redis_commit,
    ngx_plum_store_redis_release
};


static ngx_int_t
ngx_plum_store_redis_claim(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    claim->op = NULL;
    claim->left = 0;
    ngx_str_null(&claim->answer);

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_CLAIM, NULL);

    if (op) {
        op->claim = claim;

        if (ngx_plum_redis_conn_submit(&redis->conn, op) == NGX_OK) {

            /* only now: a claim that is not sent leaves the release to do */

            ngx_plum_redis_reclaim(redis, claim);

            claim->op = op;
            return NGX_AGAIN;
        }

        ngx_plum_redis_op_free(op);
    }

    claim->outcome = NGX_PLUM_OP_NOT_SENT;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum store \"%V\" claim: not sent", &store->name);

    return NGX_OK;
}


static void
ngx_plum_store_redis_cancel(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_op_t  *op;

    op = claim->op;

    op->claim = NULL;
    claim->op = NULL;
}


static ngx_int_t
ngx_plum_store_redis_renew(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_RENEW, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    if (ngx_plum_redis_conn_submit(&redis->conn, op) != NGX_OK) {
        ngx_plum_redis_op_free(op);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_commit(ngx_plum_store_t *store, ngx_plum_claim_t *claim,
    ngx_msec_t retention, ngx_str_t *answer)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    if (answer->len > NGX_PLUM_REDIS_ANSWER_MAX) {
        ngx_log_error(NGX_LOG_WARN, &redis->conn.log, 0,
                      "plum: an answer of %uz bytes is too large to be kept",
                      answer->len);
        answer = NULL;
    }

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_COMMIT, answer);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->command.retention = retention;

    ngx_plum_redis_settle(redis, op);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_RELEASE, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_plum_redis_settle(redis, op);

    return NGX_OK;
}


/* one block: the operation, the key, the state of the record, the answer */

static ngx_plum_redis_op_t *
ngx_plum_redis_op_create(ngx_plum_redis_t *redis, ngx_plum_claim_t *claim,
    plum_redis_kind_t kind, ngx_str_t *answer)
{
    u_char               *p;
    size_t                len;
    ngx_plum_redis_op_t  *op;

    len = answer ? answer->len : 0;

    op = ngx_alloc(sizeof(ngx_plum_redis_op_t) + redis->prefix.len
                   + claim->key.len + 1 + len, &redis->conn.log);
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_redis_op_t));

    p = (u_char *) op + sizeof(ngx_plum_redis_op_t);

    op->command.kind = kind;
    op->command.lease = claim->lease;
    ngx_memcpy(op->command.token, claim->token, PLUM_REDIS_TOKEN_LEN);

    op->command.key.data = p;
    op->command.key.len = redis->prefix.len + claim->key.len;

    p = ngx_cpymem(p, redis->prefix.data, redis->prefix.len);
    p = ngx_cpymem(p, claim->key.data, claim->key.len);

    *p++ = 'd';

    op->command.answer.data = p;
    op->command.answer.len = len;

    if (len) {
        ngx_memcpy(p, answer->data, len);
    }

    return op;
}


void
ngx_plum_redis_op_free(ngx_plum_redis_op_t *op)
{
    if (op->claim) {
        op->claim->op = NULL;
    }

    ngx_free(op);
}


ngx_int_t
ngx_plum_redis_op_reply(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    const redisReply *reply)
{
    plum_redis_result_t  result;

    plum_redis_judge(op->command.kind, op->again, reply, &result);

    ngx_log_debug4(NGX_LOG_DEBUG_CORE, &redis->conn.log, 0,
                   "plum redis reply to command %d: %d, left: %uL, text: %uz",
                   (int) op->command.kind, (int) result.outcome, result.left,
                   result.text.len);

    if (result.outcome == PLUM_REDIS_NOSCRIPT) {

        if (op->command.kind == PLUM_REDIS_CLAIM && op->claim == NULL) {
            ngx_plum_redis_op_free(op);
            return NGX_OK;
        }

        if (!op->eval) {
            op->eval = 1;
            return NGX_AGAIN;
        }

        result.outcome = PLUM_REDIS_REFUSED;
    }

    if (result.outcome == PLUM_REDIS_BROKEN) {
        return NGX_ERROR;
    }

    ngx_plum_redis_report(redis, op, &result);

    switch (op->command.kind) {

    case PLUM_REDIS_CLAIM:
        ngx_plum_redis_op_claimed(redis, op, &result);
        break;

    case PLUM_REDIS_RENEW:
        if (result.outcome == PLUM_REDIS_LOST) {
            ngx_log_error(NGX_LOG_WARN, &redis->conn.log, 0,
                          "plum: the lease of a claim lapsed before it could "
                          "be renewed; a copy may have been forwarded");
        }

        ngx_plum_redis_op_free(op);
        break;

    default:
        ngx_plum_redis_op_settled(redis, op, &result);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_op_claimed(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    plum_redis_result_t *result)
{
    u_char              *p;
    ngx_plum_claim_t    *claim;
    ngx_plum_outcome_e   outcome;

    claim = op->claim;

    if (claim == NULL) {
        if (result->outcome == PLUM_REDIS_OK) {
            ngx_plum_redis_compensate(redis, op, 0);

        } else {
            ngx_plum_redis_op_free(op);
        }

        return;
    }

    ngx_plum_redis_op_free(op);

    switch (result->outcome) {

    case PLUM_REDIS_OK:
        outcome = NGX_PLUM_OP_OK;
        break;

    case PLUM_REDIS_BUSY:
        outcome = NGX_PLUM_OP_BUSY;
        claim->left = (ngx_msec_t) result->left;
        break;

    case PLUM_REDIS_DONE:
        outcome = NGX_PLUM_OP_DONE;

        if (result->text.len == 0) {
            break;
        }

        p = ngx_pnalloc(claim->pool, result->text.len);
        if (p == NULL) {
            outcome = NGX_PLUM_OP_NOT_SENT;
            break;
        }

        ngx_memcpy(p, result->text.data, result->text.len);

        claim->answer.data = p;
        claim->answer.len = result->text.len;
        break;

    default:

        /* refused: nothing was written */

        outcome = NGX_PLUM_OP_NOT_SENT;
    }

    ngx_plum_redis_claim_end(claim, outcome);
}


static void
ngx_plum_redis_claim_end(ngx_plum_claim_t *claim, ngx_plum_outcome_e outcome)
{
    claim->outcome = outcome;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum redis claim: %d", (int) outcome);

    claim->handler(claim);
}


static void
ngx_plum_redis_op_settled(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    plum_redis_result_t *result)
{
    switch (result->outcome) {

    case PLUM_REDIS_LOST:
        if (!op->quiet) {
            ngx_log_error(NGX_LOG_WARN, &redis->conn.log, 0,
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

        ngx_queue_insert_tail(&redis->settlements, &op->queue);
    }
}


void
ngx_plum_redis_op_failed(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    ngx_plum_outcome_e outcome)
{
    ngx_plum_claim_t  *claim;

    if (op->settlement) {
        if (outcome == NGX_PLUM_OP_UNKNOWN) {
            op->again = 1;
        }

        ngx_queue_insert_tail(&redis->settlements, &op->queue);
        return;
    }

    claim = op->claim;

    if (claim) {
        op->claim = NULL;
        claim->op = NULL;
    }

    if (op->command.kind == PLUM_REDIS_CLAIM
        && outcome == NGX_PLUM_OP_UNKNOWN)
    {
        ngx_plum_redis_compensate(redis, op, 1);

    } else {
        ngx_plum_redis_op_free(op);
    }

    if (claim) {
        ngx_plum_redis_claim_end(claim, outcome);
    }
}


/* the claim was made, or may have been, and nobody wants it */

static void
ngx_plum_redis_compensate(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    ngx_uint_t again)
{
    op->command.kind = PLUM_REDIS_RELEASE;
    op->eval = 0;
    op->again = again;
    op->quiet = 1;

    ngx_plum_redis_settle(redis, op);
}


/*
 * The caller tries a claim again whose fate was not known.  A release of it
 * that has been sent is answered before the new claim; one that has not must
 * not follow it.
 */

static void
ngx_plum_redis_reclaim(ngx_plum_redis_t *redis, ngx_plum_claim_t *claim)
{
    ngx_queue_t          *q, *next;
    ngx_plum_redis_op_t  *op;

    if (redis->unsettled == 0) {
        return;
    }

    for (q = ngx_queue_head(&redis->settlements);
         q != ngx_queue_sentinel(&redis->settlements);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        if (op->quiet
            && ngx_memcmp(op->command.token, claim->token,
                          PLUM_REDIS_TOKEN_LEN)
               == 0)
        {
            ngx_queue_remove(q);
            ngx_plum_redis_settle_end(redis, op);
        }
    }
}


static void
ngx_plum_redis_settle(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    op->settlement = 1;
    op->until = ngx_current_msec + (ngx_msec_t) op->command.lease;

    redis->unsettled++;

    if (ngx_plum_redis_conn_submit(&redis->conn, op) != NGX_OK) {
        ngx_queue_insert_tail(&redis->settlements, &op->queue);
    }

    if (!redis->settle.timer_set) {
        ngx_add_timer(&redis->settle, NGX_PLUM_REDIS_SETTLE);
    }
}


/* op is in no queue */

static void
ngx_plum_redis_settle_end(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op)
{
    ngx_plum_redis_op_free(op);

    redis->unsettled--;

    if (redis->unsettled == 0 && redis->settle.timer_set) {
        ngx_del_timer(&redis->settle);
    }
}


static void
ngx_plum_redis_settle_handler(ngx_event_t *ev)
{
    ngx_connection_t  *fake;
    ngx_plum_redis_t  *redis;

    fake = ev->data;
    redis = ((ngx_plum_redis_conn_t *) fake->data)->redis;

    ngx_plum_redis_settle_lapsed(redis);
    ngx_plum_redis_settle_all(redis);

    if (redis->unsettled && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PLUM_REDIS_SETTLE);
    }
}


void
ngx_plum_redis_ready(ngx_plum_redis_t *redis)
{
    ngx_plum_redis_settle_all(redis);
}


static void
ngx_plum_redis_settle_all(ngx_plum_redis_t *redis)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    while (!ngx_queue_empty(&redis->settlements)) {
        q = ngx_queue_head(&redis->settlements);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);

        if (ngx_plum_redis_conn_submit(&redis->conn, op) != NGX_OK) {
            ngx_queue_insert_head(&redis->settlements, q);
            return;
        }
    }
}


static void
ngx_plum_redis_settle_lapsed(ngx_plum_redis_t *redis)
{
    ngx_uint_t            commits, releases;
    ngx_queue_t          *q, *next;
    ngx_plum_redis_op_t  *op;

    commits = 0;
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

        if (op->command.kind == PLUM_REDIS_COMMIT) {
            commits++;

        } else {
            releases++;
        }

        ngx_queue_remove(q);
        ngx_plum_redis_settle_end(redis, op);
    }

    if (commits) {
        ngx_log_error(NGX_LOG_ERR, &redis->conn.log, 0,
                      "plum: %ui commits could not be written before their "
                      "leases lapsed; copies of these deliveries would be "
                      "forwarded", commits);
    }

    if (releases) {
        ngx_log_error(NGX_LOG_INFO, &redis->conn.log, 0,
                      "plum: %ui releases could not be written before their "
                      "leases lapsed", releases);
    }
}


void
ngx_plum_redis_store_exit(ngx_plum_redis_t *redis)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    if (redis->unsettled) {
        ngx_log_error(NGX_LOG_WARN, &redis->conn.log, 0,
                      "plum: %ui commits and releases are given up",
                      redis->unsettled);
    }

    while (!ngx_queue_empty(&redis->settlements)) {
        q = ngx_queue_head(&redis->settlements);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);
        ngx_plum_redis_op_free(op);
    }

    redis->unsettled = 0;

    if (redis->settle.timer_set) {
        ngx_del_timer(&redis->settle);
    }
}


/* error replies: those of one key each, those of the node once */

static void
ngx_plum_redis_report(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    plum_redis_result_t *result)
{
    u_char  text[NGX_PLUM_REDIS_TEXT];
    size_t  i, len;

    if (result->outcome != PLUM_REDIS_REFUSED
        && result->outcome != PLUM_REDIS_FOREIGN)
    {
        /* others go through even where nothing can be added */

        if (redis->refusing
            && result->outcome == PLUM_REDIS_OK
            && (op->command.kind == PLUM_REDIS_CLAIM
                || op->command.kind == PLUM_REDIS_COMMIT))
        {
            redis->refusing = 0;
            ngx_log_error(NGX_LOG_NOTICE, &redis->conn.log, 0,
                          "plum: redis accepts commands again");
        }

        return;
    }

    if (result->outcome == PLUM_REDIS_REFUSED) {
        if (redis->refusing) {
            return;
        }

        redis->refusing = 1;
    }

    len = ngx_min(result->text.len, NGX_PLUM_REDIS_TEXT);

    for (i = 0; i < len; i++) {
        text[i] = result->text.data[i];

        if (text[i] < 0x20 || text[i] > 0x7e) {
            text[i] = '?';
        }
    }

    ngx_log_error(NGX_LOG_ERR, &redis->conn.log, 0,
                  "plum: redis refuses a command%s: \"%*s\"",
                  result->outcome == PLUM_REDIS_REFUSED ? ""
                  : ", the key holds no record of ours", len, text);
}


static char *
ngx_plum_store_redis_create(ngx_conf_t *cf, ngx_plum_store_t *store,
    char *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters)
{
    ngx_str_t          name;
    ngx_plum_redis_t  *redis;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_plum_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->name = store->name;
    redis->conn.redis = redis;

    ngx_queue_init(&redis->settlements);

    redis->settle.handler = ngx_plum_redis_settle_handler;
    redis->settle.data = &redis->conn.fake;
    redis->settle.log = &redis->conn.log;

    store->data = redis;
    store->ops = &ngx_plum_store_redis_ops;

    name.data = (u_char *) scheme;
    name.len = ngx_strlen(scheme);

    return ngx_plum_redis_configure(cf, redis, &name, address, parameters,
                                    nparameters);
}


char *
ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag)
{
    return ngx_plum_store_redis_create(cf, store, "redis://", address,
                                       parameters, nparameters);
}


char *
ngx_plum_store_rediss(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag)
{
    return ngx_plum_store_redis_create(cf, store, "rediss://", address,
                                       parameters, nparameters);
}


char *
ngx_plum_store_redis_unix(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag)
{
    return ngx_plum_store_redis_create(cf, store, "unix:", address,
                                       parameters, nparameters);
}


/* addresses that have a meaning already */

char *
ngx_plum_store_redis_later(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "plum store \"%V\": Redis Cluster and Sentinel are not "
                       "supported by this version", &store->name);

    return NGX_CONF_ERROR;
}
