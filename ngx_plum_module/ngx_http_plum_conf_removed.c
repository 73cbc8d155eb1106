
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_queue.h>


/*
 * What a reload takes out of a queue.  What waits for a consumer that is not
 * configured any more, or in a shard that is not looked into any more, stays
 * in Redis and is not delivered: that is warned of.  Only the configuration
 * that is being replaced tells: after a restart nothing does.
 */


static ngx_http_plum_main_conf_t *ngx_http_plum_removed_old(ngx_conf_t *cf);
static ngx_http_plum_queue_t *ngx_http_plum_removed_queue(
    ngx_http_plum_main_conf_t *pmcf, ngx_str_t *name);
static void ngx_http_plum_removed_targets(ngx_conf_t *cf,
    ngx_plum_queue_t *old, ngx_plum_queue_t *queue);
static ngx_uint_t ngx_http_plum_removed_target(ngx_plum_queue_t *queue,
    ngx_plum_target_t *target);


void
ngx_http_plum_conf_removed(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                  i;
    ngx_http_plum_queue_t      *queue, **old;
    ngx_http_plum_main_conf_t  *omcf;

    omcf = ngx_http_plum_removed_old(cf);

    if (omcf == NULL) {
        return;
    }

    old = omcf->queues.elts;

    for (i = 0; i < omcf->queues.nelts; i++) {
        queue = ngx_http_plum_removed_queue(pmcf, &old[i]->queue.name);

        if (queue == NULL) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "queue \"%V\" is not configured any more: what "
                          "waits in it stays in Redis and is not delivered",
                          &old[i]->queue.name);
            continue;
        }

        ngx_http_plum_removed_targets(cf, &old[i]->queue, &queue->queue);
    }
}


/* NULL: there is none, or it is of another copy of this module */

static ngx_http_plum_main_conf_t *
ngx_http_plum_removed_old(ngx_conf_t *cf)
{
    ngx_uint_t    i;
    ngx_cycle_t  *old;

    old = cf->cycle->old_cycle;

    if (old == NULL || old->conf_ctx == NULL || old->modules == NULL) {
        return NULL;
    }

    for (i = 0; old->modules[i]; i++) {
        if (old->modules[i] == &ngx_http_plum_module) {
            return ngx_http_cycle_get_module_main_conf(old,
                                                       ngx_http_plum_module);
        }
    }

    return NULL;
}


static ngx_http_plum_queue_t *
ngx_http_plum_removed_queue(ngx_http_plum_main_conf_t *pmcf, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_plum_queue_t  **queue;

    queue = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        if (ngx_http_plum_same(&queue[i]->queue.name, name)) {
            return queue[i];
        }
    }

    return NULL;
}


static void
ngx_http_plum_removed_targets(ngx_conf_t *cf, ngx_plum_queue_t *old,
    ngx_plum_queue_t *queue)
{
    ngx_uint_t          i;
    ngx_plum_target_t  *target;

    for (i = 0; i < old->ntargets; i++) {
        target = &old->targets[i];

        if (target->published || ngx_http_plum_removed_target(queue, target)) {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "consumer \"%V\" of queue \"%V\" is not configured any "
                      "more: what waits for it stays in Redis and is not "
                      "delivered", &target->name, &old->name);
    }

    if (old->shards != queue->shards) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "queue \"%V\" has %ui shards instead of %ui: what waits "
                      "in the old ones is not delivered until \"plum-queue "
                      "move\" has moved it", &queue->name, queue->shards,
                      old->shards);
    }
}


static ngx_uint_t
ngx_http_plum_removed_target(ngx_plum_queue_t *queue,
    ngx_plum_target_t *target)
{
    ngx_uint_t  i;

    for (i = 0; i < queue->ntargets; i++) {
        if (!queue->targets[i].published
            && ngx_http_plum_same(&queue->targets[i].name, &target->name))
        {
            return 1;
        }
    }

    return 0;
}
