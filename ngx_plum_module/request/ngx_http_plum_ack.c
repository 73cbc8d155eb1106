
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


static ngx_uint_t ngx_http_plum_ack_matches(
    const ngx_http_plum_ack_rule_t *rule, ngx_str_t *type);


/* by the event type, which is known once the body has been verified */

ngx_int_t
ngx_http_plum_ack_choose(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_str_t                        type;
    ngx_uint_t                       i;
    ngx_http_plum_ack_rule_t        *rule;
    const ngx_http_plum_loc_conf_t  *plcf;

    plcf = ctx->plcf;

    if (plcf->acks == NULL) {
        return NGX_OK;
    }

    type = ctx->event_type;

    if (plcf->allowlist->event == NGX_HTTP_PLUM_EVENT_PATH
        && ctx->probes[plcf->event_slot].kind == PLUM_VALUE_STRING
        && ngx_http_plum_probe(r, ctx, plcf->event_slot, &type) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    rule = plcf->acks->elts;

    for (i = 0; i < plcf->acks->nelts; i++) {
        if (ngx_http_plum_ack_matches(&rule[i], &type)) {
            ctx->ack = &rule[i];
            break;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_plum_ack(const ngx_http_plum_ctx_t *ctx)
{
    return ctx->ack ? ctx->ack->ack : ctx->plcf->ack;
}


/* "offer.*" stands for every type that begins so; no type is no match */

static ngx_uint_t
ngx_http_plum_ack_matches(const ngx_http_plum_ack_rule_t *rule,
    ngx_str_t *type)
{
    size_t       len;
    ngx_uint_t   i;
    plum_str_t  *event;

    for (i = 0; i < rule->nevents; i++) {
        event = &rule->events[i];
        len = event->len;

        if (event->data[len - 1] == '*') {
            len--;

        } else if (type->len != len) {
            continue;
        }

        if (type->len && type->len >= len
            && ngx_memcmp(type->data, event->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
