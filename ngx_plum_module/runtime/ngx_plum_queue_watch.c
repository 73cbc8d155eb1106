
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * What waits in a queue, for plum_status: worker 0 of each host asks for it,
 * at most once a second and never on the way of an event.  The figures of a
 * consumer are published when all of its shards have replied.  Where one of
 * them fails nothing is published, and the page shows no figures when the last
 * ones are old.
 */


#define NGX_PLUM_QUEUE_WATCH     1000    /* ms */


typedef struct {
    ngx_plum_redis_call_t        call;
    ngx_plum_queue_round_t      *round;
    plum_str_t                   words[4];
} ngx_plum_queue_watch_op_t;


static void ngx_plum_queue_watch_handler(ngx_event_t *ev);
static void ngx_plum_queue_watch_round(ngx_plum_queue_round_t *round);
static void ngx_plum_queue_watch_shard(ngx_plum_queue_round_t *round,
    ngx_uint_t shard);
static ngx_int_t ngx_plum_queue_watch_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_watched(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_queue_watch_add(ngx_plum_queue_round_t *round,
    const redisReply *reply);


void
ngx_plum_queue_watch_start(ngx_plum_queue_redis_t *redis)
{
    ngx_uint_t  i;

    if (redis->store->metrics == NULL) {
        return;
    }

    for (i = 0; i < redis->queue->ntargets; i++) {
        redis->rounds[i].redis = redis;
        redis->rounds[i].target = i;
    }

    ngx_plum_queue_timer(redis, &redis->watch, ngx_plum_queue_watch_handler, 1);
}


static void
ngx_plum_queue_watch_handler(ngx_event_t *ev)
{
    ngx_uint_t               i;
    ngx_connection_t        *fake;
    ngx_plum_queue_redis_t  *redis;

    fake = ev->data;
    redis = fake->data;

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_PLUM_QUEUE_WATCH);

    for (i = 0; i < redis->queue->ntargets; i++) {

        if (redis->queue->targets[i].metrics && !redis->rounds[i].pending) {
            ngx_plum_queue_watch_round(&redis->rounds[i]);
        }
    }
}


static void
ngx_plum_queue_watch_round(ngx_plum_queue_round_t *round)
{
    ngx_uint_t  shard;

    round->failed = 0;
    ngx_memzero(round->cells, sizeof(round->cells));

    for (shard = 0; shard < round->redis->queue->shards; shard++) {
        ngx_plum_queue_watch_shard(round, shard);
    }
}


static void
ngx_plum_queue_watch_shard(ngx_plum_queue_round_t *round, ngx_uint_t shard)
{
    ngx_plum_queue_keys_t      *key;
    ngx_plum_queue_watch_op_t  *op;

    op = ngx_alloc(sizeof(ngx_plum_queue_watch_op_t),
                   ngx_plum_redis_log(round->redis->takes));
    if (op == NULL) {
        round->failed = 1;
        return;
    }

    ngx_memzero(op, sizeof(ngx_plum_queue_watch_op_t));

    key = ngx_plum_queue_key(round->redis, round->target, shard);

    op->round = round;
    op->words[0] = key->stream;
    op->words[1] = key->lease;
    op->words[2] = key->ctl;
    op->words[3] = key->dead;

    op->call.script = plum_queue_script(PLUM_QUEUE_WATCH);
    op->call.argv = op->words;
    op->call.argc = 4;
    op->call.nkeys = 4;
    op->call.key = &key->stream;
    op->call.array = 1;
    op->call.judge = ngx_plum_queue_watch_judge;
    op->call.handler = ngx_plum_queue_watched;
    op->call.data = op;

    if (ngx_plum_redis_call(round->redis->takes, &op->call) != NGX_OK) {
        round->failed = 1;
        ngx_free(op);
        return;
    }

    round->pending++;
}


/* what the scripts may do is tested by those that matter */

static ngx_int_t
ngx_plum_queue_watch_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    size_t  i;

    if (reply->type == REDIS_REPLY_ERROR) {
        return NGX_DECLINED;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_PLUM_QUEUE_STATE - 1)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_plum_queue_watched(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_uint_t                  i;
    ngx_plum_metrics_set_t     *set;
    ngx_plum_queue_round_t     *round;
    ngx_plum_queue_watch_op_t  *op;

    op = call->data;
    round = op->round;

    ngx_free(op);

    round->pending--;

    if (status == NGX_PLUM_REDIS_OK) {
        ngx_plum_queue_watch_add(round, reply);

    } else {
        round->failed = 1;
    }

    if (round->pending || round->failed || status == NGX_PLUM_REDIS_CLOSED) {
        return;
    }

    set = round->redis->queue->targets[round->target].metrics;

    round->cells[NGX_PLUM_QUEUE_READ] = (uint64_t) ngx_time();

    for (i = 0; i < NGX_PLUM_QUEUE_STATE; i++) {
        ngx_plum_metrics_store(set, i, round->cells[i]);
    }
}


/* of several shards: sums, and the oldest entry of all */

static void
ngx_plum_queue_watch_add(ngx_plum_queue_round_t *round,
    const redisReply *reply)
{
    uint64_t    value;
    ngx_uint_t  i;

    for (i = 0; i < reply->elements; i++) {
        value = (uint64_t) reply->element[i]->integer;

        round->cells[i + 1] = (i + 1 == NGX_PLUM_QUEUE_OLDEST)
                              ? ngx_max(round->cells[i + 1], value)
                              : round->cells[i + 1] + value;
    }
}
