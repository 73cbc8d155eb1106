
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_queue.h>
#include <ngx_http_plum_stage.h>
#include <plum_pseudonym.h>


/*
 * The accept stage: what it does depends on the outcome of the queue.
 *
 *   OK                 answered: the event is accepted, or dropped if it is for
 *                      no consumer, or all its consumers are full (full=drop)
 *   BEFORE             a duplicate: answered
 *   FULL               refused with queue_full: nothing was written
 *   NOT_SENT           nothing was written: unavailable= decides
 *   UNKNOWN            refused: the event may have been written.  If it were
 *                      forwarded now, it might be delivered twice; when the
 *                      sender retries, the record decides
 *
 * While the stage waits for the reply (accept->op), the sender may end the
 * request by closing its connection.  The cleanup of the context then cancels
 * the accept.  The event may be accepted nevertheless: then a retry of the
 * sender is a duplicate.
 */


static ngx_int_t ngx_http_plum_accept_begin(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_accept_views(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_accept_view(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t n);
static ngx_int_t ngx_http_plum_accept_project(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t n, ngx_str_t *body);
static ngx_int_t ngx_http_plum_accept_pseudonyms(ngx_http_request_t *r,
    const ngx_http_plum_view_t *view, plum_key_t *const *keys,
    const plum_projection_t *result, ngx_str_t *body);
static void ngx_http_plum_accept_free(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_accept_outcome(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_uint_t ngx_http_plum_accept_appended(ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_accept_handler(ngx_plum_accept_t *accept);


ngx_int_t
ngx_http_plum_accept(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_plum_queue_t  *queue;

    if (ctx->plcf->accept == NULL
        || ctx->verdict != NGX_HTTP_PLUM_UNJUDGED)
    {
        return NGX_OK;
    }

    if (ctx->waiting) {
        ctx->waiting = 0;
        return ngx_http_plum_accept_outcome(r, ctx);
    }

    rc = ngx_http_plum_accept_begin(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    queue = &ctx->plcf->accept->queue->queue;

    rc = queue->ops->accept(queue, ctx->accept);

    ngx_http_plum_accept_free(r, ctx);

    if (rc == NGX_AGAIN) {
        ctx->waiting = 1;
        rc = ngx_http_plum_suspend(r);

        if (rc == NGX_ERROR) {
            ngx_http_plum_accept_cancel(ctx);
        }

        return rc;
    }

    return ngx_http_plum_accept_outcome(r, ctx);
}


static ngx_int_t
ngx_http_plum_accept_begin(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_plum_accept_t  *accept;

    accept = ngx_pcalloc(r->pool, sizeof(ngx_plum_accept_t));
    if (accept == NULL) {
        return NGX_ERROR;
    }

    ctx->accept = accept;

    rc = ngx_http_plum_key(r, ctx, &ctx->claim.key);
    if (rc != NGX_OK) {
        return rc;
    }

    accept->record = ctx->claim.key;
    accept->key = ctx->key;
    accept->retention = ctx->plcf->accept->retention;
    accept->log = r->connection->log;
    accept->handler = ngx_http_plum_accept_handler;
    accept->data = ctx;

    if (ngx_http_plum_event_type(r, ctx, &accept->event) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_plum_accept_views(r, ctx);
}


/* equal views are written once */

static ngx_int_t
ngx_http_plum_accept_views(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    const ngx_http_plum_queue_t     *queue;
    const ngx_http_plum_consumer_t  *consumer;

    queue = ctx->plcf->accept->queue;
    consumer = queue->consumers.elts;

    for (i = 0; i < queue->consumers.nelts; i++) {

        if (consumer[i].nevents
            && !ngx_http_plum_event_matches(consumer[i].events,
                                            consumer[i].nevents,
                                            &ctx->accept->event))
        {
            continue;
        }

        rc = ngx_http_plum_accept_view(r, ctx, i);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_accept_view(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t n)
{
    ngx_int_t                    rc;
    ngx_str_t                    body;
    ngx_uint_t                   i;
    ngx_plum_accept_t           *accept;
    const ngx_http_plum_view_t  *views;

    accept = ctx->accept;
    views = ctx->plcf->views;

    /* for= excludes the event for this consumer: it has no body */

    for (i = 0; i < n; i++) {
        if (views[i].same == views[n].same && accept->body[i]) {
            accept->body[n] = accept->body[i];
            return NGX_OK;
        }
    }

    if (views[views[n].same].plan) {
        rc = ngx_http_plum_accept_project(r, ctx, views[n].same, &body);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : rc;
        }

    } else {
        body = ctx->clean;
    }

    /* pseudonyms may have made it larger than plum_max_body */

    if (body.len > PLUM_QUEUE_BODY) {
        ctx->reason = PLUM_REASON_BODY_TOO_LARGE;
        return NGX_DECLINED;
    }

    for (i = 0; i < accept->nbodies; i++) {
        if (ngx_http_plum_same(&accept->bodies[i], &body)) {
            break;
        }
    }

    if (i == accept->nbodies) {
        accept->bodies[accept->nbodies++] = body;
    }

    accept->body[n] = (u_char) (i + 1);

    return NGX_OK;
}


/* NGX_DONE: the list of consumer n does not list the event's type */

static ngx_int_t
ngx_http_plum_accept_project(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t n, ngx_str_t *body)
{
    ngx_str_t                        outside;
    plum_str_t                       type;
    plum_value_t                    *probes;
    plum_projection_t                result;
    plum_project_rc_t                rc;
    const ngx_http_plum_view_t      *view;
    const ngx_http_plum_consumer_t  *consumer;

    view = &ctx->plcf->views[n];
    consumer = ctx->plcf->accept->queue->consumers.elts;

    probes = ngx_pcalloc(r->pool, (plum_plan_slots(view->plan) + 1)
                                  * sizeof(plum_value_t));
    body->data = ngx_pnalloc(r->pool, ctx->clean.len);

    if (probes == NULL || body->data == NULL) {
        return NGX_ERROR;
    }

    type.data = ctx->accept->event.data;
    type.len = ctx->accept->event.len;

    if (view->outside) {

        if (ngx_http_plum_event_outside(r, consumer[n].allowlist, &outside)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        type.data = outside.data;
        type.len = outside.len;
    }

    rc = view->given
         ? plum_project_typed(view->plan, view->scratch, &type,
                              ctx->clean.data, ctx->clean.len, body->data,
                              probes, &result)
         : plum_project(view->plan, view->scratch, ctx->clean.data,
                        ctx->clean.len, body->data, probes, &result);

    if (rc == PLUM_PROJECT_NOMEM) {
        return NGX_ERROR;
    }

    /* a name occurs twice that this list selects and the location's does not */

    if (rc != PLUM_PROJECT_OK) {
        ctx->reason = PLUM_REASON_JSON_INVALID;
        return NGX_DECLINED;
    }

    body->len = result.length;

    if (result.pseudonyms
        && ngx_http_plum_accept_pseudonyms(r, view,
                                           consumer[n].allowlist->keys,
                                           &result, body)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return result.listed ? NGX_OK : NGX_DONE;
}


/* puts pseudonyms in the place of the values of a view that are marked */

static ngx_int_t
ngx_http_plum_accept_pseudonyms(ngx_http_request_t *r,
    const ngx_http_plum_view_t *view, plum_key_t *const *keys,
    const plum_projection_t *result, ngx_str_t *body)
{
    u_char  *data;

    data = ngx_pnalloc(r->pool, plum_pseudonyms_room(result));
    if (data == NULL) {
        return NGX_ERROR;
    }

    body->len = plum_pseudonyms_write(view->scratch, result, keys, body->data,
                                      data);

    (void) ngx_pfree(r->pool, body->data);
    body->data = data;

    return body->len ? NGX_OK : NGX_ERROR;
}


/* the queue has copies of the views; small ones cannot be freed from a pool */

static void
ngx_http_plum_accept_free(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->accept->nbodies; i++) {
        if (ctx->accept->bodies[i].data != ctx->clean.data) {
            (void) ngx_pfree(r->pool, ctx->accept->bodies[i].data);
        }
    }

    ctx->accept->nbodies = 0;
}


static ngx_int_t
ngx_http_plum_accept_outcome(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    switch (ctx->accept->outcome) {

    case NGX_PLUM_ACCEPT_OK:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_NEW;
        ctx->verdict = ngx_http_plum_accept_appended(ctx)
                       ? NGX_HTTP_PLUM_ACCEPTED : NGX_HTTP_PLUM_DROPPED;
        return NGX_DONE;

    case NGX_PLUM_ACCEPT_BEFORE:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_DUPLICATE;
        ctx->verdict = NGX_HTTP_PLUM_DUPLICATE;
        return NGX_DONE;

    case NGX_PLUM_ACCEPT_FULL:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_NEW;
        ctx->reason = PLUM_REASON_QUEUE_FULL;
        return NGX_DECLINED;

    case NGX_PLUM_ACCEPT_NOT_SENT:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_UNAVAILABLE;

        if (ctx->plcf->accept->forward) {
            return NGX_OK;
        }

        break;

    case NGX_PLUM_ACCEPT_UNKNOWN:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_UNAVAILABLE;
        break;
    }

    ctx->reason = PLUM_REASON_STORE_UNAVAILABLE;

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_plum_accept_appended(ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->plcf->accept->queue->queue.ntargets; i++) {
        if (ctx->accept->body[i] && ctx->accept->waiting[i] >= 0) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_plum_accept_handler(ngx_plum_accept_t *accept)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = accept->data;

    ngx_http_plum_resume(ctx);
}


void
ngx_http_plum_accept_cancel(ngx_http_plum_ctx_t *ctx)
{
    ngx_plum_queue_t  *queue;

    if (ctx->accept && ctx->accept->op) {
        queue = &ctx->plcf->accept->queue->queue;
        queue->ops->cancel(queue, ctx->accept);
    }
}
