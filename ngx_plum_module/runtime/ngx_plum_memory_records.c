/*
 * The records of a memory store: lookup, expiry and eviction.
 */

#include <ngx_plum_memory.h>


/* the shortest time between two warnings of a full zone, milliseconds */
#define NGX_PLUM_MEMORY_QUIET    60000

/* how many records one operation may evict, for a record and an answer */
#define NGX_PLUM_MEMORY_TRIES    256
#define NGX_PLUM_MEMORY_FEW      32

/* an answer that is a larger part of the zone evicts no records */
#define NGX_PLUM_MEMORY_PART     8


static ngx_plum_memory_record_t **ngx_plum_memory_bucket(
    ngx_plum_memory_shared_t *shared, uint32_t hash);
static ngx_plum_memory_record_t *ngx_plum_memory_first(
    ngx_plum_memory_t *memory, ngx_uint_t state);
static void *ngx_plum_memory_room(ngx_plum_memory_op_t *op, size_t size);
static void *ngx_plum_memory_alloc(ngx_plum_memory_op_t *op, size_t size,
    ngx_uint_t tries);
static ngx_int_t ngx_plum_memory_forget(ngx_plum_memory_op_t *op);
static ngx_uint_t ngx_plum_memory_due(uint64_t *next, uint64_t now);


void
ngx_plum_memory_expire(ngx_plum_memory_op_t *op, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_record_t  *record;

    for (queue = op->memory->shared->queues; queue; queue = queue->next) {

        for (i = 0; i < n && !ngx_queue_empty(&queue->records); i++) {
            record = ngx_queue_data(ngx_queue_head(&queue->records),
                                    ngx_plum_memory_record_t, queue);

            if (record->expires > op->now) {
                break;
            }

            ngx_plum_memory_remove(op->memory, record);
        }
    }
}


/* an empty queue is used again for another duration, so few are added */

ngx_plum_memory_queue_t *
ngx_plum_memory_queue(ngx_plum_memory_op_t *op, ngx_uint_t state,
    ngx_msec_t duration)
{
    ngx_plum_memory_queue_t   *queue, *empty;
    ngx_plum_memory_shared_t  *shared;

    shared = op->memory->shared;
    empty = NULL;

    for (queue = shared->queues; queue; queue = queue->next) {

        if (queue->duration == duration && queue->state == state) {
            return queue;
        }

        if (ngx_queue_empty(&queue->records)) {
            empty = queue;
        }
    }

    if (empty == NULL) {
        empty = ngx_plum_memory_room(op, sizeof(ngx_plum_memory_queue_t));
        if (empty == NULL) {
            return NULL;
        }

        ngx_queue_init(&empty->records);
        empty->next = shared->queues;
        shared->queues = empty;
    }

    empty->duration = duration;
    empty->state = state;

    return empty;
}


ngx_plum_memory_record_t *
ngx_plum_memory_lookup(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_record_t  *record;

    record = *ngx_plum_memory_bucket(op->memory->shared, op->hash);

    while (record) {

        if (record->hash == op->hash
            && record->len == op->key->len
            && ngx_memcmp(record->key, op->key->data, record->len) == 0)
        {
            break;
        }

        record = record->next;
    }

    return record;
}


ngx_plum_memory_record_t *
ngx_plum_memory_create(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_record_t  *record, **bucket;

    record = ngx_plum_memory_room(op, offsetof(ngx_plum_memory_record_t, key)
                                      + op->key->len);
    if (record == NULL) {
        return NULL;
    }

    ngx_str_null(&record->answer);
    record->hash = op->hash;
    record->len = (uint16_t) op->key->len;
    ngx_memcpy(record->key, op->key->data, op->key->len);

    bucket = ngx_plum_memory_bucket(op->memory->shared, op->hash);

    record->next = *bucket;
    *bucket = record;

    op->memory->shared->records++;

    return record;
}


void
ngx_plum_memory_attach(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_plum_memory_queue_t *queue)
{
    record->state = (u_char) queue->state;
    record->expires = op->now + queue->duration;

    ngx_queue_insert_tail(&queue->records, &record->queue);
}


void
ngx_plum_memory_detach(ngx_plum_memory_record_t *record)
{
    ngx_queue_remove(&record->queue);
}


void
ngx_plum_memory_remove(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record)
{
    ngx_plum_memory_record_t  **p;

    ngx_plum_memory_detach(record);

    p = ngx_plum_memory_bucket(memory->shared, record->hash);

    while (*p != record) {
        p = &(*p)->next;
    }

    *p = record->next;

    memory->shared->records--;

    if (record->answer.data) {
        ngx_slab_free_locked(memory->shpool, record->answer.data);
    }

    ngx_slab_free_locked(memory->shpool, record);
}


void
ngx_plum_memory_answer(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_str_t *answer)
{
    u_char                    *p;
    ngx_uint_t                 tries;
    ngx_plum_memory_shared_t  *shared;

    p = NULL;

    if (answer && answer->len) {
        shared = op->memory->shared;

        tries = (answer->len > shared->size / NGX_PLUM_MEMORY_PART)
                ? 0 : NGX_PLUM_MEMORY_FEW;

        p = ngx_plum_memory_alloc(op, answer->len, tries);

        if (p) {
            ngx_memcpy(p, answer->data, answer->len);

        } else if (ngx_plum_memory_due(&shared->bare, op->now)) {
            op->bare = 1;
        }
    }

    if (record->answer.data) {
        ngx_slab_free_locked(op->memory->shpool, record->answer.data);
    }

    record->answer.len = p ? answer->len : 0;
    record->answer.data = p;
}


/* for a record or a queue: without them the operation fails */

static void *
ngx_plum_memory_room(ngx_plum_memory_op_t *op, size_t size)
{
    void  *p;

    p = ngx_plum_memory_alloc(op, size, NGX_PLUM_MEMORY_TRIES);

    if (p == NULL) {
        op->full = 1;
        op->pending = (ngx_plum_memory_first(op->memory,
                                             NGX_PLUM_MEMORY_DONE)
                       == NULL);
    }

    return p;
}


static void *
ngx_plum_memory_alloc(ngx_plum_memory_op_t *op, size_t size,
    ngx_uint_t tries)
{
    void  *p;

    for ( ;; ) {
        p = ngx_slab_alloc_locked(op->memory->shpool, size);

        if (p || tries-- == 0 || ngx_plum_memory_forget(op) != NGX_OK) {
            return p;
        }
    }
}


static ngx_int_t
ngx_plum_memory_forget(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_t         *memory;
    ngx_plum_memory_record_t  *record;

    memory = op->memory;

    record = ngx_plum_memory_first(memory, NGX_PLUM_MEMORY_PENDING);

    if (record && record->expires <= op->now) {
        ngx_plum_memory_remove(memory, record);
        return NGX_OK;
    }

    record = ngx_plum_memory_first(memory, NGX_PLUM_MEMORY_DONE);

    if (record == NULL) {
        return NGX_DECLINED;
    }

    if (record->expires > op->now) {
        memory->shared->evictions++;

        if (ngx_plum_memory_due(&memory->shared->forgot, op->now)) {
            op->forgot = 1;
        }
    }

    ngx_plum_memory_remove(memory, record);

    return NGX_OK;
}


static ngx_uint_t
ngx_plum_memory_due(uint64_t *next, uint64_t now)
{
    if (now < *next) {
        return 0;
    }

    *next = now + NGX_PLUM_MEMORY_QUIET;

    return 1;
}


/* the record of a state that expires next, or NULL */

static ngx_plum_memory_record_t *
ngx_plum_memory_first(ngx_plum_memory_t *memory, ngx_uint_t state)
{
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_record_t  *record, *first;

    first = NULL;

    for (queue = memory->shared->queues; queue; queue = queue->next) {

        if (queue->state != state || ngx_queue_empty(&queue->records)) {
            continue;
        }

        record = ngx_queue_data(ngx_queue_head(&queue->records),
                                ngx_plum_memory_record_t, queue);

        if (first == NULL || record->expires < first->expires) {
            first = record;
        }
    }

    return first;
}


/* a multiplication maps the hash to a bucket; a modulo would be slower */

static ngx_plum_memory_record_t **
ngx_plum_memory_bucket(ngx_plum_memory_shared_t *shared, uint32_t hash)
{
    return &shared->buckets[(uint64_t) hash * shared->nbuckets >> 32];
}
