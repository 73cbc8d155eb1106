
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status_html.h>


#define NGX_HTTP_PLUM_HTML_OLDEST  60000     /* ms: then it needs attention */


static ngx_uint_t ngx_http_plum_html_finding(ngx_http_plum_text_t *text,
    const char *kind, const ngx_str_t *one, const ngx_str_t *two);
static ngx_uint_t ngx_http_plum_html_consumer_finding(
    ngx_http_plum_status_t *status, ngx_http_plum_text_t *text,
    const ngx_plum_queue_t *queue, const ngx_plum_target_t *target);
static void ngx_http_plum_html_consumer(ngx_http_plum_text_t *text,
    const ngx_plum_queue_t *queue, const ngx_plum_target_t *target);


ngx_uint_t
ngx_http_plum_html_store_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                i, n;
    ngx_plum_store_t        **store;
    ngx_plum_store_usage_t    usage;

    store = status->pmcf->stores.elts;
    n = 0;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {

        if (ngx_http_plum_status_store_state(status->pmcf, store[i])
            == NGX_PLUM_STORE_IS_DOWN)
        {
            n += ngx_http_plum_html_finding(text, "store", &store[i]->name,
                                            &store[i]->node);
            ngx_http_plum_text(text, "cannot be used. Does Redis run, can it "
                                     "be reached, is it set up as accepted= "
                                     "promises (appendonly yes, appendfsync "
                                     "always, noeviction)? The error log "
                                     "names the cause.</li>\n");
        }

        if (store[i]->usage) {
            store[i]->usage(store[i], &usage);

            if (usage.evictions) {
                n += ngx_http_plum_html_finding(text, "evictions",
                                                &store[i]->name,
                                                &store[i]->node);
                ngx_http_plum_text(text, "was full and has forgotten ");
                ngx_http_plum_text_number(text, usage.evictions);
                ngx_http_plum_text(text, " deliveries early: enlarge it."
                                         "</li>\n");
            }
        }
    }

    return n;
}


/* an item of the list up to what is found */

static ngx_uint_t
ngx_http_plum_html_finding(ngx_http_plum_text_t *text, const char *kind,
    const ngx_str_t *one, const ngx_str_t *two)
{
    ngx_http_plum_text(text, "<li class=\"bad\" data-finding=\"");
    ngx_http_plum_text(text, kind);
    ngx_http_plum_text(text, "\"><b>");
    ngx_http_plum_html_escaped(text, one);
    ngx_http_plum_text(text, " / ");
    ngx_http_plum_html_escaped(text, two);
    ngx_http_plum_text(text, "</b> ");

    return 1;
}


ngx_uint_t
ngx_http_plum_html_queue_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                i, k, n;
    ngx_plum_queue_t         *queue;
    ngx_http_plum_queue_t   **queues;

    queues = status->pmcf->queues.elts;
    n = 0;

    for (i = 0; i < status->pmcf->queues.nelts; i++) {
        queue = &queues[i]->queue;

        for (k = 0; k < queue->ntargets; k++) {
            if (queue->targets[k].metrics) {
                n += ngx_http_plum_html_consumer_finding(status, text, queue,
                                                         &queue->targets[k]);
            }
        }
    }

    return n;
}


static ngx_uint_t
ngx_http_plum_html_consumer_finding(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text, const ngx_plum_queue_t *queue,
    const ngx_plum_target_t *target)
{
    uint64_t                 waiting, again, dead, oldest, paused;
    ngx_uint_t               n;
    ngx_http_plum_taker_t   *taker;
    ngx_plum_metrics_set_t  *set;

    set = target->metrics;
    n = 0;

    taker = ngx_http_plum_status_taker(status->pmcf, target);

    if (taker && ngx_http_plum_places_broken(taker)) {
        n += ngx_http_plum_html_finding(text, "breaker", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "fails again and again: the breaker is open. "
                                 "Mend the consumer, it is tried by "
                                 "itself.</li>\n");
    }

    if (!ngx_http_plum_status_fresh(set)) {
        n += ngx_http_plum_html_finding(text, "unread", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "cannot be looked at: Redis does not answer, "
                                 "or NGINX has just started.</li>\n");
        return n;
    }

    waiting = ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_WAITING);
    again = ngx_plum_metrics_sum(set, NGX_PLUM_QUEUE_AGAIN);
    oldest = ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_OLDEST);
    dead = ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_DEAD);
    paused = ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_PAUSED);

    if (paused) {
        n += ngx_http_plum_html_finding(text, "paused", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "is paused, by its own answer (410, "
                                 "Retry-After) or by hand: plum-queue resume."
                                 "</li>\n");
    }

    if (waiting && again) {
        n += ngx_http_plum_html_finding(text, "failing", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "does not take all events: ");
        ngx_http_plum_text_number(text, waiting);
        ngx_http_plum_text(text, " wait, and ");
        ngx_http_plum_text_number(text, again);
        ngx_http_plum_text(text, " attempts have failed so far. Is the "
                                 "consumer down? The error log has its "
                                 "status.</li>\n");
    }

    if (oldest > NGX_HTTP_PLUM_HTML_OLDEST) {
        n += ngx_http_plum_html_finding(text, "oldest", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "is behind: the oldest event was accepted ");
        ngx_http_plum_html_duration(text, oldest / 1000);
        ngx_http_plum_text(text, " ago. Is the consumer down or slow?"
                                 "</li>\n");
    }

    if (dead) {
        n += ngx_http_plum_html_finding(text, "dead", &queue->name,
                                        &target->name);
        ngx_http_plum_text(text, "has dead letters: ");
        ngx_http_plum_text_number(text, dead);
        ngx_http_plum_text(text, ". Look at them: plum-queue dead, then "
                                 "replay.</li>\n");
    }

    return n;
}


void
ngx_http_plum_html_stores(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                i, state;
    ngx_plum_store_t        **store;
    ngx_plum_store_usage_t    usage;

    store = status->pmcf->stores.elts;

    for (i = 0; i < status->pmcf->stores.nelts; i++) {
        state = ngx_http_plum_status_store_state(status->pmcf, store[i]);

        ngx_http_plum_text(text, i ? "" : "<h2>Stores</h2>\n");
        ngx_http_plum_text(text, "<section data-store=\"");
        ngx_http_plum_html_escaped(text, &store[i]->name);
        ngx_http_plum_text(text, "\">\n<h3>");
        ngx_http_plum_html_escaped(text, &store[i]->name);
        ngx_http_plum_text(text, " / ");
        ngx_http_plum_html_escaped(text, &store[i]->node);
        ngx_http_plum_text(text, "</h3>\n<dl>\n");

        if (state) {
            ngx_http_plum_html_figure(text, "up", "plum_store_up", NULL, NULL,
                                      state == NGX_PLUM_STORE_IS_UP,
                                      state != NGX_PLUM_STORE_IS_UP);
        }

        if (store[i]->usage) {
            store[i]->usage(store[i], &usage);

            ngx_http_plum_html_figure(text, "records", "plum_store_records",
                                      NULL, NULL, usage.records, 0);
            ngx_http_plum_html_figure(text, "bytes", "plum_store_bytes",
                                      NULL, NULL, usage.bytes, 0);
        }

        ngx_http_plum_text(text, "</dl>\n</section>\n");
    }
}


void
ngx_http_plum_html_queues(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                i, k;
    ngx_plum_queue_t         *queue;
    ngx_http_plum_queue_t   **queues;

    queues = status->pmcf->queues.elts;

    for (i = 0; i < status->pmcf->queues.nelts; i++) {
        queue = &queues[i]->queue;

        ngx_http_plum_text(text, i ? "" : "<h2>Queues</h2>\n");

        for (k = 0; k < queue->ntargets; k++) {
            if (queue->targets[k].metrics) {
                ngx_http_plum_html_consumer(text, queue, &queue->targets[k]);
            }
        }
    }
}


static void
ngx_http_plum_html_consumer(ngx_http_plum_text_t *text,
    const ngx_plum_queue_t *queue, const ngx_plum_target_t *target)
{
    uint64_t                 dead;
    ngx_plum_metrics_set_t  *set;

    set = target->metrics;

    ngx_http_plum_text(text, "<section data-queue=\"");
    ngx_http_plum_html_escaped(text, &queue->name);
    ngx_http_plum_text(text, "\" data-consumer=\"");
    ngx_http_plum_html_escaped(text, &target->name);
    ngx_http_plum_text(text, "\">\n<h3>");
    ngx_http_plum_html_escaped(text, &queue->name);
    ngx_http_plum_text(text, " / ");
    ngx_http_plum_html_escaped(text, &target->name);
    ngx_http_plum_text(text, "</h3>\n<dl>\n");

    if (ngx_http_plum_status_fresh(set)) {
        dead = ngx_plum_metrics_latest(set, NGX_PLUM_QUEUE_DEAD);

        ngx_http_plum_html_figure(text, "waiting", "plum_queue_waiting",
                                  NULL, NULL,
                                  ngx_plum_metrics_latest(set,
                                             NGX_PLUM_QUEUE_WAITING), 0);
        ngx_http_plum_html_figure(text, "in flight", "plum_queue_in_flight",
                                  NULL, NULL,
                                  ngx_plum_metrics_latest(set,
                                             NGX_PLUM_QUEUE_IN_FLIGHT), 0);
        ngx_http_plum_html_figure(text, "dead letters", "plum_queue_dead",
                                  NULL, NULL, dead, dead != 0);
        ngx_http_plum_html_figure(text, "oldest, s",
                                  "plum_queue_oldest_seconds", NULL, NULL,
                                  ngx_plum_metrics_latest(set,
                                             NGX_PLUM_QUEUE_OLDEST) / 1000,
                                  0);
    }

    ngx_http_plum_html_figure(text, "delivered", "plum_deliveries_total",
                              NULL, NULL,
                              ngx_plum_metrics_sum(set,
                                         NGX_PLUM_QUEUE_DELIVERED), 0);
    ngx_http_plum_html_figure(text, "tried again", "plum_deliveries_total",
                              NULL, NULL,
                              ngx_plum_metrics_sum(set,
                                         NGX_PLUM_QUEUE_AGAIN), 0);

    ngx_http_plum_text(text, "</dl>\n</section>\n");
}
