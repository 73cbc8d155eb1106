
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>


/*
 * What became of a delivery that has passed the gate.
 *
 * NGINX may lead it through several locations before it is answered:
 * X-Accel-Redirect, error_page and try_files do so.  The way through one
 * location is called a hop here.  The last hop decides:
 *
 *   - it asked an upstream: the last attempt must be a success, and all of the
 *     request must have been sent before it was answered.
 *   - it asked none (a file, "return", another module answered): the status
 *     that is sent must be a success, and a success must have led there.  The
 *     success of an upstream does so by X-Accel-Redirect, and a location that
 *     asked no upstream does so by try_files and the like.  An error page does
 *     not, whatever its status is.
 *
 * If this is no success, any attempt since the gate that was sent and not
 * answered leaves the delivery in doubt.
 */


/* attempts at upstreams since the gate; own: those of the last hop */

typedef struct {
    plum_attempt_t                  *elts;
    ngx_uint_t                       n;
    ngx_uint_t                       own;
} ngx_http_plum_attempts_t;


static const plum_success_t *ngx_http_plum_success(ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_attempts(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_http_plum_attempts_t *attempts);
static ngx_uint_t ngx_http_plum_answered_itself(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_uint_t ngx_http_plum_handed_on(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_table_elt_t *ngx_http_plum_accel(ngx_http_request_t *r);
static ngx_uint_t ngx_http_plum_accel_leads_here(ngx_http_request_t *r,
    const ngx_str_t *target);


/* any 2xx is a success where plum_idempotency says nothing else */

static const plum_success_t  ngx_http_plum_success_2xx = { 1, { 0 }, 0 };


void
ngx_http_plum_passed(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ctx->passed = 1;
    ctx->attempts = r->upstream_states ? r->upstream_states->nelts : 0;

    ctx->hop.attempts = ctx->attempts;
    ctx->hop.upstream = r->upstream;
    ctx->hop.error_page = r->error_page;

    ngx_http_plum_hop_location(r, ctx);
    ngx_http_plum_measure_wait(ctx);
}


void
ngx_http_plum_hop(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_hop_t  *hop;

    hop = &ctx->hop;

    if (ngx_http_plum_handed_on(r, ctx)) {
        hop->failed = 0;

    } else if (r->upstream != hop->upstream
               || r->error_page != hop->error_page
               || (hop->location->error_pages
                   && hop->location->recursive_error_pages))
    {
        /*
         * It is an error page: nothing else leads on from an upstream that
         * does not hand the request on, or NGINX says so.  It does not say so
         * with recursive_error_pages, where any redirect may be one.
         */

        hop->failed = 1;
    }

    hop->attempts = r->upstream_states ? r->upstream_states->nelts : 0;
    hop->upstream = r->upstream;
    hop->error_page = r->error_page;

    ngx_http_plum_hop_location(r, ctx);
}


void
ngx_http_plum_hop_location(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ctx->hop.location = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
}


plum_outcome_t
ngx_http_plum_judge(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    plum_attempt_t            *last;
    ngx_http_plum_attempts_t   attempts;

    if (ngx_http_plum_attempts(r, ctx, &attempts) != NGX_OK) {

        /* nothing is known: as an upstream that did not answer */

        return PLUM_OUTCOME_IN_DOUBT;
    }

    if (attempts.own) {
        last = &attempts.elts[attempts.n - 1];

        if (last->answered && !last->whole) {
            ngx_log_error(ctx->plcf->log_level, r->connection->log, 0,
                          "plum: the upstream answered %ui before the whole "
                          "request was sent to it, that is no success",
                          (ngx_uint_t) last->status);
        }
    }

    if (attempts.own == 0 || ngx_http_plum_accel(r)) {

        /* no upstream made the answer, or none was found where one led to */

        last = &attempts.elts[attempts.n++];
        last->status = r->headers_out.status;
        last->whole = 1;
        last->answered = (attempts.own == 0
                          && ngx_http_plum_answered_itself(r, ctx));
    }

    return plum_attempts_judge(attempts.elts, attempts.n,
                               ngx_http_plum_success(ctx));
}


static const plum_success_t *
ngx_http_plum_success(ngx_http_plum_ctx_t *ctx)
{
    return ctx->plcf->idempotency ? &ctx->plcf->idempotency->success
                                  : &ngx_http_plum_success_2xx;
}


/*
 * The attempts at upstreams since the gate, with room for one more.  What does
 * not start with a status line is a "200" to proxy_pass, which then sets the
 * version to 0.9; to us it is no answer.
 */

static ngx_int_t
ngx_http_plum_attempts(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_attempts_t *attempts)
{
    ngx_uint_t                  i, n;
    plum_attempt_t             *attempt;
    ngx_http_upstream_state_t  *state;

    attempts->n = 0;
    attempts->own = 0;

    n = r->upstream_states ? r->upstream_states->nelts : 0;

    attempts->elts = ngx_pcalloc(r->pool, (n - ctx->attempts + 1)
                                          * sizeof(plum_attempt_t));
    if (attempts->elts == NULL) {
        return NGX_ERROR;
    }

    state = n ? r->upstream_states->elts : NULL;

    for (i = ctx->attempts; i < n; i++) {

        /* entries without a peer only separate redirects */

        if (state[i].peer == NULL) {
            continue;
        }

        attempt = &attempts->elts[attempts->n++];

        attempt->status = state[i].status;
        attempt->answered = (state[i].header_time != (ngx_msec_t) -1
                             && r->http_version != NGX_HTTP_VERSION_9);
        attempt->sent = (state[i].bytes_sent > 0);

        attempts->own += (i >= ctx->hop.attempts);
    }

    if (attempts->own) {

        /* sent is what the socket has taken: NGINX knows no more */

        attempts->elts[attempts->n - 1].whole = r->upstream->request_body_sent;
    }

    return NGX_OK;
}


/* a file, "return" or another module has, and may call it a success */

static ngx_uint_t
ngx_http_plum_answered_itself(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    return r->headers_out.status
           && r->err_status < NGX_HTTP_SPECIAL_RESPONSE
           && r->upstream == ctx->hop.upstream
           && r->error_page == ctx->hop.error_page
           && !ctx->hop.failed;
}


/* the upstream of the hop has answered with success, and has led here */

static ngx_uint_t
ngx_http_plum_handed_on(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_table_elt_t           *accel;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_plum_attempts_t   attempts;

    if (r->upstream == ctx->hop.upstream
        || r->error_page != ctx->hop.error_page)
    {
        return 0;
    }

    accel = ngx_http_plum_accel(r);

    if (accel == NULL
        || ngx_http_plum_attempts(r, ctx, &attempts) != NGX_OK
        || attempts.own == 0
        || plum_attempts_judge(attempts.elts, attempts.n,
                               ngx_http_plum_success(ctx))
           != PLUM_OUTCOME_SUCCESS)
    {
        return 0;
    }

    clcf = ctx->hop.location;

    /* else it could only have been an error page if NGINX had said so */

    return !(clcf->error_pages && clcf->recursive_error_pages)
           || ngx_http_plum_accel_leads_here(r, &accel->value);
}


static ngx_table_elt_t *
ngx_http_plum_accel(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL
        || (u->conf->ignore_headers & NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT))
    {
        return NULL;
    }

    return u->headers_in.x_accel_redirect;
}


/* as NGINX reads the header */

static ngx_uint_t
ngx_http_plum_accel_leads_here(ngx_http_request_t *r, const ngx_str_t *target)
{
    ngx_str_t                  uri, args;
    ngx_uint_t                 flags;
    ngx_http_core_loc_conf_t  *clcf;

    uri = *target;

    if (uri.len && uri.data[0] == '@') {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        return clcf->named && ngx_http_plum_same(&clcf->name, &uri);
    }

    ngx_str_null(&args);
    flags = 0;

    return ngx_http_parse_unsafe_uri(r, &uri, &args, &flags) == NGX_OK
           && ngx_http_plum_same(&r->uri, &uri);
}
