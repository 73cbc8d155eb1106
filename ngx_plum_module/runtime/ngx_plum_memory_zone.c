/*
 * The shared zone of a memory store.
 */

#include <ngx_plum_memory.h>

#include <openssl/rand.h>

#include <plum_hash.h>


#define NGX_PLUM_MEMORY_MAGIC    0x504c554d
#define NGX_PLUM_MEMORY_LAYOUT   3

/*
 * The fraction of the zone that buckets take: about one bucket for each record
 * of 128 bytes that fits.  In a zone of a few pages the buckets take the rest
 * of the first page, but there are at least as many as the second number says.
 */
#define NGX_PLUM_MEMORY_BUCKETS  16
#define NGX_PLUM_MEMORY_LEAST    64


static ngx_int_t ngx_plum_memory_adopt(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_plum_memory_create_zone(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone);
static uint64_t ngx_plum_memory_now(void);


ngx_int_t
ngx_plum_memory_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_plum_memory_t  *memory;

    memory = shm_zone->data;
    memory->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    /* the data of the previous configuration is found through the zone */

    if (data || shm_zone->shm.exists) {
        return ngx_plum_memory_adopt(memory, shm_zone);
    }

    return ngx_plum_memory_create_zone(memory, shm_zone);
}


static ngx_int_t
ngx_plum_memory_adopt(ngx_plum_memory_t *memory, ngx_shm_zone_t *shm_zone)
{
    ngx_plum_memory_shared_t  *shared;

    shared = memory->shpool->data;

    if (shared == NULL
        || shared->magic != NGX_PLUM_MEMORY_MAGIC
        || shared->layout != NGX_PLUM_MEMORY_LAYOUT
        || shared->size != shm_zone->shm.size
        || shared->record != offsetof(ngx_plum_memory_record_t, key))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" of plum store \"%V\" was laid out by "
                      "another version of the module, a restart is needed",
                      &shm_zone->shm.name, &memory->store);
        return NGX_ERROR;
    }

    memory->shared = shared;
    memory->key[0] = shared->key[0];
    memory->key[1] = shared->key[1];

    return NGX_OK;
}


static ngx_int_t
ngx_plum_memory_create_zone(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone)
{
    size_t                     size, len, least;
    ngx_uint_t                 i;
    ngx_slab_pool_t           *shpool;
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_shared_t  *shared;

    shpool = memory->shpool;

    /*
     * The buckets fill whole pages.  Setting them to zero maps the pages now,
     * so that no worker waits for that later.
     */

    len = sizeof(" in plum store \"\"") + memory->store.len;
    least = sizeof(ngx_plum_memory_shared_t) + len
            + NGX_PLUM_MEMORY_LEAST * sizeof(ngx_plum_memory_record_t *);

    size = ngx_max(shm_zone->shm.size / NGX_PLUM_MEMORY_BUCKETS, least);
    size = ngx_align(size, ngx_pagesize);

    shared = ngx_slab_calloc(shpool, size);
    if (shared == NULL) {
        return NGX_ERROR;
    }

    /*
     * set by ngx_slab_calloc():
     *
     *     shared->now = 0;
     *     shared->forgot = 0;
     *     shared->bare = 0;
     *     shared->records = 0;
     *     shared->evictions = 0;
     *     shared->buckets[] = NULL;
     */

    shared->magic = NGX_PLUM_MEMORY_MAGIC;
    shared->layout = NGX_PLUM_MEMORY_LAYOUT;
    shared->size = shm_zone->shm.size;
    shared->record = offsetof(ngx_plum_memory_record_t, key);

    if (RAND_bytes((u_char *) shared->key, sizeof(shared->key)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no random bytes for plum store \"%V\"",
                      &memory->store);
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_PLUM_MEMORY_QUEUES; i++) {
        queue = &shared->few[i];

        ngx_queue_init(&queue->records);
        queue->next = shared->queues;
        shared->queues = queue;
    }

    shared->nbuckets = (size - offsetof(ngx_plum_memory_shared_t, buckets)
                        - len)
                       / sizeof(ngx_plum_memory_record_t *);

    shpool->log_ctx = (u_char *) &shared->buckets[shared->nbuckets];
    ngx_sprintf(shpool->log_ctx, " in plum store \"%V\"%Z", &memory->store);

    /* report() says that the zone is full; the slab allocator need not */

    shpool->log_nomem = 0;
    shpool->data = shared;

    return ngx_plum_memory_adopt(memory, shm_zone);
}


void
ngx_plum_memory_begin(ngx_plum_memory_op_t *op, ngx_plum_memory_t *memory,
    ngx_str_t *key)
{
    ngx_memzero(op, sizeof(ngx_plum_memory_op_t));

    op->memory = memory;
    op->key = key;
    op->now = ngx_plum_memory_now();
    op->hash = (uint32_t) plum_hash(memory->key, key->data, key->len);
}


/*
 * The monotonic clock is the same in all processes until the host restarts, and
 * the zone does not live longer.  ngx_current_msec would wrap within weeks
 * where ngx_msec_t has 32 bits.
 */

static uint64_t
ngx_plum_memory_now(void)
{
#if (NGX_PTR_SIZE == 8)

    return ngx_current_msec;

#elif (NGX_HAVE_CLOCK_MONOTONIC)

    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

#else

    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;

#endif
}


/*
 * A worker may have read the clock before another worker that got the lock
 * first.  The queues are ordered, so a record must not expire before records
 * that were attached earlier: the zone's clock never goes back.
 */

void
ngx_plum_memory_lock(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_shared_t  *shared;

    ngx_shmtx_lock(&op->memory->shpool->mutex);

    shared = op->memory->shared;

    if (op->now < shared->now) {
        op->now = shared->now;
    }

    shared->now = op->now;
}


void
ngx_plum_memory_unlock(ngx_plum_memory_op_t *op)
{
    ngx_shmtx_unlock(&op->memory->shpool->mutex);
}


void
ngx_plum_memory_report(ngx_plum_memory_op_t *op, ngx_log_t *log)
{
    ngx_str_t  *store;

    store = &op->memory->store;

    if (op->forgot) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum store \"%V\" is full: forgetting forwarded "
                      "deliveries before their retention ends, enlarge its "
                      "zone", store);
    }

    if (op->bare) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum store \"%V\" has no room for an answer: "
                      "a delivery is remembered without it, enlarge its zone",
                      store);
    }

    if (op->full && op->pending) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum store \"%V\" is full of pending claims", store);

    } else if (op->full) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum store \"%V\" is full: what could be forgotten "
                      "made no room for a claim, enlarge its zone", store);
    }
}


void
ngx_plum_memory_usage(ngx_plum_store_t *store, ngx_plum_store_usage_t *usage)
{
    ngx_uint_t          pages;
    ngx_slab_pool_t    *shpool;
    ngx_plum_memory_t  *memory;

    memory = store->data;
    shpool = memory->shpool;

    ngx_shmtx_lock(&shpool->mutex);

    pages = shpool->last - shpool->pages;

    usage->records = memory->shared->records;
    usage->evictions = memory->shared->evictions;
    usage->bytes = (uint64_t) (pages - shpool->pfree) * ngx_pagesize;

    ngx_shmtx_unlock(&shpool->mutex);
}
