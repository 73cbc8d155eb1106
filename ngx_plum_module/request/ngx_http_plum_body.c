
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


static ngx_int_t ngx_http_plum_body_room(ngx_http_request_t *r);
static void ngx_http_plum_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_collect_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_copy_body(ngx_http_request_t *r, ngx_str_t *raw,
    off_t size);
static ngx_int_t ngx_http_plum_request_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_gather(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_plum_gather_room(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, size_t size);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


ngx_int_t
ngx_http_plum_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_buf_t  *header_in, *shown;

    if (ctx->read) {
        return ngx_http_plum_collect_body(r, ctx);
    }

    ctx->reading = 1;
    ctx->gather = (r->headers_in.chunked && r->request_body == NULL);

    /* the raw body is never written to a file, whatever the location says */

    r->request_body_in_file_only = 0;
    r->request_body_in_persistent_file = 0;

    header_in = r->header_in;

    if (ngx_http_plum_body_room(r) != NGX_OK) {
        return NGX_ERROR;
    }

    shown = r->header_in;

    rc = ngx_http_read_client_request_body(r, ngx_http_plum_body_handler);

    /*
     * What is still to be read goes to the request body's own buffer.  If the
     * reader has put another one here, the next request of the connection has
     * come along with the end of a body in chunks, and is in it.
     */

    if (r->header_in == shown) {
        r->header_in = header_in;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        /* the filter below has said why, or NGINX has */

        return rc;
    }

    ctx->reading = 0;

    /* the reader has taken a reference, whether it is done or not */

    ngx_http_finalize_request(r, NGX_DONE);

    return ctx->read ? ngx_http_plum_collect_body(r, ctx) : NGX_AGAIN;
}


/*
 * NGINX leaves what came along with the header where it is, and reads the
 * rest to another buffer, which would have to be joined; unless the buffer of
 * the header has room for the whole body.  So the reader is shown one that
 * has; the caller puts the other one back as soon as the reader returns.
 */

static ngx_int_t
ngx_http_plum_body_room(ngx_http_request_t *r)
{
    off_t       size, preread;
    ngx_buf_t  *b, *header;

    header = r->header_in;
    preread = header->last - header->pos;
    size = r->headers_in.content_length_n;

    if (r->http_version > NGX_HTTP_VERSION_11
        || r->request_body
        || r->discard_body
        || preread == 0
        || size <= header->end - header->pos)
    {
        return NGX_OK;
    }

    b = ngx_create_temp_buf(r->pool, (size_t) size);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, header->pos, (size_t) preread);

    header->pos = header->last;

    r->header_in = b;

    return NGX_OK;
}


static void
ngx_http_plum_body_handler(ngx_http_request_t *r)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    ctx->read = 1;
    r->preserve_body = 1;

    if (ctx->reading) {

        /* called from inside the stage, which goes on by itself */

        return;
    }

    ctx->resumed = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


/* one run of memory is used where it is, anything else is copied once */

static ngx_int_t
ngx_http_plum_collect_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    off_t         size;
    ngx_buf_t    *b;
    ngx_uint_t    pieces;
    ngx_chain_t  *cl;

    size = 0;
    pieces = 0;

    ngx_str_null(&ctx->raw);

    cl = r->request_body ? r->request_body->bufs : NULL;

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_size(b) == 0) {
            continue;
        }

        size += ngx_buf_size(b);

        if (!ngx_buf_in_memory(b)) {
            pieces += 2;

        } else if (pieces == 0
                   || b->pos != ctx->raw.data + ctx->raw.len)
        {
            pieces++;
            ctx->raw.data = b->pos;
            ctx->raw.len = b->last - b->pos;

        } else {
            ctx->raw.len += b->last - b->pos;
        }
    }

    ctx->received = size;

    if (size > ctx->plcf->body_limit) {
        ctx->reason = PLUM_REASON_BODY_TOO_LARGE;
        return NGX_DECLINED;
    }

    return (pieces > 1) ? ngx_http_plum_copy_body(r, &ctx->raw, size)
                        : NGX_OK;
}


static ngx_int_t
ngx_http_plum_copy_body(ngx_http_request_t *r, ngx_str_t *raw, off_t size)
{
    u_char       *p;
    size_t        n;
    ssize_t       rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    raw->data = ngx_pnalloc(r->pool, (size_t) size);
    if (raw->data == NULL) {
        return NGX_ERROR;
    }

    raw->len = (size_t) size;
    p = raw->data;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        /* only where another module has read the body into a file before */

        n = (size_t) (b->file_last - b->file_pos);

        while (n) {
            rc = ngx_read_file(b->file, p, n, b->file_last - (off_t) n);

            if (rc <= 0) {
                ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                              "plum: the file of a request body ended early");
                return NGX_ERROR;
            }

            p += rc;
            n -= (size_t) rc;
        }
    }

    return NGX_OK;
}


/* counts while the body is read: a length may not have been declared */

static ngx_int_t
ngx_http_plum_request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t          *cl;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    if (ctx == NULL || ctx->read || ctx->passed) {
        return ngx_http_next_request_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        ctx->received += ngx_buf_size(cl->buf);
    }

    if (ctx->received > ctx->plcf->body_limit
        && ctx->plcf->mode == NGX_HTTP_PLUM_ENFORCE)
    {
        ctx->verdict = NGX_HTTP_PLUM_REFUSED;
        ctx->reason = PLUM_REASON_BODY_TOO_LARGE;

        ngx_http_plum_log_refusal(r, ctx->plcf, ctx->reason, NULL);

        /* what is left of the body must not be taken for a request */

        r->keepalive = 0;
        r->lingering_close = 1;

        return ctx->plcf->refuse[ctx->reason];
    }

    return ctx->gather ? ngx_http_plum_gather(r, ctx, in)
                       : ngx_http_next_request_body_filter(r, in);
}


/*
 * NGINX would keep the framing of chunks in the buffer along with what they
 * hold, and write all to a file once it is full.
 */

static ngx_int_t
ngx_http_plum_gather(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    size_t        size;
    ngx_buf_t    *b;
    ngx_uint_t    last;
    ngx_chain_t  *cl, out;

    size = 0;
    last = 0;

    for (cl = in; cl; cl = cl->next) {
        size += cl->buf->last - cl->buf->pos;
        last |= cl->buf->last_buf;
    }

    if (ctx->received > ctx->plcf->body_limit) {

        /* observed only, and to be forwarded as it comes */

        ctx->gather = 0;

        b = ctx->gathered;

        if (b == NULL || b->last == b->pos) {
            return ngx_http_next_request_body_filter(r, in);
        }

        out.buf = b;
        out.next = in;

        return ngx_http_next_request_body_filter(r, &out);
    }

    if (ngx_http_plum_gather_room(r, ctx, size) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ctx->gathered;

    for (cl = in; cl; cl = cl->next) {

        if (cl->buf->last == cl->buf->pos) {

            /* the last one, which has no memory */

            continue;
        }

        b->last = ngx_cpymem(b->last, cl->buf->pos,
                             cl->buf->last - cl->buf->pos);

        /* consumed, so that the buffer is used again */

        cl->buf->pos = cl->buf->last;
    }

    if (!last) {
        return ngx_http_next_request_body_filter(r, NULL);
    }

    b->last_buf = 1;
    b->temporary = (b->last != b->pos);

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_request_body_filter(r, &out);
}


static ngx_int_t
ngx_http_plum_gather_room(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    size_t size)
{
    size_t      room, held;
    ngx_buf_t  *b, *old;

    old = ctx->gathered;

    if (old && size <= (size_t) (old->end - old->last)) {
        return NGX_OK;
    }

    /* by doubling, up to what is allowed: the caller has checked that */

    held = old ? (size_t) (old->last - old->start) : 0;
    room = ngx_max(2 * held, ngx_max(held + size, ngx_pagesize));
    room = ngx_min(room, (size_t) ctx->plcf->body_limit);

    b = ngx_create_temp_buf(r->pool, ngx_max(room, 1));
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (old) {
        b->last = ngx_cpymem(b->last, old->start, held);
        (void) ngx_pfree(r->pool, old->start);
    }

    ctx->gathered = b;

    return NGX_OK;
}


void
ngx_http_plum_body_init(void)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_plum_request_body_filter;
}
