
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>


char *
ngx_http_plum_conf_signature(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    u_char                      *p;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    plum_str_t                   name, text;
    plum_error_t                 err;
    const plum_str_t            *place;
    const plum_scheme_t         *row;
    ngx_http_plum_signature_t   *signature, **signaturep;

    if (plcf->signatures == NGX_CONF_UNSET_PTR) {
        plcf->signatures = ngx_array_create(cf->pool, 2,
                                        sizeof(ngx_http_plum_signature_t *));
        if (plcf->signatures == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    name.data = value[1].data;
    name.len = value[1].len;

    row = plum_scheme_find(&name);
    if (row == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown signature scheme \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    signature = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_signature_t));
    signaturep = ngx_array_push(plcf->signatures);

    if (signature == NULL || signaturep == NULL) {
        return NGX_CONF_ERROR;
    }

    *signaturep = signature;
    signature->scheme = *row;

    ngx_http_plum_conf_where(cf, &signature->where);

    for (i = 2; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strchr(value[i].data, '=');

        if (p == NULL || p == value[i].data) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        name.data = value[i].data;
        name.len = p - value[i].data;
        text.data = p + 1;
        text.len = value[i].data + value[i].len - text.data;

        if (name.len == 6 && ngx_strncmp(name.data, "secret", 6) == 0) {

            if (signature->secret.len || text.len == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid parameter \"%V\", "
                                   "one secret is needed", &value[i]);
                return NGX_CONF_ERROR;
            }

            signature->secret.data = p + 1;
            signature->secret.len = text.len;
            continue;
        }

        if (plum_scheme_set(&signature->scheme, &name, &text, &err)
            != PLUM_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
            return NGX_CONF_ERROR;
        }
    }

    if (signature->secret.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"secret=\" in \"plum_signature\"");
        return NGX_CONF_ERROR;
    }

    if (plum_scheme_finish(&signature->scheme, &err) != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    place = plum_scheme_place(&signature->scheme);

    if (place) {
        ngx_http_plum_conf_path(cf, place);
    }

    return NGX_CONF_OK;
}
