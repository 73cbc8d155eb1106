
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_measure.h>
#include <ngx_http_plum_outcome.h>


/*
 * The outcome of a delivery that has passed the gate.
 *
 * NGINX may process it in several locations, one after the other, before it is
 * answered: X-Accel-Redirect, error_page and try_files do so.  The processing
 * in one location is called a hop here.  The last hop decides:
 *
 *   - If it used an upstream, the last attempt must be a success, and the whole
 *     request must have been sent before the upstream answered.
 *   - If it used no upstream (a file, "return" or another module answered), the
 *     status of the answer must be a success, and the redirect to this location
 *     must be no failure.  X-Accel-Redirect in a success of an upstream is
 *     none, nor is try_files and the like in a location that used no upstream.
 *     An error page is a failure, whatever its status is.
 *
 * If there is no success, the delivery is in doubt if any attempt since the
 * gate was sent and not answered.
 */


/* attempts at upstreams since the gate; own: how many the last hop made */

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


/* without plum_idempotency any 2xx is a success */

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
         * An error page: an upstream was used and it did not redirect, or
         * r->error_page was set.  With recursive_error_pages NGINX does not
         * set it, so there any redirect may be an error page.
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

        /* no memory: unknown, as if an upstream had not answered */

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

        /*
         * No upstream made the answer, or the target of X-Accel-Redirect was
         * not found.
         */

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


/* the attempts at upstreams since the gate, with room for one more */

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

        /* NGINX adds entries without a peer between two redirects */

        if (state[i].peer == NULL) {
            continue;
        }

        attempt = &attempts->elts[attempts->n++];

        attempt->status = state[i].status;
        attempt->answered = ngx_http_plum_upstream_answered(r, &state[i]);
        attempt->sent = (state[i].bytes_sent > 0);

        attempts->own += (i >= ctx->hop.attempts);
    }

    if (attempts->own) {

        /* "sent" means written to the socket */

        attempts->elts[attempts->n - 1].whole = r->upstream->request_body_sent;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_plum_upstream_answered(ngx_http_request_t *r,
    const ngx_http_upstream_state_t *state)
{
    return state->header_time != (ngx_msec_t) -1
           && r->http_version != NGX_HTTP_VERSION_9;
}


/*
 * No upstream: a file, "return", or another module has answered, and nothing
 * that failed has led there.
 */

static ngx_uint_t
ngx_http_plum_answered_itself(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    return r->headers_out.status
           && r->err_status < NGX_HTTP_SPECIAL_RESPONSE
           && r->upstream == ctx->hop.upstream
           && r->error_page == ctx->hop.error_page
           && !ctx->hop.failed;
}


/* the hop's upstream has answered with success and X-Accel-Redirect */

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

    /* without recursive_error_pages r->error_page would have been set */

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


/* parses the header as NGINX does */

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
