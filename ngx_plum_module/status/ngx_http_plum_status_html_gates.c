
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status_html.h>


static ngx_uint_t ngx_http_plum_html_silence(
    const ngx_http_plum_measured_t *measured, ngx_http_plum_text_t *text);
static ngx_uint_t ngx_http_plum_html_reasons(
    const ngx_http_plum_measured_t *measured, ngx_http_plum_text_t *text);
static ngx_uint_t ngx_http_plum_html_outcomes(
    const ngx_http_plum_measured_t *measured, ngx_http_plum_text_t *text);
static void ngx_http_plum_html_gate(const ngx_http_plum_measured_t *measured,
    ngx_http_plum_text_t *text);
static uint64_t ngx_http_plum_html_last(
    const ngx_http_plum_measured_t *measured, ngx_uint_t verdict);
static void ngx_http_plum_html_mean(const ngx_http_plum_measured_t *measured,
    ngx_uint_t cell, const ngx_plum_metrics_histogram_t *histogram,
    const char *title, const char *metric, ngx_http_plum_text_t *text);


/* what to do, in a line; the README has more */

static const char *const  ngx_http_plum_html_advice[PLUM_REASON_MAX] = {
    [PLUM_REASON_TLS_REQUIRED] =
        "Requests without TLS. Behind a balancer: check version= of plum_tls.",
    [PLUM_REASON_TLS_VERSION] =
        "The sender speaks an older TLS than plum_tls demands.",
    [PLUM_REASON_CLIENT_CERTIFICATE] =
        "No client certificate, or none that ssl_client_certificate vouches "
        "for. The sender must name this server by SNI.",
    [PLUM_REASON_SUBREQUEST] =
        "A mirror, auth_request, error page or redirect leads into this "
        "location: point it to one without the gate.",
    [PLUM_REASON_EARLY_DATA] =
        "TLS early data: turn ssl_early_data off, here or in the proxy in "
        "front.",
    [PLUM_REASON_METHOD] =
        "Not POST: browsers, scanners or a health check of the wrong "
        "location. The real sender posts.",
    [PLUM_REASON_CONTENT_TYPE] =
        "Not sent as JSON. If it is the real sender: plum_types.",
    [PLUM_REASON_CONTENT_ENCODING] =
        "The body is compressed: turn that off at the sender.",
    [PLUM_REASON_BODY_TOO_LARGE] =
        "If such events are real: raise plum_max_body and "
        "client_max_body_size.",
    [PLUM_REASON_HEADER_SPELLING] =
        "A header spelt with _ for -: turn underscores_in_headers off.",
    [PLUM_REASON_BODY_BUDGET] =
        "Bodies fill plum_body_budget: consumers are slow, it is too small, "
        "or strangers upload slowly.",
    [PLUM_REASON_CREDENTIAL_MISSING] =
        "No key or signature: is the header set up at the sender, or removed "
        "on the way?",
    [PLUM_REASON_CREDENTIAL_MALFORMED] =
        "Not the format of the scheme: compare with plum-send --print.",
    [PLUM_REASON_CREDENTIAL_MISMATCH] =
        "Another key than any of the live ones: after a rotation, list the "
        "old one, too. Else a stranger.",
    [PLUM_REASON_TIMESTAMP_STALE] =
        "The sender's time and ours differ: check the clock of this host "
        "first. Else a replay, or a sender that was held up.",
    [PLUM_REASON_JSON_INVALID] =
        "An authentic sender sends what is no valid JSON: tell the sender.",
    [PLUM_REASON_EVENT_UNLISTED] =
        "A new type of event: list it, or say \"unlisted acknowledge\".",
    [PLUM_REASON_KEY_MISSING] =
        "A part of plum_idempotency_key is not in the event: choose others.",
    [PLUM_REASON_IN_FLIGHT] =
        "Copies came while the first one was under way: the consumer is slow.",
    [PLUM_REASON_ANSWER_MISSING] =
        "Duplicates whose first answer was not kept: see answer= and the "
        "error log.",
    [PLUM_REASON_STORE_UNAVAILABLE] =
        "The store cannot answer: is Redis down, full, or without the "
        "persistence that accepted= promises? The error log says which.",
    [PLUM_REASON_QUEUE_FULL] =
        "A consumer of the queue is down or slow: mend it, look at its dead "
        "letters, raise max=."
};


ngx_uint_t
ngx_http_plum_html_gate_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                  i, n;
    ngx_http_plum_measured_t  **measured;

    measured = status->pmcf->measured.elts;
    n = 0;

    for (i = 0; i < status->pmcf->measured.nelts; i++) {
        n += ngx_http_plum_html_silence(measured[i], text);
    }

    for (i = 0; i < status->pmcf->measured.nelts; i++) {
        n += ngx_http_plum_html_reasons(measured[i], text);
    }

    for (i = 0; i < status->pmcf->measured.nelts; i++) {
        n += ngx_http_plum_html_outcomes(measured[i], text);
    }

    return n;
}


static ngx_uint_t
ngx_http_plum_html_silence(const ngx_http_plum_measured_t *measured,
    ngx_http_plum_text_t *text)
{
    uint64_t  last;

    last = ngx_http_plum_html_last(measured, NGX_HTTP_PLUM_MEASURE_ACCEPTED);

    if (last && ngx_time() - (time_t) last < NGX_HTTP_PLUM_SILENCE) {
        return 0;
    }

    ngx_http_plum_text(text, "<li class=\"warn\" data-finding=\"silence\"><b>");
    ngx_http_plum_html_escaped(text, &measured->name);
    ngx_http_plum_text(text, "</b> is silent: ");

    if (last) {
        ngx_http_plum_text(text, "the last event was accepted ");
        ngx_http_plum_html_age(text, last);

    } else {
        ngx_http_plum_text(text, "no event was accepted since NGINX started");
    }

    ngx_http_plum_text(text, ". Is the webhook still enabled at the sender? "
                             "Plum disables it after three failed attempts."
                             "</li>\n");

    return 1;
}


static ngx_uint_t
ngx_http_plum_html_reasons(const ngx_http_plum_measured_t *measured,
    ngx_http_plum_text_t *text)
{
    uint64_t     n, last;
    ngx_uint_t   reason, found, recent;
    const char  *name;

    last = ngx_http_plum_html_last(measured, NGX_HTTP_PLUM_MEASURE_REFUSED);
    recent = (ngx_time() - (time_t) last < NGX_HTTP_PLUM_RECENT);

    found = 0;

    for (reason = PLUM_REASON_NONE + 1; reason < PLUM_REASON_MAX; reason++) {

        n = ngx_plum_metrics_sum(measured->set,
                                 NGX_HTTP_PLUM_CELL_REASON + reason);
        if (n == 0) {
            continue;
        }

        name = plum_reason_name((plum_reason_t) reason);

        ngx_http_plum_text(text, recent ? "<li class=\"bad\"" : "<li");
        ngx_http_plum_text(text, found ? "><b>"
                                       : " data-finding=\"refused\"><b>");
        ngx_http_plum_html_escaped(text, &measured->name);
        ngx_http_plum_text(text, "</b> refused <b data-metric="
                                 "\"plum_refused_total\" data-reason=\"");
        ngx_http_plum_text(text, name);
        ngx_http_plum_text(text, "\">");
        ngx_http_plum_text_number(text, n);
        ngx_http_plum_text(text, "</b>: ");
        ngx_http_plum_text(text, name);
        ngx_http_plum_text(text, ". ");

        if (!found) {
            ngx_http_plum_text(text, "The last refusal was ");
            ngx_http_plum_html_age(text, last);
            ngx_http_plum_text(text, ". ");
        }

        ngx_http_plum_text(text, ngx_http_plum_html_advice[reason]);
        ngx_http_plum_text(text, "</li>\n");

        found++;
    }

    return found;
}


static ngx_uint_t
ngx_http_plum_html_outcomes(const ngx_http_plum_measured_t *measured,
    ngx_http_plum_text_t *text)
{
    uint64_t  failed, doubt;

    failed = ngx_plum_metrics_sum(measured->set, NGX_HTTP_PLUM_CELL_FORWARD
                                                 + PLUM_OUTCOME_FAILURE);
    doubt = ngx_plum_metrics_sum(measured->set, NGX_HTTP_PLUM_CELL_FORWARD
                                                + PLUM_OUTCOME_IN_DOUBT);

    if (failed + doubt == 0) {
        return 0;
    }

    ngx_http_plum_text(text, "<li class=\"bad\" data-finding=\"forwards\"><b>");
    ngx_http_plum_html_escaped(text, &measured->name);
    ngx_http_plum_text(text, "</b> forwarded without success: ");
    ngx_http_plum_text_number(text, failed);
    ngx_http_plum_text(text, " failed, ");
    ngx_http_plum_text_number(text, doubt);
    ngx_http_plum_text(text, " in doubt. Look at the upstream, and at "
                             "$upstream_status in the access log.</li>\n");

    return 1;
}


void
ngx_http_plum_html_gates(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t                  i;
    ngx_http_plum_measured_t  **measured;

    measured = status->pmcf->measured.elts;

    if (status->pmcf->measured.nelts) {
        ngx_http_plum_text(text, "<h2>Gates</h2>\n");
    }

    for (i = 0; i < status->pmcf->measured.nelts; i++) {
        if (measured[i]->set->record) {
            ngx_http_plum_html_gate(measured[i], text);
        }
    }
}


static void
ngx_http_plum_html_gate(const ngx_http_plum_measured_t *measured,
    ngx_http_plum_text_t *text)
{
    uint64_t                                n, last;
    ngx_uint_t                              i;
    const ngx_http_plum_measured_secret_t  *known;

    ngx_http_plum_text(text, "<section data-gate=\"");
    ngx_http_plum_html_escaped(text, &measured->name);
    ngx_http_plum_text(text, "\">\n<h3>");
    ngx_http_plum_html_escaped(text, &measured->name);
    ngx_http_plum_text(text, "</h3>\n<p class=\"dim\">last accepted: ");

    last = ngx_http_plum_html_last(measured, NGX_HTTP_PLUM_MEASURE_ACCEPTED);

    if (last) {
        ngx_http_plum_html_age(text, last);

    } else {
        ngx_http_plum_text(text, "never");
    }

    ngx_http_plum_text(text, "</p>\n<dl>\n");

    for (i = 0; i < NGX_HTTP_PLUM_MEASURE_VERDICTS; i++) {
        n = ngx_http_plum_status_verdict(measured->set, i);

        ngx_http_plum_html_figure(text,
                           (char *) ngx_http_plum_measure_verdicts[i].data,
                           "plum_events_total", "verdict",
                           &ngx_http_plum_measure_verdicts[i], n,
                           i == NGX_HTTP_PLUM_MEASURE_REFUSED && n);
    }

    for (i = 0; i < NGX_HTTP_PLUM_MEASURE_OUTCOMES; i++) {
        n = ngx_plum_metrics_sum(measured->set,
                                 NGX_HTTP_PLUM_CELL_FORWARD + i);

        ngx_http_plum_html_figure(text, (i == PLUM_OUTCOME_SUCCESS)
                                        ? "forwarded"
                                        : (i == PLUM_OUTCOME_FAILURE)
                                        ? "failed" : "in doubt",
                                  "plum_forwards_total", "outcome",
                                  &ngx_http_plum_measure_outcomes[i], n,
                                  i != PLUM_OUTCOME_SUCCESS && n);
    }

    ngx_http_plum_html_figure(text, "members stripped",
                              "plum_stripped_members_total", NULL, NULL,
                              ngx_plum_metrics_sum(measured->set,
                                            NGX_HTTP_PLUM_CELL_STRIPPED), 0);

    ngx_http_plum_html_mean(measured, NGX_HTTP_PLUM_CELL_GATE,
                            &ngx_http_plum_measure_gate, "mean in the gate",
                            "plum_gate_seconds", text);
    ngx_http_plum_html_mean(measured, NGX_HTTP_PLUM_CELL_UPSTREAM,
                            &ngx_http_plum_measure_upstream, "mean upstream",
                            "plum_upstream_seconds", text);

    known = measured->secrets.elts;

    for (i = 0; i < measured->secrets.nelts; i++) {
        ngx_http_plum_text(text, "<div><dt>key ");
        ngx_http_plum_html_escaped(text, &known[i].secret->label);
        ngx_http_plum_text(text, "</dt><dd data-metric="
                                 "\"plum_secret_matches_total\" "
                                 "data-secret=\"");
        ngx_http_plum_html_escaped(text, &known[i].secret->label);
        ngx_http_plum_text(text, "\">");
        ngx_http_plum_text_number(text, ngx_plum_metrics_sum(known[i].set, 0));
        ngx_http_plum_text(text, "</dd></div>\n");
    }

    ngx_http_plum_text(text, "</dl>\n</section>\n");
}


static uint64_t
ngx_http_plum_html_last(const ngx_http_plum_measured_t *measured,
    ngx_uint_t verdict)
{
    return ngx_plum_metrics_latest(measured->set,
                                   NGX_HTTP_PLUM_CELL_LAST + verdict);
}


/* in microseconds, or in milliseconds where it takes long */

static void
ngx_http_plum_html_mean(const ngx_http_plum_measured_t *measured,
    ngx_uint_t cell, const ngx_plum_metrics_histogram_t *histogram,
    const char *title, const char *metric, ngx_http_plum_text_t *text)
{
    uint64_t    n, mean;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i <= histogram->nbuckets; i++) {
        n += ngx_plum_metrics_sum(measured->set, cell + i);
    }

    mean = n ? ngx_plum_metrics_sum(measured->set, cell + i) / n / 1000 : 0;

    ngx_http_plum_text(text, "<div><dt>");
    ngx_http_plum_text(text, title);
    ngx_http_plum_text(text, "</dt><dd data-metric=\"");
    ngx_http_plum_text(text, metric);
    ngx_http_plum_text(text, "\">");
    ngx_http_plum_text_number(text, mean < 10000 ? mean : mean / 1000);
    ngx_http_plum_text(text, mean < 10000 ? " \302\265s" : " ms");
    ngx_http_plum_text(text, "</dd></div>\n");
}
