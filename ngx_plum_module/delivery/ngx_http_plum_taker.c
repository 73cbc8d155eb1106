
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


/*
 * A taker takes from a shard when
 *
 *   - this worker has appended an entry to it
 *   - it is time to look.  One worker of the host does that, when the next
 *     entry is due, or NGX_HTTP_PLUM_LOOK after the last look, whichever is
 *     earlier.  It also finds entries that other hosts have appended, have
 *     given back, or had taken when they died
 *   - an attempt has ended, and there were more entries than places
 *
 * There is one take of a taker at a time.  It reserves places first, and takes
 * as many entries as it has places.
 *
 * A worker that is told to quit takes nothing more; entries of a take that was
 * under way are given back.
 */


static void ngx_http_plum_taker_appended(ngx_plum_queue_t *queue,
    ngx_uint_t target, ngx_uint_t shard);
static void ngx_http_plum_taker_ready(ngx_plum_queue_t *queue);
static void ngx_http_plum_taker_all(ngx_http_plum_taker_t *taker);
static void ngx_http_plum_taker_start(ngx_http_plum_taker_t *taker);
static void ngx_http_plum_taker_timer(ngx_event_t *ev);
static void ngx_http_plum_taker_wake(ngx_event_t *ev);
static void ngx_http_plum_taker_take(ngx_http_plum_taker_t *taker);
static void ngx_http_plum_taker_taken(ngx_plum_take_t *take);
static void ngx_http_plum_taker_entries(ngx_http_plum_taker_t *taker,
    const plum_queue_take_reply_t *reply);
static ngx_uint_t ngx_http_plum_taker_quits(void);


static const ngx_plum_queue_listener_t  ngx_http_plum_taker_listener = {
    ngx_http_plum_taker_appended,
    ngx_http_plum_taker_ready
};


/* takers: by number of the target; NULL for targets that are published */

void
ngx_http_plum_taker_bind(ngx_http_plum_queue_t *queue,
    ngx_http_plum_taker_t **takers)
{
    queue->queue.listener = &ngx_http_plum_taker_listener;
    queue->queue.listener_data = takers;
}


void
ngx_http_plum_takers_start(ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t               i;
    ngx_http_plum_taker_t  **taker;

    taker = pmcf->takers.elts;

    for (i = 0; i < pmcf->takers.nelts; i++) {
        ngx_http_plum_taker_start(taker[i]);
    }
}


static void
ngx_http_plum_taker_start(ngx_http_plum_taker_t *taker)
{
    ngx_http_plum_places_reset(taker);

    taker->fake.fd = (ngx_socket_t) -1;
    taker->fake.data = taker;

    taker->take.handler = ngx_http_plum_taker_taken;
    taker->take.data = taker;
    taker->take.target = taker->target;
    taker->take.lease = NGX_HTTP_PLUM_LEASE;

    taker->wake.handler = ngx_http_plum_taker_wake;
    taker->wake.data = &taker->fake;
    taker->wake.log = ngx_cycle->log;

    taker->timer.handler = ngx_http_plum_taker_timer;
    taker->timer.data = &taker->fake;
    taker->timer.log = ngx_cycle->log;
    taker->timer.cancelable = 1;

    ngx_http_plum_places_timer(taker, NGX_HTTP_PLUM_LOOK);
}


void
ngx_http_plum_takers_stop(ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t               i;
    ngx_http_plum_taker_t  **taker;

    taker = pmcf->takers.elts;

    for (i = 0; i < pmcf->takers.nelts; i++) {

        if (taker[i]->timer.timer_set) {
            ngx_del_timer(&taker[i]->timer);
        }

        if (taker[i]->wake.posted) {
            ngx_delete_posted_event(&taker[i]->wake);
        }
    }
}


static void
ngx_http_plum_taker_appended(ngx_plum_queue_t *queue, ngx_uint_t target,
    ngx_uint_t shard)
{
    ngx_http_plum_taker_t  *taker, **takers;

    takers = queue->listener_data;
    taker = takers[target];

    if (taker == NULL) {
        return;
    }

    taker->todo |= (uint64_t) 1 << shard;

    ngx_post_event(&taker->wake, &ngx_posted_events);
}


static void
ngx_http_plum_taker_ready(ngx_plum_queue_t *queue)
{
    ngx_uint_t               i;
    ngx_http_plum_taker_t  **takers;

    takers = queue->listener_data;

    for (i = 0; i < queue->ntargets; i++) {

        if (takers[i]) {
            ngx_http_plum_taker_all(takers[i]);
        }
    }
}


static void
ngx_http_plum_taker_all(ngx_http_plum_taker_t *taker)
{
    taker->todo = UINT64_MAX >> (64 - taker->queue->queue.shards);

    ngx_post_event(&taker->wake, &ngx_posted_events);
}


static void
ngx_http_plum_taker_timer(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_http_plum_taker_t  *taker;

    fake = ev->data;
    taker = fake->data;

    if (ngx_http_plum_taker_quits()) {
        return;
    }

    if (ngx_http_plum_places_due(taker)) {
        ngx_http_plum_taker_all(taker);
    }

    ngx_http_plum_places_timer(taker, NGX_HTTP_PLUM_LOOK);
}


static void
ngx_http_plum_taker_wake(ngx_event_t *ev)
{
    ngx_connection_t  *fake;

    fake = ev->data;

    ngx_http_plum_taker_take(fake->data);
}


static void
ngx_http_plum_taker_take(ngx_http_plum_taker_t *taker)
{
    ngx_uint_t         room;
    ngx_msec_t         wait;
    ngx_plum_queue_t  *queue;

    if (taker->todo == 0 || taker->taking || ngx_http_plum_taker_quits()) {
        return;
    }

    queue = &taker->queue->queue;

    room = ngx_http_plum_made_room();
    room = ngx_min(room, PLUM_QUEUE_BATCH);

    if (ngx_http_plum_places_take(taker, room, &wait) == 0) {

        /* the next attempt that ends, or the next look, continues */

        taker->todo = 0;

        if (wait) {
            ngx_http_plum_places_look(taker,
                                      ngx_min(wait, NGX_HTTP_PLUM_LOOK));
        }

        return;
    }

    do {
        taker->next = (taker->next + 1) % queue->shards;
    } while (!(taker->todo >> taker->next & 1));

    taker->todo &= ~((uint64_t) 1 << taker->next);

    taker->take.shard = taker->next;
    taker->take.max = taker->nplaces;

    if (queue->ops->take(queue, &taker->take) != NGX_OK) {

        /* ready() is called when the store can be reached again */

        ngx_http_plum_places_give(taker, 0);
        return;
    }

    taker->taking = 1;
}


static void
ngx_http_plum_taker_taken(ngx_plum_take_t *take)
{
    ngx_msec_t                next;
    plum_queue_take_reply_t  *reply;
    ngx_http_plum_taker_t    *taker;

    taker = take->data;
    taker->taking = 0;

    if (take->outcome == NGX_PLUM_TAKE_CLOSED) {
        ngx_http_plum_places_give(taker, 0);
        return;
    }

    if (take->outcome == NGX_PLUM_TAKE_OK) {
        reply = &take->reply;

        ngx_http_plum_taker_entries(taker, reply);

        if (reply->next >= 0 && reply->next < NGX_HTTP_PLUM_LOOK) {
            next = (ngx_msec_t) ngx_max(reply->next, 1);

            ngx_http_plum_places_look(taker, next);
        }
    }

    ngx_http_plum_places_give(taker, 0);

    if (taker->todo) {
        ngx_post_event(&taker->wake, &ngx_posted_events);
    }
}


static void
ngx_http_plum_taker_entries(ngx_http_plum_taker_t *taker,
    const plum_queue_take_reply_t *reply)
{
    size_t                     bytes;
    ngx_uint_t                 i, n, more, quits;
    ngx_plum_entry_t           entry;
    const plum_queue_entry_t  *taken;

    bytes = 0;
    n = ngx_min(reply->nentries, taker->nplaces);

    for (i = 0; i < n; i++) {
        bytes += reply->entries[i].body.len;
    }

    more = (n == taker->nplaces || bytes >= PLUM_QUEUE_BYTES);

    ngx_http_plum_places_more(taker, taker->take.shard, more);

    if (more) {
        taker->todo |= (uint64_t) 1 << taker->take.shard;
    }

    ngx_memzero(&entry, sizeof(ngx_plum_entry_t));

    entry.target = taker->target;
    entry.shard = taker->take.shard;
    entry.lease = taker->take.lease;

    quits = ngx_http_plum_taker_quits();

    /* entries keep their places; those left over are given back */

    for (i = 0; i < n; i++) {
        taken = &reply->entries[i];

        entry.id.data = (u_char *) taken->id.data;
        entry.id.len = taken->id.len;
        entry.count = taken->count;

        if (quits) {
            ngx_http_plum_attempt_back(taker, &entry, 0);
            continue;
        }

        ngx_http_plum_attempt_start(taker, &entry, taken, taker->places[i]);
    }

    if (quits) {
        return;
    }

    taker->nplaces -= n;

    ngx_memmove(taker->places, taker->places + n,
                taker->nplaces * sizeof(ngx_uint_t));
}


static ngx_uint_t
ngx_http_plum_taker_quits(void)
{
    return ngx_exiting || ngx_terminate || ngx_quit;
}
