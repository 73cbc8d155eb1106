
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_delivery.h>
#include <ngx_http_plum_review.h>


#define NGX_HTTP_PLUM_CONCURRENCY  16
#define NGX_HTTP_PLUM_FAILURES     5
#define NGX_HTTP_PLUM_PAUSE        30000     /* ms */


static char *ngx_http_plum_deliver_concurrency(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_deliver_retry(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_deliver_breaker(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
static char *ngx_http_plum_deliver_queue(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_queue_t *queue);
static ngx_http_plum_taker_t *ngx_http_plum_deliver_taker(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_queue_t *queue,
    ngx_http_plum_consumer_t *consumer);
static ngx_http_plum_deliver_t *ngx_http_plum_deliver_find(
    ngx_http_plum_main_conf_t *pmcf, ngx_str_t *uri, ngx_uint_t *n);
static size_t ngx_http_plum_deliver_match(
    const ngx_http_core_loc_conf_t *clcf, const ngx_str_t *uri);
static char *ngx_http_plum_deliver_check(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_deliver_t *deliver);


static const ngx_plum_parameter_t  ngx_http_plum_deliver_parameters[] = {
    { ngx_string("concurrency="), ngx_http_plum_deliver_concurrency, 0, 0,
      NULL },
    { ngx_string("retry="), ngx_http_plum_deliver_retry, 0, 0, NULL },
    { ngx_string("breaker="), ngx_http_plum_deliver_breaker, 0, 0, NULL },
    { ngx_string("success="), ngx_http_plum_parameter_success,
      offsetof(ngx_http_plum_deliver_t, success), 0, NULL },
    { ngx_null_string, NULL, 0, 0, NULL }
};


static ngx_str_t  ngx_http_plum_deliver_waits =
    ngx_string("5s,30s,5m,30m,2h,5h,10h,14h,20h,24h");


char *
ngx_http_plum_conf_deliver_at(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t                  *value;
    ngx_http_plum_deliver_t    *deliver, **deliverp;
    ngx_http_plum_main_conf_t  *pmcf;

    if (plcf->deliver) {
        return "is duplicate";
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    deliver = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_deliver_t));
    deliverp = ngx_array_push(&pmcf->delivers);

    if (deliver == NULL || deliverp == NULL) {
        return NGX_CONF_ERROR;
    }

    *deliverp = deliver;
    plcf->deliver = deliver;

    ngx_http_plum_conf_where(cf, &deliver->where);

    deliver->concurrency = NGX_HTTP_PLUM_CONCURRENCY;
    deliver->failures = NGX_HTTP_PLUM_FAILURES;
    deliver->pause = NGX_HTTP_PLUM_PAUSE;
    deliver->success.class_2xx = 1;
    deliver->clcf = ngx_http_conf_get_module_loc_conf(cf,
                                                      ngx_http_core_module);
    deliver->cscf = ngx_http_conf_get_module_srv_conf(cf,
                                                      ngx_http_core_module);
    deliver->plcf = plcf;

    value = cf->args->elts;

    if (ngx_plum_parameters(cf, ngx_http_plum_deliver_parameters, deliver,
                            &value[1], cf->args->nelts - 1)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (deliver->schedule.nwaits == 0) {
        (void) ngx_http_plum_deliver_retry(cf, NULL, deliver,
                                           &ngx_http_plum_deliver_waits);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_deliver_concurrency(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value)
{
    ngx_http_plum_deliver_t *deliver = conf;

    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_PLUM_PLACES) {
        return "it must be a number from 1 to 1024";
    }

    deliver->concurrency = n;

    return NULL;
}


static char *
ngx_http_plum_deliver_retry(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_deliver_t *deliver = conf;

    u_char        *p, *last, *end;
    ngx_int_t      n;
    ngx_str_t      wait;
    plum_error_t   err;

    p = value->data;
    last = value->data + value->len;

    do {
        end = ngx_strlchr(p, last, ',');

        wait.data = p;
        wait.len = (end ? end : last) - p;

        n = ngx_parse_time(&wait, 0);

        if (n == NGX_ERROR || wait.len == 0) {
            return "it must be times, separated by commas";
        }

        if (plum_schedule_add(&deliver->schedule, (uint64_t) n, &err)
            != PLUM_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"retry=%V\", %s", value,
                               err.text);
            return NGX_CONF_ERROR;
        }

        p = end + 1;

    } while (end);

    return NULL;
}


static char *
ngx_http_plum_deliver_breaker(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value)
{
    ngx_http_plum_deliver_t *deliver = conf;

    u_char     *p, *last;
    ngx_int_t   n, pause;
    ngx_str_t   time;

    if (ngx_strcmp(value->data, "off") == 0) {
        deliver->failures = 0;
        return NULL;
    }

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, ':');

    if (p == NULL) {
        return "it must be \"failures:time\" or \"off\"";
    }

    n = ngx_atoi(value->data, p - value->data);

    time.data = p + 1;
    time.len = last - time.data;

    pause = ngx_parse_time(&time, 0);

    if (n == NGX_ERROR || n == 0 || n > NGX_MAX_INT32_VALUE
        || pause == NGX_ERROR || pause == 0)
    {
        return "it must be \"failures:time\" or \"off\"";
    }

    deliver->failures = n;
    deliver->pause = (ngx_msec_t) pause;

    return NULL;
}


ngx_int_t
ngx_http_plum_conf_delivery(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                 i;
    ngx_http_plum_queue_t    **queue;
    ngx_http_plum_deliver_t  **deliver;

    deliver = pmcf->delivers.elts;

    for (i = 0; i < pmcf->delivers.nelts; i++) {
        if (ngx_http_plum_deliver_check(cf, pmcf, deliver[i])
            != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }
    }

    queue = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        if (ngx_http_plum_deliver_queue(cf, pmcf, queue[i]) != NGX_CONF_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < pmcf->delivers.nelts; i++) {

        if (!deliver[i]->used) {
            ngx_http_plum_conf_warn(cf, &deliver[i]->where,
                                    "no queue delivers to location \"%V\", "
                                    "which has \"plum_deliver\"",
                                    &deliver[i]->clcf->name);
        }
    }

    return NGX_OK;
}


static char *
ngx_http_plum_deliver_check(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_deliver_t *deliver)
{
    ngx_str_t  *name;

    name = &deliver->clcf->name;

    if (deliver->plcf->enable) {
        return ngx_http_plum_conf_error(cf, &deliver->where,
                                        "\"plum_deliver\" and \"plum on\" in "
                                        "location \"%V\": an event is judged "
                                        "when it is accepted, write \"plum "
                                        "off\" here", name);
    }

    if (!deliver->clcf->internal) {
        return ngx_http_plum_conf_error(cf, &deliver->where,
                                        "location \"%V\" has \"plum_deliver\" "
                                        "and is open to everybody: write "
                                        "\"internal\" there", name);
    }

    if (deliver->clcf->handler == NULL) {
        return ngx_http_plum_conf_error(cf, &deliver->where,
                                        "location \"%V\" has \"plum_deliver\" "
                                        "and nothing that would deliver: "
                                        "write \"proxy_pass\" there, or "
                                        "another content handler", name);
    }

    return deliver->plcf->sign
           ? ngx_http_plum_conf_sign_keys(cf, pmcf, deliver->plcf->sign)
           : NGX_CONF_OK;
}


static char *
ngx_http_plum_deliver_queue(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_queue_t *queue)
{
    ngx_uint_t                 i;
    ngx_http_plum_taker_t    **takers;
    ngx_http_plum_consumer_t  *consumer;

    takers = ngx_pcalloc(cf->pool,
                         PLUM_QUEUE_TARGETS * sizeof(ngx_http_plum_taker_t *));
    if (takers == NULL) {
        return NGX_CONF_ERROR;
    }

    consumer = queue->consumers.elts;

    for (i = 0; i < queue->consumers.nelts; i++) {

        if (consumer[i].uri.len == 0) {
            continue;
        }

        takers[i] = ngx_http_plum_deliver_taker(cf, pmcf, queue, &consumer[i]);
        if (takers[i] == NULL) {
            return NGX_CONF_ERROR;
        }

        takers[i]->target = i;

        if (ngx_http_plum_places_zone(cf, takers[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_http_plum_taker_bind(queue, takers);

    return NGX_CONF_OK;
}


static ngx_http_plum_taker_t *
ngx_http_plum_deliver_taker(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_queue_t *queue, ngx_http_plum_consumer_t *consumer)
{
    u_char                   *p;
    ngx_uint_t                n;
    ngx_http_plum_taker_t    *taker, **takerp;
    ngx_http_plum_deliver_t  *deliver;

    deliver = ngx_http_plum_deliver_find(pmcf, &consumer->uri, &n);

    if (n != 1) {
        (void) ngx_http_plum_conf_error(cf, &consumer->where,
                                        (n == 0) ? "no location for \"%V\" "
                                                   "has \"plum_deliver\""
                                                 : "several locations for "
                                                   "\"%V\" have "
                                                   "\"plum_deliver\"",
                                        &consumer->uri);
        return NULL;
    }

    deliver->used = 1;

    taker = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_taker_t));
    takerp = ngx_array_push(&pmcf->takers);

    p = ngx_pnalloc(cf->pool,
                    sizeof("POST  HTTP/1.1") - 1 + consumer->uri.len);

    if (taker == NULL || takerp == NULL || p == NULL) {
        return NULL;
    }

    *takerp = taker;

    taker->queue = queue;
    taker->consumer = consumer;
    taker->deliver = deliver;
    taker->line.data = p;
    taker->line.len = ngx_sprintf(p, "POST %V HTTP/1.1", &consumer->uri) - p;

    return taker;
}


/* n is how many locations fit the URI equally well */

static ngx_http_plum_deliver_t *
ngx_http_plum_deliver_find(ngx_http_plum_main_conf_t *pmcf, ngx_str_t *uri,
    ngx_uint_t *n)
{
    size_t                     fits, best;
    ngx_uint_t                 i;
    ngx_http_plum_deliver_t   *found, **deliver;

    *n = 0;
    best = 1;
    found = NULL;
    deliver = pmcf->delivers.elts;

    for (i = 0; i < pmcf->delivers.nelts; i++) {

        fits = ngx_http_plum_deliver_match(deliver[i]->clcf, uri);

        if (fits > best) {
            best = fits;
            *n = 0;
        }

        if (fits == best) {
            found = deliver[i];
            (*n)++;
        }
    }

    return found;
}


/* how well: by the length of the prefix; 0: not at all */

static size_t
ngx_http_plum_deliver_match(const ngx_http_core_loc_conf_t *clcf,
    const ngx_str_t *uri)
{
    const ngx_str_t  *name;

    name = &clcf->name;

    if (clcf->noname || clcf->named
#if (NGX_PCRE)
        || clcf->regex
#endif
       )
    {
        return 0;
    }

    if (clcf->exact_match) {
        return ngx_http_plum_same(name, uri) ? name->len + 1 : 0;
    }

    if (uri->len < name->len
        || ngx_strncmp(uri->data, name->data, name->len) != 0)
    {
        return 0;
    }

    return name->len;
}
