
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_http_plum_refuse.h>
#include <ngx_http_plum_stage.h>


static void ngx_http_plum_finish_request(void *data);
static void ngx_http_plum_unanswered(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_free_ctx(void *data);


ngx_http_plum_ctx_t *
ngx_http_plum_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_plum_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    /*
     * An internal redirect, a named location, or a filter that finalizes the
     * request clears the contexts of modules, but not the pool cleanups.
     */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_plum_free_ctx) {
            ctx = cln->data;

            if (ctx->plcf) {
                return ctx;
            }
        }
    }

    return NULL;
}


ngx_http_plum_ctx_t *
ngx_http_plum_create_ctx(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_cleanup_t   *cln;
    ngx_pool_cleanup_t   *pcln;
    ngx_http_plum_ctx_t  *ctx;

    pcln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_plum_ctx_t));
    if (pcln == NULL) {
        return NULL;
    }

    ctx = pcln->data;
    ngx_memzero(ctx, sizeof(ngx_http_plum_ctx_t));

    ctx->request = r;
    ctx->plcf = plcf;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_plum_finish_request;
    cln->data = ctx;
    pcln->handler = ngx_http_plum_free_ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_plum_module);

    return ctx;
}


/*
 * Called once when the request ends, also if it is terminated, before it is
 * logged.  The cleanup of the upstream has run before, so the states of its
 * attempts are final.
 */

static void
ngx_http_plum_finish_request(void *data)
{
    ngx_http_plum_ctx_t *ctx = data;

    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->plcf == NULL) {

        /* "rewrite" has moved the request to other rules before any stage */

        return;
    }

    if (ctx->aside) {
        ngx_http_plum_put_back(r, ctx);
    }

    if (!ctx->passed && r->request_body
        && ctx->plcf->mode == NGX_HTTP_PLUM_ENFORCE)
    {
        /* a body that was not accepted must not be logged by $request_body */

        r->request_body->bufs = NULL;
    }

    if (ctx->claim.op) {
        ctx->plcf->idempotency->store->ops->cancel(
                                    ctx->plcf->idempotency->store,
                                    &ctx->claim);
    }

    ngx_http_plum_accept_cancel(ctx);

    if (ctx->held && ctx->answer == NGX_HTTP_PLUM_ANSWER_COLLECT) {
        ngx_http_plum_not_kept(ctx, NGX_HTTP_PLUM_KEPT_CUT);

    } else if (ctx->held || !ctx->answered) {
        ngx_http_plum_unanswered(r, ctx);
    }

    if (ctx->retry.timer_set) {
        ngx_del_timer(&ctx->retry);
    }

    if (ctx->renewal.timer_set) {
        ngx_del_timer(&ctx->renewal);
    }
}


/* the header filter has not seen its outcome */

static void
ngx_http_plum_unanswered(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    plum_outcome_t  outcome;

    outcome = ctx->passed ? ngx_http_plum_judge(r, ctx)
                          : PLUM_OUTCOME_FAILURE;

    ngx_http_plum_measure_count(ctx, outcome);
    ngx_http_plum_settle(ctx, outcome, NULL);
}


/*
 * The request has been logged, so its body is not needed any more.  The address
 * of this function also identifies the context among the pool cleanups, see
 * ngx_http_plum_get_ctx().
 */

static void
ngx_http_plum_free_ctx(void *data)
{
    ngx_http_plum_ctx_t *ctx = data;

    ngx_http_plum_budget_release(ctx);
}
