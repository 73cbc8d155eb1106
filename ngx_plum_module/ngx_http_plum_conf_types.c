
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <plum_media.h>
#include <plum_str.h>


static char *ngx_http_plum_types_check(ngx_conf_t *cf, ngx_str_t *value);
static ngx_uint_t ngx_http_plum_types_have(ngx_conf_t *cf, ngx_array_t *types,
    ngx_str_t *value);
static char *ngx_http_plum_types_add(ngx_conf_t *cf, ngx_array_t *types,
    ngx_str_t *value);


/* plum_types type/subtype ... */

char *
ngx_http_plum_conf_types(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (plcf->types == NGX_CONF_UNSET_PTR) {
        plcf->types = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_plum_type_t));
        if (plcf->types == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_TYPES);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_plum_types_check(cf, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        ngx_strlow(value[i].data, value[i].data, value[i].len);

        if (!ngx_http_plum_types_have(cf, plcf->types, &value[i])
            && ngx_http_plum_types_add(cf, plcf->types, &value[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_types_check(ngx_conf_t *cf, ngx_str_t *value)
{
    plum_str_t    text;
    plum_media_t  media;

    text.data = value->data;
    text.len = value->len;

    /* "*" may stand in a token, but not in the name of a type (RFC 6838) */

    if (plum_media_parse(&text, &media) != PLUM_OK
        || media.type.len != text.len
        || ngx_strchr(value->data, '*'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid media type \"%V\", it must be "
                           "\"type/subtype\" without parameters and without "
                           "\"*\"", value);
        return NGX_CONF_ERROR;
    }

    if (ngx_strncasecmp(value->data, (u_char *) "multipart/", 10) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a body of the type \"%V\" is never JSON, it "
                           "would always be refused", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_plum_types_have(ngx_conf_t *cf, ngx_array_t *types,
    ngx_str_t *value)
{
    plum_str_t             text;
    ngx_uint_t             i;
    ngx_http_plum_type_t  *type;

    text.data = value->data;
    text.len = value->len;

    type = types->elts;

    for (i = 0; i < types->nelts; i++) {
        if (plum_str_equal(&type[i].name, &text)) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "duplicate media type \"%V\"", value);
            return 1;
        }
    }

    return 0;
}


/* a type that is JSON by its name is forwarded as it is, others as JSON */

static char *
ngx_http_plum_types_add(ngx_conf_t *cf, ngx_array_t *types, ngx_str_t *value)
{
    u_char                *p;
    ngx_str_t              forwarded;
    ngx_http_plum_type_t  *type;

    type = ngx_array_push(types);
    if (type == NULL) {
        return NGX_CONF_ERROR;
    }

    type->name.data = value->data;
    type->name.len = value->len;

    if (plum_media_json(&type->name)) {
        forwarded = *value;

    } else {
        ngx_str_set(&forwarded, "application/json");
    }

    p = ngx_pnalloc(cf->pool, forwarded.len + sizeof("; charset=utf-8"));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    type->forwarded[0] = forwarded;
    type->forwarded[1].data = p;
    type->forwarded[1].len = ngx_sprintf(p, "%V; charset=utf-8%Z", &forwarded)
                             - p - 1;

    return NGX_CONF_OK;
}
