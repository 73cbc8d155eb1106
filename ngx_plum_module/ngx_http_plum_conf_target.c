
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_queue.h>
#include <ngx_http_plum_review.h>


#define NGX_HTTP_PLUM_QUEUE_MAX  1000000     /* max= of a consumer */


static ngx_http_plum_consumer_t *ngx_http_plum_queue_consumer(ngx_conf_t *cf,
    ngx_http_plum_queue_t *queue, ngx_str_t *name);
static char *ngx_http_plum_target_allow(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_target_for(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_target_number(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_target_word(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_target_time(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_target_group(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);


static ngx_conf_enum_t  ngx_http_plum_target_full[] = {
    { ngx_string("refuse"), 0 },
    { ngx_string("drop"), 1 },
    { ngx_null_string, 0 }
};


static const ngx_plum_parameter_t  ngx_http_plum_deliver_line[] = {
    { ngx_string("allow="), ngx_http_plum_target_allow, 0, 0, NULL },
    { ngx_string("for="), ngx_http_plum_target_for, 0, 0, NULL },
    { ngx_string("max="), ngx_http_plum_target_number,
      offsetof(ngx_plum_target_t, max), 0, NULL },
    { ngx_string("full="), ngx_http_plum_target_word,
      offsetof(ngx_plum_target_t, drop), 0, ngx_http_plum_target_full },
    { ngx_null_string, NULL, 0, 0, NULL }
};


static const ngx_plum_parameter_t  ngx_http_plum_publish_line[] = {
    { ngx_string("allow="), ngx_http_plum_target_allow, 0, 0, NULL },
    { ngx_string("for="), ngx_http_plum_target_for, 0, 0, NULL },
    { ngx_string("keep="), ngx_http_plum_target_time,
      offsetof(ngx_plum_target_t, keep), 0, NULL },
    { ngx_string("group="), ngx_http_plum_target_group, 0, 0, NULL },
    { ngx_null_string, NULL, 0, 0, NULL }
};


char *
ngx_http_plum_conf_deliver(ngx_conf_t *cf, ngx_http_plum_queue_t *queue)
{
    ngx_str_t                 *value;
    ngx_http_plum_consumer_t  *consumer;

    value = cf->args->elts;

    if (cf->args->nelts < 3 || value[2].len == 0 || value[2].data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"deliver\" takes the name of a consumer and the "
                           "URI of its location, which begins with \"/\"");
        return NGX_CONF_ERROR;
    }

    consumer = ngx_http_plum_queue_consumer(cf, queue, &value[1]);
    if (consumer == NULL) {
        return NGX_CONF_ERROR;
    }

    consumer->uri = value[2];

    if (ngx_plum_parameters(cf, ngx_http_plum_deliver_line, consumer,
                            &value[3], cf->args->nelts - 3)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (consumer->target->max == 0) {
        consumer->target->max = NGX_HTTP_PLUM_QUEUE_MAX;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_plum_conf_publish(ngx_conf_t *cf, ngx_http_plum_queue_t *queue)
{
    ngx_str_t                 *value;
    ngx_http_plum_consumer_t  *consumer;

    value = cf->args->elts;

    if (cf->args->nelts < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"publish\" takes the name of a stream");
        return NGX_CONF_ERROR;
    }

    consumer = ngx_http_plum_queue_consumer(cf, queue, &value[1]);
    if (consumer == NULL) {
        return NGX_CONF_ERROR;
    }

    consumer->target->published = 1;

    if (ngx_plum_parameters(cf, ngx_http_plum_publish_line, consumer,
                            &value[2], cf->args->nelts - 2)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (consumer->target->keep == 0) {
        ngx_http_plum_conf_warn(cf, &consumer->where,
                                consumer->target->ngroups
                                ? "\"group=\" of published stream \"%V\" "
                                  "says nothing without \"keep=\": it is not "
                                  "trimmed"
                                : "published stream \"%V\" has no \"keep=\": "
                                  "it is not trimmed and grows until redis "
                                  "is full", &consumer->target->name);
    }

    return NGX_CONF_OK;
}


static ngx_http_plum_consumer_t *
ngx_http_plum_queue_consumer(ngx_conf_t *cf, ngx_http_plum_queue_t *queue,
    ngx_str_t *name)
{
    ngx_uint_t                 i;
    plum_str_t                 text;
    ngx_plum_target_t         *target;
    ngx_http_plum_consumer_t  *consumer;

    text.data = name->data;
    text.len = name->len;

    if (!plum_queue_name(&text)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\", it must be of letters, "
                           "digits, \"_\" and \"-\", at most 64", name);
        return NULL;
    }

    for (i = 0; i < queue->queue.ntargets; i++) {
        if (ngx_http_plum_same(&queue->queue.targets[i].name, name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate name \"%V\" in queue \"%V\"", name,
                               &queue->queue.name);
            return NULL;
        }
    }

    if (queue->queue.ntargets == PLUM_QUEUE_TARGETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than 16 lines \"deliver\" and \"publish\" "
                           "in queue \"%V\"", &queue->queue.name);
        return NULL;
    }

    consumer = ngx_array_push(&queue->consumers);
    if (consumer == NULL) {
        return NULL;
    }

    ngx_memzero(consumer, sizeof(ngx_http_plum_consumer_t));

    target = &queue->queue.targets[queue->queue.ntargets++];
    target->name = *name;
    consumer->target = target;

    ngx_http_plum_conf_where(cf, &consumer->where);

    return consumer;
}


static char *
ngx_http_plum_target_allow(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    if (value->len == 0) {
        return "it must be the name of a \"plum_allowlist\"";
    }

    consumer->allow = *value;

    return NULL;
}


static char *
ngx_http_plum_target_for(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    ngx_str_t  parameter;

    parameter.data = value->data - 4;
    parameter.len = value->len + 4;

    return ngx_http_plum_conf_for(cf, &parameter, &consumer->events,
                                  &consumer->nevents);
}


/* of what the kinds of queues know of a target */

static char *
ngx_http_plum_target_number(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    return ngx_plum_parameter_number(cf, row, consumer->target, value);
}


static char *
ngx_http_plum_target_word(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    return ngx_plum_parameter_word(cf, row, consumer->target, value);
}


static char *
ngx_http_plum_target_time(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    return ngx_plum_parameter_time(cf, row, consumer->target, value);
}


/* names separated by commas; those of consumer groups may be any text */

static char *
ngx_http_plum_target_group(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_consumer_t *consumer = conf;

    u_char             *p, *last, *comma;
    ngx_str_t          *group;
    ngx_array_t         groups;

    if (ngx_array_init(&groups, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p = value->data;
    last = value->data + value->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        group = ngx_array_push(&groups);
        if (group == NULL) {
            return NGX_CONF_ERROR;
        }

        group->data = p;
        group->len = (comma ? comma : last) - p;

        if (group->len == 0) {
            return "the name of a group is empty";
        }

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    consumer->target->groups = groups.elts;
    consumer->target->ngroups = groups.nelts;

    return NULL;
}
