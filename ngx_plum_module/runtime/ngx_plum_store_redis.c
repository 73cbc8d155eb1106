
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * What becomes of an operation:
 *
 *   claim    is repeated where its connection was lost, until its deadline.
 *            Then a reply, or a failure, goes to the claim's handler.  Where
 *            nobody waits any more and it was made, or it is not known whether
 *            it was made, or too few replicas have it, the operation turns
 *            into a release: a settlement
 *   renew    is not tried again: the next one follows
 *   commit, release
 *            settlements, see ngx_plum_store_settle.c
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

static void ngx_plum_store_redis_claimed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_store_redis_renewed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static ngx_int_t ngx_plum_store_redis_repeat(ngx_plum_store_op_t *op);
static ngx_plum_outcome_e ngx_plum_store_redis_outcome(
    ngx_plum_claim_t *claim, plum_record_result_t *result);
static void ngx_plum_store_redis_compensate(ngx_plum_store_op_t *op);
static void ngx_plum_store_redis_ready(void *data);
static void ngx_plum_store_redis_down(void *data);
static void ngx_plum_store_redis_node(ngx_plum_store_t *store,
    ngx_str_t *address);
static char *ngx_plum_store_redis_finish(ngx_conf_t *cf,
    ngx_plum_store_t *store, ngx_resolver_t *resolver);
static ngx_int_t ngx_plum_store_redis_policy(void *data, ngx_uint_t *state,
    const redisReply *reply, ngx_log_t *log, const char **why);


static const ngx_plum_store_ops_t  ngx_plum_store_redis_ops = {
    ngx_plum_store_redis_claim,
    ngx_plum_store_redis_cancel,
    ngx_plum_store_redis_renew,
    ngx_plum_store_redis_commit,
    ngx_plum_store_redis_release
};


static const plum_str_t  ngx_plum_store_redis_config[] = {
    PLUM_STR("CONFIG"), PLUM_STR("GET"), PLUM_STR("maxmemory-policy")
};


static const ngx_plum_redis_check_t  ngx_plum_store_redis_checks[] = {
    { ngx_plum_store_redis_config, 3, "asking for maxmemory-policy",
      ngx_plum_store_redis_policy }
};


static const ngx_plum_redis_user_t  ngx_plum_store_redis_user = {
    ngx_plum_store_redis_checks, 1,
    ngx_plum_store_redis_ready,
    ngx_plum_store_settle_exit,
    ngx_plum_store_redis_down
};


static ngx_int_t
ngx_plum_store_redis_claim(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_store_op_t     *op;
    ngx_plum_store_redis_t  *redis;

    redis = store->data;

    claim->op = NULL;
    claim->left = 0;
    ngx_str_null(&claim->answer);

    op = ngx_plum_store_op(redis, claim, PLUM_RECORD_CLAIM, NULL);

    if (op) {
        op->claim = claim;
        op->call.replicas = claim->replicas;
        op->call.until = ngx_current_msec + redis->conf.timeout;
        op->call.handler = ngx_plum_store_redis_claimed;

        if (ngx_plum_store_op_send(op) == NGX_OK) {
            claim->op = op;

            ngx_log_debug2(NGX_LOG_DEBUG_HTTP, claim->log, 0,
                           "plum store \"%V\" claim: redis call %p",
                           &store->name, &op->call);
            return NGX_AGAIN;
        }

        ngx_free(op);
    }

    claim->outcome = NGX_PLUM_OP_NOT_SENT;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, claim->log, 0,
                   "plum store \"%V\" claim: not sent", &store->name);

    return NGX_OK;
}


static void
ngx_plum_store_redis_cancel(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_store_op_t  *op;

    op = claim->op;

    claim->op = NULL;

    /* once it is made, it must be known, and then released */

    op->claim = NULL;

    if (ngx_plum_redis_cancel(&op->call) == NGX_OK) {
        ngx_free(op);
    }
}


static ngx_int_t
ngx_plum_store_redis_renew(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_store_op_t  *op;

    op = ngx_plum_store_op(store->data, claim, PLUM_RECORD_RENEW, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->call.handler = ngx_plum_store_redis_renewed;

    if (ngx_plum_store_op_send(op) != NGX_OK) {
        ngx_free(op);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_commit(ngx_plum_store_t *store, ngx_plum_claim_t *claim,
    ngx_msec_t retention, ngx_str_t *answer)
{
    ngx_plum_store_op_t     *op;
    ngx_plum_store_redis_t  *redis;

    redis = store->data;

    if (answer->len > NGX_PLUM_STORE_ANSWER_MAX) {
        ngx_log_error(NGX_LOG_WARN, ngx_plum_redis_log(redis->client), 0,
                      "plum: an answer of %uz bytes is too large to be kept",
                      answer->len);
        answer = NULL;
    }

    op = ngx_plum_store_op(redis, claim, PLUM_RECORD_COMMIT, answer);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->retention = retention;
    op->call.replicas = claim->replicas;

    ngx_plum_store_settle(op);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim)
{
    ngx_plum_store_op_t  *op;

    op = ngx_plum_store_op(store->data, claim, PLUM_RECORD_RELEASE, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_plum_store_settle(op);

    return NGX_OK;
}


static void
ngx_plum_store_redis_claimed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_uint_t            made;
    ngx_plum_claim_t     *claim;
    ngx_plum_store_op_t  *op;
    ngx_plum_outcome_e    outcome;

    op = call->data;
    claim = op->claim;

    ngx_plum_store_op_measure(op, status);

    if (status == NGX_PLUM_REDIS_UNKNOWN
        && ngx_plum_store_redis_repeat(op) == NGX_OK)
    {
        return;
    }

    if (claim) {
        claim->op = NULL;
    }

    if (status == NGX_PLUM_REDIS_CLOSED) {
        ngx_free(op);
        return;
    }

    /* not executed; but an attempt before may have been */

    made = op->again;
    outcome = op->again ? NGX_PLUM_OP_UNKNOWN : NGX_PLUM_OP_NOT_SENT;

    if (status == NGX_PLUM_REDIS_OK) {
        made = (claim == NULL && op->result.outcome == PLUM_RECORD_OK);

        if (claim) {
            outcome = ngx_plum_store_redis_outcome(claim, &op->result);
        }

    } else if (status == NGX_PLUM_REDIS_ALONE) {
        made = 1;
        outcome = NGX_PLUM_OP_NOT_SENT;

    } else if (status == NGX_PLUM_REDIS_UNKNOWN) {
        made = 1;
        outcome = NGX_PLUM_OP_UNKNOWN;
    }

    if (claim) {
        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, claim->log, 0,
                       "plum store claim: redis call %p, outcome %d", call,
                       (int) outcome);
    }

    if (made) {
        ngx_plum_store_redis_compensate(op);

    } else {
        ngx_free(op);
    }

    if (claim) {
        claim->outcome = outcome;
        claim->handler(claim);
    }
}


static ngx_plum_outcome_e
ngx_plum_store_redis_outcome(ngx_plum_claim_t *claim,
    plum_record_result_t *result)
{
    u_char  *p;

    switch (result->outcome) {

    case PLUM_RECORD_OK:
        return NGX_PLUM_OP_OK;

    case PLUM_RECORD_BUSY:
        claim->left = (ngx_msec_t) result->left;
        return NGX_PLUM_OP_BUSY;

    default: /* PLUM_RECORD_DONE */
        break;
    }

    if (result->answer.len) {
        p = ngx_pnalloc(claim->pool, result->answer.len);
        if (p == NULL) {
            return NGX_PLUM_OP_NOT_SENT;
        }

        ngx_memcpy(p, result->answer.data, result->answer.len);

        claim->answer.data = p;
        claim->answer.len = result->answer.len;
    }

    return NGX_PLUM_OP_DONE;
}


/*
 * The connection was lost under a claim.  A second claim with the same token
 * changes nothing where the first one was executed, so the claim is repeated:
 * NGX_OK.  A node that is down declines it.
 */

static ngx_int_t
ngx_plum_store_redis_repeat(ngx_plum_store_op_t *op)
{
    if (op->claim == NULL
        || op->call.large
        || (ngx_msec_int_t) (op->call.until - ngx_current_msec) <= 0)
    {
        return NGX_DECLINED;
    }

    op->again = 1;

    return ngx_plum_store_op_send(op);
}


/* the claim was made, or may have been, and nobody wants it */

static void
ngx_plum_store_redis_compensate(ngx_plum_store_op_t *op)
{
    op->claim = NULL;
    op->kind = PLUM_RECORD_RELEASE;
    op->call.replicas = 0;
    op->call.until = 0;
    op->again = 1;
    op->quiet = 1;

    ngx_plum_store_settle(op);
}


static void
ngx_plum_store_redis_renewed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_store_op_t  *op;

    op = call->data;

    ngx_plum_store_op_measure(op, status);

    if (status == NGX_PLUM_REDIS_OK
        && op->result.outcome == PLUM_RECORD_LOST)
    {
        ngx_log_error(NGX_LOG_WARN, call->log, 0,
                      "plum: the lease of a claim lapsed before it could "
                      "be renewed; a copy may have been forwarded");
    }

    ngx_free(op);
}


static void
ngx_plum_store_redis_ready(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_plum_store_state(redis->store, NGX_PLUM_STORE_UP,
                         NGX_PLUM_STORE_IS_UP);

    ngx_plum_store_settle_all(redis);
}


static void
ngx_plum_store_redis_down(void *data)
{
    ngx_plum_store_redis_t *redis = data;

    ngx_plum_store_state(redis->store, NGX_PLUM_STORE_UP,
                         NGX_PLUM_STORE_IS_DOWN);
}


/* what cannot be asked does not matter: ACLs and services forbid CONFIG */

static ngx_int_t
ngx_plum_store_redis_policy(void *data, ngx_uint_t *state,
    const redisReply *reply, ngx_log_t *log, const char **why)
{
    redisReply  *value;

    if (*state || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return NGX_OK;
    }

    value = reply->element[1];

    if (value->type != REDIS_REPLY_STRING
        || ngx_strcmp(value->str, "noeviction") == 0)
    {
        return NGX_OK;
    }

    /* once per node */

    *state = 1;

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "plum: maxmemory-policy is \"%*s\": redis may drop records "
                  "before their time and so let a copy through, use "
                  "\"noeviction\"", ngx_min((size_t) value->len, 32),
                  value->str);

    return NGX_OK;
}


char *
ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag)
{
    ngx_plum_store_redis_t  *redis;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_plum_store_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->store = store;

    store->data = redis;
    store->ops = &ngx_plum_store_redis_ops;
    store->replicates = 1;
    store->finish = ngx_plum_store_redis_finish;
    store->queue = ngx_plum_queue_redis;

    redis->conf.kind = "plum store";
    redis->conf.name = store->name;
    redis->conf.file = store->file;
    redis->conf.line = store->line;

    if (ngx_plum_redis_configure(cf, &redis->conf, scheme, address,
                                 parameters, nparameters)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_plum_store_redis_node(store, address);

    redis->client = ngx_plum_redis_create(cf, &redis->conf,
                                          &ngx_plum_store_redis_user, redis);

    return redis->client ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* the address as it is written, without user, database and master */

static void
ngx_plum_store_redis_node(ngx_plum_store_t *store, ngx_str_t *address)
{
    u_char  *p, *last;

    store->node = *address;

    if (address->len && address->data[0] == '/') {
        return;
    }

    last = address->data + address->len;
    p = ngx_strlchr(address->data, last, '@');

    if (p) {
        store->node.data = p + 1;
        store->node.len = last - p - 1;
    }

    p = ngx_strlchr(store->node.data, last, '/');

    if (p) {
        store->node.len = p - store->node.data;
    }
}


static char *
ngx_plum_store_redis_finish(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_resolver_t *resolver)
{
    ngx_plum_store_redis_t  *redis;

    redis = store->data;
    redis->conf.resolver = resolver;

    return ngx_plum_redis_resolve(cf, &redis->conf);
}


const ngx_plum_redis_conf_t *
ngx_plum_store_redis_conf(ngx_plum_store_t *store)
{
    ngx_plum_store_redis_t  *redis;

    redis = store->data;

    return (store->ops == &ngx_plum_store_redis_ops) ? &redis->conf : NULL;
}
