
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_event.h>


/* the event type is known only when the body has been verified */

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

    if (ngx_http_plum_event_type(r, ctx, &type) != NGX_OK) {
        return NGX_ERROR;
    }

    rule = plcf->acks->elts;

    for (i = 0; i < plcf->acks->nelts; i++) {
        if (ngx_http_plum_event_matches(rule[i].events, rule[i].nevents,
                                        &type))
        {
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
