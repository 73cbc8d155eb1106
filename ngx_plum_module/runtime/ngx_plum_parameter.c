
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_parameter.h>


char *
ngx_plum_parameters(ngx_conf_t *cf, const ngx_plum_parameter_t *table,
    void *conf, ngx_str_t *values, ngx_uint_t n)
{
    char                        *text;
    uint64_t                     bit, seen;
    ngx_str_t                    value;
    ngx_uint_t                   i;
    const ngx_plum_parameter_t  *row;

    seen = 0;

    for (i = 0; i < n; i++) {

        for (row = table; row->name.len; row++) {
            if (values[i].len >= row->name.len
                && ngx_strncmp(values[i].data, row->name.data, row->name.len)
                   == 0)
            {
                break;
            }
        }

        if (row->set == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\"", &values[i]);
            return NGX_CONF_ERROR;
        }

        bit = (uint64_t) 1 << (row - table);

        if ((seen & bit) && !row->again) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\"", &values[i]);
            return NGX_CONF_ERROR;
        }

        seen |= bit;

        value.data = values[i].data + row->name.len;
        value.len = values[i].len - row->name.len;

        text = row->set(cf, row, conf, &value);

        if (text == NGX_CONF_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (text) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", %s", &values[i],
                               text);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_plum_parameter_time(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_int_t  n;

    /* an empty text is 0 to ngx_parse_time() */

    n = value->len ? ngx_parse_time(value, 0) : NGX_ERROR;

    if (n == NGX_ERROR) {
        return "it must be a time";
    }

    if (n == 0) {
        return "it must not be zero";
    }

    *(ngx_msec_t *) ((u_char *) conf + row->offset) = (ngx_msec_t) n;

    return NULL;
}


char *
ngx_plum_parameter_number(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0) {
        return "it must be a number above zero";
    }

    *(ngx_uint_t *) ((u_char *) conf + row->offset) = (ngx_uint_t) n;

    return NULL;
}


char *
ngx_plum_parameter_word(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_conf_enum_t  *word;

    for (word = row->words; word->name.len; word++) {
        if (ngx_strcmp(word->name.data, value->data) == 0) {
            *(ngx_uint_t *) ((u_char *) conf + row->offset) = word->value;
            return NULL;
        }
    }

    word = row->words;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V%V\", it must be \"%V\" or "
                       "\"%V\"", &row->name, value, &word[0].name,
                       &word[1].name);

    return NGX_CONF_ERROR;
}
