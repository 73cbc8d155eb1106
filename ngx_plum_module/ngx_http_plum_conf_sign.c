
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_delivery.h>


/* plum_sign standard-webhooks secret=name */

char *
ngx_http_plum_conf_sign(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t             *value;
    ngx_http_plum_sign_t  *sign;

    if (plcf->sign) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "standard-webhooks") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown scheme \"%V\" to sign by, it must be "
                           "\"standard-webhooks\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_strncmp(value[2].data, "secret=", 7) != 0 || value[2].len == 7) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"secret=name\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    sign = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_sign_t));
    if (sign == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->sign = sign;

    ngx_http_plum_conf_where(cf, &sign->where);

    sign->secret.data = value[2].data + 7;
    sign->secret.len = value[2].len - 7;

    return NGX_CONF_OK;
}


/* each live secret of the name signs */

char *
ngx_http_plum_conf_sign_keys(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_sign_t *sign)
{
    ngx_uint_t           i;
    plum_key_t          *key;
    ngx_plum_secret_t  **secret;

    secret = pmcf->secrets.elts;

    sign->keys = ngx_pcalloc(cf->pool, (pmcf->secrets.nelts + 1)
                                       * sizeof(plum_key_t *));
    if (sign->keys == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < pmcf->secrets.nelts; i++) {

        if (!ngx_http_plum_same(&secret[i]->name, &sign->secret)) {
            continue;
        }

        if (secret[i]->public_key) {
            return ngx_http_plum_conf_error(cf, &sign->where,
                                            "secret \"%V\" of \"plum_sign\" "
                                            "is a public key, which cannot "
                                            "sign: name a private one "
                                            "(encoding=whsk) or a shared "
                                            "secret", &secret[i]->label);
        }

        key = ngx_plum_secret_key(cf, secret[i], PLUM_ALGORITHM_SHA256);
        if (key == NULL) {
            return NGX_CONF_ERROR;
        }

        sign->keys[sign->nkeys++] = key;
    }

    if (sign->nkeys == 0) {
        return ngx_http_plum_conf_error(cf, &sign->where,
                                        "unknown secret \"%V\"",
                                        &sign->secret);
    }

    return NGX_CONF_OK;
}
