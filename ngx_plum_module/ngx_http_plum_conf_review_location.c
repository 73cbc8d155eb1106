
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_review.h>


static ngx_int_t ngx_http_plum_review_rule(ngx_conf_t *cf,
    ngx_http_plum_where_t *where, const char *name, void *value);
static ngx_uint_t ngx_http_plum_review_used(ngx_http_plum_loc_conf_t *plcf,
    void *value);
static ngx_uint_t ngx_http_plum_review_answers(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_http_plum_review_code(ngx_array_t *codes,
    ngx_http_script_code_pt code);
static void *ngx_http_plum_review_pointer(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, const char *name);


ngx_int_t
ngx_http_plum_review_level(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_plum_capture_t     *capture;
    ngx_http_plum_loc_conf_t   **off;
    ngx_http_plum_main_conf_t   *pmcf;
    ngx_http_plum_signature_t  **signature;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    if (plcf->enable == 0) {
        off = ngx_array_push(&pmcf->off);
        if (off == NULL) {
            return NGX_ERROR;
        }

        *off = plcf;
    }

    if (plcf->enable != NGX_CONF_UNSET) {
        return NGX_OK;
    }

    if (plcf->signatures != NGX_CONF_UNSET_PTR) {
        signature = plcf->signatures->elts;

        if (ngx_http_plum_review_rule(cf, &signature[0]->where,
                                      "plum_signature", plcf->signatures)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (plcf->captures != NGX_CONF_UNSET_PTR) {
        capture = plcf->captures->elts;

        if (ngx_http_plum_review_rule(cf, &capture[0].where, "plum_capture",
                                      plcf->captures)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (plcf->idempotency != NGX_CONF_UNSET_PTR && plcf->idempotency
        && ngx_http_plum_review_rule(cf, &plcf->idempotency->where,
                                     "plum_idempotency", plcf->idempotency)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (plcf->accept != NGX_CONF_UNSET_PTR && plcf->accept
        && ngx_http_plum_review_rule(cf, &plcf->accept->where, "plum_accept",
                                     plcf->accept)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (plcf->allow.data == NULL) {
        return NGX_OK;
    }

    return ngx_http_plum_review_rule(cf, &plcf->allow_where, "plum_allow",
                                     plcf->allow.data);
}


static ngx_int_t
ngx_http_plum_review_rule(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const char *name, void *value)
{
    ngx_http_plum_rule_t       *rule;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    rule = ngx_array_push(&pmcf->rules);
    if (rule == NULL) {
        return NGX_ERROR;
    }

    rule->where = where;
    rule->name = name;
    rule->value = value;

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_review_unused(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                  i, k;
    ngx_http_plum_rule_t       *rule;
    ngx_http_plum_location_t   *location;
    ngx_http_plum_loc_conf_t   *plcf, **off;

    /* rules of http that no location uses are only defaults, but for this */

    plcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_plum_module);

    if (pmcf->locations.nelts == 0
        && ngx_http_plum_review_level(cf, plcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    off = pmcf->off.elts;
    rule = pmcf->rules.elts;
    location = pmcf->locations.elts;

    for (i = 0; i < pmcf->rules.nelts; i++) {

        for (k = 0; k < pmcf->locations.nelts; k++) {
            if (ngx_http_plum_review_used(location[k].plcf, rule[i].value)) {
                break;
            }
        }

        if (k < pmcf->locations.nelts) {
            continue;
        }

        for (k = 0; k < pmcf->off.nelts; k++) {
            if (ngx_http_plum_review_used(off[k], rule[i].value)) {
                break;
            }
        }

        if (k == pmcf->off.nelts) {
            ngx_http_plum_conf_warn(cf, rule[i].where,
                                    "no location with \"plum on\" uses this "
                                    "\"%s\": nothing is judged by it, write "
                                    "\"plum on\", or \"plum off\" if that is "
                                    "meant", rule[i].name);
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_plum_review_used(ngx_http_plum_loc_conf_t *plcf, void *value)
{
    return value == plcf->signatures
           || value == plcf->captures
           || value == plcf->idempotency
           || value == plcf->accept
           || value == plcf->allow.data;
}


/*
 * Static files and directories answer a POST by 405.  Another content handler
 * may stand in a block inside of the location, which has inherited "plum on",
 * or "try_files" or the rewrite module may lead elsewhere.
 */

ngx_int_t
ngx_http_plum_review_handler(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                  i;
    ngx_array_t                *codes;
    ngx_http_plum_where_t      *where, *other;
    ngx_http_plum_accept_t     *accept;
    ngx_http_plum_location_t   *all;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);

    where = &location->plcf->where;
    codes = ngx_http_plum_review_pointer(cf, location->clcf,
                                         "ngx_http_rewrite_module");

    if (codes && *(ngx_http_script_code_pt *) codes->elts
                 == ngx_http_script_return_code)
    {
        ngx_http_plum_conf_warn(cf, where,
                                "\"return\" answers whatever comes to this "
                                "location: nothing is judged or forwarded");
        return NGX_OK;
    }

    accept = location->plcf->accept;

    if (accept && !accept->forward) {
        return NGX_OK;
    }

    all = pmcf->locations.elts;

    for (i = 0; i < pmcf->locations.nelts; i++) {
        other = &all[i].plcf->where;

        if (other->file.data == where->file.data
            && other->line == where->line
            && ngx_http_plum_review_answers(cf, all[i].clcf))
        {
            return NGX_OK;
        }
    }

    if (accept) {
        (void) ngx_http_plum_conf_error(cf, &accept->where,
                                 "\"unavailable=forward\" of \"plum_accept\" "
                                 "needs a content handler to forward to, "
                                 "write \"proxy_pass\" or another one");
        return NGX_ERROR;
    }

    ngx_http_plum_conf_warn(cf, where,
                            "\"plum on\" without a content handler: NGINX "
                            "answers 405 to each delivery, write \"proxy_pass\""
                            " or another one");

    return NGX_OK;
}


static ngx_uint_t
ngx_http_plum_review_answers(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf)
{
    ngx_array_t  *codes;

    if (clcf->handler
        || ngx_http_plum_review_pointer(cf, clcf,
                                        "ngx_http_try_files_module"))
    {
        return 1;
    }

    codes = ngx_http_plum_review_pointer(cf, clcf, "ngx_http_rewrite_module");

    if (codes == NULL) {
        return 0;
    }

#if (NGX_PCRE)
    if (ngx_http_plum_review_code(codes, ngx_http_script_regex_start_code)) {
        return 1;
    }
#endif

    return ngx_http_plum_review_code(codes, ngx_http_script_return_code);
}


/* the codes of the rewrite module begin with a function each */

static ngx_uint_t
ngx_http_plum_review_code(ngx_array_t *codes, ngx_http_script_code_pt code)
{
    ngx_uint_t  i, n;
    uintptr_t  *word;

    word = codes->elts;
    n = codes->nelts * codes->size / sizeof(uintptr_t);

    for (i = 0; i < n; i++) {
        if (word[i] == (uintptr_t) code) {
            return 1;
        }
    }

    return 0;
}


/*
 * The configurations of these modules are known to them alone.  They begin
 * with a pointer: "codes" (ngx_array_t) of the rewrite module, "try_files" of
 * the other one, both NULL where no directive is.
 */

static void *
ngx_http_plum_review_pointer(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    const char *name)
{
    void  **conf;

    conf = ngx_http_plum_policy_conf(cf, clcf, name);

    return conf ? *conf : NULL;
}


/* a limit that is the default need not be said to be lower than another */

ngx_int_t
ngx_http_plum_review_body(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    ngx_http_plum_loc_conf_t  *plcf;

    plcf = location->plcf;

    if (plcf->max_body > NGX_HTTP_PLUM_MAX_BODY
        && plcf->body_limit < (off_t) plcf->max_body)
    {
        ngx_http_plum_conf_warn(cf, &plcf->where,
                                "\"client_max_body_size\" of %O bytes is "
                                "less than \"plum_max_body\" of %uz: larger "
                                "bodies are refused, raise both",
                                plcf->client_limit, plcf->max_body);
    }

    return NGX_OK;
}
