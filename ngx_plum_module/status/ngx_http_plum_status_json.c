
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


/*
 * One object, with a member for each metric:
 *
 *   "name": {"type": "counter", "help": "...", "samples": [
 *       {"labels": {"gate": "..."}, "value": 1}, ...]}
 *
 * A sample of a histogram has "count", "sum", and "buckets": {"0.001": 7, ...,
 * "+Inf": 9}, which are cumulative, as in Prometheus.
 */


static void ngx_http_plum_json_family(const ngx_http_plum_family_t *family,
    ngx_http_plum_text_t *text);
static void ngx_http_plum_json_sample(const ngx_http_plum_metric_t *metric,
    const ngx_http_plum_sample_t *sample, ngx_http_plum_text_t *text);
static void ngx_http_plum_json_histogram(const ngx_http_plum_sample_t *sample,
    ngx_http_plum_text_t *text);


void
ngx_http_plum_status_json(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t               i, n;
    ngx_http_plum_family_t  *family;

    family = status->families.elts;
    n = 0;

    for (i = 0; i < status->families.nelts; i++) {

        if (family[i].samples.nelts) {
            ngx_http_plum_text(text, n++ ? ",\n" : "{\n");
            ngx_http_plum_json_family(&family[i], text);
        }
    }

    ngx_http_plum_text(text, "\n}\n");
}


static void
ngx_http_plum_json_family(const ngx_http_plum_family_t *family,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                i;
    ngx_http_plum_sample_t   *sample;
    static const char *const  types[] = { "counter", "gauge", "histogram" };

    ngx_http_plum_text(text, "\"");
    ngx_http_plum_text(text, family->metric->name);
    ngx_http_plum_text(text, "\": {\"type\": \"");
    ngx_http_plum_text(text, types[family->metric->type]);
    ngx_http_plum_text(text, "\", \"help\": \"");
    ngx_http_plum_text(text, family->metric->help);
    ngx_http_plum_text(text, "\", \"samples\": [");

    sample = family->samples.elts;

    for (i = 0; i < family->samples.nelts; i++) {
        ngx_http_plum_text(text, i ? ",\n    " : "\n    ");
        ngx_http_plum_json_sample(family->metric, &sample[i], text);
    }

    ngx_http_plum_text(text, "]}");
}


static void
ngx_http_plum_json_sample(const ngx_http_plum_metric_t *metric,
    const ngx_http_plum_sample_t *sample, ngx_http_plum_text_t *text)
{
    ngx_uint_t                    i;
    const ngx_http_plum_label_t  *label;

    ngx_http_plum_text(text, "{\"labels\": {");

    for (i = 0; i < sample->nlabels; i++) {
        label = &sample->labels[i];

        ngx_http_plum_text(text, i ? ", \"" : "\"");
        ngx_http_plum_text(text, label->name);
        ngx_http_plum_text(text, "\": \"");
        ngx_http_plum_text_escaped(text, PLUM_ESCAPE_JSON, &label->value);
        ngx_http_plum_text(text, "\"");
    }

    ngx_http_plum_text(text, "}, ");

    if (sample->histogram) {
        ngx_http_plum_json_histogram(sample, text);

    } else {
        ngx_http_plum_text(text, "\"value\": ");

        if (metric->ns) {
            ngx_http_plum_text_seconds(text, sample->value);

        } else {
            ngx_http_plum_text_number(text, sample->value);
        }
    }

    ngx_http_plum_text(text, "}");
}


static void
ngx_http_plum_json_histogram(const ngx_http_plum_sample_t *sample,
    ngx_http_plum_text_t *text)
{
    uint64_t    count;
    ngx_uint_t  i, n;

    count = 0;
    n = sample->histogram->nbuckets;

    ngx_http_plum_text(text, "\"buckets\": {");

    for (i = 0; i <= n; i++) {
        count += sample->counts[i];

        ngx_http_plum_text(text, i ? ", \"" : "\"");
        ngx_http_plum_text(text, (i < n) ? sample->histogram->buckets[i].text
                                         : "+Inf");
        ngx_http_plum_text(text, "\": ");
        ngx_http_plum_text_number(text, count);
    }

    ngx_http_plum_text(text, "}, \"sum\": ");
    ngx_http_plum_text_seconds(text, sample->value);
    ngx_http_plum_text(text, ", \"count\": ");
    ngx_http_plum_text_number(text, count);
}
