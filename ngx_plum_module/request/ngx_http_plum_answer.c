
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_compat.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_http_plum_refuse.h>


/*
 * The filters treat the answer in one of three ways (ctx->answer):
 *
 *   PASS     it is not changed: the request is only observed, plum_ack is off,
 *            or another module has answered before the gate
 *   BARE     the header is replaced and sent at once; the body of the upstream
 *            is read and discarded, so that the connection can be used again.
 *            With plum_ack this is so for each request that has reached the
 *            gate: a success gets the code of plum_ack, any other answer keeps
 *            its status, whether an upstream, NGINX or an error page made it.
 *            A refusal also gets the headers of its reason.  The exception is
 *            an error page that is configured for a request that has not
 *            passed the gate: it is sent, as no upstream has contributed to it
 *   COLLECT  (plum_ack off) the header is held back and the body is collected,
 *            to be kept with the record; then PASS with what was collected, or
 *            BARE with 502 if the upstream has closed the connection early
 *
 * The claim is settled before the first byte is sent to the sender.
 */


static ngx_int_t ngx_http_plum_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_not_passed(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_no_success(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_plum_send_bare(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t status);
static void ngx_http_plum_clean_trailers(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_send_collected(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_plum_send_cut(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_swallow(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_plum_send_last(ngx_http_request_t *r);
#if (NGX_HTTP_PLUM_EARLY_HINTS)
static ngx_int_t ngx_http_plum_early_hints_filter(ngx_http_request_t *r);
#endif


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;
#if (NGX_HTTP_PLUM_EARLY_HINTS)
static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;
#endif


ngx_int_t
ngx_http_plum_answer_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_plum_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_plum_body_filter;

#if (NGX_HTTP_PLUM_EARLY_HINTS)

    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter = ngx_http_plum_early_hints_filter;

#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_header_filter(ngx_http_request_t *r)
{
    ngx_int_t             rc;
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

    ngx_http_plum_measure_count(ctx, outcome);

    if (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE) {
        ngx_http_plum_settle(ctx, outcome, NULL);
        return ngx_http_next_header_filter(r);
    }

    if (!ctx->passed) {
        return ngx_http_plum_not_passed(r, ctx);
    }

    if (ctx->verdict == NGX_HTTP_PLUM_REFUSED) {

        /* it has passed its own rules, and not those of a redirect */

        ngx_http_plum_settle(ctx, outcome, NULL);

        return ngx_http_plum_no_success(r, ctx,
                                        ctx->plcf->refuse[ctx->reason]);
    }

    if (outcome == PLUM_OUTCOME_SUCCESS) {

        if (ctx->held
            && ctx->plcf->idempotency->answer
            && ngx_http_plum_ack(ctx) == NGX_HTTP_PLUM_ACK_OFF)
        {
            rc = ngx_http_plum_collect(r, ctx);

            return (rc == NGX_DECLINED) ? ngx_http_next_header_filter(r) : rc;
        }

        ngx_http_plum_settle(ctx, outcome, NULL);

        return (ngx_http_plum_ack(ctx) == NGX_HTTP_PLUM_ACK_OFF)
               ? ngx_http_next_header_filter(r)
               : ngx_http_plum_send_bare(r, ctx, ngx_http_plum_ack(ctx));
    }

    ngx_http_plum_settle(ctx, outcome, NULL);

    return ngx_http_plum_no_success(r, ctx, NGX_HTTP_BAD_GATEWAY);
}


/* a refusal, a duplicate, a dropped event, or an answer of another module */

static ngx_int_t
ngx_http_plum_not_passed(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t  redirected;

    /* a redirect to an error page, which may not have reached the phase */

    redirected = (ngx_http_get_module_ctx(r, ngx_http_plum_module) == NULL);

    if (redirected) {
        ctx->page = 1;
    }

    switch (ctx->verdict) {

    case NGX_HTTP_PLUM_REFUSED:
        return ngx_http_plum_no_success(r, ctx,
                                        ctx->plcf->refuse[ctx->reason]);

    case NGX_HTTP_PLUM_UNJUDGED:
        if (ctx->started || redirected) {
            return ngx_http_plum_no_success(r, ctx,
                                            NGX_HTTP_SERVICE_UNAVAILABLE);
        }

        break;

    default:
        break;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * Makes sure that a failure is not sent as a success.  An error page may change
 * the status to a success; then the sender would not send the event again.
 */

static ngx_int_t
ngx_http_plum_no_success(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t status)
{
    if (r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE) {

        return (ngx_http_plum_ack(ctx) == NGX_HTTP_PLUM_ACK_OFF || ctx->page)
               ? ngx_http_next_header_filter(r)
               : ngx_http_plum_send_bare(r, ctx, r->headers_out.status);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "plum: status %ui would acknowledge a delivery that no "
                  "upstream accepted, answering %ui",
                  r->headers_out.status, status);

    /* an HTTP/0.9 answer, which has no header, has changed the version */

    r->http_version = r->http_major * 1000 + r->http_minor;

    return ngx_http_plum_send_bare(r, ctx, status);
}


/* removes all headers of the upstream */

static ngx_int_t
ngx_http_plum_send_bare(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    ngx_http_clean_header(r);
    ngx_http_plum_clean_trailers(r);

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->err_status = 0;
    r->allow_ranges = 0;

    if (ctx->verdict == NGX_HTTP_PLUM_REFUSED
        && ngx_http_plum_refuse_headers(r, ctx->reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->answer = NGX_HTTP_PLUM_ANSWER_BARE;

    if (r->upstream && (r->upstream->keepalive || r->upstream->upgrade)) {

        /*
         * No body follows, so the connection has been freed already; or the
         * connection was upgraded to another protocol.
         */

        r->upstream->upgrade = 0;
        r->header_only = 1;
    }

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    /* the sender need not wait for a body that is discarded */

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->flush = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static void
ngx_http_plum_clean_trailers(ngx_http_request_t *r)
{
    r->headers_out.trailers.part.nelts = 0;
    r->headers_out.trailers.part.next = NULL;
    r->headers_out.trailers.last = &r->headers_out.trailers.part;
}


#if (NGX_HTTP_PLUM_EARLY_HINTS)

static ngx_int_t
ngx_http_plum_early_hints_filter(ngx_http_request_t *r)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_plum_get_ctx(r);

    if (ctx == NULL
        || ngx_http_plum_ack(ctx) == NGX_HTTP_PLUM_ACK_OFF
        || ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
    {
        return ngx_http_next_early_hints_filter(r);
    }

    /* only the status line, and only once */

    return NGX_OK;
}

#endif


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

    switch (ngx_http_plum_collect_answer(r, ctx, in)) {

    case NGX_AGAIN:
        return NGX_OK;

    case NGX_DECLINED:
        return ngx_http_plum_send_cut(r, ctx);

    default:
        return ngx_http_plum_send_collected(r, ctx,
                                            ctx->collected->last_buf ? NULL
                                                                     : in);
    }
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

    out.buf = ctx->collected;
    out.next = in;

    if (ngx_buf_size(ctx->collected) == 0) {

        /* NGINX logs an [alert] for an empty buffer without a flag */

        ctx->collected->temporary = 0;

        if (!ctx->collected->last_buf) {
            return ngx_http_next_body_filter(r, in);
        }
    }

    return ngx_http_next_body_filter(r, &out);
}


/*
 * The upstream has sent an incomplete answer.  As the header was held back, 502
 * can be sent instead.
 */

static ngx_int_t
ngx_http_plum_send_cut(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_plum_send_bare(r, ctx, NGX_HTTP_BAD_GATEWAY);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return (rc > NGX_OK) ? NGX_ERROR : rc;
    }

    return ngx_http_plum_send_last(r);
}


static ngx_int_t
ngx_http_plum_swallow(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t   *b;
    ngx_uint_t   last, waits;

    last = 0;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        b->pos = b->last;
        b->file_pos = b->file_last;

        last |= b->last_buf;
    }

    if (!last) {

        /* nobody else writes the rest of the header that is buffered */

        waits = r->connection->buffered
                & (NGX_HTTP_WRITE_BUFFERED|NGX_LOWLEVEL_BUFFERED);

        return waits ? ngx_http_next_body_filter(r, NULL) : NGX_OK;
    }

    /* the trailers of the upstream have come by now */

    ngx_http_plum_clean_trailers(r);

    return ngx_http_plum_send_last(r);
}


static ngx_int_t
ngx_http_plum_send_last(ngx_http_request_t *r)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/* answers a duplicate, or an event that is dropped */

ngx_int_t
ngx_http_plum_send_known(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  ack;

    ack = ngx_http_plum_ack(ctx);

    if (ctx->verdict == NGX_HTTP_PLUM_DUPLICATE
        && ack == NGX_HTTP_PLUM_ACK_OFF
        && ctx->plcf->idempotency
        && (ctx->plcf->idempotency->answer || ctx->claim.answer.len))
    {
        rc = ngx_http_plum_send_kept(r, ctx);

        if (rc == NGX_DECLINED) {

            /* without the kept answer a success would be misleading */

            ctx->kept = NGX_HTTP_PLUM_KEPT_MISSING;
            ctx->reason = PLUM_REASON_ANSWER_MISSING;

            return ngx_http_plum_refuse(r, ctx);
        }

    } else {
        r->headers_out.status = (ack == NGX_HTTP_PLUM_ACK_OFF) ? NGX_HTTP_OK
                                                               : ack;
        r->headers_out.content_length_n = 0;
        r->header_only = 1;

        rc = ngx_http_send_header(r);
    }

    /* after NGX_OK of a phase handler NGINX would run the content handler */

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}
