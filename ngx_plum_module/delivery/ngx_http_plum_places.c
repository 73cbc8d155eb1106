
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


#define NGX_HTTP_PLUM_PLACES_MAGIC   0x504c4456
#define NGX_HTTP_PLUM_PLACES_LAYOUT  1


static ngx_int_t ngx_http_plum_places_init(ngx_shm_zone_t *shm_zone,
    void *data);
static void ngx_http_plum_places_reclaim(ngx_http_plum_shared_t *shared,
    ngx_pid_t pid);
static ngx_http_plum_shared_t *ngx_http_plum_places_lock(
    ngx_http_plum_taker_t *taker);
static void ngx_http_plum_places_unlock(ngx_http_plum_taker_t *taker);
static void ngx_http_plum_places_state(ngx_http_plum_shared_t *shared,
    const ngx_http_plum_deliver_t *deliver,
    const ngx_http_plum_outcome_t *outcome, ngx_http_plum_change_t *change);


/*
 * The size of the zone does not depend on concurrency=, so a reload that
 * changes concurrency= keeps the zone.
 */

char *
ngx_http_plum_places_zone(ngx_conf_t *cf, ngx_http_plum_taker_t *taker)
{
    size_t              size;
    ngx_str_t           name;
    ngx_plum_queue_t   *queue;
    ngx_plum_target_t  *target;

    queue = &taker->queue->queue;
    target = &queue->targets[taker->target];

    name.len = sizeof("plum_deliver:/") - 1 + queue->name.len
               + target->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len + 1);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(name.data, "plum_deliver:%V/%V%Z", &queue->name,
                &target->name);

    size = 8 * ngx_pagesize
           + ngx_align(sizeof(ngx_http_plum_shared_t), ngx_pagesize);

    taker->zone = ngx_shared_memory_add(cf, &name, size,
                                        &ngx_http_plum_module);
    if (taker->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    taker->zone->init = ngx_http_plum_places_init;
    taker->zone->data = taker;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_plum_places_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t         *shpool;
    ngx_http_plum_shared_t  *shared;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        shared = shpool->data;

        if (shared == NULL
            || shared->magic != NGX_HTTP_PLUM_PLACES_MAGIC
            || shared->layout != NGX_HTTP_PLUM_PLACES_LAYOUT)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" was laid out by another version of the "
                          "module, a restart is needed",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    shared = ngx_slab_calloc(shpool, sizeof(ngx_http_plum_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    /*
     * set by ngx_slab_calloc():
     *
     *     shared->breaker = { 0 };
     *     shared->busy = 0;
     *     shared->more = 0;
     *     shared->failing = 0;
     *     shared->status = 0;
     *     shared->places[] = 0;
     */

    shared->magic = NGX_HTTP_PLUM_PLACES_MAGIC;
    shared->layout = NGX_HTTP_PLUM_PLACES_LAYOUT;
    shared->look = ngx_current_msec;

    shpool->data = shared;

    return NGX_OK;
}


static ngx_http_plum_shared_t *
ngx_http_plum_places_lock(ngx_http_plum_taker_t *taker)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) taker->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    return shpool->data;
}


static void
ngx_http_plum_places_unlock(ngx_http_plum_taker_t *taker)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) taker->zone->shm.addr;

    ngx_shmtx_unlock(&shpool->mutex);
}


/* a place with the pid of this process belonged to an earlier process */

void
ngx_http_plum_places_reset(ngx_http_plum_taker_t *taker)
{
    ngx_http_plum_shared_t  *shared;

    shared = ngx_http_plum_places_lock(taker);

    ngx_http_plum_places_reclaim(shared, ngx_pid);

    ngx_http_plum_places_unlock(taker);
}


/* gives back the places of processes that are gone, and of pid */

static void
ngx_http_plum_places_reclaim(ngx_http_plum_shared_t *shared, ngx_pid_t pid)
{
    ngx_pid_t   holder, alive;
    ngx_uint_t  i, busy;

    alive = 0;
    busy = shared->busy;

    for (i = 0; i < NGX_HTTP_PLUM_PLACES && busy; i++) {
        holder = shared->places[i];

        if (holder == 0) {
            continue;
        }

        busy--;

        if (holder != pid
            && (holder == alive
                || kill(holder, 0) == 0
                || ngx_errno != NGX_ESRCH))
        {
            alive = holder;
            continue;
        }

        shared->places[i] = 0;
        shared->busy--;
    }
}


ngx_uint_t
ngx_http_plum_places_take(ngx_http_plum_taker_t *taker, ngx_uint_t n,
    ngx_msec_t *wait)
{
    uint64_t                 ms;
    ngx_uint_t               i, limit;
    ngx_http_plum_shared_t  *shared;

    shared = ngx_http_plum_places_lock(taker);

    limit = plum_breaker_places(&shared->breaker,
                                (uint32_t) taker->deliver->concurrency,
                                ngx_current_msec, &ms);
    *wait = (ngx_msec_t) ms;

    n = (limit > shared->busy) ? ngx_min(n, limit - shared->busy) : 0;

    taker->nplaces = 0;

    for (i = 0; i < NGX_HTTP_PLUM_PLACES && taker->nplaces < n; i++) {

        if (shared->places[i] == 0) {
            shared->places[i] = ngx_pid;
            taker->places[taker->nplaces++] = i;
        }
    }

    shared->busy += taker->nplaces;

    if (taker->nplaces == 0) {
        shared->more |= taker->todo;
    }

    ngx_http_plum_places_unlock(taker);

    return taker->nplaces;
}


void
ngx_http_plum_places_give(ngx_http_plum_taker_t *taker, ngx_uint_t first)
{
    ngx_uint_t               i;
    ngx_http_plum_shared_t  *shared;

    if (first >= taker->nplaces) {
        return;
    }

    shared = ngx_http_plum_places_lock(taker);

    for (i = first; i < taker->nplaces; i++) {
        shared->places[taker->places[i]] = 0;
    }

    shared->busy -= taker->nplaces - first;

    ngx_http_plum_places_unlock(taker);

    taker->nplaces = first;
}


void
ngx_http_plum_places_more(ngx_http_plum_taker_t *taker, ngx_uint_t shard,
    ngx_uint_t more)
{
    uint64_t                 bit;
    ngx_http_plum_shared_t  *shared;

    bit = (uint64_t) 1 << shard;

    shared = ngx_http_plum_places_lock(taker);

    shared->more = more ? (shared->more | bit) : (shared->more & ~bit);

    ngx_http_plum_places_unlock(taker);
}


ngx_uint_t
ngx_http_plum_places_due(ngx_http_plum_taker_t *taker)
{
    ngx_uint_t               due;
    ngx_http_plum_shared_t  *shared;

    shared = ngx_http_plum_places_lock(taker);

    due = ((ngx_msec_int_t) (shared->look - ngx_current_msec) <= 0);

    if (due) {
        ngx_http_plum_places_reclaim(shared, 0);

        shared->look = ngx_current_msec + NGX_HTTP_PLUM_LOOK * 4 / 5
                       + (ngx_msec_t) ngx_random() % (NGX_HTTP_PLUM_LOOK / 5);
    }

    ngx_http_plum_places_unlock(taker);

    return due;
}


void
ngx_http_plum_places_look(ngx_http_plum_taker_t *taker, ngx_msec_t ms)
{
    ngx_msec_t               look;
    ngx_http_plum_shared_t  *shared;

    look = ngx_current_msec + ms;

    shared = ngx_http_plum_places_lock(taker);

    if ((ngx_msec_int_t) (shared->look - look) > 0) {
        shared->look = look;
    }

    ngx_http_plum_places_unlock(taker);

    ngx_http_plum_places_timer(taker, ms);
}


ngx_uint_t
ngx_http_plum_places_broken(ngx_http_plum_taker_t *taker)
{
    ngx_uint_t               broken;
    ngx_http_plum_shared_t  *shared;

    shared = ngx_http_plum_places_lock(taker);

    broken = (shared->breaker.state == PLUM_BREAKER_OPEN);

    ngx_http_plum_places_unlock(taker);

    return broken;
}


void
ngx_http_plum_places_timer(ngx_http_plum_taker_t *taker, ngx_msec_t ms)
{
    ngx_msec_t  look;

    look = ngx_current_msec + ms;

    if (taker->timer.timer_set) {

        if ((ngx_msec_int_t) (taker->timer.timer.key - look) <= 0) {
            return;
        }

        ngx_del_timer(&taker->timer);
    }

    ngx_add_timer(&taker->timer, ms);
}


void
ngx_http_plum_places_end(ngx_http_plum_taker_t *taker, ngx_uint_t place,
    const ngx_http_plum_outcome_t *outcome, ngx_http_plum_change_t *change)
{
    ngx_http_plum_shared_t  *shared;

    ngx_memzero(change, sizeof(ngx_http_plum_change_t));

    shared = ngx_http_plum_places_lock(taker);

    shared->places[place] = 0;
    shared->busy--;

    change->more = shared->more;

    if (outcome) {
        ngx_http_plum_places_state(shared, taker->deliver, outcome, change);
    }

    ngx_http_plum_places_unlock(taker);
}


static void
ngx_http_plum_places_state(ngx_http_plum_shared_t *shared,
    const ngx_http_plum_deliver_t *deliver,
    const ngx_http_plum_outcome_t *outcome, ngx_http_plum_change_t *change)
{
    if (outcome->result == PLUM_ATTEMPT_DELIVERED) {
        change->recovered = shared->failing;
        shared->failing = 0;

        (void) plum_breaker_success(&shared->breaker,
                                    (uint32_t) deliver->concurrency);
        return;
    }

    change->fails = !shared->failing || shared->status != outcome->status;

    shared->failing = 1;
    shared->status = outcome->status;

    change->opened = plum_breaker_failure(&shared->breaker,
                                          (uint32_t) deliver->failures,
                                          deliver->pause, ngx_current_msec);
    change->failures = shared->breaker.failures;
}
