
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


ngx_http_plum_sample_t *
ngx_http_plum_status_sample(ngx_http_plum_family_t *family, uint64_t value)
{
    ngx_http_plum_sample_t  *sample;

    sample = ngx_array_push(&family->samples);
    if (sample == NULL) {
        return NULL;
    }

    ngx_memzero(sample, sizeof(ngx_http_plum_sample_t));

    sample->value = value;

    return sample;
}


void
ngx_http_plum_status_label(ngx_http_plum_sample_t *sample, const char *name,
    const ngx_str_t *value)
{
    sample->labels[sample->nlabels].name = name;
    sample->labels[sample->nlabels].value = *value;
    sample->nlabels++;
}


ngx_int_t
ngx_http_plum_status_histogram(ngx_http_plum_status_t *status,
    ngx_http_plum_sample_t *sample, const ngx_plum_metrics_set_t *set,
    ngx_uint_t cell, const ngx_plum_metrics_histogram_t *histogram)
{
    uint64_t    *counts;
    ngx_uint_t   i;

    counts = ngx_palloc(status->pool,
                        (histogram->nbuckets + 1) * sizeof(uint64_t));
    if (counts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i <= histogram->nbuckets; i++) {
        counts[i] = ngx_plum_metrics_sum(set, cell + i);
    }

    sample->histogram = histogram;
    sample->counts = counts;
    sample->value = ngx_plum_metrics_sum(set, cell + i);

    return NGX_OK;
}
