
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


static ngx_http_plum_sample_t *ngx_http_plum_status_store_sample(
    ngx_http_plum_family_t *family, const ngx_plum_store_t *store,
    uint64_t value);


static const ngx_str_t  ngx_http_plum_status_operations[] = {
    ngx_string("claim"),
    ngx_string("renew"),
    ngx_string("commit"),
    ngx_string("release")
};


/* by ngx_plum_outcome_e */

static const ngx_str_t  ngx_http_plum_status_outcomes[] = {
    ngx_string("ok"),
    ngx_string("busy"),
    ngx_string("done"),
    ngx_string("lost"),
    ngx_string("not_sent"),
    ngx_string("unknown")
};


ngx_uint_t
ngx_http_plum_status_store_state(const ngx_http_plum_main_conf_t *pmcf,
    const ngx_plum_store_t *store)
{
    uint64_t  records, queues;

    if (store->usage) {
        return NGX_PLUM_STORE_IS_UP;
    }

    records = ngx_plum_metrics_least(pmcf->metrics, store->metrics,
                                     NGX_PLUM_STORE_UP);
    queues = ngx_plum_metrics_least(pmcf->metrics, store->metrics,
                                    NGX_PLUM_STORE_QUEUE_UP);

    return (ngx_uint_t) ((queues && queues < records) ? queues : records);
}


ngx_int_t
ngx_http_plum_status_store_up(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    ngx_uint_t          i, state;
    ngx_plum_store_t  **store;

    store = status->pmcf->stores.elts;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {
        state = ngx_http_plum_status_store_state(status->pmcf, store[i]);

        if (state
            && ngx_http_plum_status_store_sample(family, store[i],
                                             state == NGX_PLUM_STORE_IS_UP)
               == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_status_store_operations(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    uint64_t                  n;
    ngx_uint_t                i, k;
    ngx_plum_store_t        **store;
    ngx_http_plum_sample_t   *sample;

    store = status->pmcf->stores.elts;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {
        for (k = 0; k < NGX_PLUM_OPERATIONS * NGX_PLUM_OUTCOMES; k++) {
            n = ngx_plum_metrics_sum(store[i]->metrics,
                                     NGX_PLUM_STORE_OPERATION + k);

            sample = ngx_http_plum_status_store_sample(family, store[i], n);
            if (sample == NULL) {
                return NGX_ERROR;
            }

            ngx_http_plum_status_label(sample, "operation",
                &ngx_http_plum_status_operations[k / NGX_PLUM_OUTCOMES]);
            ngx_http_plum_status_label(sample, "outcome",
                &ngx_http_plum_status_outcomes[k % NGX_PLUM_OUTCOMES]);
        }
    }

    return NGX_OK;
}


/* a memory store answers at once, and is not measured */

ngx_int_t
ngx_http_plum_status_store_seconds(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    ngx_uint_t                i, k, cell;
    ngx_plum_store_t        **store;
    ngx_http_plum_sample_t   *sample;

    store = status->pmcf->stores.elts;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {

        for (k = 0; k < NGX_PLUM_OPERATIONS && !store[i]->usage; k++) {
            cell = NGX_PLUM_STORE_SECONDS
                   + k * ngx_plum_metrics_cells(NGX_PLUM_STORE_BUCKETS);

            sample = ngx_http_plum_status_store_sample(family, store[i], 0);

            if (sample == NULL
                || ngx_http_plum_status_histogram(status, sample,
                                                  store[i]->metrics, cell,
                                                  &ngx_plum_store_histogram)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            ngx_http_plum_status_label(sample, "operation",
                                       &ngx_http_plum_status_operations[k]);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_status_store_usage(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    uint64_t                 *value;
    ngx_uint_t                i;
    ngx_plum_store_t        **store;
    ngx_plum_store_usage_t    usage;

    store = status->pmcf->stores.elts;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {

        if (store[i]->usage == NULL) {
            continue;
        }

        store[i]->usage(store[i], &usage);

        value = (uint64_t *) ((char *) &usage + family->metric->which);

        if (ngx_http_plum_status_store_sample(family, store[i], *value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_http_plum_sample_t *
ngx_http_plum_status_store_sample(ngx_http_plum_family_t *family,
    const ngx_plum_store_t *store, uint64_t value)
{
    ngx_http_plum_sample_t  *sample;

    sample = ngx_http_plum_status_sample(family, value);

    if (sample) {
        ngx_http_plum_status_label(sample, "store", &store->name);
        ngx_http_plum_status_label(sample, "node", &store->node);
    }

    return sample;
}
