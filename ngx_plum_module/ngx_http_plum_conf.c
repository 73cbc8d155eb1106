
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_plum_store_redis.h>


typedef char *(*ngx_http_plum_store_pt)(ngx_conf_t *cf,
    ngx_plum_store_t *store, ngx_str_t *scheme, ngx_str_t *address,
    ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag);

typedef struct {
    ngx_str_t               scheme;
    ngx_http_plum_store_pt  handler;
} ngx_http_plum_store_kind_t;


#define NGX_HTTP_PLUM_STORE_FORMS                                             \
    "\"memory:size\", \"redis://host\", \"redis+cluster://host,...\", "       \
    "\"redis+sentinel://host,.../master\" (with TLS \"rediss\"), or "         \
    "\"unix:/path\""


/* a new kind of store is a file behind ngx_plum_store.h, and a row here */

static const ngx_http_plum_store_kind_t  ngx_http_plum_store_kinds[] = {
    { ngx_string("memory:"), ngx_plum_store_memory },
    { ngx_string("redis://"), ngx_plum_store_redis },
    { ngx_string("rediss://"), ngx_plum_store_redis },
    { ngx_string("redis+cluster://"), ngx_plum_store_redis },
    { ngx_string("rediss+cluster://"), ngx_plum_store_redis },
    { ngx_string("redis+sentinel://"), ngx_plum_store_redis },
    { ngx_string("rediss+sentinel://"), ngx_plum_store_redis },
    { ngx_string("unix:"), ngx_plum_store_redis },
    { ngx_null_string, NULL }
};


char *
ngx_http_plum_conf_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    ngx_str_t          *value, file, encoding;
    ngx_uint_t          i, number;
    ngx_plum_secret_t  *secret, **secretp;

    value = cf->args->elts;
    file = value[2];

    ngx_str_set(&encoding, "raw");

    if (cf->args->nelts == 4) {
        if (ngx_strncmp(value[3].data, "encoding=", 9) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\"", &value[3]);
            return NGX_CONF_ERROR;
        }

        encoding.data = value[3].data + 9;
        encoding.len = value[3].len - 9;
    }

    if (value[1].len == 0 || file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a secret needs a name and a file");
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    number = 1;
    secretp = pmcf->secrets.elts;

    for (i = 0; i < pmcf->secrets.nelts; i++) {
        if (ngx_http_plum_same(&secretp[i]->name, &value[1])) {
            number++;
        }
    }

    secret = ngx_pcalloc(cf->pool, sizeof(ngx_plum_secret_t));
    secretp = ngx_array_push(&pmcf->secrets);

    if (secret == NULL || secretp == NULL) {
        return NGX_CONF_ERROR;
    }

    *secretp = secret;

    secret->conf = cf->conf_file->file.name;
    secret->line = cf->conf_file->line;

    return ngx_plum_secret_read(cf, secret, &value[1], number, &file,
                                &encoding);
}


char *
ngx_http_plum_conf_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    ngx_str_t                         *value, scheme, address;
    ngx_uint_t                         i;
    ngx_plum_store_t                  *store, **storep;
    const ngx_http_plum_store_kind_t  *kind;

    value = cf->args->elts;
    storep = pmcf->stores.elts;

    if (value[1].len == 0 || ngx_strcmp(value[1].data, "off") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid store name \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a store needs a name and an address, which is "
                           NGX_HTTP_PLUM_STORE_FORMS);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < pmcf->stores.nelts; i++) {
        if (ngx_http_plum_same(&storep[i]->name, &value[1])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate store \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    for (kind = ngx_http_plum_store_kinds; kind->handler; kind++) {
        if (value[2].len >= kind->scheme.len
            && ngx_strncmp(value[2].data, kind->scheme.data, kind->scheme.len)
               == 0)
        {
            break;
        }
    }

    if (kind->handler == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown store address \"%V\", it must be "
                           NGX_HTTP_PLUM_STORE_FORMS, &value[2]);
        return NGX_CONF_ERROR;
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_plum_store_t));
    storep = ngx_array_push(&pmcf->stores);

    if (store == NULL || storep == NULL) {
        return NGX_CONF_ERROR;
    }

    *storep = store;
    store->name = value[1];
    store->file = cf->conf_file->file.name;
    store->line = cf->conf_file->line;

    scheme = kind->scheme;

    address.data = value[2].data + scheme.len;
    address.len = value[2].len - scheme.len;

    return kind->handler(cf, store, &scheme, &address, &value[3],
                         cf->args->nelts - 3, &ngx_http_plum_module);
}


char *
ngx_http_plum_conf_variable(ngx_conf_t *cf, ngx_str_t *name,
    ngx_http_complex_value_t **cv)
{
    ngx_http_compile_complex_value_t  ccv;

    /* a constant here would be a check that cannot fail */

    if (name->len < 2 || name->data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a variable", name);
        return NGX_CONF_ERROR;
    }

    *cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = name;
    ccv.complex_value = *cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_plum_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_http_plum_conf_where(cf, &plcf->allow_where);

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


char *
ngx_http_plum_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, varies;
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    if (plcf->key != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    plcf->key = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                 sizeof(ngx_http_complex_value_t));
    if (plcf->key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_KEY);

    value = cf->args->elts;
    varies = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a part of the key is empty");
            return NGX_CONF_ERROR;
        }

        cv = ngx_array_push(plcf->key);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = cv;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        varies |= (cv->lengths != NULL);
    }

    if (!varies) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key has no variable: all deliveries would be "
                           "copies of the first");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_plum_conf_refuse(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_int_t      code;
    ngx_str_t     *value, *last;
    ngx_uint_t     i;
    plum_str_t     name;
    plum_reason_t  reason;

    value = cf->args->elts;
    last = &value[cf->args->nelts - 1];

    code = ngx_atoi(last->data, last->len);

    /*
     * a 2xx would acknowledge what was not forwarded; 408 and 499 make NGINX
     * close the connection as if the sender had gone
     */

    if (code < 400 || code > 599 || code == NGX_HTTP_REQUEST_TIME_OUT
        || code == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid code \"%V\", it must be from 400 to 599, "
                           "and neither 408 nor 499", last);
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts - 1; i++) {

        name.data = value[i].data;
        name.len = value[i].len;

        reason = plum_reason_find(&name);

        if (reason == PLUM_REASON_NONE) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown reason \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (plcf->refuse[reason] != NGX_CONF_UNSET_UINT) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate reason \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        plcf->refuse[reason] = code;
    }

    return NGX_CONF_OK;
}
