
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_stage.h>


static ngx_uint_t ngx_http_plum_body_small(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_body_room(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_collect_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_trim_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_copy_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, off_t size);


ngx_int_t
ngx_http_plum_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_buf_t  *header_in, *shown;

    if (ctx->read) {
        return ngx_http_plum_collect_body(r, ctx);
    }

    ctx->reading = 1;

    /* the raw body is never written to a file, whatever is configured */

    r->request_body_in_file_only = 0;
    r->request_body_in_persistent_file = 0;

    header_in = r->header_in;

    if (r->request_body == NULL && !r->discard_body) {

        rc = ngx_http_plum_body_begin(r, ctx);

        if (rc == NGX_OK) {
            rc = ngx_http_plum_body_room(r, ctx);
        }

        if (rc == NGX_DECLINED
            && ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
        {
            ctx->body.left = ctx->reason;

        } else if (rc != NGX_OK) {
            return rc;
        }
    }

    shown = r->header_in;

    rc = ngx_http_read_client_request_body(r, ngx_http_plum_body_handler);

    /*
     * The rest of the body is read to a buffer of the request body.  If the
     * reader has set another one here, that contains the next request of the
     * connection, which has come together with the end of a chunked body.
     */

    if (r->header_in == shown) {
        r->header_in = header_in;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        /* the body filter has set the reason, or NGINX has failed */

        return rc;
    }

    ctx->reading = 0;

    /* the reader has taken a reference in any case */

    ngx_http_finalize_request(r, NGX_DONE);

    return ctx->read ? ngx_http_plum_collect_body(r, ctx) : NGX_AGAIN;
}


ngx_int_t
ngx_http_plum_body_begin(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    off_t                      size;
    size_t                     first;
    ngx_http_core_loc_conf_t  *clcf;

    ctx->body.begun = 1;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    size = r->headers_in.content_length_n;
    first = clcf->client_body_buffer_size;

    if (!r->headers_in.chunked) {

        if (size > ctx->plcf->body_limit) {
            ctx->reason = PLUM_REASON_BODY_TOO_LARGE;
            return NGX_DECLINED;
        }

        if (ngx_http_plum_body_small(r)) {
            return NGX_OK;
        }

        /* the clean copy included */

        if (!ngx_http_plum_budget_fits(ctx, 2 * (size_t) size)) {
            ctx->reason = PLUM_REASON_BODY_BUDGET;
            return NGX_DECLINED;
        }

        first = ngx_min(first, (size_t) size);
    }

    /* a sender with a static key that fits is known */

    ctx->body.stranger = (ngx_http_plum_proof_secret(ctx) == NULL
                          && ctx->plcf->mode == NGX_HTTP_PLUM_ENFORCE);

    if (ngx_http_plum_budget_charge(ctx, first) != NGX_OK) {
        return NGX_DECLINED;
    }

    ctx->body.outside = first;

    return NGX_OK;
}


/* a body of a declared length that needs no more memory than any request */

static ngx_uint_t
ngx_http_plum_body_small(ngx_http_request_t *r)
{
    off_t  size;

    size = r->headers_in.content_length_n;

    if (size < (off_t) ngx_pagesize) {
        return 1;
    }

    return r->http_version <= NGX_HTTP_VERSION_11
           && r->header_in->pos != r->header_in->last
           && size <= r->header_in->end - r->header_in->pos;
}


/*
 * If the header buffer has no room for the whole body, NGINX leaves the bytes
 * that came with the header there and reads the rest to another buffer, and
 * both would have to be joined.  So for a small body r->header_in is set to a
 * buffer with enough room; the caller restores it when the reader returns.
 */

static ngx_int_t
ngx_http_plum_body_room(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    off_t       size, preread;
    ngx_buf_t  *b, *header;
    ngx_int_t   rc;

    header = r->header_in;
    preread = header->last - header->pos;
    size = r->headers_in.content_length_n;

    if (r->http_version > NGX_HTTP_VERSION_11
        || r->headers_in.chunked
        || preread == 0
        || size <= header->end - header->pos
        || size > NGX_HTTP_PLUM_FIRST)
    {
        return NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (ctx->body.outside) {

        /* NGINX allocates nothing in this case */

        ctx->body.outside = 0;

        rc = ngx_http_plum_budget_grow(ctx, (size_t) size);
        if (rc != NGX_OK) {
            return rc;
        }

        b->start = ctx->body.start;

    } else {
        b->start = ngx_palloc(r->pool, (size_t) size);
        if (b->start == NULL) {
            return NGX_ERROR;
        }
    }

    b->pos = b->start;
    b->last = ngx_cpymem(b->start, header->pos, (size_t) preread);
    b->end = b->start + size;
    b->temporary = 1;

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

        /* called from inside the stage, which continues when this returns */

        return;
    }

    ctx->resumed = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


/* a body in one piece is used where it is, any other is copied once */

static ngx_int_t
ngx_http_plum_collect_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    off_t         size;
    ngx_buf_t    *b;
    ngx_uint_t    pieces;
    ngx_chain_t  *cl;

    if (ctx->body.left) {
        ctx->reason = ctx->body.left;
        return NGX_DECLINED;
    }

    if (r->request_body) {
        ngx_http_plum_trim_body(r, ctx);
    }

    if (ctx->body.len) {
        ctx->raw.data = ctx->body.start;
        ctx->raw.len = ctx->body.len;

        return NGX_OK;
    }

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

    return (pieces > 1) ? ngx_http_plum_copy_body(r, ctx, size) : NGX_OK;
}


/* memory that the body has not needed */

static void
ngx_http_plum_trim_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_buf_t                *b;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    if (rb->buf == NULL && !ctx->body.own) {

        /* the whole body came with the header */

        ctx->body.outside = 0;
        (void) ngx_http_plum_budget_charge(ctx, 0);

        return;
    }

    if (rb->buf == NULL || !ctx->body.own) {
        return;
    }

    if (ctx->body.outside) {
        ngx_http_plum_budget_drop(ctx, rb->buf->start);
    }

    rb->buf = NULL;

    b = rb->bufs ? rb->bufs->buf : NULL;

    if (ctx->body.room - ctx->body.len < ngx_pagesize
        || b == NULL
        || b->start != ctx->body.start
        || ngx_http_plum_budget_grow(ctx, ctx->body.len) != NGX_OK)
    {
        return;
    }

    b->start = ctx->body.start;
    b->pos = b->start;
    b->last = b->start + ctx->body.len;
    b->end = b->last;
}


static ngx_int_t
ngx_http_plum_copy_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    off_t size)
{
    u_char       *p;
    size_t        n;
    ssize_t       got;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    rc = ngx_http_plum_budget_grow(ctx, (size_t) size);
    if (rc != NGX_OK) {
        return rc;
    }

    p = ctx->body.start;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        /* another module has read the body into a file before */

        n = (size_t) (b->file_last - b->file_pos);

        while (n) {
            got = ngx_read_file(b->file, p, n, b->file_last - (off_t) n);

            if (got <= 0) {
                ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                              "plum: the file of a request body ended early");
                return NGX_ERROR;
            }

            p += got;
            n -= (size_t) got;
        }
    }

    ctx->body.len = (size_t) size;

    ctx->raw.data = ctx->body.start;
    ctx->raw.len = ctx->body.len;

    return NGX_OK;
}
