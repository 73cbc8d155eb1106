
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>
#include <plum_content.h>
#include <plum_str.h>


/* a block that is being read; its plan only tells what is wrong with a line */

typedef struct {
    ngx_http_plum_allowlist_t  *list;
    plum_plan_t                *plan;
} ngx_http_plum_block_t;

typedef char *(*ngx_http_plum_line_pt)(ngx_conf_t *cf,
    ngx_http_plum_block_t *block);

typedef struct {
    ngx_str_t              name;
    ngx_http_plum_line_pt  handler;
} ngx_http_plum_line_t;


static char *ngx_http_plum_allowlist_block(ngx_conf_t *cf,
    ngx_http_plum_block_t *block);
static void ngx_http_plum_allowlist_review(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list);
static char *ngx_http_plum_allowlist_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_plum_allowlist_event_type(ngx_conf_t *cf,
    ngx_http_plum_block_t *block);
static char *ngx_http_plum_allowlist_event_place(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list);
static char *ngx_http_plum_allowlist_rule(ngx_conf_t *cf,
    ngx_http_plum_block_t *block);
static char *ngx_http_plum_allowlist_unlisted(ngx_conf_t *cf,
    ngx_http_plum_block_t *block);


static const ngx_http_plum_line_t  ngx_http_plum_lines[] = {
    { ngx_string("event_type"), ngx_http_plum_allowlist_event_type },
    { ngx_string("allow"), ngx_http_plum_allowlist_rule },
    { ngx_string("pseudonym"), ngx_http_plum_allowlist_rule },
    { ngx_string("unlisted"), ngx_http_plum_allowlist_unlisted },
    { ngx_null_string, NULL }
};


char *
ngx_http_plum_conf_allowlist(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_plum_main_conf_t *pmcf = conf;

    char                        *rv;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_plum_block_t        block;
    ngx_http_plum_allowlist_t   *list, **listp;

    value = cf->args->elts;

    if (value[1].len == 0 || ngx_strcmp(value[1].data, "all") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid allowlist name \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    listp = pmcf->allowlists.elts;

    for (i = 0; i < pmcf->allowlists.nelts; i++) {
        if (ngx_http_plum_same(&listp[i]->name, &value[1])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate allowlist \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    list = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_allowlist_t));
    listp = ngx_array_push(&pmcf->allowlists);

    if (list == NULL || listp == NULL) {
        return NGX_CONF_ERROR;
    }

    *listp = list;
    list->name = value[1];

    ngx_http_plum_conf_where(cf, &list->where);

    if (ngx_array_init(&list->rules, cf->pool, 8,
                       sizeof(ngx_http_plum_allow_rule_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    block.list = list;
    block.plan = plum_plan_create();

    if (block.plan == NULL) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_plum_allowlist_block(cf, &block);

    plum_plan_destroy(block.plan);

    return rv;
}


static char *
ngx_http_plum_allowlist_block(ngx_conf_t *cf, ngx_http_plum_block_t *block)
{
    char                       *rv;
    ngx_conf_t                  save;
    plum_error_t                err;
    ngx_http_plum_allowlist_t  *list;

    list = block->list;

    save = *cf;
    cf->handler = ngx_http_plum_allowlist_line;
    cf->handler_conf = (void *) block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (list->rules.nelts == 0) {
        return ngx_http_plum_conf_error(cf, &list->where,
                                        "no \"allow\" in allowlist \"%V\"",
                                        &list->name);
    }

    if (plum_plan_compile(block->plan, &err) != PLUM_OK) {
        return ngx_http_plum_conf_error(cf, &list->where, "%s", err.text);
    }

    ngx_http_plum_allowlist_review(cf, list);

    return NGX_CONF_OK;
}


/* a "for=" restricts nothing where the path is kept in each event anyway */

static void
ngx_http_plum_allowlist_review(ngx_conf_t *cf, ngx_http_plum_allowlist_t *list)
{
    ngx_uint_t                   i, k;
    ngx_http_plum_allow_rule_t  *rule;

    rule = list->rules.elts;

    for (i = 0; i < list->rules.nelts; i++) {

        for (k = 0; rule[i].nevents && k < list->rules.nelts; k++) {

            if (rule[k].nevents == 0
                && plum_str_equal(&rule[i].path, &rule[k].path))
            {
                ngx_http_plum_conf_warn(cf, &list->where,
                                        "\"%*s\" is allowed with \"for=\", and "
                                        "without it for each event",
                                        rule[i].path.len, rule[i].path.data);
            }
        }
    }
}


static char *
ngx_http_plum_allowlist_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_str_t                   *value;
    const ngx_http_plum_line_t  *line;

    value = cf->args->elts;

    for (line = ngx_http_plum_lines; line->handler; line++) {
        if (ngx_http_plum_same(&value[0], &line->name)) {
            return line->handler(cf, conf);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in an allowlist", &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_plum_allowlist_event_type(ngx_conf_t *cf,
    ngx_http_plum_block_t *block)
{
    int                         rc;
    unsigned                    slot;
    ngx_str_t                  *value;
    plum_error_t                err;
    ngx_http_plum_allowlist_t  *list;

    list = block->list;
    value = cf->args->elts;

    if (cf->args->nelts != 2 || list->event != NGX_HTTP_PLUM_EVENT_NONE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"event_type\" takes one path, header or "
                           "variable, and stands once");
        return NGX_CONF_ERROR;
    }

    list->event_type.data = value[1].data;
    list->event_type.len = value[1].len;

    if (ngx_http_plum_allowlist_event_place(cf, list) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    rc = (list->event == NGX_HTTP_PLUM_EVENT_PATH)
         ? plum_plan_event_type(block->plan, &list->event_type, &slot, &err)
         : plum_plan_event_given(block->plan, &err);

    if (rc != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    if (list->event == NGX_HTTP_PLUM_EVENT_PATH) {
        ngx_http_plum_conf_path(cf, &list->event_type);
    }

    return NGX_CONF_OK;
}


/* "header:Name", "$variable", or a path */

static char *
ngx_http_plum_allowlist_event_place(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list)
{
    u_char            *p;
    ngx_str_t          name;
    static ngx_str_t   header = ngx_string("header:");

    p = (u_char *) list->event_type.data;

    name.data = p;
    name.len = list->event_type.len;

    if (name.len >= header.len
        && ngx_strncmp(p, header.data, header.len) == 0)
    {
        list->event = NGX_HTTP_PLUM_EVENT_HEADER;
        list->event_type.data += header.len;
        list->event_type.len -= header.len;

        if (plum_content_token(&list->event_type)) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid header name in \"%V\"", &name);
        return NGX_CONF_ERROR;
    }

    /* "$.type" is no variable, but a path of another language */

    if (name.len > 1 && p[0] == '$' && p[1] != '.' && p[1] != '[') {
        list->event = NGX_HTTP_PLUM_EVENT_VARIABLE;

        return ngx_http_plum_conf_variable(cf, &name, &list->event_value);
    }

    list->event = NGX_HTTP_PLUM_EVENT_PATH;

    return NGX_CONF_OK;
}


static char *
ngx_http_plum_allowlist_rule(ngx_conf_t *cf, ngx_http_plum_block_t *block)
{
    return ngx_http_plum_conf_rule(cf, block->list, block->plan);
}


static char *
ngx_http_plum_allowlist_unlisted(ngx_conf_t *cf,
    ngx_http_plum_block_t *block)
{
    ngx_str_t                  *value;
    ngx_http_plum_allowlist_t  *list;

    list = block->list;
    value = cf->args->elts;

    if (cf->args->nelts != 2 || list->unlisted) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"unlisted\" takes one value, and stands once");
        return NGX_CONF_ERROR;
    }

    list->unlisted = 1;

    if (ngx_strcmp(value[1].data, "acknowledge") == 0) {
        list->acknowledge = 1;

    } else if (ngx_strcmp(value[1].data, "refuse") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"refuse\" or "
                           "\"acknowledge\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the types are checked by a plan, as those of a list are */

char *
ngx_http_plum_conf_for(ngx_conf_t *cf, ngx_str_t *value, plum_str_t **events,
    ngx_uint_t *nevents)
{
    int           rc;
    plum_str_t    path;
    plum_plan_t  *plan;
    plum_error_t  err;

    if (ngx_http_plum_conf_events(cf, value, events, nevents) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    plan = plum_plan_create();
    if (plan == NULL) {
        return NGX_CONF_ERROR;
    }

    path.data = (u_char *) "**";
    path.len = 2;

    rc = plum_plan_allow(plan, &path, *events, *nevents, &err);

    plum_plan_destroy(plan);

    if (rc != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.text);
        return NGX_CONF_ERROR;
    }

    return NULL;
}


ngx_http_plum_allowlist_t *
ngx_http_plum_conf_list(ngx_http_plum_main_conf_t *pmcf, ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_plum_allowlist_t  **list;

    if (ngx_http_plum_same(name, &pmcf->all.name)) {
        return &pmcf->all;
    }

    list = pmcf->allowlists.elts;

    for (i = 0; i < pmcf->allowlists.nelts; i++) {
        if (ngx_http_plum_same(&list[i]->name, name)) {
            return list[i];
        }
    }

    return NULL;
}
