
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_status.h>


static void ngx_http_plum_policy_cleanup(void *data);
static json_t *ngx_http_plum_policy_warnings(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);
static json_t *ngx_http_plum_policy_gates(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);
static json_t *ngx_http_plum_policy_beside(ngx_http_plum_policy_t *policy);
static ngx_int_t ngx_http_plum_policy_save(ngx_cycle_t *cycle,
    ngx_http_plum_policy_t *policy, const char *text);


ngx_int_t
ngx_http_plum_policy_init(ngx_conf_t *cf)
{
    char                       *file;
    ngx_pool_cleanup_t         *cln;
    ngx_http_plum_policy_t     *policy;
    ngx_http_plum_main_conf_t  *pmcf;

    /* a master that reloads, and all of its children, do not look */

    if (!ngx_test_config) {
        return NGX_OK;
    }

    file = getenv("PLUM_POLICY");

    if (file == NULL) {
        return NGX_OK;
    }

    if (file[0] != '/') {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "PLUM_POLICY \"%s\" is no absolute path of a file to "
                      "create", file);
        return NGX_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_policy_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (policy == NULL || cln == NULL
        || ngx_array_init(&policy->locations, cf->pool, 16,
                          sizeof(ngx_http_plum_location_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_plum_policy_cleanup;
    cln->data = policy;

    policy->file.data = (u_char *) file;
    policy->file.len = ngx_strlen(file);

    pmcf->policy = policy;

    return NGX_OK;
}


static void
ngx_http_plum_policy_cleanup(void *data)
{
    ngx_http_plum_policy_t *policy = data;

    json_decref(policy->report);
}


ngx_int_t
ngx_http_plum_policy_location(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_plum_location_t   *location;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    if (pmcf->policy == NULL) {
        return NGX_OK;
    }

    location = ngx_array_push(&pmcf->policy->locations);
    if (location == NULL) {
        return NGX_ERROR;
    }

    location->plcf = plcf;
    location->clcf = ngx_http_conf_get_module_loc_conf(cf,
                                                       ngx_http_core_module);
    location->cscf = ngx_http_conf_get_module_srv_conf(cf,
                                                       ngx_http_core_module);

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_policy_report(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    json_t                  *report;
    ngx_http_plum_policy_t  *policy;

    policy = pmcf->policy;

    if (policy == NULL) {
        return NGX_OK;
    }

    report = json_object();

    policy->cf = cf;
    policy->report = report;

    ngx_http_plum_policy_set(policy, report, "format",
                             json_integer(NGX_HTTP_PLUM_POLICY_FORMAT));
    ngx_http_plum_policy_set(policy, report, "configuration",
                             ngx_http_plum_policy_str(&cf->cycle->conf_file));
    ngx_http_plum_policy_set(policy, report, "gates",
                             ngx_http_plum_policy_gates(policy, pmcf));
    ngx_http_plum_policy_set(policy, report, "beside",
                             ngx_http_plum_policy_beside(policy));
    ngx_http_plum_policy_set(policy, report, "secrets",
                             ngx_http_plum_policy_secrets(policy, pmcf));
    ngx_http_plum_policy_set(policy, report, "allowlists",
                             ngx_http_plum_policy_allowlists(policy, pmcf));
    ngx_http_plum_policy_set(policy, report, "stores",
                             ngx_http_plum_policy_stores(policy, pmcf));
    ngx_http_plum_policy_set(policy, report, "queues",
                             ngx_http_plum_policy_queues(policy, pmcf));
    ngx_http_plum_policy_set(policy, report, "warnings",
                             ngx_http_plum_policy_warnings(policy, pmcf));

    policy->cf = NULL;

    if (policy->failed) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no memory for the policy report");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static json_t *
ngx_http_plum_policy_gates(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                    *gates;
    ngx_uint_t                 i;
    ngx_http_plum_location_t  *location;

    gates = json_array();
    location = pmcf->locations.elts;

    for (i = 0; i < pmcf->locations.nelts; i++) {
        ngx_http_plum_policy_push(policy, gates,
                                  ngx_http_plum_policy_gate(policy,
                                                            &location[i]));
    }

    return gates;
}


/* locations without the gate that answer: they may lead to the same place */

static json_t *
ngx_http_plum_policy_beside(ngx_http_plum_policy_t *policy)
{
    json_t                    *beside, *object;
    ngx_uint_t                 i;
    ngx_http_plum_location_t  *location;

    beside = json_array();
    location = policy->locations.elts;

    for (i = 0; i < policy->locations.nelts; i++) {

        if (location[i].plcf->enable || location[i].clcf->handler == NULL) {
            continue;
        }

        object = json_object();

        ngx_http_plum_policy_place(policy, object, location[i].cscf,
                                   location[i].clcf);
        ngx_http_plum_policy_caller(policy, object, location[i].cscf,
                                    location[i].clcf);
        ngx_http_plum_policy_set(policy, object, "internal",
                                 json_boolean(location[i].clcf->internal));
        ngx_http_plum_policy_set(policy, object, "status",
                                 json_boolean(location[i].clcf->handler
                                            == ngx_http_plum_status_handler));
        ngx_http_plum_policy_set(policy, object, "delivers",
                             json_boolean(location[i].plcf->deliver != NULL));
        ngx_http_plum_policy_set(policy, object, "target",
                                 ngx_http_plum_policy_target(policy,
                                                         location[i].clcf));

        ngx_http_plum_policy_push(policy, beside, object);
    }

    return beside;
}


static json_t *
ngx_http_plum_policy_warnings(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                   *warnings, *object;
    ngx_uint_t                i;
    ngx_http_plum_warning_t  *warning;

    warnings = json_array();
    warning = pmcf->warnings.elts;

    for (i = 0; i < pmcf->warnings.nelts; i++) {
        object = json_object();

        ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&warning[i].where));
        ngx_http_plum_policy_set(policy, object, "text",
                                 ngx_http_plum_policy_str(&warning[i].text));

        ngx_http_plum_policy_push(policy, warnings, object);
    }

    return warnings;
}


ngx_int_t
ngx_http_plum_policy_write(ngx_cycle_t *cycle)
{
    char                       *text;
    ngx_int_t                   rc;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_plum_module);

    if (pmcf == NULL || pmcf->policy == NULL || pmcf->policy->report == NULL) {
        return NGX_OK;
    }

    text = json_dumps(pmcf->policy->report, JSON_INDENT(1));

    if (text == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "no memory for the policy report");
        return NGX_ERROR;
    }

    rc = ngx_http_plum_policy_save(cycle, pmcf->policy, text);

    free(text);

    return rc;
}


/* O_EXCL follows no symbolic link, and opens nothing that exists */

static ngx_int_t
ngx_http_plum_policy_save(ngx_cycle_t *cycle, ngx_http_plum_policy_t *policy,
    const char *text)
{
    size_t      len, done;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_int_t   rc;

    fd = open((const char *) policy->file.data,
              O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "policy report \"%V\" could not be created",
                      &policy->file);
        return NGX_ERROR;
    }

    rc = NGX_OK;
    len = ngx_strlen(text);

    for (done = 0; done < len; done += n) {
        n = ngx_write_fd(fd, (u_char *) text + done, len - done);

        if (n == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "policy report \"%V\" could not be written",
                          &policy->file);
            rc = NGX_ERROR;
            break;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &policy->file);
        rc = NGX_ERROR;
    }

    return rc;
}
