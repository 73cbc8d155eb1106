
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_delivery.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_review.h>
#include <ngx_http_plum_stage.h>
#include <ngx_http_plum_variables.h>
#include <ngx_http_plum_status.h>
#include <ngx_plum_redis.h>


static char *ngx_http_plum_mode(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_plum_max_body(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_plum_satisfy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_plum_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_plum_init_process(ngx_cycle_t *cycle);
static void ngx_http_plum_exit_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_plum_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_plum_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_plum_postconfigure_gates(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);
static void *ngx_http_plum_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_plum_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_plum_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_plum_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_plum_enable(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);


static ngx_conf_enum_t  ngx_http_plum_modes[] = {
    { ngx_string("enforce"), NGX_HTTP_PLUM_ENFORCE },
    { ngx_string("observe"), NGX_HTTP_PLUM_OBSERVE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_plum_satisfies[] = {
    { ngx_string("all"), NGX_HTTP_PLUM_SATISFY_ALL },
    { ngx_string("any"), NGX_HTTP_PLUM_SATISFY_ANY },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_plum_log_levels[] = {
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_null_string, 0 }
};


#define NGX_HTTP_PLUM_ANY                                                     \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_http_plum_commands[] = {

    { ngx_string("plum"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_plum_conf_on,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, enable),
      NULL },

    { ngx_string("plum_mode"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE1,
      ngx_http_plum_mode,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, mode),
      &ngx_http_plum_modes },

    { ngx_string("plum_tls"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE123,
      ngx_http_plum_conf_tls,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_types"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_1MORE,
      ngx_http_plum_conf_types,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_max_body"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE1,
      ngx_http_plum_max_body,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, max_body),
      NULL },

    { ngx_string("plum_body_budget"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_plum_conf_budget,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_plum_main_conf_t, body_budget),
      NULL },

    { ngx_string("plum_secret"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE23,
      ngx_http_plum_conf_secret,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_signature"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_2MORE,
      ngx_http_plum_conf_signature,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_satisfy"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE1,
      ngx_http_plum_satisfy,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, satisfy),
      &ngx_http_plum_satisfies },

    { ngx_string("plum_allowlist"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_plum_conf_allowlist,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_allow"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE1,
      ngx_http_plum_conf_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, allow),
      NULL },

    { ngx_string("plum_capture"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE2,
      ngx_http_plum_conf_capture,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_plum_conf_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_idempotency"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_1MORE,
      ngx_http_plum_conf_idempotency,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_plum_conf_queue,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_accept"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_1MORE,
      ngx_http_plum_conf_accept,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_idempotency_key"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_1MORE,
      ngx_http_plum_conf_key,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_ack"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE12,
      ngx_http_plum_conf_ack,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_refuse"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_2MORE,
      ngx_http_plum_conf_refuse,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_deliver"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_plum_conf_deliver_at,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_sign"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_plum_conf_sign,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("plum_log_level"),
      NGX_HTTP_PLUM_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_plum_loc_conf_t, log_level),
      &ngx_http_plum_log_levels },

    { ngx_string("plum_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_plum_conf_status,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_plum_module_ctx = {
    ngx_http_plum_preconfiguration,        /* preconfiguration */
    ngx_http_plum_postconfiguration,       /* postconfiguration */

    ngx_http_plum_create_main_conf,        /* create main configuration */
    ngx_http_plum_init_main_conf,          /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_plum_create_loc_conf,         /* create location configuration */
    ngx_http_plum_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_plum_module = {
    NGX_MODULE_V1,
    &ngx_http_plum_module_ctx,             /* module context */
    ngx_http_plum_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_plum_init_module,             /* init module */
    ngx_http_plum_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_plum_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_plum_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_conf_said(cf, conf, NGX_HTTP_PLUM_SAID_MODE);

    return ngx_conf_set_enum_slot(cf, cmd, conf);
}


static char *
ngx_http_plum_max_body(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_conf_said(cf, conf, NGX_HTTP_PLUM_SAID_MAX_BODY);

    return ngx_conf_set_size_slot(cf, cmd, conf);
}


static char *
ngx_http_plum_satisfy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_conf_said(cf, conf, NGX_HTTP_PLUM_SAID_SATISFY);

    return ngx_conf_set_enum_slot(cf, cmd, conf);
}


static ngx_int_t
ngx_http_plum_preconfiguration(ngx_conf_t *cf)
{
    if (ngx_http_plum_add_variables(cf) != NGX_OK
        || ngx_http_plum_policy_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_plum_delivery_variables(cf);
}


static void *
ngx_http_plum_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_plum_main_conf_t   *pmcf;
    ngx_http_plum_allow_rule_t  *rule;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pmcf->secrets, cf->pool, 4,
                       sizeof(ngx_plum_secret_t *))
        != NGX_OK
        || ngx_array_init(&pmcf->allowlists, cf->pool, 4,
                          sizeof(ngx_http_plum_allowlist_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->stores, cf->pool, 2,
                          sizeof(ngx_plum_store_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->queues, cf->pool, 2,
                          sizeof(ngx_http_plum_queue_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->delivers, cf->pool, 4,
                          sizeof(ngx_http_plum_deliver_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->takers, cf->pool, 4,
                          sizeof(ngx_http_plum_taker_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->locations, cf->pool, 4,
                          sizeof(ngx_http_plum_location_t))
           != NGX_OK
        || ngx_array_init(&pmcf->off, cf->pool, 4,
                          sizeof(ngx_http_plum_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->rules, cf->pool, 4,
                          sizeof(ngx_http_plum_rule_t))
           != NGX_OK
        || ngx_array_init(&pmcf->warnings, cf->pool, 4,
                          sizeof(ngx_http_plum_warning_t))
           != NGX_OK
        || ngx_array_init(&pmcf->measured, cf->pool, 4,
                          sizeof(ngx_http_plum_measured_t *))
           != NGX_OK
        || ngx_array_init(&pmcf->all.rules, cf->pool, 1,
                          sizeof(ngx_http_plum_allow_rule_t))
           != NGX_OK)
    {
        return NULL;
    }

    pmcf->body_budget = NGX_CONF_UNSET_SIZE;

    /* the built-in list: the whole body */

    rule = ngx_array_push(&pmcf->all.rules);
    if (rule == NULL) {
        return NULL;
    }

    ngx_memzero(rule, sizeof(ngx_http_plum_allow_rule_t));

    rule->path.data = (u_char *) "**";
    rule->path.len = 2;

    ngx_str_set(&pmcf->all.name, "all");

    return pmcf;
}


static char *
ngx_http_plum_init_main_conf(ngx_conf_t *cf, void *conf)
{
    return NGX_CONF_OK;
}


static void *
ngx_http_plum_create_loc_conf(ngx_conf_t *cf)
{
    ngx_uint_t                 i;
    ngx_http_plum_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->said = { 0 };
     *     plcf->where = { 0 };
     *     plcf->gate = NULL;
     *     plcf->gate_name = { 0, NULL };
     *     plcf->client_limit = 0;
     *     plcf->allow = { 0, NULL };
     *     plcf->satisfy_outer = 0;
     *     plcf->allow_where = { 0 };
     *     plcf->allowlist = NULL;
     *     plcf->plan = NULL;
     *     plcf->scratch = NULL;
     *     plcf->capture_slots = NULL;
     *     plcf->signature_slots = NULL;
     *     plcf->event_slot = 0;
     *     plcf->deliver = NULL;
     *     plcf->sign = NULL;
     *     plcf->owner = { 0 };
     *     plcf->views = NULL;
     *     plcf->measured = NULL;
     */

    /* this is called when the block begins, but for http, in a file */

    if (cf->conf_file) {
        ngx_http_plum_conf_where(cf, &plcf->block);
    }

    plcf->enable = NGX_CONF_UNSET;
    plcf->mode = NGX_CONF_UNSET_UINT;
    plcf->tls = NGX_CONF_UNSET_PTR;
    plcf->max_body = NGX_CONF_UNSET_SIZE;
    plcf->types = NGX_CONF_UNSET_PTR;
    plcf->signatures = NGX_CONF_UNSET_PTR;
    plcf->satisfy = NGX_CONF_UNSET_UINT;
    plcf->captures = NGX_CONF_UNSET_PTR;
    plcf->idempotency = NGX_CONF_UNSET_PTR;
    plcf->accept = NGX_CONF_UNSET_PTR;
    plcf->key = NGX_CONF_UNSET_PTR;
    plcf->ack = NGX_CONF_UNSET_UINT;
    plcf->acks = NGX_CONF_UNSET_PTR;
    plcf->log_level = NGX_CONF_UNSET_UINT;

    for (i = 0; i < PLUM_REASON_MAX; i++) {
        plcf->refuse[i] = NGX_CONF_UNSET_UINT;
    }

    return plcf;
}


static char *
ngx_http_plum_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_plum_loc_conf_t *prev = parent;
    ngx_http_plum_loc_conf_t *conf = child;

    ngx_uint_t                 i;
    ngx_http_plum_tls_t       *tls;
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_http_plum_review_level(cf, conf) != NGX_OK
        || ngx_http_plum_policy_location(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < NGX_HTTP_PLUM_SAID_MAX; i++) {
        if (conf->said[i].line == 0) {
            conf->said[i] = prev->said[i];
        }
    }

    if (conf->enable == NGX_CONF_UNSET) {
        conf->where = prev->where;
        conf->gate = prev->gate;
        conf->gate_name = prev->gate_name;
    }

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_uint_value(conf->mode, prev->mode, NGX_HTTP_PLUM_ENFORCE);
    ngx_conf_merge_size_value(conf->max_body, prev->max_body,
                              NGX_HTTP_PLUM_MAX_BODY);

    ngx_conf_merge_ptr_value(conf->types, prev->types, NULL);

    if (conf->satisfy == NGX_CONF_UNSET_UINT) {
        conf->satisfy_outer = (conf->signatures == NGX_CONF_UNSET_PTR)
                              ? prev->satisfy_outer
                              : prev->satisfy == NGX_HTTP_PLUM_SATISFY_ANY;
    }

    ngx_conf_merge_uint_value(conf->satisfy, prev->satisfy,
                              NGX_HTTP_PLUM_SATISFY_ALL);
    ngx_conf_merge_ptr_value(conf->signatures, prev->signatures, NULL);

    if (conf->allow.data == NULL) {
        conf->allow_where = prev->allow_where;
    }

    ngx_conf_merge_str_value(conf->allow, prev->allow, "");
    ngx_conf_merge_ptr_value(conf->captures, prev->captures, NULL);
    ngx_conf_merge_ptr_value(conf->idempotency, prev->idempotency, NULL);
    ngx_conf_merge_ptr_value(conf->accept, prev->accept, NULL);
    ngx_conf_merge_ptr_value(conf->key, prev->key, NULL);
    ngx_conf_merge_uint_value(conf->ack, prev->ack, NGX_HTTP_OK);
    ngx_conf_merge_ptr_value(conf->acks, prev->acks, NULL);
    ngx_conf_merge_uint_value(conf->log_level, prev->log_level, NGX_LOG_WARN);

    for (i = 0; i < PLUM_REASON_MAX; i++) {
        ngx_conf_merge_uint_value(conf->refuse[i], prev->refuse[i],
                                  plum_reason_status((plum_reason_t) i));
    }

    ngx_conf_merge_ptr_value(conf->tls, prev->tls, NULL);

    if (conf->tls == NULL) {
        tls = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_tls_t));
        if (tls == NULL) {
            return NGX_CONF_ERROR;
        }

        tls->minimum = TLS1_2_VERSION;

        /* one object a level, so that equal rules are the same rules */

        conf->tls = tls;

        if (prev->tls == NGX_CONF_UNSET_PTR || prev->tls == NULL) {
            prev->tls = tls;
        }
    }

    if (conf->sign && conf->deliver == NULL) {
        (void) ngx_http_plum_conf_error(cf, &conf->sign->where,
                                        "\"plum_sign\" without "
                                        "\"plum_deliver\" signs nothing: "
                                        "both belong into the location of a "
                                        "consumer");
        return NGX_CONF_ERROR;
    }

    if (conf->deliver) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        /* an event was measured when it was accepted */

        clcf->client_max_body_size = 0;
    }

    return conf->enable ? ngx_http_plum_enable(cf, conf) : NGX_CONF_OK;
}


static char *
ngx_http_plum_enable(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_plum_location_t   *location;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /*
     * NGINX would refuse by client_max_body_size before the location's
     * handlers are asked, and an error page could take the body elsewhere;
     * so the gate takes that limit over
     */

    plcf->body_limit = (off_t) plcf->max_body;
    plcf->client_limit = clcf->client_max_body_size;

    if (plcf->mode == NGX_HTTP_PLUM_ENFORCE) {

        if (plcf->client_limit && plcf->client_limit < plcf->body_limit) {
            plcf->body_limit = plcf->client_limit;
        }

        clcf->client_max_body_size = 0;

        /*
         * only the first buffer: what is read goes to memory that grows with
         * it, and never to a file
         */

        clcf->client_body_buffer_size = NGX_HTTP_PLUM_FIRST;

        /* likewise, NGINX would answer 404 before */

        plcf->internal = clcf->internal;
        clcf->internal = 0;
    }

    if (clcf->handler == ngx_http_plum_status_handler) {
        (void) ngx_http_plum_conf_error(cf, &plcf->where,
                                        "\"plum_status\" in a location where "
                                        "\"plum\" is on: give the page a "
                                        "location of its own");
        return NGX_CONF_ERROR;
    }

    location = ngx_array_push(&pmcf->locations);
    if (location == NULL) {
        return NGX_CONF_ERROR;
    }

    location->plcf = plcf;
    location->clcf = clcf;
    location->cscf = ngx_http_conf_get_module_srv_conf(cf,
                                                       ngx_http_core_module);

    return ngx_http_plum_conf_finish(cf, pmcf, plcf);
}


static ngx_int_t
ngx_http_plum_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    if (ngx_http_plum_conf_stores(cf, pmcf) != NGX_OK
        || ngx_http_plum_conf_queues(cf, pmcf) != NGX_OK
        || ngx_http_plum_conf_certificates(cf, pmcf) != NGX_OK
        || ngx_http_plum_conf_delivery(cf, pmcf) != NGX_OK
        || ngx_http_plum_conf_measure(cf, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (pmcf->takers.nelts) {
        ngx_http_plum_attempt_init();
    }

    if (pmcf->locations.nelts
        && ngx_http_plum_postconfigure_gates(cf, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_plum_conf_review(cf, pmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_plum_policy_report(cf, pmcf);
}


static ngx_int_t
ngx_http_plum_postconfigure_gates(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_http_plum_conf_owners(cf, pmcf) != NGX_OK
        || ngx_http_plum_conf_budget_finish(cf, pmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_plum_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_plum_bind;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_plum_bind_server;

    if (ngx_http_plum_replace_init(cf, pmcf) != NGX_OK
        || ngx_http_plum_answer_init() != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_plum_gather_init();

    return NGX_OK;
}


/*
 * The gate's handlers are moved to the front of their phases.  A handler that
 * a module registers later runs before, and could refuse or redirect a request
 * that is not bound yet, or see it with its body not judged.  When modules are
 * initialized, all handlers are known.
 */

static ngx_int_t
ngx_http_plum_init_module(ngx_cycle_t *cycle)
{
    ngx_http_handler_pt         handler;
    ngx_http_phase_handler_t   *ph, *first, *last;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_http_plum_policy_write(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf == NULL) {
        return NGX_OK;
    }

    first = cmcf->phase_engine.handlers;

    for (ph = first; ph->checker; ph++) {

        if (ph > first && (ph->checker != first->checker
                           || ph->next != first->next))
        {
            /* the next phase begins */

            first = ph;
        }

        handler = ph->handler;

        if (handler == ngx_http_plum_bind_server
            || handler == ngx_http_plum_bind
            || handler == ngx_http_plum_handler)
        {
            for (last = ph; last > first; last--) {
                last->handler = last[-1].handler;
            }

            first->handler = handler;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_init_process(ngx_cycle_t *cycle)
{
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_plum_module);

    if (pmcf && pmcf->metrics
        && ngx_plum_metrics_init_process(cycle, pmcf->metrics) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_plum_redis_init_process(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_plum_delivery_init_process(cycle);
}


static void
ngx_http_plum_exit_process(ngx_cycle_t *cycle)
{
    ngx_plum_redis_exit_process(cycle);
    ngx_http_plum_delivery_exit_process(cycle);
}
