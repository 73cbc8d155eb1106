
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


/* the metrics, in the order of the pages; documented in docs/OPERATIONS.md */

static const ngx_http_plum_metric_t  ngx_http_plum_metrics[] = {

    { "plum_build_info", "Versions of the module and of NGINX.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_build, 0 },

    { "plum_config_reload_timestamp_seconds",
      "When the configuration that is in force was loaded.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_loaded, 0 },

    { "plum_events_total", "Requests that a gate has judged.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_EVENTS },

    { "plum_refused_total", "Refused requests by reason.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_REFUSED },

    { "plum_dedupe_total", "Answers of the store or queue to events.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_DEDUPE },

    { "plum_forwards_total", "Outcomes of requests that were forwarded.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_FORWARDS },

    { "plum_body_bytes_total",
      "Bytes of bodies as received (in), and as forwarded or queued (out).",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_BYTES },

    { "plum_stripped_members_total",
      "JSON members that were stripped of what was forwarded or queued.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_STRIPPED },

    { "plum_secret_matches_total", "Requests that a secret has fitted.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_secrets, 0 },

    { "plum_last_event_timestamp_seconds",
      "When the last request with this verdict was judged.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_gates,
      NGX_HTTP_PLUM_ROW_LAST },

    { "plum_gate_seconds",
      "Time in the gate, without waiting for the body and the upstream.",
      NGX_HTTP_PLUM_HISTOGRAM, 1, ngx_http_plum_status_gate, 0 },

    { "plum_upstream_seconds",
      "Time from the gate to the upstream's answer.",
      NGX_HTTP_PLUM_HISTOGRAM, 1, ngx_http_plum_status_upstream, 0 },

    { "plum_store_up", "Whether every worker can use the store.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_store_up, 0 },

    { "plum_store_operations_total", "Operations of the store by outcome.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_store_operations, 0 },

    { "plum_store_seconds", "Time until Redis has answered an operation.",
      NGX_HTTP_PLUM_HISTOGRAM, 1, ngx_http_plum_status_store_seconds, 0 },

    { "plum_store_records", "Records in the zone of a memory store.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_store_usage,
      offsetof(ngx_plum_store_usage_t, records) },

    { "plum_store_bytes", "Bytes in use in the zone of a memory store.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_store_usage,
      offsetof(ngx_plum_store_usage_t, bytes) },

    { "plum_store_evictions_total",
      "Records that a full memory store has forgotten early.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_store_usage,
      offsetof(ngx_plum_store_usage_t, evictions) },

    { "plum_queue_waiting", "Events that wait, for all hosts.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_queue,
      NGX_PLUM_QUEUE_WAITING },

    { "plum_queue_in_flight", "Events that are being delivered.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_queue,
      NGX_PLUM_QUEUE_IN_FLIGHT },

    { "plum_queue_dead", "Dead letters.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_queue,
      NGX_PLUM_QUEUE_DEAD },

    { "plum_queue_oldest_seconds",
      "How long ago the oldest event was accepted that is not delivered.",
      NGX_HTTP_PLUM_GAUGE, 1, ngx_http_plum_status_queue,
      NGX_PLUM_QUEUE_OLDEST },

    { "plum_deliveries_total", "Attempts to deliver by outcome.",
      NGX_HTTP_PLUM_COUNTER, 0, ngx_http_plum_status_deliveries, 0 },

    { "plum_delivery_seconds", "Time that an attempt to deliver took.",
      NGX_HTTP_PLUM_HISTOGRAM, 1, ngx_http_plum_status_delivery_seconds, 0 },

    { "plum_consumer_state", "Whether deliveries go on: 1 for one state.",
      NGX_HTTP_PLUM_GAUGE, 0, ngx_http_plum_status_consumer_state, 0 }
};


ngx_int_t
ngx_http_plum_status_families(ngx_http_plum_status_t *status)
{
    ngx_uint_t               i, n;
    ngx_http_plum_family_t  *family;

    n = sizeof(ngx_http_plum_metrics) / sizeof(ngx_http_plum_metric_t);

    if (ngx_array_init(&status->families, status->pool, n,
                       sizeof(ngx_http_plum_family_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        family = ngx_array_push(&status->families);

        family->metric = &ngx_http_plum_metrics[i];

        if (ngx_array_init(&family->samples, status->pool, 8,
                           sizeof(ngx_http_plum_sample_t))
            != NGX_OK
            || family->metric->collect(status, family) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
