
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


#define NGX_PLUM_QUEUE_TAKE_WORDS  8

/* what a take can bring: see plum_queue.h */

#define NGX_PLUM_QUEUE_TAKE_MAX                                               \
    (PLUM_QUEUE_BYTES + PLUM_QUEUE_AHEAD * PLUM_QUEUE_BODY                    \
     + NGX_PLUM_REDIS_REPLY)


typedef struct {
    ngx_plum_redis_call_t        call;
    ngx_plum_take_t             *take;
    plum_str_t                   words[NGX_PLUM_QUEUE_TAKE_WORDS];
    u_char                       numbers[3][NGX_PLUM_QUEUE_NUMBER];
} ngx_plum_queue_take_op_t;


static ngx_int_t ngx_plum_queue_take_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_taken(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);


ngx_int_t
ngx_plum_queue_take(ngx_plum_queue_t *queue, ngx_plum_take_t *take)
{
    ngx_plum_queue_keys_t     *key;
    ngx_plum_queue_redis_t    *redis;
    ngx_plum_queue_take_op_t  *op;

    redis = queue->data;
    key = ngx_plum_queue_key(redis, take->target, take->shard);

    op = ngx_alloc(sizeof(ngx_plum_queue_take_op_t),
                   ngx_plum_redis_log(redis->takes));
    if (op == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(op, sizeof(ngx_plum_queue_take_op_t));

    op->take = take;

    op->words[0] = key->stream;
    op->words[1] = key->lease;
    op->words[2] = key->due;
    op->words[3] = key->ctl;
    op->words[4] = key->dead;
    ngx_plum_queue_number(&op->words[5], op->numbers[0], take->lease);
    ngx_plum_queue_number(&op->words[6], op->numbers[1], take->max);
    ngx_plum_queue_number(&op->words[7], op->numbers[2], PLUM_QUEUE_BYTES);

    op->call.script = plum_queue_script(PLUM_QUEUE_TAKE);
    op->call.argv = op->words;
    op->call.argc = NGX_PLUM_QUEUE_TAKE_WORDS;
    op->call.nkeys = 5;
    op->call.key = &key->stream;
    op->call.max_reply = NGX_PLUM_QUEUE_TAKE_MAX;
    op->call.judge = ngx_plum_queue_take_judge;
    op->call.handler = ngx_plum_queue_taken;
    op->call.data = op;
    op->call.array = 1;

    if (ngx_plum_redis_call(redis->takes, &op->call) != NGX_OK) {
        ngx_free(op);
        return NGX_DECLINED;
    }

    take->op = op;

    return NGX_OK;
}


static ngx_int_t
ngx_plum_queue_take_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    ngx_plum_queue_take_op_t  *op;

    op = call->data;

    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_plum_queue_judge_error(call, reply);
    }

    return (plum_queue_take_reply(reply, &op->take->reply) == PLUM_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_plum_queue_taken(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_take_t           *take;
    ngx_plum_queue_take_op_t  *op;

    op = call->data;
    take = op->take;

    ngx_free(op);

    take->op = NULL;
    take->outcome = (status == NGX_PLUM_REDIS_OK) ? NGX_PLUM_TAKE_OK
                    : (status == NGX_PLUM_REDIS_CLOSED) ? NGX_PLUM_TAKE_CLOSED
                    : NGX_PLUM_TAKE_FAILED;

    take->handler(take);
}
