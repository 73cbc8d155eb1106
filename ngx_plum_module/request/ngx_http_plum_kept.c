
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_outcome.h>


/*
 * The answer that is kept with the record (answer=): it is collected here, and
 * sent to duplicates.  The filters that call this are in
 * ngx_http_plum_answer.c.
 *
 * The delivery is committed in any case.  If the answer cannot be kept,
 * $plum_answer has the reason, and duplicates are refused.  Each worker logs
 * the reason once for each plum_idempotency directive, until it changes.
 */


static ngx_http_plum_kept_e ngx_http_plum_not_keepable(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_uint_t ngx_http_plum_is_encoded(ngx_http_request_t *r);
static void ngx_http_plum_keep(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_kept_report(ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_kept_e kept);


/* texts for the log, by ngx_http_plum_kept_e */

static const char  *ngx_http_plum_kept_texts[] = {
    "",                                  /* NGX_HTTP_PLUM_KEPT_NONE */
    "",                                  /* NGX_HTTP_PLUM_KEPT */
    "",                                  /* NGX_HTTP_PLUM_KEPT_REPEATED */
    "",                                  /* NGX_HTTP_PLUM_KEPT_MISSING */
    "the upstream's answer is larger than the size of \"answer=\"",
    "the upstream's answer broke off",
    "the upstream's answer has a Content-Encoding",
    "the upstream's answer is a part of one (206)",
    "the upstream's answer is not UTF-8",
    "the status of the answer is no success",
    "\"plum_body_budget\" has no memory left for the answer",
    "the store has no room for the answer"
};


/* NGX_OK: the header is held back.  NGX_DECLINED: it may be sent at once */

ngx_int_t
ngx_http_plum_collect(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    size_t                size;
    ngx_http_plum_kept_e  kept;

    size = ctx->plcf->idempotency->answer;

    if (r->headers_out.content_length_n != -1) {
        size = ngx_min((off_t) size, r->headers_out.content_length_n);
    }

    kept = ngx_http_plum_not_keepable(r, ctx);

    if (kept == NGX_HTTP_PLUM_KEPT_NONE
        && ngx_http_plum_budget_copy(ctx, size) != NGX_OK)
    {
        kept = NGX_HTTP_PLUM_KEPT_BUDGET;
    }

    if (kept != NGX_HTTP_PLUM_KEPT_NONE) {
        ngx_http_plum_not_kept(ctx, kept);
        return NGX_DECLINED;
    }

    ctx->collected = ngx_create_temp_buf(r->pool, ngx_max(size, 1));
    if (ctx->collected == NULL) {
        return NGX_ERROR;
    }

    ctx->answer = NGX_HTTP_PLUM_ANSWER_COLLECT;

    r->main_filter_need_in_memory = 1;
    r->allow_ranges = 0;

    return NGX_OK;
}


/* checks the header; NGX_HTTP_PLUM_KEPT_NONE: the answer can be kept */

static ngx_http_plum_kept_e
ngx_http_plum_not_keepable(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    const ngx_http_plum_idempotency_t  *idempotency;

    idempotency = ctx->plcf->idempotency;

    if (!plum_success_match(&idempotency->success, r->headers_out.status)) {
        return NGX_HTTP_PLUM_KEPT_NOT_SUCCESS;
    }

    if (r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT) {
        return NGX_HTTP_PLUM_KEPT_PARTIAL;
    }

    if (ngx_http_plum_is_encoded(r)) {
        return NGX_HTTP_PLUM_KEPT_ENCODED;
    }

    if (r->headers_out.content_length_n > (off_t) idempotency->answer) {
        return NGX_HTTP_PLUM_KEPT_TOO_LARGE;
    }

    return NGX_HTTP_PLUM_KEPT_NONE;
}


static ngx_uint_t
ngx_http_plum_is_encoded(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash
            && h[i].key.len == sizeof("Content-Encoding") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "Content-Encoding",
                               h[i].key.len)
               == 0
            && (h[i].value.len != sizeof("identity") - 1
                || ngx_strncasecmp(h[i].value.data, (u_char *) "identity",
                                   h[i].value.len)
                   != 0))
        {
            return 1;
        }
    }
}


/*
 * NGX_AGAIN: there is more to come.  NGX_OK: what was collected can be sent,
 * and the rest of the chain behind it.  NGX_DECLINED: no more will come, and
 * nothing was sent.
 */

ngx_int_t
ngx_http_plum_collect_answer(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_chain_t *in)
{
    size_t        size;
    ngx_buf_t    *b, *collected;
    ngx_uint_t    last;
    ngx_chain_t  *cl;

    collected = ctx->collected;
    size = 0;
    last = 0;

    for (cl = in; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
        last |= cl->buf->last_buf;
    }

    if (size > (size_t) (collected->end - collected->last)) {
        ngx_http_plum_not_kept(ctx, NGX_HTTP_PLUM_KEPT_TOO_LARGE);
        return NGX_OK;
    }

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            collected->last = ngx_cpymem(collected->last, b->pos,
                                         b->last - b->pos);
            b->pos = b->last;
        }
    }

    if (last) {
        collected->last_buf = 1;

        ngx_http_plum_keep(r, ctx);

        return NGX_OK;
    }

    if (r->upstream != ctx->hop.upstream && r->upstream->cleanup == NULL) {

        /* the upstream was finalized before the end of its answer had come */

        ngx_http_plum_not_kept(ctx, NGX_HTTP_PLUM_KEPT_CUT);
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
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
    answer.body.data = ctx->collected->pos;
    answer.body.len = ctx->collected->last - ctx->collected->pos;

    text.data = plum_answer_encode(&answer, &text.len);

    if (text.data == NULL) {
        ngx_http_plum_not_kept(ctx, NGX_HTTP_PLUM_KEPT_NOT_UTF8);
        return;
    }

    ngx_http_plum_settle(ctx, PLUM_OUTCOME_SUCCESS, &text);
    ngx_http_plum_kept_report(ctx, ctx->claim.no_room
                                   ? NGX_HTTP_PLUM_KEPT_NO_ROOM
                                   : NGX_HTTP_PLUM_KEPT);

    ngx_free(text.data);
}


void
ngx_http_plum_not_kept(ngx_http_plum_ctx_t *ctx, ngx_http_plum_kept_e kept)
{
    ngx_http_plum_kept_report(ctx, kept);
    ngx_http_plum_settle(ctx, PLUM_OUTCOME_SUCCESS, NULL);
}


static void
ngx_http_plum_kept_report(ngx_http_plum_ctx_t *ctx, ngx_http_plum_kept_e kept)
{
    ngx_log_t             *log;
    ngx_http_plum_kept_e  *before;

    ctx->kept = kept;

    log = ctx->request->connection->log;
    before = ctx->plcf->idempotency->kept;

    if (*before == kept) {
        return;
    }

    if (kept != NGX_HTTP_PLUM_KEPT) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: answers are not kept for duplicates, which will "
                      "be refused: %s", ngx_http_plum_kept_texts[kept]);

    } else if (*before != NGX_HTTP_PLUM_KEPT_NONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "plum: answers are kept for duplicates again");
    }

    *before = kept;
}


/* NGX_DECLINED: what was kept cannot be read, and nothing was sent */

ngx_int_t
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

    ctx->kept = NGX_HTTP_PLUM_KEPT_REPEATED;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
