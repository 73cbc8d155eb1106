
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_queue.h>


static char *ngx_http_plum_accept_check(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_accept_view(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf, ngx_http_plum_consumer_t *consumer,
    ngx_http_plum_view_t *view);
static char *ngx_http_plum_accept_event(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf, ngx_http_plum_consumer_t *consumer,
    ngx_http_plum_view_t *view);
static void ngx_http_plum_accept_cleanup(void *data);


static const ngx_plum_parameter_t  ngx_http_plum_accept_parameters[] = {
    { ngx_string("retention="), ngx_plum_parameter_time,
      offsetof(ngx_http_plum_accept_t, retention), 0, NULL },
    { ngx_string("unavailable="), ngx_plum_parameter_word,
      offsetof(ngx_http_plum_accept_t, forward), 0,
      ngx_http_plum_unavailable },
    { ngx_null_string, NULL, 0, 0, NULL }
};


/* plum_accept queue|off [retention=time] [unavailable=refuse|forward] */

char *
ngx_http_plum_conf_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    ngx_str_t               *value;
    ngx_http_plum_accept_t  *accept;

    if (plcf->accept != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    ngx_http_plum_conf_said(cf, plcf, NGX_HTTP_PLUM_SAID_ACCEPT);

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"off\" takes no parameter, \"%V\" is one",
                               &value[2]);
            return NGX_CONF_ERROR;
        }

        plcf->accept = NULL;
        return NGX_CONF_OK;
    }

    accept = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_accept_t));
    if (accept == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->accept = accept;

    ngx_http_plum_conf_where(cf, &accept->where);

    accept->name = value[1];
    accept->retention = (ngx_msec_t) 7 * 24 * 60 * 60 * 1000;

    return ngx_plum_parameters(cf, ngx_http_plum_accept_parameters, accept,
                               &value[2], cf->args->nelts - 2);
}


char *
ngx_http_plum_finish_accept(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                 i, k, n;
    ngx_http_plum_accept_t    *accept;
    ngx_http_plum_consumer_t  *consumer;

    accept = plcf->accept;

    if (accept == NULL) {
        return NGX_CONF_OK;
    }

    accept->queue = ngx_http_plum_conf_queue_find(cf, pmcf, accept);

    if (accept->queue == NULL
        || ngx_http_plum_accept_check(cf, plcf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    consumer = accept->queue->consumers.elts;
    n = accept->queue->consumers.nelts;

    plcf->views = ngx_pcalloc(cf->pool, n * sizeof(ngx_http_plum_view_t));
    if (plcf->views == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (consumer[i].nevents
            && plcf->allowlist->event == NGX_HTTP_PLUM_EVENT_NONE)
        {
            return ngx_http_plum_conf_error(cf, &consumer[i].where,
                             "\"for=\" of \"%V\" needs an \"event_type\" in "
                             "allowlist \"%V\" of the location that accepts",
                             &consumer[i].target->name,
                             &plcf->allowlist->name);
        }

        for (k = 0; k < i; k++) {
            if (consumer[k].allowlist == consumer[i].allowlist) {
                break;
            }
        }

        plcf->views[i].same = k;

        if (k == i
            && consumer[i].allowlist
            && consumer[i].allowlist != &pmcf->all
            && (ngx_http_plum_conf_rule_keys(cf, pmcf, consumer[i].allowlist)
                != NGX_CONF_OK
                || ngx_http_plum_accept_view(cf, plcf, &consumer[i],
                                             &plcf->views[i])
                   != NGX_CONF_OK))
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_accept_check(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_plum_accept_t  *accept;

    accept = plcf->accept;

    if (plcf->idempotency) {
        return ngx_http_plum_conf_error(cf, &accept->where,
                         "\"plum_accept\" beside \"plum_idempotency\": a "
                         "queue keeps records of its own, write "
                         "\"plum_idempotency off\" there");
    }

    if (plcf->key == NULL) {
        return ngx_http_plum_conf_error(cf, &accept->where,
                                        "\"plum_accept\" without "
                                        "\"plum_idempotency_key\"");
    }

    if (plcf->mode == NGX_HTTP_PLUM_OBSERVE) {
        return ngx_http_plum_conf_error(cf, &accept->where,
                         "\"plum_accept\" with \"plum_mode observe\": what is "
                         "only observed cannot be accepted, write "
                         "\"plum_accept off\" and a content handler there");
    }

    if (plcf->max_body > PLUM_QUEUE_BODY) {
        return ngx_http_plum_conf_error(cf, &accept->where,
                         "\"plum_max_body\" of %uz bytes with \"plum_accept\":"
                         " a queue takes bodies of 8m at most",
                         plcf->max_body);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_accept_view(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_http_plum_consumer_t *consumer, ngx_http_plum_view_t *view)
{
    plum_error_t                err;
    ngx_pool_cleanup_t         *cln;
    ngx_http_plum_allowlist_t  *list;

    list = consumer->allowlist;

    ngx_http_plum_conf_rule_review(cf, plcf, list);

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_plum_accept_cleanup;
    cln->data = view;

    view->plan = plum_plan_create();
    if (view->plan == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_plum_conf_rules(cf, list, view->plan) != NGX_CONF_OK
        || ngx_http_plum_accept_event(cf, plcf, consumer, view) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (plum_plan_compile(view->plan, &err) != PLUM_OK) {
        return ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
    }

    /* made before workers are forked: each has its own copy */

    view->scratch = plum_scratch_create(view->plan);

    return view->scratch ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/*
 * The type of an event is what the location's list says: the clean body need
 * not have it any more.  Where that list names no place, the consumer's list
 * finds it, in the clean body or outside.
 */

static char *
ngx_http_plum_accept_event(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_http_plum_consumer_t *consumer, ngx_http_plum_view_t *view)
{
    int                         rc;
    unsigned                    slot;
    plum_error_t                err;
    ngx_http_plum_allowlist_t  *list;

    list = consumer->allowlist;

    view->outside = (plcf->allowlist->event == NGX_HTTP_PLUM_EVENT_NONE
                     && list->event > NGX_HTTP_PLUM_EVENT_PATH);

    view->given = (plcf->allowlist->event != NGX_HTTP_PLUM_EVENT_NONE
                   || view->outside);

    if (view->given) {
        rc = plum_plan_event_given(view->plan, &err);

    } else if (list->event == NGX_HTTP_PLUM_EVENT_PATH) {
        rc = plum_plan_event_type(view->plan, &list->event_type, &slot, &err);

    } else {
        return NGX_CONF_OK;
    }

    return (rc == PLUM_OK)
           ? NGX_CONF_OK
           : ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
}


static void
ngx_http_plum_accept_cleanup(void *data)
{
    ngx_http_plum_view_t *view = data;

    plum_scratch_destroy(view->scratch);
    plum_plan_destroy(view->plan);
}
