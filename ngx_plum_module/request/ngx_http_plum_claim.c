
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_http_plum_stage.h>

#include <openssl/rand.h>


/* ms between two tries to claim what a copy has claimed: the first pause is
   the minimum, and each one is twice as long as the one before */

#define NGX_HTTP_PLUM_PAUSE_MIN  20
#define NGX_HTTP_PLUM_PAUSE_MAX  250

#define NGX_HTTP_PLUM_TOKENS     64      /* generated at once */


/*
 * The claim stage: what it does depends on the outcome of the store.
 *
 *   OK                 the request holds the record: go on
 *   DONE               a duplicate: it is answered, and not forwarded
 *   BUSY               a copy is in flight: try again until the time of
 *                      in_flight=wait is over, then refuse.  The request is
 *                      not acknowledged, as the copy may still fail
 *   NOT_SENT, UNKNOWN, LOST
 *                      the store gave no result: unavailable= decides
 *
 * While the stage waits for a reply (claim.op) or for the next try (retry),
 * the sender may end the request by closing its connection.  The cleanup of
 * the context then cancels both.
 */


static ngx_int_t ngx_http_plum_claim_begin(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_claim_token(u_char *token);
static ngx_int_t ngx_http_plum_claim_outcome(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_claim_busy(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_claim_handler(ngx_plum_claim_t *claim);
static void ngx_http_plum_claim_retry(ngx_event_t *ev);


ngx_int_t
ngx_http_plum_claim(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                           rc;
    const ngx_http_plum_idempotency_t  *idempotency;

    idempotency = ctx->plcf->idempotency;

    if (ctx->verdict != NGX_HTTP_PLUM_UNJUDGED) {
        return NGX_OK;
    }

    if (idempotency == NULL) {
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_OFF;
        return NGX_OK;
    }

    if (ctx->waiting) {
        ctx->waiting = 0;
        return ngx_http_plum_claim_outcome(r, ctx);
    }

    if (ctx->key.len == 0) {
        rc = ngx_http_plum_claim_begin(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = idempotency->store->ops->claim(idempotency->store, &ctx->claim);

    if (rc == NGX_AGAIN) {
        ctx->waiting = 1;
        rc = ngx_http_plum_suspend(r);

        if (rc == NGX_ERROR) {
            idempotency->store->ops->cancel(idempotency->store, &ctx->claim);
        }

        return rc;
    }

    return ngx_http_plum_claim_outcome(r, ctx);
}


static ngx_int_t
ngx_http_plum_claim_begin(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_plum_key(r, ctx, &ctx->claim.key);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_plum_claim_token(ctx->claim.token) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->claim.lease = ctx->plcf->idempotency->lease;
    ctx->claim.replicas = ctx->plcf->idempotency->replicas;
    ctx->claim.pool = r->pool;
    ctx->claim.log = r->connection->log;
    ctx->claim.handler = ngx_http_plum_claim_handler;
    ctx->claim.data = ctx;

    ctx->wait_until = ngx_current_msec + ctx->plcf->idempotency->wait;
    ctx->pause = NGX_HTTP_PLUM_PAUSE_MIN;

    return NGX_OK;
}


/*
 * RAND_bytes() takes as long for 1,024 bytes as for 16, so tokens are generated
 * in batches.  Only workers call this, so no two processes share a batch.
 */

static ngx_int_t
ngx_http_plum_claim_token(u_char *token)
{
    static u_char      tokens[NGX_HTTP_PLUM_TOKENS * NGX_PLUM_TOKEN_LEN];
    static ngx_uint_t  left;

    if (left == 0) {

        if (RAND_bytes(tokens, sizeof(tokens)) != 1) {
            return NGX_ERROR;
        }

        left = NGX_HTTP_PLUM_TOKENS;
    }

    left--;

    ngx_memcpy(token, tokens + left * NGX_PLUM_TOKEN_LEN, NGX_PLUM_TOKEN_LEN);

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_claim_outcome(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    switch (ctx->claim.outcome) {

    case NGX_PLUM_OP_OK:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_NEW;
        ngx_http_plum_hold(r, ctx);
        return NGX_OK;

    case NGX_PLUM_OP_DONE:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_DUPLICATE;
        ctx->verdict = NGX_HTTP_PLUM_DUPLICATE;

        return (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE) ? NGX_OK : NGX_DONE;

    case NGX_PLUM_OP_BUSY:
        ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_IN_FLIGHT;
        return ngx_http_plum_claim_busy(r, ctx);

    case NGX_PLUM_OP_LOST:
    case NGX_PLUM_OP_NOT_SENT:
    case NGX_PLUM_OP_UNKNOWN:
        break;
    }

    ctx->dedupe = NGX_HTTP_PLUM_DEDUPE_UNAVAILABLE;

    if (ctx->plcf->idempotency->forward) {
        return NGX_OK;
    }

    ctx->reason = PLUM_REASON_STORE_UNAVAILABLE;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_plum_claim_busy(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (ctx->wait_until - ngx_current_msec);

    if (left <= 0
        || ctx->plcf->idempotency->wait == 0
        || ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE)
    {
        ctx->reason = PLUM_REASON_IN_FLIGHT;
        return NGX_DECLINED;
    }

    if (ngx_http_plum_suspend(r) == NGX_ERROR) {
        return NGX_ERROR;
    }

    ctx->retry.handler = ngx_http_plum_claim_retry;
    ctx->retry.data = ctx;
    ctx->retry.log = r->connection->log;

    ngx_add_timer(&ctx->retry, ngx_min(ctx->pause, (ngx_msec_t) left));

    ctx->pause = ngx_min(ctx->pause * 2, NGX_HTTP_PLUM_PAUSE_MAX);

    return NGX_AGAIN;
}


static void
ngx_http_plum_claim_handler(ngx_plum_claim_t *claim)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = claim->data;

    ngx_http_plum_resume(ctx);
}


static void
ngx_http_plum_claim_retry(ngx_event_t *ev)
{
    ngx_http_plum_ctx_t  *ctx;

    ctx = ev->data;

    ngx_http_plum_resume(ctx);
}
