
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/* one block: the operation, its words, the record, key and event, bodies */

typedef struct {
    ngx_plum_redis_call_t        call;
    ngx_plum_queue_redis_t      *redis;
    ngx_plum_accept_t           *accept;     /* NULL: nobody waits for it */
    ngx_uint_t                   shard;
    ngx_uint_t                   ntargets;
    u_char                       targets[PLUM_QUEUE_TARGETS];    /* which */
    plum_str_t                   record;     /* its key in Redis */
    plum_str_t                   key;
    plum_str_t                   event;
    plum_queue_accept_reply_t    result;
    u_char                       retention[NGX_PLUM_QUEUE_NUMBER];
    u_char                       count[NGX_PLUM_QUEUE_NUMBER];
    u_char                       max[PLUM_QUEUE_TARGETS]
                                    [NGX_PLUM_QUEUE_NUMBER];
    u_char                       body[PLUM_QUEUE_TARGETS]
                                     [NGX_PLUM_QUEUE_NUMBER];
    plum_str_t                   words[1];   /* and those that follow */
} ngx_plum_queue_accept_op_t;


static ngx_plum_queue_accept_op_t *ngx_plum_queue_accept_op(
    ngx_plum_queue_redis_t *redis, ngx_plum_accept_t *accept);
static u_char *ngx_plum_queue_accept_copy(plum_str_t *dst, u_char *p,
    const ngx_str_t *src);
static void ngx_plum_queue_accept_words(ngx_plum_queue_accept_op_t *op,
    ngx_plum_accept_t *accept, u_char *p);
static ngx_int_t ngx_plum_queue_accept_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply);
static void ngx_plum_queue_accepted(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);
static ngx_plum_accept_e ngx_plum_queue_accept_outcome(
    ngx_plum_queue_accept_op_t *op, ngx_plum_redis_status_e status);
static void ngx_plum_queue_appended(ngx_plum_queue_accept_op_t *op);
static void ngx_plum_queue_level(ngx_plum_queue_accept_op_t *op,
    ngx_uint_t target, int64_t waiting);
static void ngx_plum_queue_warn(ngx_plum_queue_accept_op_t *op,
    ngx_uint_t target, ngx_uint_t level, int64_t waiting);
static void ngx_plum_queue_dropped(ngx_plum_queue_accept_op_t *op,
    ngx_uint_t target);


static const plum_str_t  ngx_plum_queue_refuse = PLUM_STR("r");
static const plum_str_t  ngx_plum_queue_drop = PLUM_STR("d");
static const plum_str_t  ngx_plum_queue_published = PLUM_STR("p");
static const plum_str_t  ngx_plum_queue_yes = PLUM_STR("1");
static const plum_str_t  ngx_plum_queue_no = PLUM_STR("0");


ngx_int_t
ngx_plum_queue_accept(ngx_plum_queue_t *queue, ngx_plum_accept_t *accept)
{
    ngx_plum_queue_redis_t      *redis;
    ngx_plum_queue_accept_op_t  *op;

    redis = queue->data;
    accept->op = NULL;

    op = ngx_plum_queue_accept_op(redis, accept);

    if (op) {
        if (ngx_plum_redis_call(redis->accepts, &op->call) == NGX_OK) {
            accept->op = op;

            ngx_log_debug2(NGX_LOG_DEBUG_HTTP, accept->log, 0,
                           "plum queue \"%V\" accept: redis call %p",
                           &queue->name, &op->call);
            return NGX_AGAIN;
        }

        ngx_free(op);
    }

    accept->outcome = NGX_PLUM_ACCEPT_NOT_SENT;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, accept->log, 0,
                   "plum queue \"%V\" accept: not sent", &queue->name);

    return NGX_OK;
}


void
ngx_plum_queue_cancel(ngx_plum_queue_t *queue, ngx_plum_accept_t *accept)
{
    ngx_plum_queue_accept_op_t  *op;

    op = accept->op;

    accept->op = NULL;
    op->accept = NULL;

    if (ngx_plum_redis_cancel(&op->call) == NGX_OK) {
        ngx_free(op);
    }
}


static ngx_plum_queue_accept_op_t *
ngx_plum_queue_accept_op(ngx_plum_queue_redis_t *redis,
    ngx_plum_accept_t *accept)
{
    size_t                       len;
    ngx_uint_t                   i, n, words;
    plum_str_t                   record;
    ngx_plum_queue_accept_op_t  *op;

    n = 0;

    for (i = 0; i < redis->queue->ntargets; i++) {
        n += (accept->body[i] != 0);
    }

    /* keys: the record, three a target; five arguments, three a target */

    words = 1 + 3 * n + 5 + 3 * n + accept->nbodies;

    record.data = accept->record.data;
    record.len = accept->record.len;

    i = plum_queue_shard(&record, (unsigned) redis->queue->shards);

    len = sizeof(ngx_plum_queue_accept_op_t) + words * sizeof(plum_str_t);
    n = redis->records[i].len + accept->record.len + accept->key.len
        + accept->event.len;

    for (words = 0; words < accept->nbodies; words++) {
        n += accept->bodies[words].len;
    }

    op = ngx_alloc(len + n, ngx_plum_redis_log(redis->accepts));
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_queue_accept_op_t));

    op->redis = redis;
    op->accept = accept;
    op->shard = i;

    ngx_plum_queue_accept_words(op, accept, (u_char *) op + len);

    op->call.script = plum_queue_script(PLUM_QUEUE_ACCEPT);
    op->call.argv = op->words;
    op->call.nkeys = 1 + 3 * op->ntargets;
    op->call.key = &op->record;
    op->call.replicas = redis->queue->replicas;
    op->call.judge = ngx_plum_queue_accept_judge;
    op->call.handler = ngx_plum_queue_accepted;
    op->call.data = op;
    op->call.array = 1;
    op->call.adds = 1;

    return op;
}


static u_char *
ngx_plum_queue_accept_copy(plum_str_t *dst, u_char *p, const ngx_str_t *src)
{
    dst->data = p;
    dst->len = src->len;

    /* an event without a type has no memory for it either */

    return src->len ? ngx_cpymem(p, src->data, src->len) : p;
}


/* p: room for record, key, event type and bodies */

static void
ngx_plum_queue_accept_words(ngx_plum_queue_accept_op_t *op,
    ngx_plum_accept_t *accept, u_char *p)
{
    ngx_uint_t                i, n;
    plum_str_t               *word;
    const plum_str_t         *prefix;
    ngx_plum_queue_keys_t    *key;
    const ngx_plum_target_t  *target;

    word = op->words;
    prefix = &op->redis->records[op->shard];

    op->record.data = p;
    op->record.len = prefix->len + accept->record.len;

    p = ngx_cpymem(p, prefix->data, prefix->len);
    p = ngx_cpymem(p, accept->record.data, accept->record.len);
    p = ngx_plum_queue_accept_copy(&op->key, p, &accept->key);
    p = ngx_plum_queue_accept_copy(&op->event, p, &accept->event);

    *word++ = op->record;

    for (i = 0; i < op->redis->queue->ntargets; i++) {

        if (accept->body[i] == 0) {
            continue;
        }

        target = &op->redis->queue->targets[i];
        key = ngx_plum_queue_key(op->redis, i, op->shard);

        *word++ = key->stream;
        *word++ = target->published ? key->stream : key->dead;
        *word++ = target->published ? key->stream : key->ctl;

        op->targets[op->ntargets++] = (u_char) i;
    }

    ngx_plum_queue_number(word++, op->retention, accept->retention);
    *word++ = op->key;
    *word++ = op->event;
    *word++ = op->redis->queue->replicas ? ngx_plum_queue_yes
                                         : ngx_plum_queue_no;
    ngx_plum_queue_number(word++, op->count, op->ntargets);

    for (n = 0; n < op->ntargets; n++) {
        i = op->targets[n];
        target = &op->redis->queue->targets[i];

        *word++ = target->published ? ngx_plum_queue_published
                  : target->drop ? ngx_plum_queue_drop
                  : ngx_plum_queue_refuse;
        ngx_plum_queue_number(word++, op->max[n], op->redis->max[i]);
        ngx_plum_queue_number(word++, op->body[n], accept->body[i]);
    }

    for (i = 0; i < accept->nbodies; i++) {
        p = ngx_plum_queue_accept_copy(word++, p, &accept->bodies[i]);
    }

    op->call.argc = word - op->words;
}


static ngx_int_t
ngx_plum_queue_accept_judge(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    ngx_plum_queue_accept_op_t  *op;

    op = call->data;

    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_plum_queue_judge_error(call, reply);
    }

    if (plum_queue_accept_reply(reply, op->ntargets, &op->result) != PLUM_OK) {
        return NGX_ERROR;
    }

    return (op->result.result == PLUM_QUEUE_FULL) ? NGX_OK : NGX_AGAIN;
}


static void
ngx_plum_queue_accepted(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply)
{
    ngx_plum_accept_t           *accept;
    ngx_plum_queue_accept_op_t  *op;

    op = call->data;
    accept = op->accept;

    if (accept) {
        accept->op = NULL;
    }

    if (status == NGX_PLUM_REDIS_CLOSED) {
        ngx_free(op);
        return;
    }

    if (accept) {
        accept->outcome = ngx_plum_queue_accept_outcome(op, status);

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, accept->log, 0,
                       "plum queue accept: redis call %p, outcome %d", call,
                       (int) accept->outcome);

        accept->handler(accept);
    }

    if (status == NGX_PLUM_REDIS_OK || status == NGX_PLUM_REDIS_ALONE) {
        ngx_plum_queue_appended(op);
    }

    ngx_free(op);
}


static ngx_plum_accept_e
ngx_plum_queue_accept_outcome(ngx_plum_queue_accept_op_t *op,
    ngx_plum_redis_status_e status)
{
    ngx_uint_t          i;
    ngx_plum_accept_t  *accept;

    accept = op->accept;

    switch (status) {

    case NGX_PLUM_REDIS_OK:
        break;

    case NGX_PLUM_REDIS_ALONE:
    case NGX_PLUM_REDIS_UNKNOWN:
        return NGX_PLUM_ACCEPT_UNKNOWN;

    default: /* REFUSED: the script fails before it writes; NOT_SENT */
        return NGX_PLUM_ACCEPT_NOT_SENT;
    }

    switch (op->result.result) {

    case PLUM_QUEUE_BEFORE:
        return NGX_PLUM_ACCEPT_BEFORE;

    case PLUM_QUEUE_FULL:
        accept->full = op->targets[op->result.full];
        return NGX_PLUM_ACCEPT_FULL;

    default: /* PLUM_QUEUE_ACCEPTED */
        break;
    }

    for (i = 0; i < op->ntargets; i++) {
        accept->waiting[op->targets[i]] = op->result.targets[i];
    }

    return NGX_PLUM_ACCEPT_OK;
}


/* the accept may be gone, with its request */

static void
ngx_plum_queue_appended(ngx_plum_queue_accept_op_t *op)
{
    ngx_uint_t         i;
    ngx_plum_queue_t  *queue;

    queue = op->redis->queue;

    switch (op->result.result) {

    case PLUM_QUEUE_BEFORE:
        return;

    case PLUM_QUEUE_FULL:
        i = op->targets[op->result.full];
        ngx_plum_queue_level(op, i, op->redis->max[i]);
        return;

    default: /* PLUM_QUEUE_ACCEPTED */
        break;
    }

    for (i = 0; i < op->ntargets; i++) {

        if (queue->targets[op->targets[i]].published) {
            continue;
        }

        if (op->result.targets[i] < 0) {
            ngx_plum_queue_dropped(op, op->targets[i]);
            continue;
        }

        ngx_plum_queue_level(op, op->targets[i], op->result.targets[i]);

        if (queue->listener) {
            queue->listener->appended(queue, op->targets[i], op->shard);
        }
    }
}


/*
 * How full the queue of a consumer is.  Of all workers and hosts the one whose
 * entry reaches a mark says so; and each worker says it of a queue that it
 * finds above a mark when it looks at it first.  It is said again when the
 * queue has fallen below the mark by a tenth of max in the meantime.
 */

static void
ngx_plum_queue_level(ngx_plum_queue_accept_op_t *op, ngx_uint_t target,
    int64_t waiting)
{
    u_char                  *level;
    int64_t                  max, mark[NGX_PLUM_QUEUE_FULL + 1];
    ngx_uint_t               old, now;
    ngx_plum_queue_redis_t  *redis;

    redis = op->redis;
    max = (int64_t) redis->max[target];

    mark[NGX_PLUM_QUEUE_BELOW] = 0;
    mark[NGX_PLUM_QUEUE_HALF] = (max + 1) / 2;
    mark[NGX_PLUM_QUEUE_NEARLY] = (max * 4 + 4) / 5;
    mark[NGX_PLUM_QUEUE_FULL] = max;

    level = &redis->levels[target * redis->queue->shards + op->shard];
    old = *level;

    now = (op->result.result == PLUM_QUEUE_FULL) ? NGX_PLUM_QUEUE_FULL
                                                 : NGX_PLUM_QUEUE_NEARLY;

    while (waiting < mark[now]) {
        now--;
    }

    if (now < old && waiting >= mark[old] - max / 10) {
        return;
    }

    *level = (u_char) now;

    if (now > ngx_max(old, NGX_PLUM_QUEUE_BELOW)
        && (old == NGX_PLUM_QUEUE_UNSEEN || waiting == mark[now]))
    {
        ngx_plum_queue_warn(op, target, now, waiting);
    }
}


static void
ngx_plum_queue_warn(ngx_plum_queue_accept_op_t *op, ngx_uint_t target,
    ngx_uint_t level, int64_t waiting)
{
    ngx_log_t                *log;
    ngx_plum_queue_t         *queue;
    const ngx_plum_target_t  *t;

    queue = op->redis->queue;
    t = &queue->targets[target];
    log = ngx_plum_redis_log(op->redis->accepts);

    if (level == NGX_PLUM_QUEUE_FULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: the queue of consumer \"%V\" of \"%V\" is full: "
                      "%L entries wait or are dead, senders are refused until "
                      "there is room", &t->name, &queue->name, waiting);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "plum: the queue of consumer \"%V\" of \"%V\" is %s full: "
                  "%L of %ui entries wait or are dead%s", &t->name,
                  &queue->name,
                  level == NGX_PLUM_QUEUE_NEARLY ? "80 %" : "50 %", waiting,
                  op->redis->max[target],
                  queue->shards > 1 ? " in one shard" : "");
}


static void
ngx_plum_queue_dropped(ngx_plum_queue_accept_op_t *op, ngx_uint_t target)
{
    ngx_plum_queue_t         *queue;
    const ngx_plum_target_t  *t;

    queue = op->redis->queue;
    t = &queue->targets[target];

    ngx_log_error(NGX_LOG_WARN, ngx_plum_redis_log(op->redis->accepts), 0,
                  "plum: the queue of consumer \"%V\" of \"%V\" is full "
                  "(max=%ui), the event with the key \"%*s\" is dropped for "
                  "it", &t->name, &queue->name, t->max, op->key.len,
                  op->key.data);
}
