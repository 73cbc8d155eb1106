
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_http_plum_refuse.h>


/*
 * Ends requests that are refused, and restricts their error pages and
 * subrequests.  What the sender has sent is put aside while the page is made,
 * see ngx_http_plum_aside.c.  An error page may be a file or a "return", but no
 * other content handler, not even for a part of the page (SSI, mirror).
 */


ngx_int_t
ngx_http_plum_refuse(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_log_refusal(r, ctx->plcf, ctx->reason, NULL);

    ctx->verdict = NGX_HTTP_PLUM_REFUSED;

    /* the request may hold a claim already: release it */

    ngx_http_plum_settle(ctx, PLUM_OUTCOME_FAILURE, NULL);

    if (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE) {
        ngx_http_plum_passed(r, ctx);
        return NGX_DECLINED;
    }

    /* only variables may still read the body */

    if (ctx->read) {
        ngx_http_plum_budget_expose(ctx, 1);
    }

    ngx_http_plum_forgo_body(r);

    if (ngx_http_plum_refuse_headers(r, ctx->reason) != NGX_OK) {
        return ngx_http_plum_end(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    return ngx_http_plum_end(r, ctx, ctx->plcf->refuse[ctx->reason]);
}


ngx_int_t
ngx_http_plum_end(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_int_t status)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* without an error page NGINX discards the body and uses nothing else */

    if (clcf->error_pages && ngx_http_plum_put_aside(r, ctx) != NGX_OK) {
        return NGX_HTTP_CLOSE;
    }

    return status;
}


void
ngx_http_plum_log_refusal(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf, plum_reason_t reason,
    const char *detail)
{
    ngx_log_error(plcf->log_level, r->connection->log, 0,
                  "plum: %s (%s): %s%s%s",
                  plcf->mode == NGX_HTTP_PLUM_OBSERVE ? "would refuse"
                                                      : "refused",
                  plum_reason_name(reason), plum_reason_text(reason),
                  detail ? ", " : "", detail ? detail : "");
}


ngx_int_t
ngx_http_plum_refuse_headers(ngx_http_request_t *r, plum_reason_t reason)
{
    switch (reason) {

    case PLUM_REASON_METHOD:
        return ngx_http_plum_add_header(r, "Allow", "POST");

    case PLUM_REASON_BODY_BUDGET:
    case PLUM_REASON_IN_FLIGHT:
    case PLUM_REASON_STORE_UNAVAILABLE:
    case PLUM_REASON_QUEUE_FULL:
        return ngx_http_plum_add_header(r, "Retry-After", "1");

    default:
        return NGX_OK;
    }
}


ngx_int_t
ngx_http_plum_error_page(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    const ngx_http_plum_loc_conf_t *plcf)
{
    ctx->started = 1;

    if ((ctx->aside == NULL && ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
        || (!plcf->enable && r->content_handler == NULL))
    {
        ctx->page = 1;
        return NGX_DECLINED;
    }

    ngx_http_plum_log_refusal(r, ctx->plcf, PLUM_REASON_SUBREQUEST,
                              "error page of a refused request");

    if (ctx->verdict == NGX_HTTP_PLUM_UNJUDGED) {
        ctx->verdict = NGX_HTTP_PLUM_REFUSED;
        ctx->reason = PLUM_REASON_SUBREQUEST;
    }

    return ctx->plcf->refuse[PLUM_REASON_SUBREQUEST];
}


/* subrequests (mirror, auth_request, SSI) of any request */

ngx_int_t
ngx_http_plum_subrequest(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_plum_ctx_t  *ctx;

    if (plcf->enable) {

        if (plcf->mode == NGX_HTTP_PLUM_OBSERVE) {
            return NGX_DECLINED;
        }

        ngx_http_plum_log_refusal(r, plcf, PLUM_REASON_SUBREQUEST, NULL);
        ngx_http_plum_measure_refusal(plcf, PLUM_REASON_SUBREQUEST);

        return plcf->refuse[PLUM_REASON_SUBREQUEST];
    }

    ctx = ngx_http_plum_get_ctx(r);

    if (ctx == NULL || r->content_handler == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->aside == NULL
        && (ctx->passed
            || !ctx->started
            || ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE))
    {
        return NGX_DECLINED;
    }

    ngx_http_plum_log_refusal(r, ctx->plcf, PLUM_REASON_SUBREQUEST,
                              "part of the error page of a refused request");

    return ctx->plcf->refuse[PLUM_REASON_SUBREQUEST];
}
