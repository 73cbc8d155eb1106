
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_metrics.h>


#define NGX_PLUM_METRICS_MAGIC   0x504c4d54
#define NGX_PLUM_METRICS_LAYOUT  1

/*
 * Memory that is never touched costs nothing.  A set of a gate takes 2k and
 * 1k for each further worker: this is room for some 1,800 gates with 8
 * workers.
 */

#define NGX_PLUM_METRICS_SIZE    (16 * 1024 * 1024)

/* blocks begin at cache lines of their own */

#define NGX_PLUM_METRICS_LINE    64


typedef struct {
    uint32_t                     magic;
    uint32_t                     layout;
    ngx_plum_metrics_record_t   *records;
} ngx_plum_metrics_shared_t;


static ngx_int_t ngx_plum_metrics_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_plum_metrics_create_zone(ngx_shm_zone_t *shm_zone);
static ngx_uint_t ngx_plum_metrics_workers(ngx_plum_metrics_t *metrics);
static ngx_plum_metrics_record_t *ngx_plum_metrics_find(
    ngx_plum_metrics_shared_t *shared, const ngx_plum_metrics_set_t *set);
static ngx_plum_metrics_record_t *ngx_plum_metrics_record(
    ngx_slab_pool_t *shpool, const ngx_plum_metrics_set_t *set);
static ngx_int_t ngx_plum_metrics_block(ngx_slab_pool_t *shpool,
    ngx_plum_metrics_record_t *record);


ngx_plum_metrics_t *
ngx_plum_metrics_create(ngx_conf_t *cf, void *tag)
{
    ngx_plum_metrics_t  *metrics;

    /* the zones of stores and consumers begin with "plum_" */

    ngx_str_t            name = ngx_string("plum:status");

    metrics = ngx_pcalloc(cf->pool, sizeof(ngx_plum_metrics_t));
    if (metrics == NULL) {
        return NULL;
    }

    if (ngx_array_init(&metrics->sets, cf->pool, 16,
                       sizeof(ngx_plum_metrics_set_t *))
        != NGX_OK)
    {
        return NULL;
    }

    metrics->zone = ngx_shared_memory_add(cf, &name, NGX_PLUM_METRICS_SIZE,
                                          tag);
    if (metrics->zone == NULL) {
        return NULL;
    }

    metrics->cycle = cf->cycle;
    metrics->zone->init = ngx_plum_metrics_init;
    metrics->zone->data = metrics;

    return metrics;
}


ngx_plum_metrics_set_t *
ngx_plum_metrics_add(ngx_conf_t *cf, ngx_plum_metrics_t *metrics,
    ngx_str_t *key, ngx_uint_t ncells)
{
    ngx_uint_t               i;
    ngx_plum_metrics_set_t  *set, **sets;

    sets = metrics->sets.elts;

    for (i = 0; i < metrics->sets.nelts; i++) {
        set = sets[i];

        if (set->ncells == ncells
            && set->key.len == key->len
            && ngx_memcmp(set->key.data, key->data, key->len) == 0)
        {
            return set;
        }
    }

    set = ngx_pcalloc(cf->pool, sizeof(ngx_plum_metrics_set_t));
    sets = ngx_array_push(&metrics->sets);

    if (set == NULL || sets == NULL) {
        return NULL;
    }

    *sets = set;

    set->ncells = ncells;
    set->key.len = key->len;
    set->key.data = ngx_pstrdup(cf->pool, key);

    return set->key.data ? set : NULL;
}


/*
 * In the master process, also for a configuration that is given up later: then
 * the sets that it has brought stay in the zone, unseen.
 */

static ngx_int_t
ngx_plum_metrics_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t                  i, workers;
    ngx_slab_pool_t            *shpool;
    ngx_plum_metrics_t         *metrics;
    ngx_plum_metrics_set_t    **set;
    ngx_plum_metrics_shared_t  *shared;

    metrics = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data == NULL && !shm_zone->shm.exists
        && ngx_plum_metrics_create_zone(shm_zone) != NGX_OK)
    {
        return NGX_ERROR;
    }

    shared = shpool->data;

    if (shared == NULL
        || shared->magic != NGX_PLUM_METRICS_MAGIC
        || shared->layout != NGX_PLUM_METRICS_LAYOUT)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" was laid out by another version of the "
                      "module, a restart is needed", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    workers = ngx_plum_metrics_workers(metrics);
    metrics->workers = workers;
    set = metrics->sets.elts;

    for (i = 0; i < metrics->sets.nelts; i++) {

        ngx_shmtx_lock(&shpool->mutex);

        set[i]->record = ngx_plum_metrics_find(shared, set[i]);

        if (set[i]->record == NULL) {
            set[i]->record = ngx_plum_metrics_record(shpool, set[i]);
        }

        /* a worker without a block of its own shares that of another one */

        while (set[i]->record && set[i]->record->nblocks < workers) {
            if (ngx_plum_metrics_block(shpool, set[i]->record) != NGX_OK) {
                break;
            }
        }

        ngx_shmtx_unlock(&shpool->mutex);

        if (set[i]->record == NULL) {
            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "plum: \"plum_status\" has no memory left for "
                          "\"%V\": it is not counted; a restart forgets what "
                          "was removed from the configuration",
                          &set[i]->key);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_metrics_create_zone(ngx_shm_zone_t *shm_zone)
{
    ngx_slab_pool_t            *shpool;
    ngx_plum_metrics_shared_t  *shared;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    shared = ngx_slab_calloc(shpool, sizeof(ngx_plum_metrics_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    shared->magic = NGX_PLUM_METRICS_MAGIC;
    shared->layout = NGX_PLUM_METRICS_LAYOUT;

    /* what could not be had is warned of once for each set */

    shpool->log_nomem = 0;
    shpool->data = shared;

    return NGX_OK;
}


/* when zones are initialized, worker_processes has its value */

static ngx_uint_t
ngx_plum_metrics_workers(ngx_plum_metrics_t *metrics)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(metrics->cycle->conf_ctx,
                                           ngx_core_module);

    return ngx_min(ngx_max(ccf->worker_processes, 1),
                   NGX_PLUM_METRICS_BLOCKS);
}


static ngx_plum_metrics_record_t *
ngx_plum_metrics_find(ngx_plum_metrics_shared_t *shared,
    const ngx_plum_metrics_set_t *set)
{
    ngx_plum_metrics_record_t  *record;

    for (record = shared->records; record; record = record->next) {

        if (record->ncells == set->ncells
            && record->len == set->key.len
            && ngx_memcmp(record->key, set->key.data, set->key.len) == 0)
        {
            return record;
        }
    }

    return NULL;
}


static ngx_plum_metrics_record_t *
ngx_plum_metrics_record(ngx_slab_pool_t *shpool,
    const ngx_plum_metrics_set_t *set)
{
    ngx_plum_metrics_record_t  *record;
    ngx_plum_metrics_shared_t  *shared;

    record = ngx_slab_calloc_locked(shpool, sizeof(ngx_plum_metrics_record_t)
                                            + set->key.len);
    if (record == NULL) {
        return NULL;
    }

    record->ncells = set->ncells;
    record->len = set->key.len;
    ngx_memcpy(record->key, set->key.data, set->key.len);

    if (ngx_plum_metrics_block(shpool, record) != NGX_OK) {
        ngx_slab_free_locked(shpool, record);
        return NULL;
    }

    shared = shpool->data;

    record->next = shared->records;
    shared->records = record;

    return record;
}


static ngx_int_t
ngx_plum_metrics_block(ngx_slab_pool_t *shpool,
    ngx_plum_metrics_record_t *record)
{
    size_t         size;
    ngx_atomic_t  *block;

    size = ngx_align(record->ncells * sizeof(ngx_atomic_t),
                     NGX_PLUM_METRICS_LINE);

    block = ngx_slab_calloc_locked(shpool, size);
    if (block == NULL) {
        return NGX_ERROR;
    }

    record->blocks[record->nblocks] = block;

    /* a worker that sums up meanwhile must not see the number before */

    ngx_memory_barrier();

    record->nblocks++;

    return NGX_OK;
}


ngx_int_t
ngx_plum_metrics_init_process(ngx_cycle_t *cycle,
    ngx_plum_metrics_t *metrics)
{
    ngx_uint_t                  i;
    ngx_plum_metrics_set_t    **set;
    ngx_plum_metrics_record_t  *record;

    set = metrics->sets.elts;

    for (i = 0; i < metrics->sets.nelts; i++) {
        record = set[i]->record;

        if (record) {
            set[i]->cells = record->blocks[ngx_worker % record->nblocks];
            continue;
        }

        /* nobody reads it */

        set[i]->cells = ngx_pcalloc(cycle->pool, set[i]->ncells
                                                 * sizeof(ngx_atomic_t));
        if (set[i]->cells == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


uint64_t
ngx_plum_metrics_sum(const ngx_plum_metrics_set_t *set, ngx_uint_t cell)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; set->record && i < set->record->nblocks; i++) {
        sum += set->record->blocks[i][cell];
    }

    return sum;
}


uint64_t
ngx_plum_metrics_latest(const ngx_plum_metrics_set_t *set, ngx_uint_t cell)
{
    uint64_t    latest;
    ngx_uint_t  i;

    latest = 0;

    for (i = 0; set->record && i < set->record->nblocks; i++) {
        latest = ngx_max(latest, set->record->blocks[i][cell]);
    }

    return latest;
}


uint64_t
ngx_plum_metrics_least(const ngx_plum_metrics_t *metrics,
    const ngx_plum_metrics_set_t *set, ngx_uint_t cell)
{
    uint64_t    least, value;
    ngx_uint_t  i, n;

    least = 0;
    n = set->record ? ngx_min(set->record->nblocks, metrics->workers) : 0;

    for (i = 0; i < n; i++) {
        value = set->record->blocks[i][cell];

        if (value && (least == 0 || value < least)) {
            least = value;
        }
    }

    return least;
}


void
ngx_plum_metrics_observe(ngx_plum_metrics_set_t *set, ngx_uint_t cell,
    const ngx_plum_metrics_histogram_t *histogram, uint64_t ns)
{
    ngx_uint_t  i;

    for (i = 0; i < histogram->nbuckets; i++) {
        if (ns <= histogram->buckets[i].bound) {
            break;
        }
    }

    ngx_plum_metrics_count(set, cell + i, 1);
    ngx_plum_metrics_count(set, cell + histogram->nbuckets + 1, ns);
}


uint64_t
ngx_plum_metrics_clock(void)
{
#if (NGX_HAVE_CLOCK_MONOTONIC)

    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;

#else

    struct timeval  tv;

    ngx_gettimeofday(&tv);

    return (uint64_t) tv.tv_sec * 1000000000 + (uint64_t) tv.tv_usec * 1000;

#endif
}
