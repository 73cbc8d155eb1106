
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_conf.h>


char *
ngx_http_plum_conf_budget(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    ngx_http_plum_conf_where(cf, &pmcf->budget_where);

    return ngx_conf_set_size_slot(cf, cmd, conf);
}


/* a body that could never be had is not refused at run time, but here */

ngx_int_t
ngx_http_plum_conf_budget_finish(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf)
{
    size_t                     least;
    ngx_uint_t                 i;
    ngx_http_plum_location_t  *location;

    least = 0;
    location = pmcf->locations.elts;

    for (i = 0; i < pmcf->locations.nelts; i++) {
        least = ngx_max(least, (size_t) location[i].plcf->body_limit);
    }

    /* as it is received, and the clean copy of it */

    least = 2 * (least + NGX_HTTP_PLUM_SLACK);

    if (pmcf->body_budget == NGX_CONF_UNSET_SIZE) {

        /* room for two of them at the same time */

        pmcf->body_budget = ngx_max(NGX_HTTP_PLUM_BUDGET, 2 * least);

        return NGX_OK;
    }

    if (pmcf->body_budget < least) {
        (void) ngx_http_plum_conf_error(cf, &pmcf->budget_where,
                                        "\"plum_body_budget\" of %uz bytes is "
                                        "too small for the largest "
                                        "\"plum_max_body\": a body and its "
                                        "clean copy need %uz bytes",
                                        pmcf->body_budget, least);
        return NGX_ERROR;
    }

    return NGX_OK;
}
