
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status_html.h>


/*
 * One page without scripts, pictures or anything from elsewhere.  It loads
 * itself again.  What needs attention stands first, and each finding says what
 * to do; then come the figures, gate by gate.  Elements have the names of the
 * metrics in data-metric, and labels in data-gate and the like.
 */


#define NGX_HTTP_PLUM_HTML_REFRESH  "5"      /* seconds */


static void ngx_http_plum_html_head(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);


static const char  ngx_http_plum_html_style[] =
    ":root{color-scheme:light dark;--line:#ccc;--dim:#666;--bad:#b00020;"
    "--warn:#8a5a00;--good:#1b6e2e;--card:#f6f6f6}"
    "@media(prefers-color-scheme:dark){:root{--line:#444;--dim:#aaa;"
    "--bad:#ff7a85;--warn:#ffc35c;--good:#7ad68f;--card:#1c1c1c}}"
    "*{box-sizing:border-box}"
    "body{font:16px/1.4 system-ui,sans-serif;margin:0 auto;padding:12px;"
    "max-width:1200px}"
    "h1{font-size:1.2em;margin:0}h2{font-size:1.1em;margin:1.2em 0 .4em}"
    "h3{font-size:1em;margin:0 0 .4em;overflow-wrap:anywhere}"
    "header p,.dim{color:var(--dim);margin:.2em 0}"
    "ul{list-style:none;margin:0;padding:0}"
    "li{border-left:4px solid var(--line);padding:.3em .6em;margin:.3em 0;"
    "background:var(--card);overflow-wrap:anywhere}"
    "li.bad{border-color:var(--bad)}li.warn{border-color:var(--warn)}"
    "li.good{border-color:var(--good)}"
    "section{border:1px solid var(--line);border-radius:6px;padding:.6em;"
    "margin:.6em 0}"
    "dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));"
    "gap:.4em;margin:0}dt{color:var(--dim);font-size:.8em}"
    "dd{margin:0;font-variant-numeric:tabular-nums}"
    ".bad dd,dd.bad{color:var(--bad);font-weight:bold}";


void
ngx_http_plum_status_html(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_uint_t  n;

    ngx_http_plum_html_head(status, text);

    ngx_http_plum_text(text, "<h2>What needs attention</h2>\n"
                             "<ul id=\"attention\">\n");

    n = ngx_http_plum_html_gate_findings(status, text);
    n += ngx_http_plum_html_store_findings(status, text);
    n += ngx_http_plum_html_queue_findings(status, text);

    if (n == 0) {
        ngx_http_plum_text(text, "<li class=\"good\">Nothing.</li>\n");
    }

    ngx_http_plum_text(text, "</ul>\n");

    ngx_http_plum_html_gates(status, text);
    ngx_http_plum_html_stores(status, text);
    ngx_http_plum_html_queues(status, text);

    ngx_http_plum_text(text, "</body>\n</html>\n");
}


static void
ngx_http_plum_html_head(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text)
{
    ngx_http_plum_text(text,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,"
        "initial-scale=1\">\n"
        "<meta http-equiv=\"refresh\" content=\""
        NGX_HTTP_PLUM_HTML_REFRESH "\">\n"
        "<title>plum status</title>\n<style>");
    ngx_http_plum_text(text, ngx_http_plum_html_style);
    ngx_http_plum_text(text,
        "</style>\n</head>\n<body>\n<header>\n<h1>plum status of ");
    ngx_http_plum_text_escaped(text, PLUM_ESCAPE_HTML,
                               &((ngx_cycle_t *) ngx_cycle)->hostname);
    ngx_http_plum_text(text, "</h1>\n<p><time>");
    ngx_http_plum_text_str(text, ngx_cached_http_time.data,
                           ngx_cached_http_time.len);
    ngx_http_plum_text(text,
        "</time>; configuration loaded ");
    ngx_http_plum_html_age(text, (uint64_t) status->pmcf->loaded);
    ngx_http_plum_text(text, "; ngx_plum_module " NGX_HTTP_PLUM_VERSION
        ", nginx " NGINX_VERSION "</p>\n</header>\n");
}
