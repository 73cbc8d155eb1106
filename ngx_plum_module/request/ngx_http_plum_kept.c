
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


/*
 * The answer that is kept with the commit (answer=), while it is collected,
 * and when it is given to a duplicate.  The filters that call this are in
 * ngx_http_plum_answer.c.
 */


static void ngx_http_plum_keep(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


ngx_int_t
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


ngx_int_t
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
        return NGX_OK;
    }

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            kept->last = ngx_cpymem(kept->last, b->pos, b->last - b->pos);
            b->pos = b->last;
        }
    }

    if (!last) {
        return NGX_AGAIN;
    }

    kept->last_buf = 1;

    ngx_http_plum_keep(r, ctx);

    return NGX_OK;
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

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
