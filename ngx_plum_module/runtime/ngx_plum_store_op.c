
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_store_redis.h>


static ngx_int_t ngx_plum_store_op_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);


/* one block: the operation, the key, the state of the record, the answer */

static const ngx_plum_metrics_bucket_t
    ngx_plum_store_buckets[NGX_PLUM_STORE_BUCKETS] =
{
    { 50000, "5e-05" }, { 100000, "0.0001" }, { 250000, "0.00025" },
    { 500000, "0.0005" }, { 1000000, "0.001" }, { 2500000, "0.0025" },
    { 5000000, "0.005" }, { 10000000, "0.01" }, { 25000000, "0.025" },
    { 50000000, "0.05" }, { 100000000, "0.1" }, { 250000000, "0.25" },
    { 500000000, "0.5" }, { 1000000000, "1" }
};


const ngx_plum_metrics_histogram_t  ngx_plum_store_histogram = {
    ngx_plum_store_buckets, NGX_PLUM_STORE_BUCKETS
};


ngx_plum_store_op_t *
ngx_plum_store_op(ngx_plum_store_redis_t *redis, ngx_plum_claim_t *claim,
    plum_record_kind_t kind, ngx_str_t *answer)
{
    u_char                       *p;
    size_t                        len;
    ngx_plum_store_op_t          *op;
    const ngx_plum_redis_conf_t  *conf;

    conf = &redis->conf;
    len = answer ? answer->len : 0;

    op = ngx_alloc(sizeof(ngx_plum_store_op_t) + conf->prefix.len
                   + claim->key.len + 1 + len,
                   ngx_plum_redis_log(redis->client));
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_store_op_t));

    p = (u_char *) op + sizeof(ngx_plum_store_op_t);

    op->store = redis;
    op->kind = kind;
    op->lease = claim->lease;
    ngx_memcpy(op->token, claim->token, NGX_PLUM_TOKEN_LEN);

    op->key.data = p;
    op->key.len = conf->prefix.len + claim->key.len;

    p = ngx_cpymem(p, conf->prefix.data, conf->prefix.len);
    p = ngx_cpymem(p, claim->key.data, claim->key.len);

    op->answer.data = p;
    op->answer.len = 1 + len;

    *p++ = 'd';

    if (len) {
        ngx_memcpy(p, answer->data, len);
    }

    return op;
}


ngx_int_t
ngx_plum_store_op_send(ngx_plum_store_op_t *op)
{
    ngx_plum_redis_call_t  *call;

    call = &op->call;

    plum_record_words(op->kind, &op->key, op->token,
                      op->kind == PLUM_RECORD_COMMIT ? op->retention
                                                     : op->lease,
                      &op->answer, &op->words);

    call->script = plum_record_script(op->kind);
    call->argv = op->words.word;
    call->argc = op->words.n;
    call->nkeys = 1;
    call->key = &op->key;
    call->max_reply = NGX_PLUM_STORE_ANSWER_MAX + NGX_PLUM_REDIS_REPLY;
    call->judge = ngx_plum_store_op_judge;
    call->data = op;

    /* the others go through even where nothing can be added */

    call->adds = (op->kind == PLUM_RECORD_CLAIM
                  || op->kind == PLUM_RECORD_COMMIT);

    op->began = op->store->store->metrics ? ngx_plum_metrics_clock() : 0;

    if (ngx_plum_redis_call(op->store->client, call) == NGX_OK) {
        return NGX_OK;
    }

    ngx_plum_store_count(op->store->store, op->kind, NGX_PLUM_OP_NOT_SENT);

    return NGX_DECLINED;
}


void
ngx_plum_store_op_measure(ngx_plum_store_op_t *op,
    ngx_plum_redis_status_e status)
{
    ngx_plum_outcome_e       outcome;
    ngx_plum_metrics_set_t  *set;

    if (op->began == 0 || status == NGX_PLUM_REDIS_CLOSED) {
        return;
    }

    outcome = NGX_PLUM_OP_UNKNOWN;

    if (status == NGX_PLUM_REDIS_NOT_SENT || status == NGX_PLUM_REDIS_REFUSED)
    {
        outcome = NGX_PLUM_OP_NOT_SENT;

    } else if (status == NGX_PLUM_REDIS_OK) {
        outcome = (op->result.outcome == PLUM_RECORD_BUSY) ? NGX_PLUM_OP_BUSY
                  : (op->result.outcome == PLUM_RECORD_DONE) ? NGX_PLUM_OP_DONE
                  : (op->result.outcome == PLUM_RECORD_LOST) ? NGX_PLUM_OP_LOST
                  : NGX_PLUM_OP_OK;
    }

    set = op->store->store->metrics;

    ngx_plum_store_count(op->store->store, op->kind, outcome);

    ngx_plum_metrics_observe(set, NGX_PLUM_STORE_SECONDS + op->kind
                             * ngx_plum_metrics_cells(NGX_PLUM_STORE_BUCKETS),
                             &ngx_plum_store_histogram,
                             ngx_plum_metrics_clock() - op->began);
}


static ngx_int_t
ngx_plum_store_op_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    ngx_plum_store_op_t  *op;

    op = call->data;

    plum_record_judge(op->kind, op->again, reply, &op->result);

    switch (op->result.outcome) {

    case PLUM_RECORD_OK:
        return NGX_AGAIN;

    case PLUM_RECORD_FOREIGN:
        ngx_plum_redis_complain(call, ", the key holds no record of ours",
                                reply);
        return NGX_DECLINED;

    case PLUM_RECORD_BROKEN:
        return NGX_ERROR;

    default:
        return NGX_OK;
    }
}
