
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_conf.h>


static char *ngx_http_plum_idempotency_in_flight(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_idempotency_answer(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_idempotency_scope(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);


ngx_conf_enum_t  ngx_http_plum_unavailable[] = {
    { ngx_string("refuse"), 0 },
    { ngx_string("forward"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_plum_in_doubt[] = {
    { ngx_string("release"), 0 },
    { ngx_string("hold"), 1 },
    { ngx_null_string, 0 }
};


static const ngx_plum_parameter_t  ngx_http_plum_parameters[] = {
    { ngx_string("retention="), ngx_plum_parameter_time,
      offsetof(ngx_http_plum_idempotency_t, retention), 0, NULL },
    { ngx_string("lease="), ngx_plum_parameter_time,
      offsetof(ngx_http_plum_idempotency_t, lease), 0, NULL },
    { ngx_string("in_flight="), ngx_http_plum_idempotency_in_flight,
      offsetof(ngx_http_plum_idempotency_t, wait), 0, NULL },
    { ngx_string("unavailable="), ngx_plum_parameter_word,
      offsetof(ngx_http_plum_idempotency_t, forward), 0,
      ngx_http_plum_unavailable },
    { ngx_string("success="), ngx_http_plum_parameter_success,
      offsetof(ngx_http_plum_idempotency_t, success), 0, NULL },
    { ngx_string("in_doubt="), ngx_plum_parameter_word,
      offsetof(ngx_http_plum_idempotency_t, hold), 0,
      ngx_http_plum_in_doubt },
    { ngx_string("answer="), ngx_http_plum_idempotency_answer, 0, 0, NULL },
    { ngx_string("wait_replicas="), ngx_plum_parameter_number,
      offsetof(ngx_http_plum_idempotency_t, replicas), 0, NULL },
    { ngx_string("scope="), ngx_http_plum_idempotency_scope, 0, 0, NULL },
    { ngx_null_string, NULL, 0, 0, NULL }
};


char *
ngx_http_plum_conf_idempotency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t                    *value;
    ngx_http_plum_idempotency_t  *idempotency;

    if (plcf->idempotency != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_IDEMPOTENCY);

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"off\" takes no parameter, \"%V\" is one",
                               &value[2]);
            return NGX_CONF_ERROR;
        }

        plcf->idempotency = NULL;
        return NGX_CONF_OK;
    }

    idempotency = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_idempotency_t));
    if (idempotency == NULL) {
        return NGX_CONF_ERROR;
    }

    idempotency->kept = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_kept_e));
    if (idempotency->kept == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->idempotency = idempotency;

    ngx_http_plum_conf_where(cf, &idempotency->where);

    idempotency->name = value[1];
    idempotency->retention = (ngx_msec_t) 7 * 24 * 60 * 60 * 1000;
    idempotency->lease = 30 * 1000;
    idempotency->wait = 5 * 1000;
    idempotency->success.class_2xx = 1;

    if (ngx_plum_parameters(cf, ngx_http_plum_parameters, idempotency,
                            &value[2], cf->args->nelts - 2)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (idempotency->retention < idempotency->lease) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"retention\" of %Mms is shorter than \"lease\" of "
                           "%Mms: what was forwarded would be forgotten "
                           "before a claim is, make it longer or \"lease=\" "
                           "shorter", idempotency->retention,
                           idempotency->lease);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_idempotency_in_flight(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_idempotency_t *idempotency = conf;

    ngx_str_t  time;

    if (ngx_strcmp(value->data, "refuse") == 0) {
        idempotency->wait = 0;
        return NULL;
    }

    if (ngx_strncmp(value->data, "wait:", 5) != 0) {
        return "it must be \"wait:time\" or \"refuse\"";
    }

    time.data = value->data + 5;
    time.len = value->len - 5;

    return ngx_plum_parameter_time(cf, row, conf, &time);
}


char *
ngx_http_plum_parameter_success(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    plum_str_t       text;
    plum_error_t     err;
    plum_success_t  *success;

    success = (plum_success_t *) ((u_char *) conf + row->offset);

    text.data = value->data;
    text.len = value->len;

    if (plum_success_parse(&text, success, &err) != PLUM_OK) {
        return "it must be \"2xx\" or codes, separated by commas";
    }

    return NULL;
}


static char *
ngx_http_plum_idempotency_answer(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_idempotency_t *idempotency = conf;

    ssize_t  size;

    if (ngx_strcmp(value->data, "off") == 0) {
        idempotency->answer = 0;
        return NULL;
    }

    size = ngx_parse_size(value);

    if (size == NGX_ERROR || size == 0) {
        return "it must be \"off\" or a size";
    }

    idempotency->answer = size;

    return NULL;
}


/* a variable would not be looked at, so what would look like one is refused */

static char *
ngx_http_plum_idempotency_scope(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_idempotency_t *idempotency = conf;

    u_char  ch;
    size_t  i;

    if (value->len == 0) {
        return "it must not be empty";
    }

    for (i = 0; i < value->len; i++) {
        ch = ngx_tolower(value->data[i]);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ch != '_' && ch != '-' && ch != '.')
        {
            return "it must be a name of letters, digits, "
                   "\"_\", \"-\" and \".\"";
        }
    }

    idempotency->scope = *value;

    return NULL;
}
