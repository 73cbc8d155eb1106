
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * Housekeeping of a queue, once a minute, by worker 0 of each host:
 *
 *   sweep  of each consumer and shard: entries that are given to the group and
 *          have neither a lease nor a time get a lease.  A round looks at
 *          1,000 entries, and the next round follows its reply
 *   trim   of each published stream that has keep=
 *
 * Two hosts or two workers that do it at once do no harm.  What fails is done
 * a minute later.
 */


#define NGX_PLUM_QUEUE_FIRST     1000    /* ms after the worker has started */
#define NGX_PLUM_QUEUE_KEEP      60000   /* ms, plus or minus a sixth */
#define NGX_PLUM_QUEUE_SWEPT     30000   /* ms of the lease that they get */


typedef struct {
    ngx_plum_redis_call_t        call;
    ngx_plum_queue_redis_t      *redis;
    const ngx_plum_queue_keys_t *key;
    const ngx_plum_target_t     *target;
    ngx_uint_t                   found;
    plum_str_t                  *words;
    u_char                       number[NGX_PLUM_QUEUE_NUMBER];
    u_char                       id[PLUM_QUEUE_ID];
} ngx_plum_queue_keep_op_t;


static void ngx_plum_queue_keep_handler(ngx_event_t *ev);
static void ngx_plum_queue_keep_shard(ngx_plum_queue_redis_t *redis,
    ngx_uint_t target, ngx_uint_t shard);
static ngx_plum_queue_keep_op_t *ngx_plum_queue_keep_op(
    ngx_plum_queue_redis_t *redis, ngx_uint_t target, ngx_uint_t shard,
    ngx_uint_t nwords);
static void ngx_plum_queue_sweep(ngx_plum_queue_keep_op_t *op);
static void ngx_plum_queue_trim(ngx_plum_queue_keep_op_t *op);
static ngx_int_t ngx_plum_queue_swept_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_swept(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static ngx_int_t ngx_plum_queue_trimmed_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_trimmed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);


void
ngx_plum_queue_keep_start(ngx_plum_queue_redis_t *redis)
{
    ngx_plum_queue_timer(redis, &redis->keep, ngx_plum_queue_keep_handler,
                         NGX_PLUM_QUEUE_FIRST);
}


static void
ngx_plum_queue_keep_handler(ngx_event_t *ev)
{
    ngx_uint_t               i, shard;
    ngx_connection_t        *fake;
    ngx_plum_queue_redis_t  *redis;

    fake = ev->data;
    redis = fake->data;

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_PLUM_QUEUE_KEEP - NGX_PLUM_QUEUE_KEEP / 6
                      + ngx_random() % (NGX_PLUM_QUEUE_KEEP / 3));

    for (i = 0; i < redis->queue->ntargets; i++) {
        for (shard = 0; shard < redis->queue->shards; shard++) {
            ngx_plum_queue_keep_shard(redis, i, shard);
        }
    }
}


static void
ngx_plum_queue_keep_shard(ngx_plum_queue_redis_t *redis, ngx_uint_t target,
    ngx_uint_t shard)
{
    ngx_plum_queue_keep_op_t  *op;
    const ngx_plum_target_t   *t;

    t = &redis->queue->targets[target];

    if (t->published && t->keep == 0) {
        return;
    }

    op = ngx_plum_queue_keep_op(redis, target, shard,
                                t->published ? 2 + t->ngroups : 5);
    if (op == NULL) {
        return;
    }

    if (t->published) {
        ngx_plum_queue_trim(op);

    } else {
        op->words[4].data = op->id;
        op->words[4].len = 1;
        op->id[0] = '-';

        ngx_plum_queue_sweep(op);
    }
}


static ngx_plum_queue_keep_op_t *
ngx_plum_queue_keep_op(ngx_plum_queue_redis_t *redis, ngx_uint_t target,
    ngx_uint_t shard, ngx_uint_t nwords)
{
    ngx_plum_queue_keep_op_t  *op;

    op = ngx_alloc(sizeof(ngx_plum_queue_keep_op_t)
                   + nwords * sizeof(plum_str_t),
                   ngx_plum_redis_log(redis->takes));
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_queue_keep_op_t));

    op->redis = redis;
    op->target = &redis->queue->targets[target];
    op->key = ngx_plum_queue_key(redis, target, shard);
    op->words = (plum_str_t *) (op + 1);

    op->call.argv = op->words;
    op->call.argc = nwords;
    op->call.key = &op->key->stream;
    op->call.data = op;

    return op;
}


static void
ngx_plum_queue_sweep(ngx_plum_queue_keep_op_t *op)
{
    op->words[0] = op->key->stream;
    op->words[1] = op->key->lease;
    op->words[2] = op->key->due;
    ngx_plum_queue_number(&op->words[3], op->number, NGX_PLUM_QUEUE_SWEPT);

    op->call.script = plum_queue_script(PLUM_QUEUE_SWEEP);
    op->call.nkeys = 3;
    op->call.array = 1;
    op->call.judge = ngx_plum_queue_swept_judge;
    op->call.handler = ngx_plum_queue_swept;

    if (ngx_plum_redis_call(op->redis->takes, &op->call) != NGX_OK) {
        ngx_free(op);
    }
}


static ngx_int_t
ngx_plum_queue_swept_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_plum_queue_judge_error(call, reply);
    }

    return (reply->type == REDIS_REPLY_ARRAY
            && reply->elements == 2
            && reply->element[0]->type == REDIS_REPLY_STRING
            && reply->element[0]->len > 0
            && reply->element[0]->len <= PLUM_QUEUE_ID
            && reply->element[1]->type == REDIS_REPLY_INTEGER)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_plum_queue_swept(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    plum_str_t                *word;
    ngx_plum_queue_keep_op_t  *op;

    op = call->data;

    if (status == NGX_PLUM_REDIS_OK) {
        op->found += reply->element[1]->integer;

        if (reply->element[0]->str[0] != '-') {
            word = &op->words[4];
            word->len = reply->element[0]->len;

            ngx_memcpy(op->id, reply->element[0]->str, word->len);

            ngx_plum_queue_sweep(op);
            return;
        }

        if (op->found) {
            ngx_log_error(NGX_LOG_WARN, call->log, 0,
                          "plum: %ui entries of consumer \"%V\" of \"%V\" had "
                          "neither a lease nor a time; they are taken again",
                          op->found, &op->target->name,
                          &op->redis->queue->name);
        }
    }

    ngx_free(op);
}


static void
ngx_plum_queue_trim(ngx_plum_queue_keep_op_t *op)
{
    ngx_uint_t  i;

    op->words[0] = op->key->stream;
    ngx_plum_queue_number(&op->words[1], op->number, op->target->keep);

    for (i = 0; i < op->target->ngroups; i++) {
        op->words[2 + i].data = op->target->groups[i].data;
        op->words[2 + i].len = op->target->groups[i].len;
    }

    op->call.script = plum_queue_script(PLUM_QUEUE_TRIM);
    op->call.nkeys = 1;
    op->call.judge = ngx_plum_queue_trimmed_judge;
    op->call.handler = ngx_plum_queue_trimmed;

    if (ngx_plum_redis_call(op->redis->takes, &op->call) != NGX_OK) {
        ngx_free(op);
    }
}


static ngx_int_t
ngx_plum_queue_trimmed_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_plum_queue_judge_error(call, reply);
    }

    return (reply->type == REDIS_REPLY_INTEGER) ? NGX_OK : NGX_ERROR;
}


/* a round takes 10,000 entries away, at most: there may be more */

static void
ngx_plum_queue_trimmed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_queue_keep_op_t  *op;

    op = call->data;

    if (status == NGX_PLUM_REDIS_OK && reply->integer > 0) {
        ngx_plum_queue_trim(op);
        return;
    }

    ngx_free(op);
}
