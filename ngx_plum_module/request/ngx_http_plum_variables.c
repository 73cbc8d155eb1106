
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>
#include <ngx_http_plum_proof.h>
#include <ngx_http_plum_variables.h>

#include <openssl/sha.h>


typedef ngx_int_t (*ngx_http_plum_value_pt)(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);


static ngx_int_t ngx_http_plum_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_plum_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_plum_variable_size(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_plum_capture_value(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, unsigned slot, ngx_str_t *value);
static void ngx_http_plum_one_line(ngx_str_t *value);
static void ngx_http_plum_set_variable(ngx_http_variable_value_t *v,
    ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_verdict(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_reason(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_secret(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_signed_id(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_event_type(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_dedupe(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_answer(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_bytes_in(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_get_body_sha256(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_plum_print_size(ngx_http_request_t *r, off_t size,
    ngx_str_t *value);


static const ngx_str_t  ngx_http_plum_verdicts[] = {
    ngx_null_string,                     /* NGX_HTTP_PLUM_UNJUDGED */
    ngx_string("accepted"),              /* NGX_HTTP_PLUM_ACCEPTED */
    ngx_string("duplicate"),             /* NGX_HTTP_PLUM_DUPLICATE */
    ngx_string("refused"),               /* NGX_HTTP_PLUM_REFUSED */
    ngx_string("dropped")                /* NGX_HTTP_PLUM_DROPPED */
};


static const ngx_str_t  ngx_http_plum_dedupes[] = {
    ngx_null_string,                     /* NGX_HTTP_PLUM_DEDUPE_NONE */
    ngx_string("new"),                   /* NGX_HTTP_PLUM_DEDUPE_NEW */
    ngx_string("duplicate"),             /* NGX_HTTP_PLUM_DEDUPE_DUPLICATE */
    ngx_string("in_flight"),             /* NGX_HTTP_PLUM_DEDUPE_IN_FLIGHT */
    ngx_string("unavailable"),           /* NGX_HTTP_PLUM_DEDUPE_UNAVAIL... */
    ngx_string("off")                    /* NGX_HTTP_PLUM_DEDUPE_OFF */
};


static const ngx_str_t  ngx_http_plum_answers[] = {
    ngx_null_string,                     /* NGX_HTTP_PLUM_KEPT_NONE */
    ngx_string("kept"),                  /* NGX_HTTP_PLUM_KEPT */
    ngx_string("repeated"),              /* NGX_HTTP_PLUM_KEPT_REPEATED */
    ngx_string("missing"),               /* NGX_HTTP_PLUM_KEPT_MISSING */
    ngx_string("too_large"),             /* NGX_HTTP_PLUM_KEPT_TOO_LARGE */
    ngx_string("cut"),                   /* NGX_HTTP_PLUM_KEPT_CUT */
    ngx_string("encoded"),               /* NGX_HTTP_PLUM_KEPT_ENCODED */
    ngx_string("partial"),               /* NGX_HTTP_PLUM_KEPT_PARTIAL */
    ngx_string("not_utf8"),              /* NGX_HTTP_PLUM_KEPT_NOT_UTF8 */
    ngx_string("not_success"),           /* NGX_HTTP_PLUM_KEPT_NOT_SUCCESS */
    ngx_string("budget"),                /* NGX_HTTP_PLUM_KEPT_BUDGET */
    ngx_string("no_room")                /* NGX_HTTP_PLUM_KEPT_NO_ROOM */
};


/*
 * A variable has a getter, or is a ngx_str_t or a size_t of the context.  The
 * values change while the request is judged, so they must not be cached.
 */

#define ngx_http_plum_var(name, handler, data)                                \
    { ngx_string(name), NULL, handler, (uintptr_t) (data),                    \
      NGX_HTTP_VAR_NOCACHEABLE, 0 }

#define ngx_http_plum_of(field)  offsetof(ngx_http_plum_ctx_t, field)


static ngx_http_variable_t  ngx_http_plum_vars[] = {
    ngx_http_plum_var("plum_verdict", ngx_http_plum_variable,
                      ngx_http_plum_get_verdict),
    ngx_http_plum_var("plum_reason", ngx_http_plum_variable,
                      ngx_http_plum_get_reason),
    ngx_http_plum_var("plum_secret", ngx_http_plum_variable,
                      ngx_http_plum_get_secret),
    ngx_http_plum_var("plum_signed_id", ngx_http_plum_variable,
                      ngx_http_plum_get_signed_id),
    ngx_http_plum_var("plum_event_type", ngx_http_plum_variable,
                      ngx_http_plum_get_event_type),
    ngx_http_plum_var("plum_key", ngx_http_plum_variable_str,
                      ngx_http_plum_of(key)),
    ngx_http_plum_var("plum_record", ngx_http_plum_variable_str,
                      ngx_http_plum_of(claim.key)),
    ngx_http_plum_var("plum_dedupe", ngx_http_plum_variable,
                      ngx_http_plum_get_dedupe),
    ngx_http_plum_var("plum_answer", ngx_http_plum_variable,
                      ngx_http_plum_get_answer),
    ngx_http_plum_var("plum_bytes_in", ngx_http_plum_variable,
                      ngx_http_plum_get_bytes_in),
    ngx_http_plum_var("plum_bytes_out", ngx_http_plum_variable_size,
                      ngx_http_plum_of(clean.len)),
    ngx_http_plum_var("plum_dropped", ngx_http_plum_variable_size,
                      ngx_http_plum_of(dropped)),
    ngx_http_plum_var("plum_body", ngx_http_plum_variable_str,
                      ngx_http_plum_of(clean)),
    ngx_http_plum_var("plum_body_sha256", ngx_http_plum_variable,
                      ngx_http_plum_get_body_sha256),
    ngx_http_plum_var("plum_tls_version", ngx_http_plum_variable_str,
                      ngx_http_plum_of(tls_version)),

      ngx_http_null_variable
};


ngx_int_t
ngx_http_plum_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_plum_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t                value;
    ngx_http_plum_ctx_t     *ctx;
    ngx_http_plum_value_pt   getter;

    ctx = ngx_http_plum_get_ctx(r);
    getter = (ngx_http_plum_value_pt) data;

    ngx_str_null(&value);

    if (ctx && getter(r, ctx, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_plum_set_variable(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             value;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_plum_get_ctx(r);

    ngx_str_null(&value);

    if (ctx) {
        value = *(ngx_str_t *) ((u_char *) ctx + data);
    }

    ngx_http_plum_set_variable(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_variable_size(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                size;
    ngx_str_t             value;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_plum_get_ctx(r);

    ngx_str_null(&value);

    size = ctx ? *(size_t *) ((u_char *) ctx + data) : 0;

    if (ctx && ngx_http_plum_print_size(r, (off_t) size, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_plum_set_variable(v, &value);

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_capture_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_http_plum_ctx_t      *ctx;
    ngx_http_plum_capture_t  *capture;

    ctx = ngx_http_plum_get_ctx(r);

    ngx_str_null(&value);

    if (ctx && ctx->probes && ctx->plcf->captures) {

        capture = ctx->plcf->captures->elts;

        for (i = 0; i < ctx->plcf->captures->nelts; i++) {

            if (capture[i].index == (ngx_int_t) data
                && ngx_http_plum_capture_value(r, ctx,
                                               ctx->plcf->capture_slots[i],
                                               &value)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    ngx_http_plum_set_variable(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_capture_value(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    unsigned slot, ngx_str_t *value)
{
    if (ngx_http_plum_probe(r, ctx, slot, value) == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_plum_one_line(value);

    return NGX_OK;
}


/*
 * The variable may be used in a header for the upstream, where NGINX escapes
 * nothing.  So a value with characters that end a header line is emptied.
 */

static void
ngx_http_plum_one_line(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] > CR) {
            continue;
        }

        if (value->data[i] == CR || value->data[i] == LF
            || value->data[i] == '\0')
        {
            ngx_str_null(value);
            break;
        }
    }
}


static void
ngx_http_plum_set_variable(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->data = value->data;
    v->len = value->len;
    v->valid = (value->len != 0);
    v->no_cacheable = 1;
    v->not_found = !v->valid;
}


static ngx_int_t
ngx_http_plum_get_verdict(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    *value = ngx_http_plum_verdicts[ctx->verdict];

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_reason(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    if (ctx->verdict == NGX_HTTP_PLUM_REFUSED) {
        value->data = (u_char *) plum_reason_name(ctx->reason);
        value->len = ngx_strlen(value->data);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_secret(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    const ngx_plum_secret_t  *secret;

    secret = ngx_http_plum_proof_secret(ctx);

    if (secret) {
        *value = secret->label;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_signed_id(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    ngx_uint_t                    i;
    ngx_http_plum_proof_t        *proof;
    ngx_http_plum_signature_t   **signature;

    if (ctx->proofs == NULL) {
        return NGX_OK;
    }

    signature = ctx->plcf->signatures->elts;

    for (i = 0; i < ctx->plcf->signatures->nelts; i++) {
        proof = &ctx->proofs[i];

        if (signature[i]->scheme.id.len && proof->secret
            && proof->reason == PLUM_REASON_NONE)
        {
            value->data = (u_char *) proof->credential->id.data;
            value->len = proof->credential->id.len;
            break;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_event_type(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    if (ctx->plcf->allowlist->event != NGX_HTTP_PLUM_EVENT_PATH) {
        *value = ctx->event_type;
        ngx_http_plum_one_line(value);

        return NGX_OK;
    }

    return ctx->probes ? ngx_http_plum_capture_value(r, ctx,
                                             ctx->plcf->event_slot, value)
                       : NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_dedupe(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    *value = ngx_http_plum_dedupes[ctx->dedupe];

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_answer(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    *value = ngx_http_plum_answers[ctx->kept];

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_get_bytes_in(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    return ngx_http_plum_print_size(r, ctx->received, value);
}


static ngx_int_t
ngx_http_plum_get_body_sha256(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *value)
{
    u_char  digest[SHA256_DIGEST_LENGTH];

    if (ctx->raw.len == 0) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, SHA256_DIGEST_LENGTH * 2);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    (void) SHA256(ctx->raw.data, ctx->raw.len, digest);

    (void) ngx_hex_dump(value->data, digest, SHA256_DIGEST_LENGTH);
    value->len = SHA256_DIGEST_LENGTH * 2;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_print_size(ngx_http_request_t *r, off_t size, ngx_str_t *value)
{
    value->data = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%O", size) - value->data;

    return NGX_OK;
}
