
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


/* process hooks; without consumers in the configuration they do nothing */


static ngx_http_plum_main_conf_t *ngx_http_plum_delivery_conf(
    ngx_cycle_t *cycle);


ngx_int_t
ngx_http_plum_delivery_init_process(ngx_cycle_t *cycle)
{
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_plum_delivery_conf(cycle);

    if (pmcf == NULL) {
        return NGX_OK;
    }

    if (ngx_http_plum_made_init_process(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_plum_takers_start(pmcf);

    return NGX_OK;
}


void
ngx_http_plum_delivery_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_plum_delivery_conf(cycle);

    if (pmcf) {
        ngx_http_plum_takers_stop(pmcf);
        ngx_http_plum_made_exit_process();
    }
}


/* NULL: nothing is delivered, or this process is no worker */

static ngx_http_plum_main_conf_t *
ngx_http_plum_delivery_conf(ngx_cycle_t *cycle)
{
    ngx_http_plum_main_conf_t  *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NULL;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_plum_module);

    return (pmcf && pmcf->takers.nelts) ? pmcf : NULL;
}
