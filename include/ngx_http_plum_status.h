/*
 * The status page: plum_status.
 *
 *   ngx_http_plum_status.c             the handler, and the choice of a format
 *   ngx_http_plum_status_families.c    the table of metrics
 *   ngx_http_plum_status_samples.c     a sample with its labels
 *   ngx_http_plum_status_gates.c       what is counted of gates, and facts
 *   ngx_http_plum_status_stores.c      likewise of stores
 *   ngx_http_plum_status_queues.c      likewise of queues and consumers
 *   ngx_http_plum_status_prometheus.c  Prometheus text and OpenMetrics
 *   ngx_http_plum_status_json.c        JSON
 *   ngx_http_plum_status_html.c        HTML; its parts in ..._html_*.c
 *   ngx_http_plum_status_text.c        the text of a page while it is written
 *
 * The handler collects all metrics, by the table, into families of samples in
 * the pool of the request; a writer of a format makes a text of them.
 */

#ifndef _NGX_HTTP_PLUM_STATUS_H_INCLUDED_
#define _NGX_HTTP_PLUM_STATUS_H_INCLUDED_


#include <ngx_http_plum_delivery.h>
#include <ngx_http_plum_loc_conf.h>
#include <plum_escape.h>


#define NGX_HTTP_PLUM_VERSION        "0.1.0"

#define NGX_HTTP_PLUM_STATUS_LABELS  4       /* of a sample, at most */


typedef enum {
    NGX_HTTP_PLUM_COUNTER = 0,
    NGX_HTTP_PLUM_GAUGE,
    NGX_HTTP_PLUM_HISTOGRAM
} ngx_http_plum_family_e;


typedef struct {
    const char                          *name;
    ngx_str_t                            value;
} ngx_http_plum_label_t;


typedef struct {
    ngx_http_plum_label_t                labels[NGX_HTTP_PLUM_STATUS_LABELS];
    ngx_uint_t                           nlabels;
    uint64_t                             value;      /* histogram: the sum */

    /* of a histogram; counts are not cumulative, the last one is above all
       bounds */

    const ngx_plum_metrics_histogram_t  *histogram;
    const uint64_t                      *counts;
} ngx_http_plum_sample_t;


typedef struct ngx_http_plum_family_s  ngx_http_plum_family_t;


/* what collectors need */

typedef struct {
    ngx_pool_t                          *pool;
    const ngx_http_plum_main_conf_t     *pmcf;
    ngx_array_t                          families;
                                             /* ngx_http_plum_family_t */
} ngx_http_plum_status_t;


/*
 * A row of the table.  collect adds the samples of a family, or none: a family
 * without samples is not printed.  NGX_ERROR: no memory.
 */

typedef struct {
    const char                          *name;
    const char                          *help;
    ngx_http_plum_family_e               type;
    ngx_uint_t                           ns;         /* values are nanoseconds
                                                        and printed as
                                                        seconds */
    ngx_int_t                          (*collect)(
                                             ngx_http_plum_status_t *status,
                                             ngx_http_plum_family_t *family);
    size_t                               which;      /* of those that collect
                                                        can make: see below */
} ngx_http_plum_metric_t;


struct ngx_http_plum_family_s {
    const ngx_http_plum_metric_t        *metric;
    ngx_array_t                          samples;
                                             /* ngx_http_plum_sample_t */
};


/*
 * families: collects all metrics; NGX_ERROR: no memory.  sample adds a sample
 * with a value (NULL: no memory), label adds a label to it, whose value must
 * live as long as the request.  histogram reads the cells of a set into a
 * sample.
 */

ngx_int_t ngx_http_plum_status_families(ngx_http_plum_status_t *status);
ngx_http_plum_sample_t *ngx_http_plum_status_sample(
    ngx_http_plum_family_t *family, uint64_t value);
void ngx_http_plum_status_label(ngx_http_plum_sample_t *sample,
    const char *name, const ngx_str_t *value);
ngx_int_t ngx_http_plum_status_histogram(ngx_http_plum_status_t *status,
    ngx_http_plum_sample_t *sample, const ngx_plum_metrics_set_t *set,
    ngx_uint_t cell, const ngx_plum_metrics_histogram_t *histogram);


/*
 * Collectors of gates, and of what is configured.  gates: which is one of
 * ngx_http_plum_gate_row_e.
 */

typedef enum {
    NGX_HTTP_PLUM_ROW_EVENTS = 0,
    NGX_HTTP_PLUM_ROW_REFUSED,
    NGX_HTTP_PLUM_ROW_DEDUPE,
    NGX_HTTP_PLUM_ROW_FORWARDS,
    NGX_HTTP_PLUM_ROW_BYTES,
    NGX_HTTP_PLUM_ROW_STRIPPED,
    NGX_HTTP_PLUM_ROW_LAST
} ngx_http_plum_gate_row_e;

ngx_int_t ngx_http_plum_status_build(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_loaded(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_gates(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_secrets(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_gate(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_upstream(ngx_http_plum_status_t *status,
    ngx_http_plum_family_t *family);

/*
 * Collectors of stores.  store_usage: which is the offset of a member of
 * ngx_plum_store_usage_t.
 */

ngx_int_t ngx_http_plum_status_store_up(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_store_operations(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_store_seconds(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_store_usage(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);

/*
 * Collectors of queues and consumers.  queue: which is the cell of a figure
 * that one worker reads from Redis.
 */

ngx_int_t ngx_http_plum_status_queue(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_deliveries(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_delivery_seconds(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);
ngx_int_t ngx_http_plum_status_consumer_state(
    ngx_http_plum_status_t *status, ngx_http_plum_family_t *family);

/*
 * Figures of a queue that are older are not shown (s).  fresh says whether
 * they are shown.
 */

#define NGX_HTTP_PLUM_STALE_AFTER  10

ngx_uint_t ngx_http_plum_status_fresh(const ngx_plum_metrics_set_t *set);

/* NGX_PLUM_STORE_IS_DOWN, NGX_PLUM_STORE_IS_UP, or 0: nothing is known */

ngx_uint_t ngx_http_plum_status_store_state(
    const ngx_http_plum_main_conf_t *pmcf, const ngx_plum_store_t *store);

/* what delivers to a consumer; NULL: nothing does */

ngx_http_plum_taker_t *ngx_http_plum_status_taker(
    const ngx_http_plum_main_conf_t *pmcf, const ngx_plum_target_t *target);


/* how many requests of a gate had that verdict, by number */

uint64_t ngx_http_plum_status_verdict(const ngx_plum_metrics_set_t *set,
    ngx_uint_t k);


/*
 * The text of a page: a chain of buffers in a pool.  Where memory runs out,
 * failed is set and nothing more is added.
 */

typedef struct {
    ngx_pool_t                          *pool;
    ngx_chain_t                         *first;
    ngx_chain_t                         *last;
    off_t                                size;
    ngx_uint_t                           failed;
} ngx_http_plum_text_t;


/*
 * text adds a C string, str a string, escaped one that is escaped; number adds
 * a number, and seconds nanoseconds as seconds with the digits they need.
 */

void ngx_http_plum_text(ngx_http_plum_text_t *text, const char *data);
void ngx_http_plum_text_str(ngx_http_plum_text_t *text, const u_char *data,
    size_t len);
void ngx_http_plum_text_escaped(ngx_http_plum_text_t *text,
    plum_escape_t kind, const ngx_str_t *value);
void ngx_http_plum_text_number(ngx_http_plum_text_t *text, uint64_t n);
void ngx_http_plum_text_seconds(ngx_http_plum_text_t *text, uint64_t ns);


/* the formats */

void ngx_http_plum_status_prometheus(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_status_openmetrics(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_status_html(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_status_json(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);


/* the content handler of plum_status */

ngx_int_t ngx_http_plum_status_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PLUM_STATUS_H_INCLUDED_ */
