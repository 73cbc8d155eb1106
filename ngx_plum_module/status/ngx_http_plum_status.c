
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_status.h>

#include <plum_format.h>


typedef struct {
    ngx_str_t             type;
    void                (*write)(ngx_http_plum_status_t *status,
                                 ngx_http_plum_text_t *text);
} ngx_http_plum_writer_t;


static ngx_int_t ngx_http_plum_status_page(ngx_http_request_t *r,
    plum_format_t format, ngx_http_plum_text_t *text);
static plum_format_t ngx_http_plum_status_format(ngx_http_request_t *r);
static void ngx_http_plum_status_unknown(ngx_http_request_t *r,
    ngx_http_plum_text_t *text);
static ngx_int_t ngx_http_plum_status_send(ngx_http_request_t *r,
    ngx_uint_t code, const ngx_str_t *type, ngx_http_plum_text_t *text);


static const ngx_str_t  ngx_http_plum_status_plain =
    ngx_string("text/plain; charset=utf-8");


/* by plum_format_t */

static const ngx_http_plum_writer_t  ngx_http_plum_status_writers[] = {
    { ngx_string("text/plain; version=0.0.4; charset=utf-8"),
      ngx_http_plum_status_prometheus },
    { ngx_string("application/json"),
      ngx_http_plum_status_json },
    { ngx_string("application/openmetrics-text; version=1.0.0; "
                 "charset=utf-8"),
      ngx_http_plum_status_openmetrics },
    { ngx_string("text/html; charset=utf-8"),
      ngx_http_plum_status_html }
};


ngx_int_t
ngx_http_plum_status_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    plum_format_t         format;
    ngx_http_plum_text_t  text;

    if (ngx_http_plum_add_header(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return (ngx_http_plum_add_header(r, "Allow", "GET, HEAD") == NGX_OK)
               ? NGX_HTTP_NOT_ALLOWED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&text, sizeof(ngx_http_plum_text_t));

    text.pool = r->pool;

    format = ngx_http_plum_status_format(r);

    if (format == PLUM_FORMAT_MAX) {
        ngx_http_plum_status_unknown(r, &text);

        return ngx_http_plum_status_send(r, NGX_HTTP_BAD_REQUEST,
                                         &ngx_http_plum_status_plain, &text);
    }

    if (ngx_http_plum_status_page(r, format, &text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_plum_status_send(r, NGX_HTTP_OK,
                                     &ngx_http_plum_status_writers[format].type,
                                     &text);
}


static ngx_int_t
ngx_http_plum_status_page(ngx_http_request_t *r, plum_format_t format,
    ngx_http_plum_text_t *text)
{
    ngx_http_plum_status_t  status;

    ngx_memzero(&status, sizeof(ngx_http_plum_status_t));

    status.pool = r->pool;
    status.pmcf = ngx_http_get_module_main_conf(r, ngx_http_plum_module);

    if (ngx_http_plum_status_families(&status) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_plum_status_writers[format].write(&status, text);

    return NGX_OK;
}


/* ?format= says it, or else the Accept headers do */

static plum_format_t
ngx_http_plum_status_format(ngx_http_request_t *r)
{
    ngx_str_t         value;
    ngx_uint_t        i;
    plum_str_t        text;
    plum_formats_t    formats;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ngx_http_arg(r, (u_char *) "format", 6, &value) == NGX_OK) {
        text.data = value.data;
        text.len = value.len;

        return plum_format_find(&text);
    }

    ngx_memzero(&formats, sizeof(plum_formats_t));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("Accept") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Accept",
                                   sizeof("Accept") - 1)
                   == 0)
            {
                text.data = h[i].value.data;
                text.len = h[i].value.len;

                plum_format_accept(&formats, &text);
            }
        }
    }

    return plum_format_choose(&formats);
}


static void
ngx_http_plum_status_unknown(ngx_http_request_t *r,
    ngx_http_plum_text_t *text)
{
    ngx_http_plum_text(text, "unknown format, it must be \"html\", \"json\", "
                             "\"prometheus\" or \"openmetrics\"\n");
}


static ngx_int_t
ngx_http_plum_status_send(ngx_http_request_t *r, ngx_uint_t code,
    const ngx_str_t *type, ngx_http_plum_text_t *text)
{
    ngx_int_t  rc;

    if (text->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = code;
    r->headers_out.content_length_n = text->size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    text->last->buf->last_buf = (r == r->main) ? 1 : 0;
    text->last->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, text->first);
}
