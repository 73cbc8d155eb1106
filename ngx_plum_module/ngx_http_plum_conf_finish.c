
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_headers.h>


static char *ngx_http_plum_finish_signatures(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_finish_keys(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_signature_t *signature);
static char *ngx_http_plum_finish_allowlist(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_finish_plan(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_finish_event(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_finish_probes(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
static char *ngx_http_plum_finish_idempotency(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf);
static void ngx_http_plum_finish_cleanup(void *data);


char *
ngx_http_plum_conf_finish(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_loc_conf_t *plcf)
{
    if (plcf->max_body == 0) {
        return ngx_http_plum_conf_error(cf, &plcf->where,
                                        "\"plum_max_body\" must not be zero");
    }

    if (ngx_http_plum_finish_signatures(cf, pmcf, plcf) != NGX_CONF_OK
        || ngx_http_plum_finish_allowlist(cf, pmcf, plcf) != NGX_CONF_OK
        || ngx_http_plum_finish_plan(cf, plcf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_plum_replace_conf(cf, plcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_plum_finish_idempotency(cf, pmcf, plcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_plum_finish_accept(cf, pmcf, plcf);
}


static char *
ngx_http_plum_finish_signatures(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                   i;
    ngx_http_plum_signature_t  **signature;

    if (plcf->signatures == NULL) {
        return ngx_http_plum_conf_error(cf, &plcf->where,
                                        "\"plum on\" without "
                                        "\"plum_signature\"");
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        /* lines that locations inherit are resolved once */

        if (!signature[i]->resolved
            && ngx_http_plum_finish_keys(cf, pmcf, signature[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_finish_keys(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_signature_t *signature)
{
    ngx_uint_t           i, n;
    ngx_plum_secret_t  **secret;

    secret = pmcf->secrets.elts;
    n = pmcf->secrets.nelts;

    signature->keys = ngx_pcalloc(cf->pool, (n + 1) * sizeof(plum_key_t *));
    signature->secrets = ngx_pcalloc(cf->pool,
                                     (n + 1) * sizeof(ngx_plum_secret_t *));

    if (signature->keys == NULL || signature->secrets == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (!ngx_http_plum_same(&secret[i]->name, &signature->secret)) {
            continue;
        }

        if (secret[i]->private_key) {
            return ngx_http_plum_conf_error(cf, &signature->where,
                             "secret \"%V\" is a private key, which signs "
                             "and verifies nothing: name the public one "
                             "(encoding=whpk)", &secret[i]->label);
        }

        if (secret[i]->public_key
            && signature->scheme.prefix_public.len == 0)
        {
            return ngx_http_plum_conf_error(cf, &signature->where,
                             "secret \"%V\" is a public key, which scheme "
                             "\"%*s\" does not know", &secret[i]->label,
                             signature->scheme.name.len,
                             signature->scheme.name.data);
        }

        signature->secrets[signature->nkeys] = secret[i];
        signature->keys[signature->nkeys] =
            ngx_plum_secret_key(cf, secret[i], signature->scheme.algorithm);

        if (signature->keys[signature->nkeys] == NULL) {
            return NGX_CONF_ERROR;
        }

        signature->nkeys++;
    }

    if (signature->nkeys == 0) {
        return ngx_http_plum_conf_error(cf, &signature->where,
                                        "unknown secret \"%V\"",
                                        &signature->secret);
    }

    signature->resolved = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_finish_allowlist(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf)
{
    if (plcf->allow.len == 0) {
        return ngx_http_plum_conf_error(cf, &plcf->where,
                                        "\"plum on\" without \"plum_allow\"");
    }

    plcf->allowlist = ngx_http_plum_conf_list(pmcf, &plcf->allow);

    return plcf->allowlist
           ? ngx_http_plum_conf_rule_keys(cf, pmcf, plcf->allowlist)
           : ngx_http_plum_conf_error(cf, &plcf->where,
                                      "unknown allowlist \"%V\"",
                                      &plcf->allow);
}


static char *
ngx_http_plum_finish_plan(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    plum_error_t                err;
    ngx_pool_cleanup_t         *cln;
    ngx_http_plum_allowlist_t  *list;

    list = plcf->allowlist;

    ngx_http_plum_conf_rule_review(cf, plcf, list);

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_plum_finish_cleanup;
    cln->data = plcf;

    plcf->plan = plum_plan_create();
    if (plcf->plan == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_plum_conf_rules(cf, list, plcf->plan) != NGX_CONF_OK
        || ngx_http_plum_finish_event(cf, plcf) != NGX_CONF_OK
        || ngx_http_plum_finish_probes(cf, plcf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (plum_plan_compile(plcf->plan, &err) != PLUM_OK) {
        return ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
    }

    /* made before workers are forked: each has its own copy */

    plcf->scratch = plum_scratch_create(plcf->plan);
    if (plcf->scratch == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_finish_event(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    int                         rc;
    ngx_str_t                   text;
    ngx_uint_t                  i;
    plum_error_t                err;
    ngx_http_plum_capture_t    *capture;
    ngx_http_plum_ack_rule_t   *ack;
    ngx_http_plum_allowlist_t  *list;

    list = plcf->allowlist;

    if (list->event == NGX_HTTP_PLUM_EVENT_NONE) {

        if (plcf->acks == NULL) {
            return NGX_CONF_OK;
        }

        ack = plcf->acks->elts;

        return ngx_http_plum_conf_error(cf, &ack->where,
                         "\"for=\" of \"plum_ack\" needs an \"event_type\" "
                         "in allowlist \"%V\"", &list->name);
    }

    rc = (list->event == NGX_HTTP_PLUM_EVENT_PATH)
         ? plum_plan_event_type(plcf->plan, &list->event_type,
                                &plcf->event_slot, &err)
         : plum_plan_event_given(plcf->plan, &err);

    if (rc != PLUM_OK) {
        return ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
    }

    if (list->event != NGX_HTTP_PLUM_EVENT_VARIABLE || plcf->captures == NULL)
    {
        return NGX_CONF_OK;
    }

    text.data = (u_char *) list->event_type.data;
    text.len = list->event_type.len;

    capture = plcf->captures->elts;

    for (i = 0; i < plcf->captures->nelts; i++) {
        if (ngx_http_plum_same(&capture[i].name, &text)) {
            return ngx_http_plum_conf_error(cf, &capture[i].where,
                             "\"event_type\" of allowlist \"%V\" is the "
                             "captured variable \"%V\", which has no value "
                             "until the body is stripped: write the path "
                             "\"%*s\" there", &list->name, &text,
                             capture[i].path.len, capture[i].path.data);
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_finish_probes(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                   i, n;
    plum_error_t                 err;
    const plum_str_t            *path;
    ngx_http_plum_capture_t     *capture;
    ngx_http_plum_signature_t  **signature;

    n = plcf->captures ? plcf->captures->nelts : 0;
    capture = plcf->captures ? plcf->captures->elts : NULL;

    plcf->capture_slots = ngx_pcalloc(cf->pool, (n + 1) * sizeof(unsigned));
    if (plcf->capture_slots == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (plum_plan_probe(plcf->plan, &capture[i].path,
                            &plcf->capture_slots[i], &err)
            != PLUM_OK)
        {
            return ngx_http_plum_conf_error(cf, &capture[i].where, "%s",
                                            err.text);
        }
    }

    n = plcf->signatures->nelts;
    signature = plcf->signatures->elts;

    plcf->signature_slots = ngx_pcalloc(cf->pool, n * sizeof(unsigned));
    if (plcf->signature_slots == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        path = plum_scheme_place(&signature[i]->scheme);

        if (path == NULL) {
            continue;
        }

        if (plum_plan_probe(plcf->plan, path, &plcf->signature_slots[i], &err)
            != PLUM_OK)
        {
            return ngx_http_plum_conf_error(cf, &signature[i]->where, "%s",
                                            err.text);
        }
    }

    return NGX_CONF_OK;
}


static void
ngx_http_plum_finish_cleanup(void *data)
{
    ngx_http_plum_loc_conf_t *plcf = data;

    plum_scratch_destroy(plcf->scratch);
    plum_plan_destroy(plcf->plan);
}


static char *
ngx_http_plum_finish_idempotency(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                    i;
    ngx_plum_store_t            **store;
    ngx_http_plum_idempotency_t  *idempotency;

    idempotency = plcf->idempotency;

    if (idempotency == NULL) {
        return NGX_CONF_OK;
    }

    if (plcf->key == NULL) {
        return ngx_http_plum_conf_error(cf, &idempotency->where,
                                        "\"plum_idempotency\" without "
                                        "\"plum_idempotency_key\"");
    }

    store = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {
        if (ngx_http_plum_same(&store[i]->name, &idempotency->name)) {
            idempotency->store = store[i];
            break;
        }
    }

    if (i < pmcf->stores.nelts
        && (idempotency->replicas == 0 || store[i]->replicates))
    {
        return NGX_CONF_OK;
    }

    if (i < pmcf->stores.nelts) {
        return ngx_http_plum_conf_error(cf, &idempotency->where,
                                        "\"wait_replicas\" needs a store in "
                                        "Redis, \"%V\" is not",
                                        &idempotency->name);
    }

    return ngx_http_plum_conf_error(cf, &idempotency->where,
                                    "unknown store \"%V\"",
                                    &idempotency->name);
}


/* with the resolver of http, and only that: stores belong to no server */

ngx_int_t
ngx_http_plum_conf_stores(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                  i;
    ngx_resolver_t             *resolver;
    ngx_plum_store_t          **store;
    ngx_http_core_loc_conf_t   *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    resolver = clcf->resolver;
    store = pmcf->stores.elts;

    /* NGINX makes an empty one where there is none */

    if (resolver && resolver->connections.nelts == 0) {
        resolver = NULL;
    }

    for (i = 0; i < pmcf->stores.nelts; i++) {
        if (store[i]->finish
            && store[i]->finish(cf, store[i], resolver) != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
