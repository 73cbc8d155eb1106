
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>


json_t *
ngx_http_plum_policy_bytes(const u_char *data, size_t len)
{
    size_t   i, n;
    u_char  *p, *copy;
    json_t  *value;

    value = json_stringn((const char *) data, len);

    if (value || len == 0 || len > NGX_MAX_INT32_VALUE / 4) {
        return value ? value : json_string("");
    }

    copy = malloc(len * 4);
    if (copy == NULL) {
        return NULL;
    }

    p = copy;

    for (i = 0; i < len; i++) {

        if (data[i] >= 0x20 && data[i] < 0x7f) {
            *p++ = data[i];
            continue;
        }

        p = ngx_sprintf(p, "\\x%02xi", (ngx_uint_t) data[i]);
    }

    n = p - copy;
    value = json_stringn((const char *) copy, n);

    free(copy);

    return value;
}


json_t *
ngx_http_plum_policy_str(const ngx_str_t *value)
{
    return ngx_http_plum_policy_bytes(value->data, value->len);
}


json_t *
ngx_http_plum_policy_text(const plum_str_t *value)
{
    return ngx_http_plum_policy_bytes(value->data, value->len);
}


json_t *
ngx_http_plum_policy_where(const ngx_http_plum_where_t *where)
{
    u_char  *p, *last;
    json_t  *value;

    if (where->line == 0) {
        return json_null();
    }

    p = malloc(where->file.len + 1 + NGX_INT_T_LEN);
    if (p == NULL) {
        return NULL;
    }

    last = ngx_sprintf(p, "%V:%ui", &where->file, where->line);
    value = ngx_http_plum_policy_bytes(p, last - p);

    free(p);

    return value;
}


/* "2xx" and codes, as in success= */

json_t *
ngx_http_plum_policy_codes(const plum_success_t *success)
{
    size_t   i;
    u_char   text[NGX_INT_T_LEN], *last;
    json_t  *codes;

    codes = json_array();

    if (codes && success->class_2xx
        && json_array_append_new(codes, json_string("2xx")) != 0)
    {
        goto failed;
    }

    for (i = 0; codes && i < success->ncodes; i++) {
        last = ngx_sprintf(text, "%ui", (ngx_uint_t) success->codes[i]);

        if (json_array_append_new(codes,
                                  ngx_http_plum_policy_bytes(text,
                                                             last - text))
            != 0)
        {
            goto failed;
        }
    }

    return codes;

failed:

    json_decref(codes);

    return NULL;
}


json_t *
ngx_http_plum_policy_events(ngx_http_plum_policy_t *policy,
    const plum_str_t *events, ngx_uint_t n)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < n; i++) {
        ngx_http_plum_policy_push(policy, array,
                                  ngx_http_plum_policy_text(&events[i]));
    }

    return array;
}


void
ngx_http_plum_policy_set(ngx_http_plum_policy_t *policy, json_t *object,
    const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        policy->failed = 1;
    }
}


void
ngx_http_plum_policy_push(ngx_http_plum_policy_t *policy, json_t *array,
    json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        policy->failed = 1;
    }
}
