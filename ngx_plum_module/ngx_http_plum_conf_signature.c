
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>


static char *ngx_http_plum_signature_secret(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_signature_scheme(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);


/* the others are parameters of the scheme */

static const ngx_plum_parameter_t  ngx_http_plum_signature_parameters[] = {
    { ngx_string("secret="), ngx_http_plum_signature_secret, 0, 1, NULL },
    { ngx_null_string, ngx_http_plum_signature_scheme, 0, 1, NULL }
};


char *
ngx_http_plum_conf_signature(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t                   *value;
    plum_str_t                   name;
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

    if (ngx_plum_parameters(cf, ngx_http_plum_signature_parameters, signature,
                            &value[2], cf->args->nelts - 2)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
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


static char *
ngx_http_plum_signature_secret(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_signature_t *signature = conf;

    if (signature->secret.len || value->len == 0) {
        return "one secret is needed";
    }

    signature->secret = *value;

    return NULL;
}


static char *
ngx_http_plum_signature_scheme(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_signature_t *signature = conf;

    u_char        *p;
    plum_str_t     name, text;
    plum_error_t   err;

    p = (u_char *) ngx_strchr(value->data, '=');

    if (p == NULL || p == value->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\"", value);
        return NGX_CONF_ERROR;
    }

    name.data = value->data;
    name.len = p - value->data;
    text.data = p + 1;
    text.len = value->data + value->len - text.data;

    if (plum_scheme_set(&signature->scheme, &name, &text, &err) != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NULL;
}
