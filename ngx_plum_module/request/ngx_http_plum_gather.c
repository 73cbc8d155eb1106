
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_refuse.h>


/*
 * The request body filter: gathers a body in one piece of memory, which grows
 * with what has arrived.
 *
 * NGINX reads into the buffer r->request_body->buf, and calls this filter
 * with buffers that point into it, or into the header buffer for bytes that
 * came with the header.  The filter keeps the bytes in ctx->body, and makes
 * r->request_body->buf the free part of the same memory, so that NGINX reads
 * the next bytes to their final place:
 *
 *     start               start + len                       start + room
 *     | the body so far   | r->request_body->buf: read here |
 *
 * Framing that is read along with the body (chunks, frames of HTTP/3) is
 * removed by moving the bytes behind it down.  The first buffer of NGINX is
 * used as that memory as long as it is large enough; so is the header buffer
 * if the rest of the body is read to it.
 *
 * The next filter gets the body at its end, in one buffer.  So the number of
 * pieces in which a body comes does not matter; NGINX would allocate memory for
 * each piece.  A body that is complete at the first call stays where it is.
 *
 * If a request is only observed, and its body is too large or there is no
 * memory left, the body is passed to the next filter as it comes: NGINX writes
 * it to a file, as it does without the module (ctx->body.left).
 */


static ngx_int_t ngx_http_plum_request_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_gather(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_plum_gather_in(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in, size_t size);
static ngx_int_t ngx_http_plum_gather_start(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_buf_t *b, size_t size);
static ngx_int_t ngx_http_plum_gather_aim(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_gather_grow(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, size_t least);
static ngx_int_t ngx_http_plum_gather_end(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_gather_refuse(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_gather_leave(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static ngx_buf_t *ngx_http_plum_gather_buf(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


/* only bytes of the body are read, not its framing */

#define ngx_http_plum_unframed(r)                                             \
    (!(r)->headers_in.chunked && (r)->http_version <= NGX_HTTP_VERSION_20)

#define ngx_http_plum_within(p, from, to)  ((p) >= (from) && (p) < (to))


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


static ngx_int_t
ngx_http_plum_request_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t             rc;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    if (ctx == NULL || ctx->read || ctx->passed || ctx->body.left) {
        return ngx_http_next_request_body_filter(r, in);
    }

    rc = ngx_http_plum_gather(r, ctx, in);

    if (rc == NGX_DECLINED) {
        return (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
               ? ngx_http_plum_gather_leave(r, ctx, in)
               : ngx_http_plum_gather_refuse(r, ctx);
    }

    return (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


/* NGX_DECLINED: ctx->reason is set */

static ngx_int_t
ngx_http_plum_gather(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    size_t        size;
    ngx_int_t     rc;
    ngx_uint_t    last;
    ngx_chain_t  *cl;

    if (ctx->body.gone) {
        ctx->reason = PLUM_REASON_BODY_BUDGET;
        return NGX_DECLINED;
    }

    if (!ctx->body.begun) {

        /* another module reads the body before the gate is reached */

        rc = ngx_http_plum_body_begin(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    size = 0;
    last = 0;

    for (cl = in; cl; cl = cl->next) {
        size += cl->buf->last - cl->buf->pos;
        last |= cl->buf->last_buf;
    }

    ctx->received += size;

    if (ctx->received > ctx->plcf->body_limit) {
        ctx->reason = PLUM_REASON_BODY_TOO_LARGE;
        return NGX_DECLINED;
    }

    if (last && ctx->body.len == 0) {
        ngx_http_plum_budget_protect(ctx);
        return ngx_http_next_request_body_filter(r, in);
    }

    rc = size ? ngx_http_plum_gather_in(r, ctx, in, size) : NGX_OK;
    if (rc != NGX_OK) {
        return rc;
    }

    if (last) {
        return ngx_http_plum_gather_end(r, ctx);
    }

    rc = ngx_http_plum_gather_aim(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_next_request_body_filter(r, NULL);
}


static ngx_int_t
ngx_http_plum_gather_in(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in, size_t size)
{
    u_char                *p;
    size_t                 n;
    ngx_int_t              rc;
    ngx_buf_t             *b;
    ngx_http_plum_body_t  *body;

    body = &ctx->body;

    while (in->buf->pos == in->buf->last) {
        in = in->next;
    }

    b = in->buf;

    if (body->start == NULL) {
        rc = ngx_http_plum_gather_start(r, ctx, b, size);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (!ngx_http_plum_within(b->pos, body->start, body->start + body->room)
        && size > body->room - body->len)
    {
        rc = ngx_http_plum_gather_grow(r, ctx, body->len + size);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        n = b->last - b->pos;

        if (n == 0) {

            /* the last one, which may have no memory */

            continue;
        }

        p = body->start + body->len;

        if (n > body->room - body->len || r->request_body->busy) {

            /* the readers of NGINX do not pass such a buffer */

            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "plum: another module holds parts of a request "
                          "body back or changes it");
            return NGX_ERROR;
        }

        if (p != b->pos) {
            ngx_memmove(p, b->pos, n);
        }

        body->len += n;

        /* consumed: NGINX reuses the buffer */

        b->pos = b->last;
    }

    return NGX_OK;
}


/* uses the memory of the first bytes if more can be read behind them */

static ngx_int_t
ngx_http_plum_gather_start(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_buf_t *b, size_t size)
{
    off_t       rest;
    ngx_buf_t  *buf;

    buf = r->request_body->buf;

    if (buf && ngx_http_plum_within(b->pos, buf->start, buf->end)) {

        ctx->body.start = buf->start;
        ctx->body.room = buf->end - buf->start;

        return NGX_OK;
    }

    if (buf == NULL && ngx_http_plum_unframed(r)) {

        buf = r->header_in;
        rest = r->headers_in.content_length_n - ctx->received;

        if (ngx_http_plum_within(b->pos, buf->start, buf->end)
            && rest <= buf->end - buf->last)
        {
            ctx->body.start = b->pos;
            ctx->body.room = buf->end - b->pos;

            return NGX_OK;
        }
    }

    return ngx_http_plum_gather_grow(r, ctx, size);
}


/* sets where NGINX reads next */

static ngx_int_t
ngx_http_plum_gather_aim(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    size_t                 least;
    ngx_buf_t             *b;
    ngx_int_t              rc;
    ngx_http_plum_body_t  *body;

    b = r->request_body->buf;
    body = &ctx->body;

    if (b == NULL || b->pos != b->last || body->start == NULL) {

        /* not there yet, or nothing has come */

        return NGX_OK;
    }

    least = ngx_http_plum_unframed(r) ? 1 : NGX_HTTP_PLUM_SLACK;

    if (body->room - body->len < least) {
        rc = ngx_http_plum_gather_grow(r, ctx, body->len + least);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (body->own && body->outside) {

        /* the first buffer of NGINX has been copied */

        ngx_http_plum_budget_drop(ctx, b->start);
    }

    b->start = body->start + body->len;
    b->pos = b->start;
    b->last = b->start;
    b->end = body->start + body->room;

    return NGX_OK;
}


/*
 * The memory is at most four times the bytes that have arrived, or twice if the
 * length is not known, or a page if that is more.  Less growth would mean more
 * copying.
 */

static ngx_int_t
ngx_http_plum_gather_grow(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    size_t least)
{
    off_t   most;
    size_t  room;

    most = ctx->plcf->body_limit;

    if (r->headers_in.chunked) {
        room = 2 * least;

    } else {
        room = 4 * least;
        most = ngx_min(most, r->headers_in.content_length_n);
    }

    room = ngx_max(room, ngx_pagesize);
    room = ngx_min(room, (size_t) most + NGX_HTTP_PLUM_SLACK);

    return ngx_http_plum_budget_grow(ctx, room);
}


static ngx_int_t
ngx_http_plum_gather_end(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    ngx_http_plum_budget_protect(ctx);

    b = ngx_http_plum_gather_buf(r, ctx);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_request_body_filter(r, &out);
}


/* the body is refused, so what has come need not be kept */

static ngx_int_t
ngx_http_plum_gather_refuse(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_budget_free(ctx);

    /* the rest of the body must not be parsed as a request */

    r->keepalive = 0;
    r->lingering_close = 1;

    return ngx_http_plum_refuse(r, ctx);
}


static ngx_int_t
ngx_http_plum_gather_leave(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_buf_t                 *b, *own;
    ngx_uint_t                 last;
    ngx_chain_t               *cl, out;
    ngx_http_core_loc_conf_t  *clcf;

    ctx->body.left = ctx->reason;

    last = 0;

    for (cl = in; cl; cl = cl->next) {

        last |= cl->buf->last_buf;

        if (cl->buf->pos == cl->buf->last && !cl->buf->last_buf) {

            /* this buffer and the rest of the chain are gathered already */

            in = NULL;
        }
    }

    if (ctx->body.len) {
        out.buf = ngx_http_plum_gather_buf(r, ctx);
        if (out.buf == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        out.next = in;
        in = &out;
    }

    b = r->request_body->buf;

    if (b == NULL || last || ctx->body.start == NULL) {
        return ngx_http_next_request_body_filter(r, in);
    }

    /* a full buffer makes NGINX write its bytes to the file */

    b->last = b->end;

    rc = ngx_http_next_request_body_filter(r, in);
    if (rc != NGX_OK) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    own = ngx_create_temp_buf(r->pool, clcf->client_body_buffer_size);
    if (own == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_plum_budget_free(ctx);

    *b = *own;

    return NGX_OK;
}


static ngx_buf_t *
ngx_http_plum_gather_buf(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_buf_t  *b;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NULL;
    }

    b->start = ctx->body.start;
    b->pos = b->start;
    b->last = b->start + ctx->body.len;
    b->end = b->last;
    b->temporary = 1;

    return b;
}


void
ngx_http_plum_gather_init(void)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_plum_request_body_filter;
}
