
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


/* lines of plum_allowlist that name paths: allow and pseudonym */


#include <ngx_http_plum_review.h>


static char *ngx_http_plum_rule_secret(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list, ngx_str_t *value, ngx_uint_t *number);
static char *ngx_http_plum_rule_paths(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list, plum_plan_t *plan, ngx_uint_t n,
    const ngx_http_plum_allow_rule_t *line);
static int ngx_http_plum_rule_add(plum_plan_t *plan,
    const ngx_http_plum_allow_rule_t *rule, plum_error_t *err);
static char *ngx_http_plum_rule_key(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_list_secret_t *secret,
    plum_key_t **key);


/* allow path ... [for=]; pseudonym path ... secret=name [for=] */

char *
ngx_http_plum_conf_rule(ngx_conf_t *cf, ngx_http_plum_allowlist_t *list,
    plum_plan_t *plan)
{
    ngx_str_t                   *value;
    ngx_uint_t                   n;
    ngx_http_plum_allow_rule_t   line;

    ngx_memzero(&line, sizeof(ngx_http_plum_allow_rule_t));

    ngx_http_plum_conf_where(cf, &line.where);

    value = cf->args->elts;
    n = cf->args->nelts;

    line.pseudonym = (ngx_strcmp(value[0].data, "pseudonym") == 0);

    if (n > 1 && ngx_strncmp(value[n - 1].data, "for=", 4) == 0) {
        n--;

        if (ngx_http_plum_conf_events(cf, &value[n], &line.events,
                                      &line.nevents)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (line.pseudonym) {
        n--;

        if (n < 2 || ngx_strncmp(value[n].data, "secret=", 7) != 0
            || value[n].len == 7)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"pseudonym\" takes paths, then "
                               "\"secret=name\", then \"for=type,...\"");
            return NGX_CONF_ERROR;
        }

        if (ngx_http_plum_rule_secret(cf, list, &value[n], &line.secret)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (n < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no path in \"%V\"",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_plum_rule_paths(cf, list, plan, n, &line);
}


/* the number of a secret among those of the list */

static char *
ngx_http_plum_rule_secret(ngx_conf_t *cf, ngx_http_plum_allowlist_t *list,
    ngx_str_t *value, ngx_uint_t *number)
{
    ngx_str_t   name;
    ngx_uint_t  i;

    name.data = value->data + 7;
    name.len = value->len - 7;

    for (i = 0; i < list->nsecrets; i++) {
        if (ngx_http_plum_same(&list->secrets[i].name, &name)) {
            *number = i;
            return NGX_CONF_OK;
        }
    }

    if (i == PLUM_PLAN_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is one more than the %d secrets that an "
                           "allowlist can make pseudonyms with", value,
                           PLUM_PLAN_SECRETS);
        return NGX_CONF_ERROR;
    }

    ngx_http_plum_conf_where(cf, &list->secrets[i].where);

    list->secrets[i].name = name;
    list->nsecrets++;

    *number = i;

    return NGX_CONF_OK;
}


/* a rule for each path; n: the number of the first argument behind them */

static char *
ngx_http_plum_rule_paths(ngx_conf_t *cf, ngx_http_plum_allowlist_t *list,
    plum_plan_t *plan, ngx_uint_t n, const ngx_http_plum_allow_rule_t *line)
{
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    plum_error_t                 err;
    ngx_http_plum_allow_rule_t  *rule;

    value = cf->args->elts;

    for (i = 1; i < n; i++) {

        if (ngx_strncmp(value[i].data, "for=", 4) == 0
            || ngx_strcmp(value[i].data, "for") == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is no path, event types stand once and "
                               "at the end, without spaces: \"for=a,b\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        rule = ngx_array_push(&list->rules);
        if (rule == NULL) {
            return NGX_CONF_ERROR;
        }

        *rule = *line;
        rule->path.data = value[i].data;
        rule->path.len = value[i].len;

        if (ngx_http_plum_rule_add(plan, rule, &err) != PLUM_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
            return NGX_CONF_ERROR;
        }

        ngx_http_plum_conf_path(cf, &rule->path);
    }

    return NGX_CONF_OK;
}


static int
ngx_http_plum_rule_add(plum_plan_t *plan,
    const ngx_http_plum_allow_rule_t *rule, plum_error_t *err)
{
    return rule->pseudonym
           ? plum_plan_pseudonym(plan, &rule->path, rule->events,
                                 rule->nevents, (unsigned) rule->secret, err)
           : plum_plan_allow(plan, &rule->path, rule->events, rule->nevents,
                             err);
}


char *
ngx_http_plum_conf_rules(ngx_conf_t *cf, ngx_http_plum_allowlist_t *list,
    plum_plan_t *plan)
{
    ngx_uint_t                   i;
    plum_error_t                 err;
    ngx_http_plum_allow_rule_t  *rule;

    rule = list->rules.elts;

    for (i = 0; i < list->rules.nelts; i++) {
        if (ngx_http_plum_rule_add(plan, &rule[i], &err) != PLUM_OK) {
            return ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_plum_conf_rule_keys(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_allowlist_t *list)
{
    ngx_uint_t  i;

    for (i = 0; i < list->nsecrets; i++) {

        if (list->keys[i] == NULL
            && ngx_http_plum_rule_key(cf, pmcf, &list->secrets[i],
                                      &list->keys[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void
ngx_http_plum_conf_rule_review(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_http_plum_allowlist_t *list)
{
    ngx_uint_t                    i, k;
    ngx_http_plum_signature_t   **signature;
    ngx_http_plum_list_secret_t  *secret;

    signature = plcf->signatures->elts;
    secret = list->secrets;

    for (i = 0; i < list->nsecrets; i++) {
        for (k = 0; k < plcf->signatures->nelts; k++) {

            if (ngx_http_plum_same(&signature[k]->secret, &secret[i].name)) {
                ngx_http_plum_conf_warn(cf, &secret[i].where,
                                        "secret \"%V\" makes pseudonyms, and "
                                        "a sender has it, too, who can find "
                                        "out whose they are: use another one",
                                        &secret[i].name);
            }
        }
    }
}


/* the first secret of the name makes pseudonyms */

static char *
ngx_http_plum_rule_key(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf,
    ngx_http_plum_list_secret_t *wanted, plum_key_t **key)
{
    ngx_uint_t           i;
    ngx_plum_secret_t  **secret;

    secret = pmcf->secrets.elts;

    for (i = 0; i < pmcf->secrets.nelts; i++) {

        if (!ngx_http_plum_same(&secret[i]->name, &wanted->name)) {
            continue;
        }

        if (secret[i]->public_key || secret[i]->private_key) {
            return ngx_http_plum_conf_error(cf, &wanted->where,
                                            "secret \"%V\" is an Ed25519 key, "
                                            "which makes no pseudonyms: name "
                                            "a shared secret",
                                            &secret[i]->label);
        }

        *key = ngx_plum_secret_key(cf, secret[i], PLUM_ALGORITHM_SHA256);

        return *key ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    return ngx_http_plum_conf_error(cf, &wanted->where,
                                    "unknown secret \"%V\"", &wanted->name);
}


/* for=a,b.*: names separated by commas */

char *
ngx_http_plum_conf_events(ngx_conf_t *cf, ngx_str_t *value,
    plum_str_t **events, ngx_uint_t *nevents)
{
    u_char       *p, *last, *comma;
    ngx_array_t   array;
    plum_str_t   *event;

    if (ngx_array_init(&array, cf->pool, 4, sizeof(plum_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p = value->data + 4;
    last = value->data + value->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        event = ngx_array_push(&array);
        if (event == NULL) {
            return NGX_CONF_ERROR;
        }

        event->data = p;
        event->len = (comma ? comma : last) - p;

        if (event->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "an event name is empty in \"%V\"", value);
            return NGX_CONF_ERROR;
        }

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    *events = array.elts;
    *nevents = array.nelts;

    return NGX_CONF_OK;
}
