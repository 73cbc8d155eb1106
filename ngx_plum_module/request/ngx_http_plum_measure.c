
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_proof.h>


/*
 * The clock of a request (ctx->clock):
 *
 *   begin --> runs --wait--> stands --go_on--> runs --passed--> stands
 *
 * It stands while the gate waits for the sender's body, and when the request
 * has passed.  count() stops it, too, and counts the request, once.
 */


static ngx_uint_t ngx_http_plum_measure_verdict(
    const ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_measure_event(ngx_plum_metrics_set_t *set,
    ngx_uint_t verdict, plum_reason_t reason);
static void ngx_http_plum_measure_body(ngx_http_plum_ctx_t *ctx,
    ngx_plum_metrics_set_t *set);
static void ngx_http_plum_measure_secret(ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_measured_t *measured);


const ngx_str_t
    ngx_http_plum_measure_verdicts[NGX_HTTP_PLUM_MEASURE_VERDICTS] =
{
    ngx_string("accepted"),
    ngx_string("duplicate"),
    ngx_string("dropped"),
    ngx_string("aborted"),
    ngx_string("refused")
};


/* those of $plum_dedupe, from NGX_HTTP_PLUM_DEDUPE_NEW on */

const ngx_str_t  ngx_http_plum_measure_dedupes[NGX_HTTP_PLUM_MEASURE_DEDUPES] =
{
    ngx_string("new"),
    ngx_string("duplicate"),
    ngx_string("in_flight"),
    ngx_string("unavailable"),
    ngx_string("off")
};


/* by plum_outcome_t */

const ngx_str_t
    ngx_http_plum_measure_outcomes[NGX_HTTP_PLUM_MEASURE_OUTCOMES] =
{
    ngx_string("success"),
    ngx_string("failure"),
    ngx_string("in_doubt")
};


static const ngx_plum_metrics_bucket_t
    ngx_http_plum_gate_buckets[NGX_HTTP_PLUM_GATE_BUCKETS] =
{
    { 10000, "1e-05" }, { 25000, "2.5e-05" }, { 50000, "5e-05" },
    { 100000, "0.0001" }, { 250000, "0.00025" }, { 500000, "0.0005" },
    { 1000000, "0.001" }, { 2500000, "0.0025" }, { 5000000, "0.005" },
    { 10000000, "0.01" }, { 25000000, "0.025" }, { 50000000, "0.05" },
    { 100000000, "0.1" }, { 250000000, "0.25" }, { 500000000, "0.5" },
    { 1000000000, "1" }
};


static const ngx_plum_metrics_bucket_t
    ngx_http_plum_upstream_buckets[NGX_HTTP_PLUM_UPSTREAM_BUCKETS] =
{
    { 1000000, "0.001" }, { 2500000, "0.0025" }, { 5000000, "0.005" },
    { 10000000, "0.01" }, { 25000000, "0.025" }, { 50000000, "0.05" },
    { 100000000, "0.1" }, { 250000000, "0.25" }, { 500000000, "0.5" },
    { 1000000000, "1" }, { 2500000000, "2.5" }, { 10000000000, "10" },
    { 30000000000, "30" }, { 60000000000, "60" }
};


const ngx_plum_metrics_histogram_t  ngx_http_plum_measure_gate = {
    ngx_http_plum_gate_buckets, NGX_HTTP_PLUM_GATE_BUCKETS
};


const ngx_plum_metrics_histogram_t  ngx_http_plum_measure_upstream = {
    ngx_http_plum_upstream_buckets, NGX_HTTP_PLUM_UPSTREAM_BUCKETS
};


void
ngx_http_plum_measure_begin(ngx_http_plum_ctx_t *ctx)
{
    if (ctx->plcf->measured && ctx->clock.since == 0) {
        ctx->clock.begun = 1;
        ctx->clock.since = ngx_plum_metrics_clock();
    }
}


void
ngx_http_plum_measure_wait(ngx_http_plum_ctx_t *ctx)
{
    uint64_t  now;

    if (ctx->clock.since) {
        now = ngx_plum_metrics_clock();

        ctx->clock.gate += now - ctx->clock.since;
        ctx->clock.since = 0;
        ctx->clock.passed = now;
    }
}


void
ngx_http_plum_measure_count(ngx_http_plum_ctx_t *ctx, plum_outcome_t outcome)
{
    ngx_plum_metrics_set_t    *set;
    ngx_http_plum_measured_t  *measured;

    measured = ctx->plcf->measured;

    if (measured == NULL || !ctx->clock.begun || ctx->clock.counted) {
        return;
    }

    ngx_http_plum_measure_wait(ctx);

    ctx->clock.counted = 1;
    set = measured->set;

    ngx_http_plum_measure_event(set, ngx_http_plum_measure_verdict(ctx),
                                ctx->reason);

    if (ctx->dedupe != NGX_HTTP_PLUM_DEDUPE_NONE) {
        ngx_plum_metrics_count(set, NGX_HTTP_PLUM_CELL_DEDUPE + ctx->dedupe
                                    - NGX_HTTP_PLUM_DEDUPE_NEW, 1);
    }

    ngx_http_plum_measure_body(ctx, set);
    ngx_http_plum_measure_secret(ctx, measured);

    ngx_plum_metrics_observe(set, NGX_HTTP_PLUM_CELL_GATE,
                             &ngx_http_plum_measure_gate, ctx->clock.gate);

    if (ctx->passed) {
        ngx_plum_metrics_count(set, NGX_HTTP_PLUM_CELL_FORWARD + outcome, 1);

        ngx_plum_metrics_observe(set, NGX_HTTP_PLUM_CELL_UPSTREAM,
                                 &ngx_http_plum_measure_upstream,
                                 ngx_plum_metrics_clock()
                                 - ctx->clock.passed);
    }
}


void
ngx_http_plum_measure_refusal(const ngx_http_plum_loc_conf_t *plcf,
    plum_reason_t reason)
{
    if (plcf->measured) {
        ngx_http_plum_measure_event(plcf->measured->set,
                                    NGX_HTTP_PLUM_MEASURE_REFUSED, reason);
    }
}


static ngx_uint_t
ngx_http_plum_measure_verdict(const ngx_http_plum_ctx_t *ctx)
{
    switch (ctx->verdict) {

    case NGX_HTTP_PLUM_ACCEPTED:
        return NGX_HTTP_PLUM_MEASURE_ACCEPTED;

    case NGX_HTTP_PLUM_DUPLICATE:
        return NGX_HTTP_PLUM_MEASURE_DUPLICATE;

    case NGX_HTTP_PLUM_REFUSED:
        return NGX_HTTP_PLUM_MEASURE_REFUSED;

    case NGX_HTTP_PLUM_DROPPED:
        return NGX_HTTP_PLUM_MEASURE_DROPPED;

    case NGX_HTTP_PLUM_UNJUDGED:
        break;
    }

    return NGX_HTTP_PLUM_MEASURE_ABORTED;
}


static void
ngx_http_plum_measure_event(ngx_plum_metrics_set_t *set, ngx_uint_t verdict,
    plum_reason_t reason)
{
    ngx_uint_t  cell;

    cell = (verdict == NGX_HTTP_PLUM_MEASURE_REFUSED)
           ? NGX_HTTP_PLUM_CELL_REASON + reason
           : NGX_HTTP_PLUM_CELL_VERDICT + verdict;

    ngx_plum_metrics_count(set, cell, 1);
    ngx_plum_metrics_store(set, NGX_HTTP_PLUM_CELL_LAST + verdict,
                           ngx_time());
}


/* what went out, and what was stripped of that; a duplicate goes nowhere */

static void
ngx_http_plum_measure_body(ngx_http_plum_ctx_t *ctx,
    ngx_plum_metrics_set_t *set)
{
    if (ctx->received) {
        ngx_plum_metrics_count(set, NGX_HTTP_PLUM_CELL_IN, ctx->received);
    }

    if (!ctx->passed && ctx->verdict != NGX_HTTP_PLUM_ACCEPTED) {
        return;
    }

    /* a body that is only observed goes on as it was received */

    ngx_plum_metrics_count(set, NGX_HTTP_PLUM_CELL_OUT,
                           (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
                           ? (size_t) ctx->received : ctx->clean.len);

    if (ctx->dropped) {
        ngx_plum_metrics_count(set, NGX_HTTP_PLUM_CELL_STRIPPED,
                               ctx->dropped);
    }
}


static void
ngx_http_plum_measure_secret(ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_measured_t *measured)
{
    ngx_uint_t                        i;
    const ngx_plum_secret_t          *secret;
    ngx_http_plum_measured_secret_t  *known;

    secret = ngx_http_plum_proof_secret(ctx);
    known = measured->secrets.elts;

    for (i = 0; secret && i < measured->secrets.nelts; i++) {

        if (known[i].secret == secret) {
            ngx_plum_metrics_count(known[i].set, 0, 1);
            return;
        }
    }
}
