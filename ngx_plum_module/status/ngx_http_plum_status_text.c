
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_status.h>


#define NGX_HTTP_PLUM_TEXT_SIZE  16384


static ngx_buf_t *ngx_http_plum_text_room(ngx_http_plum_text_t *text,
    size_t size);


void
ngx_http_plum_text(ngx_http_plum_text_t *text, const char *data)
{
    ngx_http_plum_text_str(text, (const u_char *) data, ngx_strlen(data));
}


void
ngx_http_plum_text_str(ngx_http_plum_text_t *text, const u_char *data,
    size_t len)
{
    ngx_buf_t  *b;

    b = ngx_http_plum_text_room(text, len);

    if (b) {
        b->last = ngx_cpymem(b->last, data, len);
        text->size += len;
    }
}


void
ngx_http_plum_text_escaped(ngx_http_plum_text_t *text, plum_escape_t kind,
    const ngx_str_t *value)
{
    size_t       len;
    ngx_buf_t   *b;
    plum_str_t   str;

    b = ngx_http_plum_text_room(text, value->len * PLUM_ESCAPE_MAX);

    if (b) {
        str.data = value->data;
        str.len = value->len;

        len = plum_escape(kind, &str, b->last);

        b->last += len;
        text->size += len;
    }
}


void
ngx_http_plum_text_number(ngx_http_plum_text_t *text, uint64_t n)
{
    u_char  *p, number[NGX_INT64_LEN];

    p = ngx_sprintf(number, "%uL", n);

    ngx_http_plum_text_str(text, number, p - number);
}


void
ngx_http_plum_text_seconds(ngx_http_plum_text_t *text, uint64_t ns)
{
    u_char  *p, number[NGX_INT64_LEN + sizeof(".000000000")];

    p = ngx_sprintf(number, "%uL.%09uL", ns / 1000000000, ns % 1000000000);

    while (p[-1] == '0') {
        p--;
    }

    if (p[-1] == '.') {
        p--;
    }

    ngx_http_plum_text_str(text, number, p - number);
}


/* a buffer with that much room, as the last one of the chain */

static ngx_buf_t *
ngx_http_plum_text_room(ngx_http_plum_text_t *text, size_t size)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (text->failed) {
        return NULL;
    }

    if (text->last
        && (size_t) (text->last->buf->end - text->last->buf->last) >= size)
    {
        return text->last->buf;
    }

    cl = ngx_alloc_chain_link(text->pool);
    b = ngx_create_temp_buf(text->pool,
                            ngx_max(size, NGX_HTTP_PLUM_TEXT_SIZE));

    if (cl == NULL || b == NULL) {
        text->failed = 1;
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    if (text->last) {
        text->last->next = cl;

    } else {
        text->first = cl;
    }

    text->last = cl;

    return b;
}
