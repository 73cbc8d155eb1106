
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * What becomes of an entry that was taken.  done, again and dead are
 * settlements: where one fails it waits in redis->settlements for the settle
 * timer or the next connection, until its reply comes.  again and dead are
 * given up when the lease has lapsed: the next take has the entry.  done is
 * not, as the consumer would get the entry a second time; only a worker that
 * exits gives it up then.  renew is sent once.
 *
 * The settle timer runs as long as there is any settlement, and then is not
 * cancelable, so that an exiting worker stays for them.
 */


#define NGX_PLUM_QUEUE_SETTLE    200     /* ms between attempts */
#define NGX_PLUM_QUEUE_WORDS     12
#define NGX_PLUM_QUEUE_TEXT      64      /* bytes of a reason, at most */


typedef struct {
    ngx_plum_redis_call_t        call;
    ngx_queue_t                  queue;      /* of settlements */
    ngx_plum_queue_redis_t      *redis;
    ngx_uint_t                   target;
    plum_queue_op_t              kind;
    ngx_msec_t                   until;      /* its lease lapses */
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
static void ngx_plum_queue_settle_send(ngx_plum_queue_settle_op_t *op);
static void ngx_plum_queue_settled(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static void ngx_plum_queue_settle_lost(ngx_plum_queue_settle_op_t *op,
    ngx_log_t *log);
static void ngx_plum_queue_settle_end(ngx_plum_queue_settle_op_t *op);
static void ngx_plum_queue_settle_handler(ngx_event_t *ev);
static void ngx_plum_queue_settle_lapsed(ngx_plum_queue_redis_t *redis);


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
    op->until = ngx_current_msec + entry->lease;

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

    if (redis->settlements.next == NULL) {
        ngx_queue_init(&redis->settlements);

        redis->settle.handler = ngx_plum_queue_settle_handler;
        redis->settle.data = &redis->fake;
        redis->settle.log = ngx_plum_redis_log(redis->takes);

        redis->fake.fd = (ngx_socket_t) -1;
        redis->fake.data = redis;
    }

    op->call.argc = op->nwords;
    op->call.handler = ngx_plum_queue_settled;

    redis->unsettled++;
    redis->settle.cancelable = 0;

    ngx_plum_queue_settle_send(op);

    if (!redis->settle.timer_set) {
        ngx_add_timer(&redis->settle, NGX_PLUM_QUEUE_SETTLE);
    }
}


static void
ngx_plum_queue_settle_send(ngx_plum_queue_settle_op_t *op)
{
    if (ngx_plum_redis_call(op->redis->takes, &op->call) != NGX_OK) {
        ngx_queue_insert_tail(&op->redis->settlements, &op->queue);
    }
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

        ngx_plum_queue_settle_end(op);
        return;

    case NGX_PLUM_REDIS_UNKNOWN:
        op->again = 1;
        break;

    default: /* REFUSED, NOT_SENT: later it may be allowed */
        break;
    }

    ngx_queue_insert_tail(&op->redis->settlements, &op->queue);
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


static void
ngx_plum_queue_settle_end(ngx_plum_queue_settle_op_t *op)
{
    ngx_plum_queue_redis_t  *redis;

    redis = op->redis;

    ngx_free(op);

    redis->unsettled--;

    redis->settle.cancelable = (redis->unsettled == 0);
}


static void
ngx_plum_queue_settle_handler(ngx_event_t *ev)
{
    ngx_connection_t        *fake;
    ngx_plum_queue_redis_t  *redis;

    fake = ev->data;
    redis = fake->data;

    ngx_plum_queue_settle_lapsed(redis);
    ngx_plum_queue_settle_all(redis);

    if (redis->unsettled && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PLUM_QUEUE_SETTLE);
    }
}


void
ngx_plum_queue_settle_all(ngx_plum_queue_redis_t *redis)
{
    ngx_queue_t  *q, ops;

    if (redis->settlements.next == NULL
        || ngx_queue_empty(&redis->settlements))
    {
        return;
    }

    ngx_queue_init(&ops);
    ngx_queue_add(&ops, &redis->settlements);
    ngx_queue_init(&redis->settlements);

    while (!ngx_queue_empty(&ops)) {
        q = ngx_queue_head(&ops);

        ngx_queue_remove(q);

        ngx_plum_queue_settle_send(ngx_queue_data(q,
                                         ngx_plum_queue_settle_op_t, queue));
    }
}


static void
ngx_plum_queue_settle_lapsed(ngx_plum_queue_redis_t *redis)
{
    ngx_uint_t                   done, others;
    ngx_queue_t                 *q, *next;
    ngx_plum_queue_settle_op_t  *op;

    done = 0;
    others = 0;

    for (q = ngx_queue_head(&redis->settlements);
         q != ngx_queue_sentinel(&redis->settlements);
         q = next)
    {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_plum_queue_settle_op_t, queue);

        if ((ngx_msec_int_t) (op->until - ngx_current_msec) > 0
            || (op->kind == PLUM_QUEUE_DONE && !ngx_exiting))
        {
            continue;
        }

        if (op->kind == PLUM_QUEUE_DONE) {
            done++;

        } else {
            others++;
        }

        ngx_queue_remove(q);
        ngx_plum_queue_settle_end(op);
    }

    if (done) {
        ngx_log_error(NGX_LOG_ERR, redis->settle.log, 0,
                      "plum: %ui entries of \"%V\" were delivered, and could "
                      "not be taken off the queue before this worker exits; "
                      "consumers get them twice", done, &redis->queue->name);
    }

    if (others) {
        ngx_log_error(NGX_LOG_WARN, redis->settle.log, 0,
                      "plum: the waits of %ui entries of \"%V\" could not be "
                      "written before their leases lapsed; they are taken "
                      "again at once", others, &redis->queue->name);
    }
}


void
ngx_plum_queue_settle_exit(ngx_plum_queue_redis_t *redis)
{
    ngx_queue_t  *q;

    if (redis->unsettled == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, redis->settle.log, 0,
                  "plum: what became of %ui entries of \"%V\" could not be "
                  "written, they are taken again when their leases lapse",
                  redis->unsettled, &redis->queue->name);

    while (!ngx_queue_empty(&redis->settlements)) {
        q = ngx_queue_head(&redis->settlements);

        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_plum_queue_settle_op_t, queue));
    }

    redis->unsettled = 0;

    if (redis->settle.timer_set) {
        ngx_del_timer(&redis->settle);
    }
}
