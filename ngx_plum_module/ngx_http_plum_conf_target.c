
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_queue.h>
#include <ngx_http_plum_review.h>


#define NGX_HTTP_PLUM_QUEUE_MAX  1000000     /* max= of a consumer */


/*
 * A parameter of deliver and publish.  The handler returns NULL, what is wrong,
 * or NGX_CONF_ERROR (logged).
 */

typedef struct {
    ngx_str_t              name;
    ngx_uint_t             lines;        /* NGX_HTTP_PLUM_QUEUE_DELIVER ... */
    char                *(*handler)(ngx_conf_t *cf,
                                    ngx_http_plum_consumer_t *consumer,
                                    ngx_str_t *value);
} ngx_http_plum_queue_parameter_t;

#define NGX_HTTP_PLUM_QUEUE_DELIVER  1
#define NGX_HTTP_PLUM_QUEUE_PUBLISH  2


static ngx_http_plum_consumer_t *ngx_http_plum_queue_consumer(ngx_conf_t *cf,
    ngx_http_plum_queue_t *queue, ngx_str_t *name);
static char *ngx_http_plum_queue_parameters(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_uint_t line, ngx_uint_t first);
static char *ngx_http_plum_queue_allow(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);
static char *ngx_http_plum_queue_for(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);
static char *ngx_http_plum_queue_max(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);
static char *ngx_http_plum_queue_full(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);
static char *ngx_http_plum_queue_keep(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);
static char *ngx_http_plum_queue_group(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_str_t *value);


static const ngx_http_plum_queue_parameter_t
    ngx_http_plum_queue_parameter_table[] =
{
    { ngx_string("allow="), NGX_HTTP_PLUM_QUEUE_DELIVER
                            |NGX_HTTP_PLUM_QUEUE_PUBLISH,
      ngx_http_plum_queue_allow },
    { ngx_string("for="), NGX_HTTP_PLUM_QUEUE_DELIVER
                          |NGX_HTTP_PLUM_QUEUE_PUBLISH,
      ngx_http_plum_queue_for },
    { ngx_string("max="), NGX_HTTP_PLUM_QUEUE_DELIVER,
      ngx_http_plum_queue_max },
    { ngx_string("full="), NGX_HTTP_PLUM_QUEUE_DELIVER,
      ngx_http_plum_queue_full },
    { ngx_string("keep="), NGX_HTTP_PLUM_QUEUE_PUBLISH,
      ngx_http_plum_queue_keep },
    { ngx_string("group="), NGX_HTTP_PLUM_QUEUE_PUBLISH,
      ngx_http_plum_queue_group },
    { ngx_null_string, 0, NULL }
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

    if (ngx_http_plum_queue_parameters(cf, consumer,
                                       NGX_HTTP_PLUM_QUEUE_DELIVER, 3)
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

    if (ngx_http_plum_queue_parameters(cf, consumer,
                                       NGX_HTTP_PLUM_QUEUE_PUBLISH, 2)
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
ngx_http_plum_queue_parameters(ngx_conf_t *cf,
    ngx_http_plum_consumer_t *consumer, ngx_uint_t line, ngx_uint_t first)
{
    char                                   *text;
    ngx_str_t                              *value, parameter;
    ngx_uint_t                              i, seen;
    const ngx_http_plum_queue_parameter_t  *p;

    value = cf->args->elts;
    seen = 0;

    for (i = first; i < cf->args->nelts; i++) {

        for (p = ngx_http_plum_queue_parameter_table; p->handler; p++) {
            if ((p->lines & line)
                && value[i].len >= p->name.len
                && ngx_strncmp(value[i].data, p->name.data, p->name.len) == 0)
            {
                break;
            }
        }

        if (p->handler == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\" of \"%V\"", &value[i],
                               &value[0]);
            return NGX_CONF_ERROR;
        }

        parameter.data = value[i].data + p->name.len;
        parameter.len = value[i].len - p->name.len;

        text = "it stands once";

        if (!(seen & (1 << (p - ngx_http_plum_queue_parameter_table)))) {
            seen |= 1 << (p - ngx_http_plum_queue_parameter_table);
            text = p->handler(cf, consumer, &parameter);
        }

        if (text == NGX_CONF_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (text) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", %s", &value[i],
                               text);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_queue_allow(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
    if (value->len == 0) {
        return "it must be the name of a \"plum_allowlist\"";
    }

    consumer->allow = *value;

    return NULL;
}


static char *
ngx_http_plum_queue_for(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
    ngx_str_t  parameter;

    parameter.data = value->data - 4;
    parameter.len = value->len + 4;

    return ngx_http_plum_conf_for(cf, &parameter, &consumer->events,
                                  &consumer->nevents);
}


static char *
ngx_http_plum_queue_max(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0) {
        return "it must be a number of entries above zero";
    }

    consumer->target->max = n;

    return NULL;
}


static char *
ngx_http_plum_queue_full(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "drop") == 0) {
        consumer->target->drop = 1;
        return NULL;
    }

    return (ngx_strcmp(value->data, "refuse") == 0)
           ? NULL : "it must be \"refuse\" or \"drop\"";
}


static char *
ngx_http_plum_queue_keep(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = value->len ? ngx_parse_time(value, 0) : NGX_ERROR;

    if (n == NGX_ERROR || n == 0) {
        return "it must be a time above zero";
    }

    consumer->target->keep = n;

    return NULL;
}


/* names separated by commas; those of consumer groups may be any text */

static char *
ngx_http_plum_queue_group(ngx_conf_t *cf, ngx_http_plum_consumer_t *consumer,
    ngx_str_t *value)
{
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
