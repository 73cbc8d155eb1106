
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>


typedef struct {
    size_t                       held;       /* of all bodies */
    size_t                       exposed;    /* of those in the queue */
    ngx_queue_t                  queue;      /* the head is given up
                                                first */
} ngx_http_plum_budget_t;


static size_t ngx_http_plum_budget_size(ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_budget_take(ngx_http_plum_ctx_t *ctx,
    size_t size);
static void ngx_http_plum_budget_give_up(ngx_http_plum_ctx_t *ctx);


static ngx_http_plum_budget_t  ngx_http_plum_budget;     /* the worker's */


static size_t
ngx_http_plum_budget_size(ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_plum_module);

    return pmcf->body_budget;
}


/*
 * Called before anything is read.  Memory of exposed bodies counts as
 * available, as these can be given up.
 */

ngx_uint_t
ngx_http_plum_budget_fits(ngx_http_plum_ctx_t *ctx, size_t size)
{
    size_t  fixed;

    fixed = ngx_http_plum_budget.held - ngx_http_plum_budget.exposed;

    return fixed + size <= ngx_http_plum_budget_size(ctx);
}


ngx_int_t
ngx_http_plum_budget_charge(ngx_http_plum_ctx_t *ctx, size_t size)
{
    ngx_http_plum_body_t  *body;

    body = &ctx->body;

    if (size > body->charged) {

        if (ngx_http_plum_budget_take(ctx, size - body->charged) != NGX_OK) {
            ctx->reason = PLUM_REASON_BODY_BUDGET;
            return NGX_DECLINED;
        }

    } else {
        ngx_http_plum_budget.held -= body->charged - size;
    }

    if (body->exposed) {
        ngx_http_plum_budget.exposed += size;
        ngx_http_plum_budget.exposed -= body->charged;
    }

    body->charged = size;

    if (body->stranger && size) {
        ngx_http_plum_budget_expose(ctx, 0);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_budget_copy(ngx_http_plum_ctx_t *ctx, size_t size)
{
    if (ngx_http_plum_budget_take(ctx, size) != NGX_OK) {
        ctx->reason = PLUM_REASON_BODY_BUDGET;
        return NGX_DECLINED;
    }

    ctx->body.copied += size;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_budget_take(ngx_http_plum_ctx_t *ctx, size_t size)
{
    size_t                budget;
    ngx_queue_t          *q;
    ngx_http_plum_ctx_t  *oldest;

    budget = ngx_http_plum_budget_size(ctx);

    if (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE) {

        /*
         * The request is only observed, so it is forwarded whoever sent it and
         * cannot be given up later.  It must not take memory from a location
         * that is protected.
         */

        if (ngx_http_plum_budget.held + size > budget / 2) {
            return NGX_DECLINED;
        }

        ngx_http_plum_budget.held += size;

        return NGX_OK;
    }

    if (!ngx_http_plum_budget_fits(ctx, size)) {
        return NGX_DECLINED;
    }

    while (ngx_http_plum_budget.held + size > budget) {

        q = ngx_queue_head(&ngx_http_plum_budget.queue);
        oldest = ngx_queue_data(q, ngx_http_plum_ctx_t, body.queue);

        if (oldest == ctx) {
            return NGX_DECLINED;
        }

        ngx_http_plum_budget_give_up(oldest);
    }

    ngx_http_plum_budget.held += size;

    return NGX_OK;
}


/*
 * Gives up a body: its memory is freed at once.  The request cannot be refused
 * here, as NGINX may be anywhere in it; over HTTP/2 it may be processing a
 * frame of this connection.  So its reader is woken up, and the body filter
 * refuses the request.  Until then the reader has a buffer of one byte.
 */

static void
ngx_http_plum_budget_give_up(ngx_http_plum_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "plum body given up: %uz", ctx->body.charged);

    ctx->body.gone = 1;

    ngx_http_plum_budget_free(ctx);

    if (!ctx->read) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


ngx_int_t
ngx_http_plum_budget_grow(ngx_http_plum_ctx_t *ctx, size_t room)
{
    u_char                *p, *old;
    ngx_int_t              rc;
    ngx_http_plum_body_t  *body;

    body = &ctx->body;

    rc = ngx_http_plum_budget_charge(ctx, body->outside + room);
    if (rc != NGX_OK) {
        return rc;
    }

    /* realloc() often extends the memory without a copy */

    p = realloc(body->own ? body->start : NULL, room);
    if (p == NULL) {
        ngx_log_error(NGX_LOG_EMERG, ctx->request->connection->log, ngx_errno,
                      "realloc(%uz) failed", room);
        return NGX_ERROR;
    }

    old = body->own ? NULL : body->start;

    body->start = p;
    body->room = room;
    body->own = 1;

    if (old) {
        ngx_memcpy(p, old, body->len);
        ngx_http_plum_budget_drop(ctx, old);
    }

    return NGX_OK;
}


void
ngx_http_plum_budget_drop(ngx_http_plum_ctx_t *ctx, u_char *p)
{
    /* memory of less than a page cannot be freed from a pool */

    (void) ngx_pfree(ctx->request->pool, p);

    ctx->body.outside = 0;

    (void) ngx_http_plum_budget_charge(ctx, ctx->body.own ? ctx->body.room
                                                          : 0);
}


void
ngx_http_plum_budget_expose(ngx_http_plum_ctx_t *ctx, ngx_uint_t first)
{
    ngx_queue_t  *queue;

    if (ctx->body.exposed || ctx->body.charged == 0) {
        return;
    }

    queue = &ngx_http_plum_budget.queue;

    if (queue->next == NULL) {
        ngx_queue_init(queue);
    }

    if (first) {
        ngx_queue_insert_head(queue, &ctx->body.queue);

    } else {
        ngx_queue_insert_tail(queue, &ctx->body.queue);
    }

    ngx_http_plum_budget.exposed += ctx->body.charged;
    ctx->body.exposed = 1;
}


void
ngx_http_plum_budget_protect(ngx_http_plum_ctx_t *ctx)
{
    ctx->body.stranger = 0;

    if (ctx->body.exposed) {
        ngx_queue_remove(&ctx->body.queue);
        ngx_http_plum_budget.exposed -= ctx->body.charged;
        ctx->body.exposed = 0;
    }
}


void
ngx_http_plum_budget_free(ngx_http_plum_ctx_t *ctx)
{
    ngx_buf_t                *b;
    ngx_http_plum_body_t     *body;
    ngx_http_request_body_t  *rb;

    body = &ctx->body;
    rb = ctx->request->request_body;

    ngx_http_plum_budget_protect(ctx);

    if (body->own) {
        ngx_free(body->start);

    } else if (body->start) {
        (void) ngx_pfree(ctx->request->pool, body->start);
    }

    if (rb && rb->buf) {

        b = rb->buf;

        if (body->start == NULL) {
            (void) ngx_pfree(ctx->request->pool, b->start);
        }

        b->start = body->sink;
        b->pos = body->sink;
        b->last = body->sink;
        b->end = body->sink + sizeof(body->sink);
    }

    if (rb) {
        rb->bufs = NULL;
    }

    if (ctx->clean.data == ctx->raw.data) {
        ngx_str_null(&ctx->clean);
    }

    ngx_str_null(&ctx->raw);
    ctx->probes = NULL;

    ngx_http_plum_budget.held -= body->charged;

    body->start = NULL;
    body->len = 0;
    body->room = 0;
    body->outside = 0;
    body->charged = 0;
    body->own = 0;
}


void
ngx_http_plum_budget_release(ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_budget_protect(ctx);

    if (ctx->body.own) {
        ngx_free(ctx->body.start);
    }

    ngx_http_plum_budget.held -= ctx->body.charged + ctx->body.copied;
}
