
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_outcome.h>


/*
 * The states of a claim of a request:
 *
 *   (claim stage) --hold--> held --settle--> settled
 *
 * held      this request has the record, and renews it each time that a third
 *           of its lease is over
 * settled   commit or release was passed to the store, which retries it until
 *           it succeeds; or the record expires with its lease (in_doubt=hold)
 *
 * Only ngx_http_plum_settle() leaves "held"; it does nothing in any other
 * state.  It is called by the header filter, before the first byte of the
 * answer is sent; by the body filter if the answer is kept; and by the cleanup
 * of the context, for requests that are aborted, time out, or are terminated.
 */


#define NGX_HTTP_PLUM_TICK       1000    /* ms between two checks, at most */


static void ngx_http_plum_renew(ngx_event_t *ev);
static ngx_uint_t ngx_http_plum_cut_off(ngx_http_request_t *r);


void
ngx_http_plum_hold(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_msec_t  pause;

    ctx->held = 1;

    ctx->renewal.handler = ngx_http_plum_renew;
    ctx->renewal.data = ctx;
    ctx->renewal.log = r->connection->log;

    pause = ngx_max(ctx->claim.lease / 3, 1);
    ctx->renew_at = ngx_current_msec + pause;

    ngx_add_timer(&ctx->renewal, ngx_min(pause, NGX_HTTP_PLUM_TICK));
}


static void
ngx_http_plum_renew(ngx_event_t *ev)
{
    ngx_msec_int_t        left;
    ngx_plum_store_t     *store;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ev->data;

    if (ngx_http_plum_cut_off(ctx->request)) {
        return;
    }

    left = (ngx_msec_int_t) (ctx->renew_at - ngx_current_msec);

    if (left <= 0) {
        store = ctx->plcf->idempotency->store;

        (void) store->ops->renew(store, &ctx->claim);

        left = ngx_max(ctx->claim.lease / 3, 1);
        ctx->renew_at = ngx_current_msec + left;
    }

    ngx_add_timer(ev, ngx_min(left, NGX_HTTP_PLUM_TICK));
}


/*
 * Checks whether worker_shutdown_timeout has expired.  NGINX then closes the
 * connections of senders, but over HTTP/2 that looks like a sender that has
 * left, which does not end a forward.  So the "close" flag of the upstream's
 * connection is checked, which NGINX has set as well.
 */

static ngx_uint_t
ngx_http_plum_cut_off(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    if (!ngx_exiting
        || r->upstream == NULL
        || r->upstream->peer.connection == NULL
        || !r->upstream->peer.connection->close)
    {
        return 0;
    }

    /* the request is terminated, as the shutdown does to connections */

    c = r->connection;
    c->close = 1;

    ngx_post_event(c->read, &ngx_posted_events);

    return 1;
}


void
ngx_http_plum_settle(ngx_http_plum_ctx_t *ctx, plum_outcome_t outcome,
    ngx_str_t *answer)
{
    ngx_str_t                           none = ngx_null_string;
    ngx_plum_store_t                   *store;
    const ngx_http_plum_idempotency_t  *idempotency;

    if (!ctx->held) {
        return;
    }

    ctx->held = 0;

    if (ctx->renewal.timer_set) {
        ngx_del_timer(&ctx->renewal);
    }

    idempotency = ctx->plcf->idempotency;
    store = idempotency->store;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "plum settle: %d", outcome);

    switch (outcome) {

    case PLUM_OUTCOME_SUCCESS:
        (void) store->ops->commit(store, &ctx->claim, idempotency->retention,
                                  answer ? answer : &none);
        return;

    case PLUM_OUTCOME_FAILURE:
        (void) store->ops->release(store, &ctx->claim);
        return;

    case PLUM_OUTCOME_IN_DOUBT:
        break;
    }

    ngx_log_error(ctx->plcf->log_level, ctx->request->connection->log, 0,
                  "plum: in doubt: the delivery was sent to an upstream that "
                  "did not answer, the claim is %s",
                  idempotency->hold ? "held until its lease ends"
                                    : "released");

    if (!idempotency->hold) {
        (void) store->ops->release(store, &ctx->claim);
    }
}
