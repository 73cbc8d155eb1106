
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


/*
 * Prometheus text, version 0.0.4, and OpenMetrics, version 1.0.0.  They differ
 * in the name of a counter's family, which has no "_total" in OpenMetrics, and
 * in the last line.
 */


static void ngx_http_plum_prometheus_pages(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text, ngx_uint_t openmetrics);
static void ngx_http_plum_prometheus_head(const ngx_http_plum_metric_t *metric,
    ngx_http_plum_text_t *text, ngx_uint_t openmetrics);
static void ngx_http_plum_prometheus_histogram(
    const ngx_http_plum_metric_t *metric, const ngx_http_plum_sample_t *sample,
    ngx_http_plum_text_t *text);
static void ngx_http_plum_prometheus_name(const ngx_http_plum_metric_t *metric,
    const char *suffix, const ngx_http_plum_sample_t *sample, const char *le,
    ngx_http_plum_text_t *text);


void
ngx_http_plum_status_prometheus(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_http_plum_prometheus_pages(status, text, 0);
}


void
ngx_http_plum_status_openmetrics(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_http_plum_prometheus_pages(status, text, 1);

    ngx_http_plum_text(text, "# EOF\n");
}


static void
ngx_http_plum_prometheus_pages(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text, ngx_uint_t openmetrics)
{
    ngx_uint_t               i, k;
    ngx_http_plum_family_t  *family;
    ngx_http_plum_sample_t  *sample;

    family = status->families.elts;

    for (i = 0; i < status->families.nelts; i++) {

        if (family[i].samples.nelts == 0) {
            continue;
        }

        ngx_http_plum_prometheus_head(family[i].metric, text, openmetrics);

        sample = family[i].samples.elts;

        for (k = 0; k < family[i].samples.nelts; k++) {

            if (sample[k].histogram) {
                ngx_http_plum_prometheus_histogram(family[i].metric,
                                                   &sample[k], text);
                continue;
            }

            ngx_http_plum_prometheus_name(family[i].metric, "", &sample[k],
                                          NULL, text);

            if (family[i].metric->ns) {
                ngx_http_plum_text_seconds(text, sample[k].value);

            } else {
                ngx_http_plum_text_number(text, sample[k].value);
            }

            ngx_http_plum_text(text, "\n");
        }
    }
}


static void
ngx_http_plum_prometheus_head(const ngx_http_plum_metric_t *metric,
    ngx_http_plum_text_t *text, ngx_uint_t openmetrics)
{
    size_t                    len;
    const u_char             *name;
    static const char *const  types[] = { "counter", "gauge", "histogram" };

    name = (const u_char *) metric->name;
    len = ngx_strlen(name);

    if (openmetrics && metric->type == NGX_HTTP_PLUM_COUNTER) {
        len -= sizeof("_total") - 1;
    }

    ngx_http_plum_text(text, "# HELP ");
    ngx_http_plum_text_str(text, name, len);
    ngx_http_plum_text(text, " ");
    ngx_http_plum_text(text, metric->help);
    ngx_http_plum_text(text, "\n# TYPE ");
    ngx_http_plum_text_str(text, name, len);
    ngx_http_plum_text(text, " ");
    ngx_http_plum_text(text, types[metric->type]);
    ngx_http_plum_text(text, "\n");
}


static void
ngx_http_plum_prometheus_histogram(const ngx_http_plum_metric_t *metric,
    const ngx_http_plum_sample_t *sample, ngx_http_plum_text_t *text)
{
    uint64_t    count;
    ngx_uint_t  i, n;

    count = 0;
    n = sample->histogram->nbuckets;

    for (i = 0; i <= n; i++) {
        count += sample->counts[i];

        ngx_http_plum_prometheus_name(metric, "_bucket", sample,
                                      (i < n)
                                      ? sample->histogram->buckets[i].text
                                      : "+Inf", text);
        ngx_http_plum_text_number(text, count);
        ngx_http_plum_text(text, "\n");
    }

    ngx_http_plum_prometheus_name(metric, "_sum", sample, NULL, text);
    ngx_http_plum_text_seconds(text, sample->value);
    ngx_http_plum_text(text, "\n");

    ngx_http_plum_prometheus_name(metric, "_count", sample, NULL, text);
    ngx_http_plum_text_number(text, count);
    ngx_http_plum_text(text, "\n");
}


/* the name with its labels, and the space before the value */

static void
ngx_http_plum_prometheus_name(const ngx_http_plum_metric_t *metric,
    const char *suffix, const ngx_http_plum_sample_t *sample, const char *le,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                    i;
    const ngx_http_plum_label_t  *label;

    ngx_http_plum_text(text, metric->name);
    ngx_http_plum_text(text, suffix);

    for (i = 0; i < sample->nlabels; i++) {
        label = &sample->labels[i];

        ngx_http_plum_text(text, i ? "," : "{");
        ngx_http_plum_text(text, label->name);
        ngx_http_plum_text(text, "=\"");
        ngx_http_plum_text_escaped(text, PLUM_ESCAPE_LABEL, &label->value);
        ngx_http_plum_text(text, "\"");
    }

    if (le) {
        ngx_http_plum_text(text, i ? ",le=\"" : "{le=\"");
        ngx_http_plum_text(text, le);
        ngx_http_plum_text(text, "\"");
    }

    ngx_http_plum_text(text, (i || le) ? "} " : " ");
}
