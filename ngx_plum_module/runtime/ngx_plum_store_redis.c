
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_store_redis.h>


/*
 * What becomes of an operation:
 *
 *   claim    a reply, or a failure, goes to the claim's handler.  Where nobody
 *            waits any more and it was made, or it is not known whether it
 *            was made, or too few replicas have it, the operation turns into a
 *            release: a settlement
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
static ngx_plum_outcome_e ngx_plum_store_redis_outcome(
    ngx_plum_claim_t *claim, plum_record_result_t *result);
static void ngx_plum_store_redis_compensate(ngx_plum_store_op_t *op,
    ngx_uint_t again);
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
    ngx_plum_store_settle_all,
    ngx_plum_store_settle_exit
};


static ngx_int_t
ngx_plum_store_redis_claim(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_store_op_t  *op;

    claim->op = NULL;
    claim->left = 0;
    ngx_str_null(&claim->answer);

    op = ngx_plum_store_op(store->data, claim, PLUM_RECORD_CLAIM, NULL);

    if (op) {
        op->claim = claim;
        op->call.replicas = claim->replicas;
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
    ngx_plum_claim_t     *claim;
    ngx_plum_store_op_t  *op;
    ngx_plum_outcome_e    outcome;

    op = call->data;
    claim = op->claim;

    /* refused: nothing was written */

    outcome = NGX_PLUM_OP_NOT_SENT;

    if (claim) {
        claim->op = NULL;
    }

    switch (status) {

    case NGX_PLUM_REDIS_OK:
        if (claim) {
            outcome = ngx_plum_store_redis_outcome(claim, &op->result);
            ngx_free(op);
            break;
        }

        if (op->result.outcome == PLUM_RECORD_OK) {
            ngx_plum_store_redis_compensate(op, 0);

        } else {
            ngx_free(op);
        }

        return;

    case NGX_PLUM_REDIS_ALONE:
        ngx_plum_store_redis_compensate(op, 0);
        break;

    case NGX_PLUM_REDIS_UNKNOWN:
        outcome = NGX_PLUM_OP_UNKNOWN;
        ngx_plum_store_redis_compensate(op, 1);
        break;

    case NGX_PLUM_REDIS_REFUSED:
    case NGX_PLUM_REDIS_NOT_SENT:
        ngx_free(op);
        break;

    case NGX_PLUM_REDIS_CLOSED:
        ngx_free(op);
        return;
    }

    if (claim) {
        claim->outcome = outcome;

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, claim->log, 0,
                       "plum store claim: redis call %p, outcome %d", call,
                       (int) outcome);

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


/* the claim was made, or may have been, and nobody wants it */

static void
ngx_plum_store_redis_compensate(ngx_plum_store_op_t *op, ngx_uint_t again)
{
    op->claim = NULL;
    op->kind = PLUM_RECORD_RELEASE;
    op->call.replicas = 0;
    op->again = again;
    op->quiet = 1;

    ngx_plum_store_settle(op);
}


static void
ngx_plum_store_redis_renewed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_store_op_t  *op;

    op = call->data;

    if (status == NGX_PLUM_REDIS_OK
        && op->result.outcome == PLUM_RECORD_LOST)
    {
        ngx_log_error(NGX_LOG_WARN, call->log, 0,
                      "plum: the lease of a claim lapsed before it could "
                      "be renewed; a copy may have been forwarded");
    }

    ngx_free(op);
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

    store->data = redis;
    store->ops = &ngx_plum_store_redis_ops;
    store->replicates = 1;
    store->finish = ngx_plum_store_redis_finish;

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

    redis->client = ngx_plum_redis_create(cf, &redis->conf,
                                          &ngx_plum_store_redis_user, redis);

    return redis->client ? NGX_CONF_OK : NGX_CONF_ERROR;
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
