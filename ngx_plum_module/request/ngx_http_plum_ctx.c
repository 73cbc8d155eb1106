
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
     * an internal redirect, a named location or a finalized filter has
     * wiped the module contexts, but not the cleanups of the pool
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
 * The last that is seen of a request, before it is logged; upstream has run
 * its cleanup, so its attempts are final.  Also called when the request is
 * terminated, and then once only.
 */

static void
ngx_http_plum_finish_request(void *data)
{
    ngx_http_plum_ctx_t *ctx = data;

    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->plcf == NULL) {

        /* rewritten out of its rules, before any stage */

        return;
    }

    if (ctx->aside) {
        ngx_http_plum_put_back(r, ctx);
    }

    if (!ctx->passed && r->request_body
        && ctx->plcf->mode == NGX_HTTP_PLUM_ENFORCE)
    {
        /* $request_body must not write it to a log */

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

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
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
 * The request has been logged, so no variable looks at its body any more.
 * Also marks the ctx in the pool's cleanups, see ngx_http_plum_get_ctx().
 */

static void
ngx_http_plum_free_ctx(void *data)
{
    ngx_http_plum_ctx_t *ctx = data;

    ngx_http_plum_budget_release(ctx);
}
