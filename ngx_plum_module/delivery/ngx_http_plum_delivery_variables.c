
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


/*
 * The variables of a deliver location.  Some of them exist in accepting
 * locations, too: for a request that is not an attempt to deliver, the getter
 * of the accepting location is called.
 */


/* offset: of the field in the attempt, if the getter needs it */

typedef ngx_int_t (*ngx_http_plum_attempt_value_pt)(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);

typedef struct {
    ngx_str_t                        name;
    ngx_http_plum_attempt_value_pt   get;
    uintptr_t                        offset;
} ngx_http_plum_attempt_variable_t;

typedef struct {
    const ngx_http_plum_attempt_variable_t  *variable;
    ngx_http_get_variable_pt                 other;  /* of the accepting
                                                location, or NULL */
    uintptr_t                                data;   /* of other */
} ngx_http_plum_attempt_getter_t;


static ngx_int_t ngx_http_plum_attempt_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_variable_t *ngx_http_plum_attempt_add(ngx_conf_t *cf,
    const ngx_str_t *name);
static ngx_int_t ngx_http_plum_attempt_get_consumer(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_plum_attempt_get_attempt(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_plum_attempt_get_delivery(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_plum_attempt_get_waited(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_plum_attempt_get_str(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_plum_attempt_print(ngx_http_request_t *r,
    uint64_t number, ngx_str_t *value);


static const ngx_str_t  ngx_http_plum_deliveries[] = {
    ngx_null_string,                     /* NGX_HTTP_PLUM_DELIVERY_NONE */
    ngx_string("delivered"),             /* NGX_HTTP_PLUM_DELIVERED */
    ngx_string("again"),                 /* NGX_HTTP_PLUM_AGAIN */
    ngx_string("dead")                   /* NGX_HTTP_PLUM_DEAD */
};


static const ngx_http_plum_attempt_variable_t
    ngx_http_plum_attempt_variables[] =
{
    { ngx_string("plum_consumer"), ngx_http_plum_attempt_get_consumer, 0 },
    { ngx_string("plum_attempt"), ngx_http_plum_attempt_get_attempt, 0 },
    { ngx_string("plum_delivery"), ngx_http_plum_attempt_get_delivery, 0 },
    { ngx_string("plum_waited"), ngx_http_plum_attempt_get_waited, 0 },
    { ngx_string("plum_key"), ngx_http_plum_attempt_get_str,
      offsetof(ngx_http_plum_attempt_t, key) },
    { ngx_string("plum_event_type"), ngx_http_plum_attempt_get_str,
      offsetof(ngx_http_plum_attempt_t, event) },
    { ngx_string("plum_body"), ngx_http_plum_attempt_get_str,
      offsetof(ngx_http_plum_attempt_t, made.body) },
    { ngx_null_string, NULL, 0 }
};


ngx_int_t
ngx_http_plum_delivery_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t                     *var;
    ngx_http_plum_attempt_getter_t          *getter;
    const ngx_http_plum_attempt_variable_t  *v;

    for (v = ngx_http_plum_attempt_variables; v->get; v++) {

        var = ngx_http_plum_attempt_add(cf, &v->name);
        getter = ngx_palloc(cf->pool, sizeof(ngx_http_plum_attempt_getter_t));

        if (var == NULL || getter == NULL) {
            return NGX_ERROR;
        }

        getter->variable = v;
        getter->other = var->get_handler;
        getter->data = var->data;

        var->get_handler = ngx_http_plum_attempt_variable;
        var->data = (uintptr_t) getter;
    }

    return NGX_OK;
}


/* ngx_http_add_variable() refuses a variable that exists already */

static ngx_http_variable_t *
ngx_http_plum_attempt_add(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_str_t                   copy;
    ngx_uint_t                  i;
    ngx_hash_key_t             *key;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        if (ngx_http_plum_same(&key[i].key, name)) {
            return key[i].value;
        }
    }

    copy = *name;

    return ngx_http_add_variable(cf, &copy, NGX_HTTP_VAR_NOCACHEABLE);
}


static ngx_int_t
ngx_http_plum_attempt_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                                value;
    ngx_http_plum_attempt_t                 *attempt;
    ngx_http_plum_attempt_getter_t          *getter;
    const ngx_http_plum_attempt_variable_t  *variable;

    getter = (ngx_http_plum_attempt_getter_t *) data;
    attempt = ngx_http_plum_attempt(r);

    if (attempt == NULL && getter->other) {
        return getter->other(r, v, getter->data);
    }

    ngx_str_null(&value);

    variable = getter->variable;

    if (attempt
        && variable->get(r, attempt, variable->offset, &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    v->data = value.data;
    v->len = value.len;
    v->valid = (value.len != 0);
    v->no_cacheable = 1;
    v->not_found = !v->valid;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_attempt_get_consumer(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value)
{
    *value = attempt->taker->consumer->target->name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_attempt_get_attempt(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value)
{
    return ngx_http_plum_attempt_print(r, attempt->attempt, value);
}


static ngx_int_t
ngx_http_plum_attempt_get_delivery(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value)
{
    *value = ngx_http_plum_deliveries[attempt->delivery];

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_attempt_get_waited(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value)
{
    return ngx_http_plum_attempt_print(r, attempt->age, value);
}


static ngx_int_t
ngx_http_plum_attempt_get_str(ngx_http_request_t *r,
    ngx_http_plum_attempt_t *attempt, uintptr_t offset, ngx_str_t *value)
{
    *value = *(ngx_str_t *) ((u_char *) attempt + offset);

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_attempt_print(ngx_http_request_t *r, uint64_t number,
    ngx_str_t *value)
{
    value->data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%uL", number) - value->data;

    return NGX_OK;
}
