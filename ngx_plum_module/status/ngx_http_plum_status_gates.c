
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


/*
 * The samples of a gate in one family: n values of a label, or one without.
 * They are the sums of n cells, or what value says.
 */

typedef struct {
    const char       *label;
    const ngx_str_t  *values;
    ngx_uint_t        n;
    ngx_uint_t        cell;
    uint64_t        (*value)(const ngx_plum_metrics_set_t *set, ngx_uint_t k);
    ngx_uint_t        sparse;        /* a value of zero is none */
} ngx_http_plum_gate_row_t;


static ngx_http_plum_sample_t *ngx_http_plum_status_gate_sample(
    ngx_http_plum_family_t *family, const ngx_http_plum_measured_t *measured,
    uint64_t value);
static uint64_t ngx_http_plum_status_time(
    const ngx_plum_metrics_set_t *set, ngx_uint_t k);
static ngx_int_t ngx_http_plum_status_times(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, ngx_uint_t cell,
    const ngx_plum_metrics_histogram_t *histogram);


#define NGX_HTTP_PLUM_REASON_NAME(id, name, status, text)  ngx_string(name),

static const ngx_str_t  ngx_http_plum_status_reasons[] = {
    PLUM_REASONS(NGX_HTTP_PLUM_REASON_NAME)
    ngx_null_string
};


static const ngx_str_t  ngx_http_plum_status_directions[] = {
    ngx_string("in"),
    ngx_string("out")
};


/* by ngx_http_plum_gate_row_e */

static const ngx_http_plum_gate_row_t  ngx_http_plum_gate_rows[] = {

    { "verdict", ngx_http_plum_measure_verdicts,
      NGX_HTTP_PLUM_MEASURE_VERDICTS, 0, ngx_http_plum_status_verdict, 0 },

    { "reason", ngx_http_plum_status_reasons, PLUM_REASON_MAX - 1,
      NGX_HTTP_PLUM_CELL_REASON + PLUM_REASON_NONE + 1, NULL, 0 },

    { "result", ngx_http_plum_measure_dedupes, NGX_HTTP_PLUM_MEASURE_DEDUPES,
      NGX_HTTP_PLUM_CELL_DEDUPE, NULL, 0 },

    { "outcome", ngx_http_plum_measure_outcomes,
      NGX_HTTP_PLUM_MEASURE_OUTCOMES, NGX_HTTP_PLUM_CELL_FORWARD, NULL, 0 },

    { "direction", ngx_http_plum_status_directions, 2,
      NGX_HTTP_PLUM_CELL_IN, NULL, 0 },

    { NULL, NULL, 1, NGX_HTTP_PLUM_CELL_STRIPPED, NULL, 0 },

    { "verdict", ngx_http_plum_measure_verdicts,
      NGX_HTTP_PLUM_MEASURE_VERDICTS, 0, ngx_http_plum_status_time, 1 }
};


ngx_int_t
ngx_http_plum_status_build(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    ngx_str_t                version = ngx_string(NGX_HTTP_PLUM_VERSION);
    ngx_str_t                nginx = ngx_string(NGINX_VERSION);
    ngx_http_plum_sample_t  *sample;

    sample = ngx_http_plum_status_sample(family, 1);
    if (sample == NULL) {
        return NGX_ERROR;
    }

    ngx_http_plum_status_label(sample, "version", &version);
    ngx_http_plum_status_label(sample, "nginx", &nginx);

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_status_loaded(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_sample(family,
                                       (uint64_t) status->pmcf->loaded)
           ? NGX_OK : NGX_ERROR;
}


/* zeros are there from the start: a rate needs a value before the first one */

ngx_int_t
ngx_http_plum_status_gates(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    uint64_t                          value;
    ngx_uint_t                        i, k;
    ngx_http_plum_sample_t           *sample;
    ngx_http_plum_measured_t        **measured;
    const ngx_http_plum_gate_row_t   *row;

    row = &ngx_http_plum_gate_rows[family->metric->which];
    measured = status->pmcf->measured.elts;

    for (i = 0; i < status->pmcf->measured.nelts; i++) {

        if (measured[i]->set->record == NULL) {
            continue;
        }

        for (k = 0; k < row->n; k++) {
            value = row->value
                    ? row->value(measured[i]->set, k)
                    : ngx_plum_metrics_sum(measured[i]->set, row->cell + k);

            if (value == 0 && row->sparse) {
                continue;
            }

            sample = ngx_http_plum_status_gate_sample(family, measured[i],
                                                      value);
            if (sample == NULL) {
                return NGX_ERROR;
            }

            if (row->label) {
                ngx_http_plum_status_label(sample, row->label,
                                           &row->values[k]);
            }
        }
    }

    return NGX_OK;
}


static ngx_http_plum_sample_t *
ngx_http_plum_status_gate_sample(ngx_http_plum_family_t *family,
    const ngx_http_plum_measured_t *measured, uint64_t value)
{
    ngx_http_plum_sample_t  *sample;

    sample = ngx_http_plum_status_sample(family, value);

    if (sample) {
        ngx_http_plum_status_label(sample, "gate", &measured->name);
    }

    return sample;
}


uint64_t
ngx_http_plum_status_verdict(const ngx_plum_metrics_set_t *set, ngx_uint_t k)
{
    uint64_t    sum;
    ngx_uint_t  reason;

    if (k != NGX_HTTP_PLUM_MEASURE_REFUSED) {
        return ngx_plum_metrics_sum(set, NGX_HTTP_PLUM_CELL_VERDICT + k);
    }

    sum = 0;

    for (reason = 0; reason < PLUM_REASON_MAX; reason++) {
        sum += ngx_plum_metrics_sum(set, NGX_HTTP_PLUM_CELL_REASON + reason);
    }

    return sum;
}


static uint64_t
ngx_http_plum_status_time(const ngx_plum_metrics_set_t *set, ngx_uint_t k)
{
    return ngx_plum_metrics_latest(set, NGX_HTTP_PLUM_CELL_LAST + k);
}


ngx_int_t
ngx_http_plum_status_secrets(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    ngx_uint_t                         i, k;
    ngx_http_plum_sample_t            *sample;
    ngx_http_plum_measured_t         **measured;
    ngx_http_plum_measured_secret_t   *known;

    measured = status->pmcf->measured.elts;

    for (i = 0; i < status->pmcf->measured.nelts; i++) {

        known = measured[i]->secrets.elts;

        for (k = 0; k < measured[i]->secrets.nelts; k++) {

            if (known[k].set->record == NULL) {
                continue;
            }

            sample = ngx_http_plum_status_gate_sample(family, measured[i],
                                      ngx_plum_metrics_sum(known[k].set, 0));
            if (sample == NULL) {
                return NGX_ERROR;
            }

            ngx_http_plum_status_label(sample, "secret",
                                       &known[k].secret->label);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_status_gate(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_times(status, family, NGX_HTTP_PLUM_CELL_GATE,
                                      &ngx_http_plum_measure_gate);
}


ngx_int_t
ngx_http_plum_status_upstream(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family)
{
    return ngx_http_plum_status_times(status, family,
                                      NGX_HTTP_PLUM_CELL_UPSTREAM,
                                      &ngx_http_plum_measure_upstream);
}


static ngx_int_t
ngx_http_plum_status_times(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family, ngx_uint_t cell,
    const ngx_plum_metrics_histogram_t *histogram)
{
    ngx_uint_t                  i;
    ngx_http_plum_sample_t     *sample;
    ngx_http_plum_measured_t  **measured;

    measured = status->pmcf->measured.elts;

    for (i = 0; i < status->pmcf->measured.nelts; i++) {

        if (measured[i]->set->record == NULL) {
            continue;
        }

        sample = ngx_http_plum_status_gate_sample(family, measured[i], 0);

        if (sample == NULL
            || ngx_http_plum_status_histogram(status, sample,
                                              measured[i]->set, cell,
                                              histogram)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
