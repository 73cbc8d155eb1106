
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_certificate.h>
#include <ngx_http_plum_conf.h>


static char *ngx_http_plum_conf_tls_parameter(ngx_conf_t *cf,
    ngx_http_plum_tls_t *tls, ngx_str_t *value);


char *
ngx_http_plum_conf_tls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_http_plum_tls_t  *tls;

    if (plcf->tls != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_tls_t));
    if (tls == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->tls = tls;

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_TLS);

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        tls->minimum = 0;

    } else if (ngx_strcmp(value[1].data, "TLSv1.2") == 0) {
        tls->minimum = TLS1_2_VERSION;

    } else if (ngx_strcmp(value[1].data, "TLSv1.3") == 0) {
        tls->minimum = TLS1_3_VERSION;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", "
                           "it must be \"off\", \"TLSv1.2\" or \"TLSv1.3\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_plum_conf_tls_parameter(cf, tls, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_conf_tls_parameter(ngx_conf_t *cf, ngx_http_plum_tls_t *tls,
    ngx_str_t *value)
{
    ngx_str_t                  name;
    ngx_http_complex_value_t **cv;

    if (tls->minimum == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"plum_tls off\" takes no parameter, \"%V\" "
                           "is one", value);
        return NGX_CONF_ERROR;
    }

    ngx_str_null(&name);

    if (ngx_strncmp(value->data, "version=", 8) == 0) {
        name.data = value->data + 8;
        name.len = value->len - 8;
        cv = &tls->version;

    } else if (ngx_strncmp(value->data, "client_certificate=", 19) == 0) {
        name.data = value->data + 19;
        name.len = value->len - 19;
        cv = &tls->verify;

    } else if (ngx_strcmp(value->data, "client_certificate") == 0) {
        cv = &tls->verify;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\"", value);
        return NGX_CONF_ERROR;
    }

    if (*cv || (cv == &tls->verify && tls->certificate)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\"", value);
        return NGX_CONF_ERROR;
    }

    if (cv == &tls->verify) {
        tls->certificate = 1;

        /* the variable says what the TLS context of another server says */

        if (name.data == NULL
            || ngx_strcasestrn(name.data, "ssl_client_verify",
                               sizeof("ssl_client_verify") - 2))
        {
            tls->connection = 1;
        }
    }

    return name.data ? ngx_http_plum_conf_variable(cf, &name, cv)
                     : NGX_CONF_OK;
}


ngx_int_t
ngx_http_plum_conf_certificates(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                  i, k;
    ngx_http_plum_tls_t        *tls;
    ngx_http_ssl_srv_conf_t    *sscf;
    ngx_http_plum_location_t   *location;

    location = pmcf->locations.elts;

    for (i = 0; i < pmcf->locations.nelts; i++) {

        tls = location[i].plcf->tls;
        sscf = location[i].cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

        /* a variable may be made from what the connection says, by a "map" */

        if (!tls->certificate || (tls->version && !tls->connection)) {
            continue;
        }

        for (k = 0; k < i; k++) {
            if (location[k].cscf == location[i].cscf
                && location[k].plcf->certificate)
            {
                break;
            }
        }

        location[i].plcf->certificate = (k < i)
            ? location[k].plcf->certificate
            : ngx_http_plum_certificate_create(cf, sscf->verify
                                                   ? sscf->ssl.ctx : NULL);

        if (location[i].plcf->certificate == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
