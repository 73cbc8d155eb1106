
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status_html.h>


void
ngx_http_plum_html_age(ngx_http_plum_text_t *text, uint64_t when)
{
    uint64_t  now, age;

    now = (uint64_t) ngx_time();
    age = (now > when) ? now - when : 0;

    ngx_http_plum_html_duration(text, age);
    ngx_http_plum_text(text, " ago");
}


void
ngx_http_plum_html_duration(ngx_http_plum_text_t *text, uint64_t seconds)
{
    if (seconds < 120) {
        ngx_http_plum_text_number(text, seconds);
        ngx_http_plum_text(text, " s");

    } else if (seconds < 2 * 3600) {
        ngx_http_plum_text_number(text, seconds / 60);
        ngx_http_plum_text(text, " min");

    } else if (seconds < 2 * 86400) {
        ngx_http_plum_text_number(text, seconds / 3600);
        ngx_http_plum_text(text, " h");

    } else {
        ngx_http_plum_text_number(text, seconds / 86400);
        ngx_http_plum_text(text, " days");
    }
}


void
ngx_http_plum_html_figure(ngx_http_plum_text_t *text, const char *title,
    const char *metric, const char *label, const ngx_str_t *value, uint64_t n,
    ngx_uint_t bad)
{
    ngx_http_plum_text(text, bad ? "<div class=\"bad\"><dt>" : "<div><dt>");
    ngx_http_plum_text(text, title);
    ngx_http_plum_text(text, "</dt><dd data-metric=\"");
    ngx_http_plum_text(text, metric);
    ngx_http_plum_text(text, "\"");

    if (label) {
        ngx_http_plum_text(text, " data-");
        ngx_http_plum_text(text, label);
        ngx_http_plum_text(text, "=\"");
        ngx_http_plum_text_escaped(text, PLUM_ESCAPE_HTML, value);
        ngx_http_plum_text(text, "\"");
    }

    ngx_http_plum_text(text, ">");
    ngx_http_plum_text_number(text, n);
    ngx_http_plum_text(text, "</dd></div>\n");
}


void
ngx_http_plum_html_escaped(ngx_http_plum_text_t *text, const ngx_str_t *value)
{
    ngx_http_plum_text_escaped(text, PLUM_ESCAPE_HTML, value);
}
