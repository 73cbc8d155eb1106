
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_queue.h>


typedef struct {
    ngx_str_t              name;
    char                *(*handler)(ngx_conf_t *cf,
                                    ngx_http_plum_queue_t *queue);
} ngx_http_plum_queue_line_t;


static char *ngx_http_plum_queue_block(ngx_conf_t *cf,
    ngx_http_plum_queue_t *queue);
static char *ngx_http_plum_queue_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_plum_queue_store(ngx_conf_t *cf,
    ngx_http_plum_queue_t *queue);
static char *ngx_http_plum_queue_accepted(ngx_conf_t *cf,
    ngx_http_plum_queue_t *queue);
static char *ngx_http_plum_queue_finish(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_queue_t *queue);


static const ngx_http_plum_queue_line_t  ngx_http_plum_queue_lines[] = {
    { ngx_string("store"), ngx_http_plum_queue_store },
    { ngx_string("accepted"), ngx_http_plum_queue_accepted },
    { ngx_string("deliver"), ngx_http_plum_conf_deliver },
    { ngx_string("publish"), ngx_http_plum_conf_publish },
    { ngx_null_string, NULL }
};


char *
ngx_http_plum_conf_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    plum_str_t               name;
    ngx_http_plum_queue_t   *queue, **queuep;

    value = cf->args->elts;

    name.data = value[1].data;
    name.len = value[1].len;

    if (!plum_queue_name(&name) || ngx_strcmp(value[1].data, "off") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid queue name \"%V\", it must be of letters, "
                           "digits, \"_\" and \"-\", at most 64, and not "
                           "\"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    queuep = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        if (ngx_http_plum_same(&queuep[i]->queue.name, &value[1])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate queue \"%V\"",
                               &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    queue = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_queue_t));
    queuep = ngx_array_push(&pmcf->queues);

    if (queue == NULL || queuep == NULL) {
        return NGX_CONF_ERROR;
    }

    *queuep = queue;

    ngx_http_plum_conf_where(cf, &queue->where);

    queue->queue.name = value[1];
    queue->queue.file = queue->where.file;
    queue->queue.line = queue->where.line;
    queue->queue.shards = 1;
    queue->queue.accepted = NGX_PLUM_ACCEPTED_FSYNC;

    /* pointers to its elements are kept, so it must not grow */

    if (ngx_array_init(&queue->consumers, cf->pool, PLUM_QUEUE_TARGETS,
                       sizeof(ngx_http_plum_consumer_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_plum_queue_block(cf, queue);
}


static char *
ngx_http_plum_queue_block(ngx_conf_t *cf, ngx_http_plum_queue_t *queue)
{
    char        *rv;
    ngx_conf_t   save;

    save = *cf;
    cf->handler = ngx_http_plum_queue_line;
    cf->handler_conf = (void *) queue;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (queue->name.len == 0) {
        return ngx_http_plum_conf_error(cf, &queue->where,
                                        "no \"store\" in queue \"%V\"",
                                        &queue->queue.name);
    }

    if (queue->queue.ntargets == 0) {
        return ngx_http_plum_conf_error(cf, &queue->where,
                                        "neither \"deliver\" nor \"publish\" "
                                        "in queue \"%V\"",
                                        &queue->queue.name);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_queue_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_str_t                         *value;
    const ngx_http_plum_queue_line_t  *line;

    value = cf->args->elts;

    for (line = ngx_http_plum_queue_lines; line->handler; line++) {
        if (ngx_http_plum_same(&value[0], &line->name)) {
            return line->handler(cf, conf);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in a queue", &value[0]);

    return NGX_CONF_ERROR;
}


/* store name [shards=n] */

static char *
ngx_http_plum_queue_store(ngx_conf_t *cf, ngx_http_plum_queue_t *queue)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts < 2 || cf->args->nelts > 3 || queue->name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"store\" takes the name of a store and "
                           "\"shards=\", and stands once");
        return NGX_CONF_ERROR;
    }

    queue->name = value[1];

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = (ngx_strncmp(value[2].data, "shards=", 7) == 0)
        ? ngx_atoi(value[2].data + 7, value[2].len - 7) : NGX_ERROR;

    if (n < 1 || n > PLUM_QUEUE_SHARDS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"shards=\" and a number from 1 to 64", &value[2]);
        return NGX_CONF_ERROR;
    }

    queue->queue.shards = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_queue_accepted(ngx_conf_t *cf, ngx_http_plum_queue_t *queue)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts != 2 || queue->accepted) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"accepted\" takes one value, and stands once");
        return NGX_CONF_ERROR;
    }

    queue->accepted = 1;

    ngx_http_plum_conf_where(cf, &queue->accepted_where);

    if (ngx_strcmp(value[1].data, "fsync") == 0) {
        queue->queue.accepted = NGX_PLUM_ACCEPTED_FSYNC;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "aof") == 0) {
        queue->queue.accepted = NGX_PLUM_ACCEPTED_AOF;
        return NGX_CONF_OK;
    }

    queue->queue.accepted = NGX_PLUM_ACCEPTED_MEMORY;

    if (ngx_strcmp(value[1].data, "memory") == 0) {
        return NGX_CONF_OK;
    }

    n = (ngx_strncmp(value[1].data, "replicas=", 9) == 0)
        ? ngx_atoi(value[1].data + 9, value[1].len - 9) : NGX_ERROR;

    if (n < 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"fsync\", "
                           "\"aof\", \"memory\" or \"replicas=n\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    queue->queue.replicas = n;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_plum_conf_queues(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t               i;
    ngx_http_plum_queue_t  **queue;

    queue = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        if (ngx_http_plum_queue_finish(cf, pmcf, queue[i]) != NGX_CONF_OK
            || queue[i]->store->queue(cf, queue[i]->store, &queue[i]->queue)
               != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_plum_conf_removed(cf, pmcf);

    return NGX_OK;
}


ngx_http_plum_queue_t *
ngx_http_plum_conf_queue_find(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_accept_t *accept)
{
    ngx_uint_t               i;
    ngx_http_plum_queue_t  **queue;

    queue = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        if (ngx_http_plum_same(&queue[i]->queue.name, &accept->name)) {
            return (ngx_http_plum_queue_finish(cf, pmcf, queue[i])
                    == NGX_CONF_OK)
                   ? queue[i] : NULL;
        }
    }

    (void) ngx_http_plum_conf_error(cf, &accept->where, "unknown queue \"%V\"",
                                    &accept->name);

    return NULL;
}


/* names become what they stand for: once, whoever needs them first */

static char *
ngx_http_plum_queue_finish(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_queue_t *queue)
{
    ngx_uint_t                  i;
    ngx_plum_store_t          **store;
    ngx_http_plum_consumer_t   *consumer;

    if (queue->store) {
        return NGX_CONF_OK;
    }

    consumer = queue->consumers.elts;

    for (i = 0; i < queue->consumers.nelts; i++) {

        if (consumer[i].allow.len == 0) {
            continue;
        }

        consumer[i].allowlist = ngx_http_plum_conf_list(pmcf,
                                                        &consumer[i].allow);
        if (consumer[i].allowlist == NULL) {
            return ngx_http_plum_conf_error(cf, &consumer[i].where,
                                            "unknown allowlist \"%V\"",
                                            &consumer[i].allow);
        }
    }

    store = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {

        if (!ngx_http_plum_same(&store[i]->name, &queue->name)) {
            continue;
        }

        if (store[i]->queue == NULL) {
            return ngx_http_plum_conf_error(cf, &queue->where,
                             "store \"%V\" of queue \"%V\" cannot queue, "
                             "a queue needs a store in Redis",
                             &queue->name, &queue->queue.name);
        }

        queue->store = store[i];

        return NGX_CONF_OK;
    }

    return ngx_http_plum_conf_error(cf, &queue->where,
                                    "unknown store \"%V\" of queue \"%V\"",
                                    &queue->name, &queue->queue.name);
}
