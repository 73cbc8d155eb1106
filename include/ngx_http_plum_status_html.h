/*
 * The HTML of plum_status, in the files ngx_http_plum_status_html*.c.
 */

#ifndef _NGX_HTTP_PLUM_STATUS_HTML_H_INCLUDED_
#define _NGX_HTTP_PLUM_STATUS_HTML_H_INCLUDED_


#include <ngx_http_plum_status.h>


/* without an accepted event for so long (s) a gate is called silent */

#define NGX_HTTP_PLUM_SILENCE  86400

/* refusals are coloured for so long (s) */

#define NGX_HTTP_PLUM_RECENT   3600


/*
 * findings: items of the list of what needs attention, in the order of their
 * weight; the number of items.  The others write sections of figures.
 */

ngx_uint_t ngx_http_plum_html_gate_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
ngx_uint_t ngx_http_plum_html_store_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
ngx_uint_t ngx_http_plum_html_queue_findings(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_html_stores(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_html_queues(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);
void ngx_http_plum_html_gates(ngx_http_plum_status_t *status,
    ngx_http_plum_text_t *text);


/*
 * age writes how long ago a time is, "5 s ago"; duration "5 s".  figure is an
 * item of a <dl> with a number; label (NULL: none) is one of data-*, and bad
 * colours it.  escaped writes a text.
 */

void ngx_http_plum_html_age(ngx_http_plum_text_t *text, uint64_t when);
void ngx_http_plum_html_duration(ngx_http_plum_text_t *text,
    uint64_t seconds);
void ngx_http_plum_html_figure(ngx_http_plum_text_t *text, const char *title,
    const char *metric, const char *label, const ngx_str_t *value, uint64_t n,
    ngx_uint_t bad);
void ngx_http_plum_html_escaped(ngx_http_plum_text_t *text,
    const ngx_str_t *value);


#endif /* _NGX_HTTP_PLUM_STATUS_HTML_H_INCLUDED_ */
