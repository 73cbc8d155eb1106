
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


/* adds the samples of a consumer; NGX_ERROR: no memory */

typedef ngx_int_t (*ngx_http_plum_consumer_pt)(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell);


static ngx_int_t ngx_http_plum_status_consumers(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family,
    ngx_http_plum_consumer_pt handler, ngx_uint_t cell);
static ngx_http_plum_sample_t *ngx_http_plum_status_consumer_sample(
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, uint64_t value);
static ngx_int_t ngx_http_plum_status_read(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell);
static ngx_int_t ngx_http_plum_status_delivered(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family,
    const ngx_plum_queue_t *queue, const ngx_plum_target_t *target,
    ngx_uint_t cell);
static ngx_int_t ngx_http_plum_status_took(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell);
static ngx_int_t ngx_http_plum_status_state(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell);


static const ngx_str_t  ngx_http_plum_status_deliveries_of[] = {
    ngx_string("delivered"),
    ngx_string("again"),
    ngx_string("dead")
};


static const ngx_str_t  ngx_http_plum_status_states[] = {
    ngx_string("open"),
    ngx_string("paused"),
    ngx_string("breaker")
};


ngx_uint_t
ngx_http_plum_status_fresh(const ngx_plum_metrics_set_t *set)
{
    time_t  read;

    read = (time_t) ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_READ);

    return read && ngx_time() - read <= NGX_HTTP_PLUM_STALE_AFTER;
}


ngx_http_plum_taker_t *
ngx_http_plum_status_taker(const ngx_http_plum_main_conf_t *pmcf,
    const ngx_plum_target_t *target)
{
    ngx_uint_t               i;
    ngx_http_plum_taker_t  **taker;

    taker = pmcf->takers.elts;

    for (i = 0; i < pmcf->takers.nelts; i++) {
        if (taker[i]->consumer->target == target) {
            return taker[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_plum_status_queue(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_consumers(status, family,
                                          ngx_http_plum_status_read,
                                          family->metric->which);
}


ngx_int_t
ngx_http_plum_status_deliveries(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_consumers(status, family,
                                          ngx_http_plum_status_delivered,
                                          NGX_PLUM_QUEUE_DELIVERED);
}


ngx_int_t
ngx_http_plum_status_delivery_seconds(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_consumers(status, family,
                                          ngx_http_plum_status_took,
                                          NGX_PLUM_QUEUE_SECONDS);
}


ngx_int_t
ngx_http_plum_status_consumer_state(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_consumers(status, family,
                                          ngx_http_plum_status_state,
                                          NGX_PLUM_QUEUE_PAUSED);
}


static ngx_int_t
ngx_http_plum_status_consumers(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, ngx_http_plum_consumer_pt handler,
    ngx_uint_t cell)
{
    ngx_uint_t                i, k;
    ngx_plum_queue_t         *queue;
    ngx_plum_target_t        *target;
    ngx_http_plum_queue_t   **queues;

    queues = status->pmcf->queues.elts;

    for (i = 0; i < status->pmcf->queues.nelts; i++) {
        queue = &queues[i]->queue;

        for (k = 0; k < queue->ntargets; k++) {
            target = &queue->targets[k];

            if (target->metrics && target->metrics->record
                && handler(status, family, queue, target, cell) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_http_plum_sample_t *
ngx_http_plum_status_consumer_sample(ngx_http_plum_family_t *family,
    const ngx_plum_queue_t *queue, const ngx_plum_target_t *target,
    uint64_t value)
{
    ngx_http_plum_sample_t  *sample;

    sample = ngx_http_plum_status_sample(family, value);

    if (sample) {
        ngx_http_plum_status_label(sample, "queue", &queue->name);
        ngx_http_plum_status_label(sample, "consumer", &target->name);
    }

    return sample;
}


/* one worker has read them, so that the others have zeros or old values */

static ngx_int_t
ngx_http_plum_status_read(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell)
{
    uint64_t  value;

    if (!ngx_http_plum_status_fresh(target->metrics)) {
        return NGX_OK;
    }

    value = ngx_plum_metrics_latest(target->metrics, cell);

    if (cell == NGX_PLUM_QUEUE_OLDEST) {
        value *= 1000000;
    }

    return ngx_http_plum_status_consumer_sample(family, queue, target, value)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_plum_status_delivered(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell)
{
    ngx_uint_t               i;
    ngx_http_plum_sample_t  *sample;

    for (i = 0; i < 3; i++) {
        sample = ngx_http_plum_status_consumer_sample(family, queue, target,
                              ngx_plum_metrics_sum(target->metrics, cell + i));
        if (sample == NULL) {
            return NGX_ERROR;
        }

        ngx_http_plum_status_label(sample, "outcome",
                                   &ngx_http_plum_status_deliveries_of[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_status_took(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell)
{
    ngx_http_plum_sample_t  *sample;

    sample = ngx_http_plum_status_consumer_sample(family, queue, target, 0);

    return (sample
            && ngx_http_plum_status_histogram(status, sample, target->metrics,
                                       cell, &ngx_http_plum_delivery_histogram)
               == NGX_OK)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_plum_status_state(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target, ngx_uint_t cell)
{
    ngx_uint_t               i, state;
    ngx_http_plum_taker_t   *taker;
    ngx_http_plum_sample_t  *sample;

    taker = ngx_http_plum_status_taker(status->pmcf, target);

    state = (ngx_http_plum_status_fresh(target->metrics)
             && ngx_plum_metrics_latest(target->metrics, cell))
            ? 1
            : (taker && ngx_http_plum_places_broken(taker)) ? 2 : 0;

    for (i = 0; i < 3; i++) {
        sample = ngx_http_plum_status_consumer_sample(family, queue, target,
                                                      i == state);
        if (sample == NULL) {
            return NGX_ERROR;
        }

        ngx_http_plum_status_label(sample, "state",
                                   &ngx_http_plum_status_states[i]);
    }

    return NGX_OK;
}
