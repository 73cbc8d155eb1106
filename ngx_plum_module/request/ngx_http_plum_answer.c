
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


/*
 * The answer, as it passes the filters (ctx->answer):
 *
 *   PASS     untouched: observed, failed, or plum_ack off
 *   BARE     the header is replaced and sent at once, the body is read from
 *            the upstream and swallowed, so that its connection stays usable.
 *            Any success is answered so, whatever status came with it
 *   COLLECT  (plum_ack off) the header is held and the body collected, to be
 *            kept with the commit; then PASS with what was collected.  An
 *            answer larger than answer= is committed without being kept
 *
 * The claim is settled before the first byte goes to the sender.
 */


static ngx_int_t ngx_http_plum_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_collect(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_no_success(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_plum_send_bare(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_plum_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_swallow(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_collect_answer(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static void ngx_http_plum_keep(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_send_collected(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_plum_send_kept(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_plum_answer_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_plum_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_plum_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_header_filter(ngx_http_request_t *r)
{
    plum_outcome_t        outcome;
    ngx_http_plum_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_plum_get_ctx(r);

    if (ctx == NULL || ctx->answered) {
        return ngx_http_next_header_filter(r);
    }

    ctx->answered = 1;

    outcome = ngx_http_plum_judge(r, ctx);

    if (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE) {
        ngx_http_plum_settle(ctx, outcome, NULL);
        return ngx_http_next_header_filter(r);
    }

    if (ctx->verdict == NGX_HTTP_PLUM_REFUSED) {
        ngx_http_plum_settle(ctx, outcome, NULL);

        return ngx_http_plum_no_success(r, ctx,
                                        ctx->plcf->refuse[ctx->reason]);
    }

    if (!ctx->passed) {

        /* a duplicate, a dropped event, or the answer of another module */

        if (ctx->verdict == NGX_HTTP_PLUM_UNJUDGED
            && (ctx->started
                || ngx_http_get_module_ctx(r, ngx_http_plum_module) == NULL))
        {
            /* ... by way of an error page */

            return ngx_http_plum_no_success(r, ctx,
                                            NGX_HTTP_SERVICE_UNAVAILABLE);
        }

        return ngx_http_next_header_filter(r);
    }

    if (outcome == PLUM_OUTCOME_SUCCESS) {

        if (ctx->held
            && ctx->plcf->idempotency->answer
            && ctx->plcf->ack == NGX_HTTP_PLUM_ACK_OFF)
        {
            return ngx_http_plum_collect(r, ctx);
        }

        ngx_http_plum_settle(ctx, outcome, NULL);

        return (ctx->plcf->ack == NGX_HTTP_PLUM_ACK_OFF)
               ? ngx_http_next_header_filter(r)
               : ngx_http_plum_send_bare(r, ctx, ctx->plcf->ack);
    }

    ngx_http_plum_settle(ctx, outcome, NULL);

    return ngx_http_plum_no_success(r, ctx, NGX_HTTP_BAD_GATEWAY);
}


/*
 * An error page, say, can make a success of what was none: the sender would
 * never send the event again.
 */

static ngx_int_t
ngx_http_plum_no_success(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t status)
{
    if (r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE) {
        return ngx_http_next_header_filter(r);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "plum: status %ui would acknowledge a delivery that no "
                  "upstream accepted, answering %ui",
                  r->headers_out.status, status);

    /* as it was before an HTTP/0.9 answer, which has no header */

    r->http_version = r->http_major * 1000 + r->http_minor;

    return ngx_http_plum_send_bare(r, ctx, status);
}


static ngx_int_t
ngx_http_plum_collect(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ctx->kept = ngx_create_temp_buf(r->pool,
                                    ctx->plcf->idempotency->answer);
    if (ctx->kept == NULL) {
        return NGX_ERROR;
    }

    ctx->answer = NGX_HTTP_PLUM_ANSWER_COLLECT;

    r->main_filter_need_in_memory = 1;
    r->allow_ranges = 0;

    return NGX_OK;
}


/* nothing of the upstream's header is left */

static ngx_int_t
ngx_http_plum_send_bare(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    ngx_http_clean_header(r);

    r->headers_out.trailers.part.nelts = 0;
    r->headers_out.trailers.part.next = NULL;
    r->headers_out.trailers.last = &r->headers_out.trailers.part;

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->err_status = 0;
    r->allow_ranges = 0;

    ctx->answer = NGX_HTTP_PLUM_ANSWER_BARE;

    if (r->upstream && r->upstream->keepalive) {

        /* the connection is free already: no body follows the header */

        r->header_only = 1;
    }

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    /* the sender need not wait for the end of a body it will not see */

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->flush = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static ngx_int_t
ngx_http_plum_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_plum_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    ctx = ngx_http_plum_get_ctx(r);

    if (ctx == NULL || in == NULL
        || ctx->answer == NGX_HTTP_PLUM_ANSWER_PASS)
    {
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->answer == NGX_HTTP_PLUM_ANSWER_BARE) {
        return ngx_http_plum_swallow(r, in);
    }

    return ngx_http_plum_collect_answer(r, ctx, in);
}


static ngx_int_t
ngx_http_plum_swallow(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t    *b;
    ngx_uint_t    last, waits;
    ngx_chain_t   out;

    last = 0;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        b->pos = b->last;
        b->file_pos = b->file_last;

        last |= b->last_buf;
    }

    if (!last) {

        /* a header that the socket did not take, and nobody else writes */

        waits = r->connection->buffered
                & (NGX_HTTP_WRITE_BUFFERED|NGX_LOWLEVEL_BUFFERED);

        return waits ? ngx_http_next_body_filter(r, NULL) : NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static ngx_int_t
ngx_http_plum_collect_answer(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    size_t        size;
    ngx_buf_t    *b, *kept;
    ngx_uint_t    last;
    ngx_chain_t  *cl;

    kept = ctx->kept;
    size = 0;
    last = 0;

    for (cl = in; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
        last |= cl->buf->last_buf;
    }

    if (size > (size_t) (kept->end - kept->last)) {
        ngx_http_plum_settle(ctx, PLUM_OUTCOME_SUCCESS, NULL);
        return ngx_http_plum_send_collected(r, ctx, in);
    }

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            kept->last = ngx_cpymem(kept->last, b->pos, b->last - b->pos);
            b->pos = b->last;
        }
    }

    if (!last) {
        return NGX_OK;
    }

    kept->last_buf = 1;

    ngx_http_plum_keep(r, ctx);

    return ngx_http_plum_send_collected(r, ctx, NULL);
}


/* commits with the answer, or without one that cannot be kept */

static void
ngx_http_plum_keep(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_str_t      text;
    plum_answer_t  answer;

    answer.status = r->headers_out.status;
    answer.type.data = r->headers_out.content_type.data;
    answer.type.len = r->headers_out.content_type.len;
    answer.body.data = ctx->kept->pos;
    answer.body.len = ctx->kept->last - ctx->kept->pos;

    text.data = plum_answer_encode(&answer, &text.len);

    if (text.data == NULL) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "plum: the answer is not kept for duplicates, "
                      "it is not UTF-8");

        ngx_http_plum_settle(ctx, PLUM_OUTCOME_SUCCESS, NULL);
        return;
    }

    ngx_http_plum_settle(ctx, PLUM_OUTCOME_SUCCESS, &text);

    ngx_free(text.data);
}


static ngx_int_t
ngx_http_plum_send_collected(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    ctx->answer = NGX_HTTP_PLUM_ANSWER_PASS;

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return (rc > NGX_OK) ? NGX_ERROR : rc;
    }

    out.buf = ctx->kept;
    out.next = in;

    if (ngx_buf_size(ctx->kept) == 0) {

        /* an empty buffer that is not special would be an [alert] */

        ctx->kept->temporary = 0;

        if (!ctx->kept->last_buf) {
            return ngx_http_next_body_filter(r, in);
        }
    }

    return ngx_http_next_body_filter(r, &out);
}


/* a duplicate, or an event that is dropped */

ngx_int_t
ngx_http_plum_send_duplicate(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = NGX_DECLINED;

    if (ctx->claim.answer.len && ctx->plcf->ack == NGX_HTTP_PLUM_ACK_OFF) {
        rc = ngx_http_plum_send_kept(r, ctx);
    }

    if (rc == NGX_DECLINED) {
        r->headers_out.status = (ctx->plcf->ack == NGX_HTTP_PLUM_ACK_OFF)
                                ? NGX_HTTP_OK : ctx->plcf->ack;
        r->headers_out.content_length_n = 0;
        r->header_only = 1;

        rc = ngx_http_send_header(r);
    }

    /* a phase handler that returned NGX_OK would go on to the content */

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


/* NGX_DECLINED: what was kept cannot be read, and nothing was sent */

static ngx_int_t
ngx_http_plum_send_kept(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    u_char         *p;
    ngx_int_t       rc;
    ngx_buf_t      *b;
    plum_str_t      text;
    ngx_chain_t     out;
    plum_answer_t   answer;

    text.data = ctx->claim.answer.data;
    text.len = ctx->claim.answer.len;

    if (plum_answer_decode(&text, &answer) != PLUM_OK) {
        return NGX_DECLINED;
    }

    b = ngx_calloc_buf(r->pool);
    p = ngx_pnalloc(r->pool, answer.type.len + answer.body.len + 1);

    if (b == NULL || p == NULL) {
        plum_answer_free(&answer);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = answer.status;
    r->headers_out.content_length_n = (off_t) answer.body.len;

    if (answer.type.len) {
        r->headers_out.content_type.data = p;
        r->headers_out.content_type.len = answer.type.len;
        r->headers_out.content_type_len = answer.type.len;

        p = ngx_cpymem(p, answer.type.data, answer.type.len);
    }

    b->pos = p;
    b->last = ngx_cpymem(p, answer.body.data, answer.body.len);
    b->memory = (answer.body.len != 0);
    b->last_buf = 1;

    plum_answer_free(&answer);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
