
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_refuse.h>
#include <ngx_http_plum_stage.h>


/*
 * The gate: binds a request to the rules of its location in the REWRITE
 * phase, and walks the stages in the PRECONTENT phase.
 *
 *   bound ----> walking --all stages NGX_OK--> passed --> content, settle
 *     |          | ^  |
 *     |          | |  +--NGX_DECLINED, NGX_DONE, errors--> answered
 *     |          v |  resumed
 *     |         waiting (NGX_AGAIN)
 *     +--refused by another module before the gate--> answered
 *
 * bound     NGINX owns it.  "rewrite ... last" moves it to another location:
 *           then that one's rules count, or none
 * walking   this handler owns the request
 * waiting   the stage at ctx->stage owns it: the body reader (with events of
 *           the connection), or a timer or a store (then a hang-up of the
 *           sender is watched for).  The phase engine has got NGX_AGAIN.
 *           NGINX may finish the request without asking (time-out, abort):
 *           all that must be undone hangs on the cleanup of the ctx
 * passed    the content handler owns it; a redirect that comes back here
 *           finds ctx->passed and is neither judged nor claimed again
 * answered  NGINX owns it: a handler has returned a status.  What the sender
 *           has sent is put aside before an error page is made, see
 *           ngx_http_plum_aside.c
 *
 * Who resumes a waiting request sets ctx->resumed, so that it cannot be
 * taken for a redirect that comes in while it waits.
 *
 * Time passes while a request waits, and the sender decides for how long.
 * So what was judged before the wait and can change is judged again as soon
 * as the stage that waited is done: what TLS says, and timestamps.  A claim
 * that the stage has won by then is released when the request is refused.
 *
 * The handler returns NGX_DECLINED to let the request go on, NGX_AGAIN while
 * it waits, and anything else to have it finalized with that.
 */


typedef struct {
    const char              *name;
    ngx_http_plum_stage_pt   handler;
} ngx_http_plum_stage_t;


static ngx_int_t ngx_http_plum_redirected(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_walk(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_rejudge(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_fail(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_http_plum_pass(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_again(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, const ngx_http_plum_loc_conf_t *plcf);


static const ngx_http_plum_stage_t  ngx_http_plum_stages[] = {
    { "tls", ngx_http_plum_tls },
    { "head", ngx_http_plum_head },
    { "credential", ngx_http_plum_credential },
    { "spelling", ngx_http_plum_spelling },
    { "body", ngx_http_plum_body },
    { "verify", ngx_http_plum_verify },
    { "project", ngx_http_plum_project },
    { "claim", ngx_http_plum_claim },
    { "accept", ngx_http_plum_accept },
    { NULL, NULL }
    /* the claim is settled when the answer comes: ngx_http_plum_settle.c */
};


/*
 * Called in the SERVER_REWRITE phase, in which each internal redirect to a URI
 * begins.  For a request that has not passed, such a redirect leads to an error
 * page, and r->args are the arguments of the page.
 */

ngx_int_t
ngx_http_plum_bind_server(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  args;

    if (!r->internal || r != r->main) {
        return NGX_DECLINED;
    }

    args = r->args;

    rc = ngx_http_plum_redirected(r);

    r->args = args;

    return rc;
}


/* called in the REWRITE phase, in which redirects to named locations begin */

ngx_int_t
ngx_http_plum_bind(ngx_http_request_t *r)
{
    ngx_http_plum_ctx_t             *ctx;
    const ngx_http_plum_loc_conf_t  *plcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_plum_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    if (ctx) {

        /* a rewrite, not a redirect: the rules stay if stages have started */

        if (ctx->passed) {
            ngx_http_plum_hop_location(r, ctx);
        }

        if (ctx->started) {
            return NGX_DECLINED;
        }

        ctx->plcf = plcf->enable ? plcf : NULL;

        if (!plcf->enable) {
            ngx_http_set_ctx(r, NULL, ngx_http_plum_module);
        }

        return NGX_DECLINED;
    }

    if (ngx_http_plum_get_ctx(r)) {
        return ngx_http_plum_redirected(r);
    }

    if (!plcf->enable) {
        return NGX_DECLINED;
    }

    if (ngx_http_plum_create_ctx(r, plcf) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (plcf->internal && !r->internal) ? NGX_HTTP_NOT_FOUND
                                            : NGX_DECLINED;
}


static ngx_int_t
ngx_http_plum_redirected(ngx_http_request_t *r)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_plum_get_ctx(r);

    if (ctx && ctx->passed) {

        /* only once, although both phases are run */

        ngx_http_set_ctx(r, ctx, ngx_http_plum_module);
        ngx_http_plum_hop(r, ctx);

        return NGX_DECLINED;
    }

    if (ctx == NULL
        || ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE
        || ngx_http_plum_put_aside(r, ctx) == NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_HTTP_CLOSE;
}


ngx_int_t
ngx_http_plum_handler(ngx_http_request_t *r)
{
    ngx_http_plum_ctx_t             *ctx, *own;
    const ngx_http_plum_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_plum_module);

    if (r != r->main) {
        return ngx_http_plum_subrequest(r, plcf);
    }

    own = ngx_http_get_module_ctx(r, ngx_http_plum_module);
    ctx = own ? own : ngx_http_plum_get_ctx(r);

    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_plum_module);

    if (ctx->aside) {
        return ngx_http_plum_error_page(r, ctx, plcf);
    }

    if (ctx->passed) {
        ngx_http_plum_hop_location(r, ctx);

        return ngx_http_plum_again(r, ctx, plcf);
    }

    if (ctx->resumed || (own && !ctx->started)) {
        ctx->started = 1;

        return ngx_http_plum_walk(r, ctx);
    }

    return ngx_http_plum_error_page(r, ctx, plcf);
}


static ngx_int_t
ngx_http_plum_walk(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                     rc, again;
    ngx_uint_t                    waited;
    const ngx_http_plum_stage_t  *stage;

    waited = ctx->resumed;
    ctx->resumed = 0;

    ngx_http_plum_measure_begin(ctx);

    for ( ;; ) {
        stage = &ngx_http_plum_stages[ctx->stage];

        if (stage->handler == NULL) {
            return ngx_http_plum_pass(r, ctx);
        }

        rc = stage->handler(r, ctx);

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "plum %s: %i", stage->name, rc);

        if (waited && (rc == NGX_OK || rc == NGX_DONE)) {
            waited = 0;
            again = ngx_http_plum_rejudge(r, ctx);
            rc = (again == NGX_OK) ? rc : again;
        }

        if (rc == NGX_OK) {
            ctx->stage++;
            continue;
        }

        if (rc == NGX_AGAIN) {

            if (stage->handler == ngx_http_plum_body) {
                ngx_http_plum_measure_wait(ctx);
            }

            return NGX_AGAIN;
        }

        if (rc == NGX_DECLINED) {
            return ngx_http_plum_refuse(r, ctx);
        }

        if (rc == NGX_DONE) {
            return ngx_http_plum_send_known(r, ctx);
        }

        return ngx_http_plum_fail(r, ctx, rc);
    }
}


/* a status that is not a refusal */

static ngx_int_t
ngx_http_plum_fail(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_int_t rc)
{
    if (rc == NGX_ERROR) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
           ? rc : ngx_http_plum_end(r, ctx, rc);
}


/* checks again what may have changed during a wait */

static ngx_int_t
ngx_http_plum_rejudge(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_plum_tls(r, ctx);

    return (rc == NGX_OK) ? ngx_http_plum_fresh(ctx) : rc;
}


static ngx_int_t
ngx_http_plum_pass(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    if (ctx->plcf->mode == NGX_HTTP_PLUM_ENFORCE
        && ngx_http_plum_replace_body(r, ctx) != NGX_OK)
    {
        return ngx_http_plum_fail(r, ctx, NGX_ERROR);
    }

    ngx_http_plum_passed(r, ctx);

    if (ctx->verdict == NGX_HTTP_PLUM_UNJUDGED) {
        ctx->verdict = NGX_HTTP_PLUM_ACCEPTED;
    }

    ngx_http_plum_watch(r, ctx);

    return NGX_DECLINED;
}


/* an internal redirect or a named location, with a request already judged */

static ngx_int_t
ngx_http_plum_again(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    const ngx_http_plum_loc_conf_t *plcf)
{
    if (plcf->enable
        && plcf->mode == NGX_HTTP_PLUM_ENFORCE
        && !ngx_http_plum_same_rules(plcf, ctx->plcf))
    {
        ngx_http_plum_log_refusal(r, plcf, PLUM_REASON_SUBREQUEST,
                                  "internal redirect");

        ctx->verdict = NGX_HTTP_PLUM_REFUSED;
        ctx->reason = PLUM_REASON_SUBREQUEST;

        return ngx_http_plum_end(r, ctx,
                                 plcf->refuse[PLUM_REASON_SUBREQUEST]);
    }

    ngx_http_plum_watch(r, ctx);

    return NGX_DECLINED;
}
