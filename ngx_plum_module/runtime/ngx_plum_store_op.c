
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_store_redis.h>


static ngx_int_t ngx_plum_store_op_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);


/* one block: the operation, the key, the state of the record, the answer */

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

    return ngx_plum_redis_call(op->store->client, call);
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
