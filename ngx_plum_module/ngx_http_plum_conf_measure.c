
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_conf.h>
#include <ngx_http_plum_queue.h>
#include <ngx_http_plum_status.h>

#include <plum_escape.h>


/*
 * The gates that "plum_status" counts, and their names.  All locations that
 * inherit one "plum on" are one gate, and all gates of one "name=".  Without
 * "name=" a gate has the first server_name of its server and the name of its
 * location; where that is taken, "#2" and so on follows, in the order of the
 * configuration.
 */


static ngx_int_t ngx_http_plum_measure_gate_of(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_uint_t n, ngx_uint_t named);
static ngx_int_t ngx_http_plum_measure_name(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_location_t *location,
    ngx_str_t *name);
static ngx_http_plum_measured_t *ngx_http_plum_measure_find(
    ngx_http_plum_main_conf_t *pmcf, const ngx_str_t *name);
static ngx_http_plum_measured_t *ngx_http_plum_measure_create(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_str_t *name);
static ngx_int_t ngx_http_plum_measure_secrets(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_measured_t *measured,
    ngx_http_plum_loc_conf_t *plcf);
static ngx_int_t ngx_http_plum_measure_stores(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);
static ngx_plum_metrics_set_t *ngx_http_plum_measure_set(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, const char *kind, ngx_str_t *one,
    ngx_str_t *two, ngx_uint_t ncells);
static ngx_int_t ngx_http_plum_measure_secret_of(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_measured_t *measured,
    const ngx_plum_secret_t *secret);


char *
ngx_http_plum_conf_on(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_loc_conf_t *plcf = conf;

    char        *rv;
    ngx_str_t   *value, *name;
    plum_str_t   text;

    ngx_http_plum_conf_where(cf, &plcf->where);

    plcf->gate = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    value = cf->args->elts;
    name = &plcf->gate_name;

    if (ngx_strncmp(value[2].data, "name=", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown parameter \"%V\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    name->data = value[2].data + 5;
    name->len = value[2].len - 5;

    text.data = name->data;
    text.len = name->len;

    if (name->len == 0 || !plum_utf8(&text)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", the name must be UTF-8 "
                           "and not empty", &value[2]);
        return NGX_CONF_ERROR;
    }

    if (!plcf->enable) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"plum off\" has no gate that \"%V\" could name",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_plum_conf_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_plum_status_handler) {
        return "is duplicate";
    }

    clcf->handler = ngx_http_plum_status_handler;

    pmcf->status = 1;

    return NGX_CONF_OK;
}


/* given names first, so that none of the others takes one of them */

ngx_int_t
ngx_http_plum_conf_measure(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t  i, named;

    if (!pmcf->status) {
        return NGX_OK;
    }

    pmcf->loaded = ngx_time();

    pmcf->metrics = ngx_plum_metrics_create(cf, &ngx_http_plum_module);
    if (pmcf->metrics == NULL) {
        return NGX_ERROR;
    }

    for (named = 2; named > 0; named--) {
        for (i = 0; i < pmcf->locations.nelts; i++) {
            if (ngx_http_plum_measure_gate_of(cf, pmcf, i, named - 1)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_plum_measure_stores(cf, pmcf);
}


static ngx_int_t
ngx_http_plum_measure_stores(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t               i, k;
    ngx_plum_store_t       **store;
    ngx_plum_queue_t        *queue;
    ngx_http_plum_queue_t  **queues;

    store = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {
        store[i]->metrics = ngx_http_plum_measure_set(cf, pmcf, "store",
                                             &store[i]->name, &store[i]->node,
                                             NGX_PLUM_STORE_CELLS);
        if (store[i]->metrics == NULL) {
            return NGX_ERROR;
        }
    }

    queues = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        queue = &queues[i]->queue;

        for (k = 0; k < queue->ntargets; k++) {

            if (queue->targets[k].published) {
                continue;
            }

            queue->targets[k].metrics = ngx_http_plum_measure_set(cf, pmcf,
                                             "queue", &queue->name,
                                             &queue->targets[k].name,
                                             NGX_PLUM_QUEUE_CELLS);
            if (queue->targets[k].metrics == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_plum_metrics_set_t *
ngx_http_plum_measure_set(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    const char *kind, ngx_str_t *one, ngx_str_t *two, ngx_uint_t ncells)
{
    ngx_str_t  key;

    key.data = ngx_pnalloc(cf->temp_pool, ngx_strlen(kind) + one->len
                                          + two->len + sizeof("  "));
    if (key.data == NULL) {
        return NULL;
    }

    key.len = ngx_sprintf(key.data, "%s %V %V", kind, one, two) - key.data;

    return ngx_plum_metrics_add(cf, pmcf->metrics, &key, ncells);
}


static ngx_int_t
ngx_http_plum_measure_gate_of(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_uint_t n, ngx_uint_t named)
{
    ngx_str_t                  name;
    ngx_uint_t                 i;
    ngx_http_plum_loc_conf_t  *plcf;
    ngx_http_plum_measured_t  *measured;
    ngx_http_plum_location_t  *location;

    location = pmcf->locations.elts;
    plcf = location[n].plcf;
    measured = NULL;

    if ((plcf->gate_name.len != 0) != named) {
        return NGX_OK;
    }

    for (i = 0; i < n && measured == NULL; i++) {
        if (location[i].plcf->gate == plcf->gate) {
            measured = location[i].plcf->measured;
        }
    }

    if (measured == NULL && named) {
        measured = ngx_http_plum_measure_find(pmcf, &plcf->gate_name);
    }

    if (measured == NULL) {
        name = plcf->gate_name;

        if (!named
            && ngx_http_plum_measure_name(cf, pmcf, &location[n], &name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        measured = ngx_http_plum_measure_create(cf, pmcf, &name);
        if (measured == NULL) {
            return NGX_ERROR;
        }
    }

    plcf->measured = measured;

    return ngx_http_plum_measure_secrets(cf, pmcf, measured, plcf);
}


static ngx_int_t
ngx_http_plum_measure_name(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_location_t *location, ngx_str_t *name)
{
    size_t                     len;
    u_char                    *p;
    ngx_uint_t                 ordinal;
    const char                *regex;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = location->plcf->gate;
    regex = "";

#if (NGX_PCRE)
    if (clcf->regex) {
        regex = " ~ ";
    }
#endif

    len = location->cscf->server_name.len + clcf->name.len + sizeof(" ~ ")
          + sizeof("#") + NGX_INT_T_LEN;

    name->data = ngx_pnalloc(cf->pool, len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name->data, "%V%s%V", &location->cscf->server_name, regex,
                    &clcf->name);
    name->len = p - name->data;

    for (ordinal = 2; ngx_http_plum_measure_find(pmcf, name); ordinal++) {
        name->len = ngx_sprintf(p, "#%ui", ordinal) - name->data;
    }

    return NGX_OK;
}


static ngx_http_plum_measured_t *
ngx_http_plum_measure_find(ngx_http_plum_main_conf_t *pmcf,
    const ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_plum_measured_t  **measured;

    measured = pmcf->measured.elts;

    for (i = 0; i < pmcf->measured.nelts; i++) {
        if (ngx_http_plum_same(&measured[i]->name, name)) {
            return measured[i];
        }
    }

    return NULL;
}


static ngx_http_plum_measured_t *
ngx_http_plum_measure_create(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_str_t *name)
{
    ngx_str_t                   key;
    ngx_http_plum_measured_t   *measured, **measuredp;

    measured = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_measured_t));
    measuredp = ngx_array_push(&pmcf->measured);
    key.data = ngx_pnalloc(cf->temp_pool, sizeof("gate ") + name->len);

    if (measured == NULL || measuredp == NULL || key.data == NULL) {
        return NULL;
    }

    *measuredp = measured;
    measured->name = *name;

    key.len = ngx_sprintf(key.data, "gate %V", name) - key.data;

    measured->set = ngx_plum_metrics_add(cf, pmcf->metrics, &key,
                                         NGX_HTTP_PLUM_CELLS);

    if (measured->set == NULL
        || ngx_array_init(&measured->secrets, cf->pool, 2,
                          sizeof(ngx_http_plum_measured_secret_t))
           != NGX_OK)
    {
        return NULL;
    }

    return measured;
}


static ngx_int_t
ngx_http_plum_measure_secrets(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_measured_t *measured, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                   i, k;
    ngx_http_plum_signature_t  **signature;

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {
        for (k = 0; k < signature[i]->nkeys; k++) {
            if (ngx_http_plum_measure_secret_of(cf, pmcf, measured,
                                                signature[i]->secrets[k])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/*
 * "plum#2" becomes "plum#1" when the first one is removed.  The fingerprint in
 * the key of the set keeps the counts of the two apart: a new key begins at
 * zero.
 */

static ngx_int_t
ngx_http_plum_measure_secret_of(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_measured_t *measured,
    const ngx_plum_secret_t *secret)
{
    ngx_str_t                         key;
    ngx_uint_t                        i;
    ngx_http_plum_measured_secret_t  *known;

    known = measured->secrets.elts;

    for (i = 0; i < measured->secrets.nelts; i++) {
        if (known[i].secret == secret) {
            return NGX_OK;
        }
    }

    known = ngx_array_push(&measured->secrets);
    key.data = ngx_pnalloc(cf->temp_pool,
                           sizeof("secret   ") + NGX_PLUM_SECRET_PRINT
                           + secret->label.len + measured->name.len);

    if (known == NULL || key.data == NULL) {
        return NGX_ERROR;
    }

    key.len = ngx_sprintf(key.data, "secret %*s %V %V",
                          (size_t) NGX_PLUM_SECRET_PRINT, secret->print,
                          &secret->label, &measured->name)
              - key.data;

    known->secret = secret;
    known->set = ngx_plum_metrics_add(cf, pmcf->metrics, &key, 1);

    return known->set ? NGX_OK : NGX_ERROR;
}
