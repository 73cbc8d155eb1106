
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>


static ngx_int_t ngx_http_plum_ack_code(ngx_str_t *value, ngx_uint_t *ack);
static char *ngx_http_plum_ack_rule(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf, ngx_uint_t ack, ngx_str_t *value);


/* plum_ack code|off [for=type,...] */

char *
ngx_http_plum_conf_ack(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   ack;

    value = cf->args->elts;

    if (ngx_http_plum_ack_code(&value[1], &ack) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid code \"%V\", it must be \"off\" or "
                           "from 200 to 299", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "for=", 4) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        return ngx_http_plum_ack_rule(cf, plcf, ack, &value[2]);
    }

    if (plcf->ack != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    plcf->ack = ack;

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_ACK);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_plum_ack_code(ngx_str_t *value, ngx_uint_t *ack)
{
    ngx_int_t  code;

    if (ngx_strcmp(value->data, "off") == 0) {
        *ack = NGX_HTTP_PLUM_ACK_OFF;
        return NGX_OK;
    }

    code = ngx_atoi(value->data, value->len);

    if (code < 200 || code > 299) {
        return NGX_ERROR;
    }

    *ack = (ngx_uint_t) code;

    return NGX_OK;
}


static char *
ngx_http_plum_ack_rule(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_uint_t ack, ngx_str_t *value)
{
    ngx_http_plum_ack_rule_t  *rule;

    if (plcf->acks == NGX_CONF_UNSET_PTR) {
        plcf->acks = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_http_plum_ack_rule_t));
        if (plcf->acks == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rule = ngx_array_push(plcf->acks);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->ack = ack;

    ngx_http_plum_conf_where(cf, &rule->where);

    return ngx_http_plum_conf_for(cf, value, &rule->events, &rule->nevents)
           ? NGX_CONF_ERROR : NGX_CONF_OK;
}
