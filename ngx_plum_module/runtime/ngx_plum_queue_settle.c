
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * What becomes of an entry that was taken.  done, again and dead are
 * settlements, see ngx_plum_settle.h.  again and dead are given up when the
 * lease has lapsed: the next take has the entry.  done is not, as the consumer
 * would get the entry a second time; only a worker that exits gives it up
 * then.  renew is sent once.
 */


#define NGX_PLUM_QUEUE_WORDS     12
#define NGX_PLUM_QUEUE_TEXT      64      /* bytes of a reason, at most */


/* of those that lapse */

#define NGX_PLUM_QUEUE_DELIVERED 0
#define NGX_PLUM_QUEUE_OTHERS    1


typedef struct {
    ngx_plum_settlement_t        settlement;
    ngx_plum_redis_call_t        call;
    ngx_plum_queue_redis_t      *redis;
    ngx_uint_t                   target;
    plum_queue_op_t              kind;
    plum_str_t                   words[NGX_PLUM_QUEUE_WORDS];
    ngx_uint_t                   nwords;
    ngx_uint_t                   nnumbers;
    u_char                       numbers[4][NGX_PLUM_QUEUE_NUMBER];
    u_char                       id[PLUM_QUEUE_ID];
    u_char                       text[NGX_PLUM_QUEUE_TEXT];

    unsigned                     again:1;    /* sent before, no reply */
} ngx_plum_queue_settle_op_t;


static ngx_plum_queue_settle_op_t *ngx_plum_queue_settle_op(
    ngx_plum_queue_t *queue, ngx_plum_entry_t *entry, plum_queue_op_t kind);
static void ngx_plum_queue_settle_str(ngx_plum_queue_settle_op_t *op,
    u_char *room, size_t size, const ngx_str_t *value);
static void ngx_plum_queue_settle_number(ngx_plum_queue_settle_op_t *op,
    int64_t n);
static ngx_int_t ngx_plum_queue_settle_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_renewed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_queue_settle(ngx_plum_queue_settle_op_t *op);
static ngx_int_t ngx_plum_queue_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement);
static void ngx_plum_queue_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_queue_settle_lost(ngx_plum_queue_settle_op_t *op,
    ngx_log_t *log);
static ngx_int_t ngx_plum_queue_settle_lapsed(
    ngx_plum_settlement_t *settlement);
static void ngx_plum_queue_settle_report(ngx_plum_settler_t *settler,
    const ngx_uint_t *counts);


static const ngx_plum_settle_kind_t  ngx_plum_queue_settle_kind = {
    ngx_plum_queue_settle_send,
    ngx_plum_queue_settle_lapsed,
    ngx_plum_queue_settle_report
};


/* by plum_queue_op_t; what they do not need is 0 */

static const ngx_uint_t  ngx_plum_queue_settle_nkeys[PLUM_QUEUE_OPS] = {
    0, 0, 3, 4, 4, 5, 0, 0
};


void
ngx_plum_queue_renew(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry)
{
    ngx_plum_queue_settle_op_t  *op;

    op = ngx_plum_queue_settle_op(queue, entry, PLUM_QUEUE_RENEW);
    if (op == NULL) {
        return;
    }

    ngx_plum_queue_settle_number(op, entry->lease);
    ngx_plum_queue_settle_str(op, op->id, PLUM_QUEUE_ID, &entry->id);
    ngx_plum_queue_settle_number(op, entry->count);

    op->call.argc = op->nwords;
    op->call.handler = ngx_plum_queue_renewed;

    if (ngx_plum_redis_call(op->redis->takes, &op->call) != NGX_OK) {
        ngx_free(op);
    }
}


void
ngx_plum_queue_done(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry)
{
    ngx_plum_queue_settle_op_t  *op;

    op = ngx_plum_queue_settle_op(queue, entry, PLUM_QUEUE_DONE);
    if (op == NULL) {
        return;
    }

    ngx_plum_queue_settle_str(op, op->id, PLUM_QUEUE_ID, &entry->id);

    ngx_plum_queue_settle(op);
}


void
ngx_plum_queue_again(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry,
    ngx_plum_again_t *again)
{
    ngx_plum_queue_settle_op_t  *op;

    op = ngx_plum_queue_settle_op(queue, entry, PLUM_QUEUE_AGAIN);
    if (op == NULL) {
        return;
    }

    ngx_plum_queue_settle_str(op, op->id, PLUM_QUEUE_ID, &entry->id);
    ngx_plum_queue_settle_number(op, entry->count);
    ngx_plum_queue_settle_number(op, again->wait);
    ngx_plum_queue_settle_number(op, again->free ? 1 : 0);
    ngx_plum_queue_settle_number(op, again->pause);
    ngx_plum_queue_settle_str(op, op->text, NGX_PLUM_QUEUE_TEXT, &again->by);

    ngx_plum_queue_settle(op);
}


void
ngx_plum_queue_dead(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry,
    ngx_plum_dead_t *dead)
{
    ngx_plum_queue_settle_op_t  *op;

    op = ngx_plum_queue_settle_op(queue, entry, PLUM_QUEUE_DEAD);
    if (op == NULL) {
        return;
    }

    ngx_plum_queue_settle_str(op, op->id, PLUM_QUEUE_ID, &entry->id);
    ngx_plum_queue_settle_number(op, entry->count);
    ngx_plum_queue_settle_number(op, dead->attempts);
    ngx_plum_queue_settle_number(op, dead->status);
    ngx_plum_queue_settle_str(op, op->text, NGX_PLUM_QUEUE_TEXT,
                              &dead->reason);

    ngx_plum_queue_settle(op);
}


/* NULL: there is no memory, so that the entry is left to its lease */

static ngx_plum_queue_settle_op_t *
ngx_plum_queue_settle_op(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry,
    plum_queue_op_t kind)
{
    ngx_uint_t                   n;
    ngx_plum_queue_keys_t       *key;
    ngx_plum_queue_redis_t      *redis;
    ngx_plum_queue_settle_op_t  *op;

    redis = queue->data;
    key = ngx_plum_queue_key(redis, entry->target, entry->shard);

    op = ngx_alloc(sizeof(ngx_plum_queue_settle_op_t),
                   ngx_plum_redis_log(redis->takes));
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_queue_settle_op_t));

    op->redis = redis;
    op->target = entry->target;
    op->kind = kind;
    op->settlement.until = ngx_current_msec + entry->lease;

    n = ngx_plum_queue_settle_nkeys[kind];

    op->words[0] = key->stream;
    op->words[1] = key->lease;
    op->words[2] = key->due;
    op->words[3] = key->ctl;
    op->words[4] = key->dead;
    op->nwords = n;

    op->call.script = plum_queue_script(kind);
    op->call.argv = op->words;
    op->call.nkeys = n;
    op->call.key = &key->stream;
    op->call.judge = ngx_plum_queue_settle_judge;
    op->call.data = op;
    op->call.urgent = 1;

    return op;
}


/* what is too long is cut: ids are not */

static void
ngx_plum_queue_settle_str(ngx_plum_queue_settle_op_t *op, u_char *room,
    size_t size, const ngx_str_t *value)
{
    plum_str_t  *word;

    word = &op->words[op->nwords++];

    word->data = room;
    word->len = ngx_min(value->len, size);

    if (word->len) {
        ngx_memcpy(room, value->data, word->len);
    }
}


static void
ngx_plum_queue_settle_number(ngx_plum_queue_settle_op_t *op, int64_t n)
{
    ngx_plum_queue_number(&op->words[op->nwords++],
                          op->numbers[op->nnumbers++], n);
}


static ngx_int_t
ngx_plum_queue_settle_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_plum_queue_judge_error(call, reply);
    }

    return (reply->type == REDIS_REPLY_INTEGER) ? NGX_OK : NGX_ERROR;
}


static void
ngx_plum_queue_renewed(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_queue_settle_op_t  *op;

    op = call->data;

    if (status == NGX_PLUM_REDIS_OK && reply->integer == 0) {
        ngx_plum_queue_settle_lost(op, call->log);
    }

    ngx_free(op);
}


static void
ngx_plum_queue_settle(ngx_plum_queue_settle_op_t *op)
{
    ngx_plum_queue_redis_t  *redis;

    redis = op->redis;

    redis->settler.kind = &ngx_plum_queue_settle_kind;
    redis->settler.data = redis;

    op->call.argc = op->nwords;
    op->call.handler = ngx_plum_queue_settled;

    ngx_plum_settle(&redis->settler, &op->settlement,
                    ngx_plum_redis_log(redis->takes));
}


static ngx_int_t
ngx_plum_queue_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement)
{
    ngx_plum_queue_redis_t      *redis;
    ngx_plum_queue_settle_op_t  *op;

    redis = settler->data;
    op = (ngx_plum_queue_settle_op_t *) settlement;

    return ngx_plum_redis_call(redis->takes, &op->call);
}


static void
ngx_plum_queue_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_queue_settle_op_t  *op;

    op = call->data;

    switch (status) {

    case NGX_PLUM_REDIS_CLOSED:
        ngx_free(op);
        return;

    case NGX_PLUM_REDIS_OK:

        /* one that was sent before may have been done then */

        if (reply->integer == 0 && !op->again && op->kind != PLUM_QUEUE_DONE) {
            ngx_plum_queue_settle_lost(op, call->log);
        }

        ngx_plum_settle_end(&op->redis->settler, &op->settlement);
        return;

    case NGX_PLUM_REDIS_UNKNOWN:
        op->again = 1;
        break;

    default: /* REFUSED, NOT_SENT: later it may be allowed */
        break;
    }

    ngx_plum_settle_later(&op->redis->settler, &op->settlement);
}


static void
ngx_plum_queue_settle_lost(ngx_plum_queue_settle_op_t *op, ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "plum: the lease of entry %*s of consumer \"%V\" of \"%V\" "
                  "lapsed before it could be renewed or settled; the consumer "
                  "may get the event twice",
                  op->kind == PLUM_QUEUE_RENEW ? op->words[4].len
                                               : op->words[op->call.nkeys].len,
                  op->id, &op->redis->queue->targets[op->target].name,
                  &op->redis->queue->name);
}


static ngx_int_t
ngx_plum_queue_settle_lapsed(ngx_plum_settlement_t *settlement)
{
    ngx_plum_queue_settle_op_t  *op;

    op = (ngx_plum_queue_settle_op_t *) settlement;

    if (op->kind != PLUM_QUEUE_DONE) {
        return NGX_PLUM_QUEUE_OTHERS;
    }

    return ngx_exiting ? NGX_PLUM_QUEUE_DELIVERED : NGX_DECLINED;
}


static void
ngx_plum_queue_settle_report(ngx_plum_settler_t *settler,
    const ngx_uint_t *counts)
{
    ngx_log_t               *log;
    ngx_plum_queue_redis_t  *redis;

    log = settler->timer.log;
    redis = settler->data;

    if (counts[NGX_PLUM_QUEUE_DELIVERED]) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: %ui entries of \"%V\" were delivered, and could "
                      "not be taken off the queue before this worker exits; "
                      "consumers get them twice",
                      counts[NGX_PLUM_QUEUE_DELIVERED], &redis->queue->name);
    }

    if (counts[NGX_PLUM_QUEUE_OTHERS]) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: the waits of %ui entries of \"%V\" could not be "
                      "written before their leases lapsed; they are taken "
                      "again at once", counts[NGX_PLUM_QUEUE_OTHERS],
                      &redis->queue->name);
    }
}


void
ngx_plum_queue_settle_exit(ngx_plum_queue_redis_t *redis)
{
    ngx_uint_t  n;

    n = ngx_plum_settle_exit(&redis->settler);

    if (n) {
        ngx_log_error(NGX_LOG_WARN, ngx_plum_redis_log(redis->takes), 0,
                      "plum: what became of %ui entries of \"%V\" could not "
                      "be written, they are taken again when their leases "
                      "lapse", n, &redis->queue->name);
    }
}
