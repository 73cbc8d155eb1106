
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_stage.h>
#include <plum_pseudonym.h>
#include <plum_time.h>


static u_char *ngx_http_plum_project_room(size_t len, ngx_log_t *log);
static ngx_int_t ngx_http_plum_project_clean(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, u_char *data, size_t len);
static ngx_int_t ngx_http_plum_project_pseudonyms(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, u_char *data, const plum_projection_t *result);
static ngx_int_t ngx_http_plum_project_alloc(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, size_t len);
static ngx_int_t ngx_http_plum_project_invalid(ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_project_credentials(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static ngx_int_t ngx_http_plum_project_token(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_http_plum_signature_t *signature,
    ngx_uint_t n);
static ngx_int_t ngx_http_plum_project_stamp(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_uint_t n);


ngx_int_t
ngx_http_plum_project(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    u_char                          *room;
    ngx_int_t                        rc;
    ngx_str_t                        value;
    plum_str_t                       type;
    plum_projection_t                result;
    plum_project_rc_t                prc;
    const ngx_http_plum_loc_conf_t  *plcf;

    plcf = ctx->plcf;

    /* zeroed: the projector does not set all of it if the text is invalid */

    ctx->probes = ngx_pcalloc(r->pool, (plum_plan_slots(plcf->plan) + 1)
                                       * sizeof(plum_value_t));

    room = ngx_http_plum_project_room(ctx->raw.len, r->connection->log);

    if (ctx->probes == NULL || room == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_plum_event_outside(r, plcf->allowlist, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    type.data = value.data;
    type.len = value.len;

    prc = (plcf->allowlist->event <= NGX_HTTP_PLUM_EVENT_PATH)
          ? plum_project(plcf->plan, plcf->scratch, ctx->raw.data,
                         ctx->raw.len, room, ctx->probes, &result)
          : plum_project_typed(plcf->plan, plcf->scratch, &type,
                               ctx->raw.data, ctx->raw.len, room, ctx->probes,
                               &result);

    if (prc == PLUM_PROJECT_NOMEM) {
        return NGX_ERROR;
    }

    if (prc != PLUM_PROJECT_OK) {
        return ngx_http_plum_project_invalid(ctx);
    }

    rc = ngx_http_plum_project_credentials(r, ctx);
    if (rc != NGX_OK) {

        /* captures stay empty if the body is not authentic */

        ctx->probes = NULL;
        return rc;
    }

    rc = result.pseudonyms
         ? ngx_http_plum_project_pseudonyms(r, ctx, room, &result)
         : ngx_http_plum_project_clean(r, ctx, room, result.length);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->event_type = value;

    if (ngx_http_plum_ack_choose(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->dropped = result.dropped;

    if (!result.listed) {

        if (plcf->allowlist->acknowledge) {
            ctx->verdict = NGX_HTTP_PLUM_DROPPED;
            return (plcf->mode == NGX_HTTP_PLUM_OBSERVE) ? NGX_OK : NGX_DONE;
        }

        ctx->reason = PLUM_REASON_EVENT_UNLISTED;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * The memory to which bodies are projected, one after another.  The worker
 * keeps it, as large as the largest body so far: new memory for each body would
 * have to be cleared by the kernel.
 */

static u_char *
ngx_http_plum_project_room(size_t len, ngx_log_t *log)
{
    static u_char  *room;
    static size_t   size;

    if (len < size) {
        return room;
    }

    if (room) {
        ngx_free(room);
    }

    /* one byte more, as an empty body is to be refused by the projector */

    size = ngx_align(len + 1, ngx_pagesize);

    room = ngx_alloc(size, log);
    if (room == NULL) {
        size = 0;
    }

    return room;
}


/*
 * Copies the clean body to memory of its size.  A body from which nothing was
 * removed is not copied.
 */

static ngx_int_t
ngx_http_plum_project_clean(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    u_char *data, size_t len)
{
    ngx_int_t  rc;

    if (len == ctx->raw.len && ngx_memcmp(data, ctx->raw.data, len) == 0) {
        ctx->clean = ctx->raw;
        return NGX_OK;
    }

    rc = ngx_http_plum_project_alloc(r, ctx, len);

    if (rc == NGX_OK) {
        ngx_memcpy(ctx->clean.data, data, len);
        ctx->clean.len = len;
    }

    return rc;
}


/* the same, with pseudonyms in the place of the values that are marked */

static ngx_int_t
ngx_http_plum_project_pseudonyms(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, u_char *data, const plum_projection_t *result)
{
    ngx_int_t  rc;

    rc = ngx_http_plum_project_alloc(r, ctx, plum_pseudonyms_room(result));
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->clean.len = plum_pseudonyms_write(ctx->plcf->scratch, result,
                                           ctx->plcf->allowlist->keys, data,
                                           ctx->clean.data);

    return ctx->clean.len ? NGX_OK : NGX_ERROR;
}


/* room for the clean body; NGX_DECLINED: the budget has none */

static ngx_int_t
ngx_http_plum_project_alloc(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    size_t len)
{
    if (len >= ngx_pagesize
        && ngx_http_plum_budget_copy(ctx, len) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ctx->clean.data = ngx_pnalloc(r->pool, len);

    return ctx->clean.data ? NGX_OK : NGX_ERROR;
}


/* the reason for which a body that is not valid is refused */

static ngx_int_t
ngx_http_plum_project_invalid(ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t                    i, n;
    ngx_http_plum_signature_t   **signature;

    signature = ctx->plcf->signatures->elts;
    n = ctx->plcf->signatures->nelts;

    ctx->reason = PLUM_REASON_JSON_INVALID;

    for (i = 0; i < n; i++) {
        if (signature[i]->scheme.kind != PLUM_SCHEME_BODY_TOKEN
            && ctx->proofs[i].reason == PLUM_REASON_NONE)
        {
            return NGX_DECLINED;
        }
    }

    /* an unknown sender must not learn anything about parsing */

    for (i = 0; i < n; i++) {
        if (signature[i]->scheme.kind == PLUM_SCHEME_BODY_TOKEN) {
            (void) ngx_http_plum_proof_fails(ctx, i,
                                             PLUM_REASON_CREDENTIAL_MISSING);
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_plum_project_credentials(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i, n;
    ngx_http_plum_signature_t   **signature;

    signature = ctx->plcf->signatures->elts;
    n = ctx->plcf->signatures->nelts;

    /* tokens first: timestamps are checked only if the sender is known */

    for (i = 0; i < n; i++) {
        if (signature[i]->scheme.kind == PLUM_SCHEME_BODY_TOKEN) {
            rc = ngx_http_plum_project_token(r, ctx, signature[i], i);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    for (i = 0; i < n; i++) {
        if (signature[i]->scheme.stamp == PLUM_STAMP_JSON
            && ctx->proofs[i].reason == PLUM_REASON_NONE)
        {
            rc = ngx_http_plum_project_stamp(r, ctx, i);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


/* finds the token of signature n in the body */

static ngx_int_t
ngx_http_plum_project_token(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_signature_t *signature, ngx_uint_t n)
{
    size_t                 matched;
    unsigned               slot;
    ngx_int_t              rc;
    ngx_str_t              value;
    plum_str_t             token;
    plum_credential_rc_t   prc;

    slot = ctx->plcf->signature_slots[n];

    if (ctx->probes[slot].kind != PLUM_VALUE_STRING) {
        return ngx_http_plum_proof_fails(ctx, n,
                                         PLUM_REASON_CREDENTIAL_MISSING);
    }

    rc = ngx_http_plum_probe(r, ctx, slot, &value);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        token.data = value.data;
        token.len = value.len;

        prc = plum_token_verify(&token, signature->keys, signature->nkeys,
                                &matched);

        if (prc == PLUM_CREDENTIAL_NOMEM) {
            return NGX_ERROR;
        }

        if (prc == PLUM_CREDENTIAL_OK) {
            ctx->proofs[n].secret = signature->secrets[matched];
            return NGX_OK;
        }
    }

    return ngx_http_plum_proof_fails(ctx, n, PLUM_REASON_CREDENTIAL_MISMATCH);
}


/* finds the timestamp of signature n in the body */

static ngx_int_t
ngx_http_plum_project_stamp(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_uint_t n)
{
    ngx_int_t           rc;
    ngx_str_t           value;
    plum_str_t          text;
    plum_credential_t  *cred;

    cred = ctx->proofs[n].credential;

    rc = ngx_http_plum_probe(r, ctx, ctx->plcf->signature_slots[n], &value);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    text.data = value.data;
    text.len = value.len;

    if (rc != NGX_OK || plum_time_any(&text, &cred->stamp) != PLUM_OK) {
        return ngx_http_plum_proof_fails(ctx, n, PLUM_REASON_TIMESTAMP_STALE);
    }

    cred->stamped = 1;

    return ngx_http_plum_fresh(ctx);
}
