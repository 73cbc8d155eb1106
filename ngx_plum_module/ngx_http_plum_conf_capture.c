
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_variables.h>
#include <plum_path.h>


static ngx_int_t ngx_http_plum_add_capture(ngx_conf_t *cf, ngx_str_t *name);
static ngx_int_t ngx_http_plum_capture_name(ngx_conf_t *cf, ngx_str_t *name);


char *
ngx_http_plum_conf_capture(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_int_t                 index;
    ngx_str_t                *value, name;
    ngx_uint_t                i;
    plum_error_t              err;
    ngx_http_plum_capture_t  *capture;

    value = cf->args->elts;
    name = value[1];

    if (name.len < 2 || name.data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable name \"%V\"", &name);
        return NGX_CONF_ERROR;
    }

    name.data++;
    name.len--;

    index = ngx_http_plum_add_capture(cf, &name);
    if (index == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (plcf->captures == NGX_CONF_UNSET_PTR) {
        plcf->captures = ngx_array_create(cf->pool, 4,
                                          sizeof(ngx_http_plum_capture_t));
        if (plcf->captures == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    capture = plcf->captures->elts;

    for (i = 0; i < plcf->captures->nelts; i++) {
        if (capture[i].index == index) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate capture \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    capture = ngx_array_push(plcf->captures);
    if (capture == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_plum_conf_where(cf, &capture->where);

    capture->name = value[1];
    capture->index = index;
    capture->path.data = value[2].data;
    capture->path.len = value[2].len;

    if (plum_path_check(&capture->path, &err) != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    ngx_http_plum_conf_path(cf, &capture->path);

    return NGX_CONF_OK;
}


/* the index of the variable, which is also how a capture knows its own */

static ngx_int_t
ngx_http_plum_add_capture(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_int_t             index;
    ngx_http_variable_t  *var;

    if (ngx_http_plum_capture_name(cf, name) != NGX_OK) {
        return NGX_ERROR;
    }

    index = ngx_http_plum_find_capture(cf, name);
    if (index != NGX_DECLINED) {
        return index;
    }

    /* not changeable: a "map" or "set" of the same name would win silently */

    var = ngx_http_add_variable(cf, name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    if (var->get_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "variable \"$%V\" is set elsewhere", name);
        return NGX_ERROR;
    }

    index = ngx_http_get_variable_index(cf, name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_plum_capture_variable;
    var->data = (uintptr_t) index;

    return index;
}


static ngx_int_t
ngx_http_plum_capture_name(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char                      c;
    ngx_uint_t                  i;
    ngx_http_variable_t        *prefix;
    ngx_http_core_main_conf_t  *cmcf;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (c != '_' && !(c >= '0' && c <= '9')
            && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid variable name \"$%V\", it may have "
                               "letters, digits and \"_\"", name);
            return NGX_ERROR;
        }
    }

    if (name->data[0] >= '0' && name->data[0] <= '9') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable name \"$%V\", with a digit in "
                           "front it is a match of a regular expression",
                           name);
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    prefix = cmcf->prefix_variables.elts;

    for (i = 0; i < cmcf->prefix_variables.nelts; i++) {
        if (name->len >= prefix[i].name.len
            && ngx_strncasecmp(name->data, prefix[i].name.data,
                               prefix[i].name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid variable name \"$%V\", variables with "
                               "\"$%V\" in front are built in", name,
                               &prefix[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_find_capture(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_hash_key_t             *key;
    ngx_http_variable_t        *var;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        var = key[i].value;

        if (var->get_handler == ngx_http_plum_capture_variable
            && var->name.len == name->len
            && ngx_strncasecmp(var->name.data, name->data, name->len) == 0)
        {
            return (ngx_int_t) var->data;
        }
    }

    return NGX_DECLINED;
}
