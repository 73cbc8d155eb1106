
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>
#include <ngx_plum_redis_conn.h>
#include <ngx_plum_store_redis.h>
#include <plum_path.h>


static json_t *ngx_http_plum_policy_allowlist(ngx_http_plum_policy_t *policy,
    ngx_http_plum_allowlist_t *list);
static json_t *ngx_http_plum_policy_rules(ngx_http_plum_policy_t *policy,
    ngx_http_plum_allowlist_t *list, ngx_uint_t pseudonyms);
static json_t *ngx_http_plum_policy_steps(ngx_http_plum_policy_t *policy,
    const plum_str_t *path);
static void ngx_http_plum_policy_redis(ngx_http_plum_policy_t *policy,
    json_t *object, const ngx_plum_redis_conf_t *conf);
static json_t *ngx_http_plum_policy_hosts(ngx_http_plum_policy_t *policy,
    const ngx_plum_redis_conf_t *conf, ngx_uint_t *local);


/* how an allowlist finds the type of an event */

static const char  *ngx_http_plum_event_places[] = {
    [NGX_HTTP_PLUM_EVENT_NONE] = NULL,
    [NGX_HTTP_PLUM_EVENT_PATH] = "path",
    [NGX_HTTP_PLUM_EVENT_HEADER] = "header",
    [NGX_HTTP_PLUM_EVENT_VARIABLE] = "variable"
};


json_t *
ngx_http_plum_policy_allowlists(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                     *lists;
    ngx_uint_t                  i;
    ngx_http_plum_allowlist_t **list;

    lists = json_array();
    list = pmcf->allowlists.elts;

    ngx_http_plum_policy_push(policy, lists,
                              ngx_http_plum_policy_allowlist(policy,
                                                             &pmcf->all));

    for (i = 0; i < pmcf->allowlists.nelts; i++) {
        ngx_http_plum_policy_push(policy, lists,
                                  ngx_http_plum_policy_allowlist(policy,
                                                                 list[i]));
    }

    return lists;
}


static json_t *
ngx_http_plum_policy_allowlist(ngx_http_plum_policy_t *policy,
    ngx_http_plum_allowlist_t *list)
{
    json_t  *object, *event;

    event = json_null();

    if (list->event != NGX_HTTP_PLUM_EVENT_NONE) {
        event = json_object();

        ngx_http_plum_policy_set(policy, event, "from",
                       json_string(ngx_http_plum_event_places[list->event]));
        ngx_http_plum_policy_set(policy, event, "name",
                                 ngx_http_plum_policy_text(&list->event_type));
    }

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "name",
                             ngx_http_plum_policy_str(&list->name));
    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&list->where));
    ngx_http_plum_policy_set(policy, object, "event_type", event);
    ngx_http_plum_policy_set(policy, object, "unlisted",
                             json_string(list->acknowledge ? "acknowledge"
                                                           : "refuse"));
    ngx_http_plum_policy_set(policy, object, "allow",
                             ngx_http_plum_policy_rules(policy, list, 0));
    ngx_http_plum_policy_set(policy, object, "pseudonyms",
                             ngx_http_plum_policy_rules(policy, list, 1));

    return object;
}


/* the rules that allow, or those that make pseudonyms */

static json_t *
ngx_http_plum_policy_rules(ngx_http_plum_policy_t *policy,
    ngx_http_plum_allowlist_t *list, ngx_uint_t pseudonyms)
{
    json_t                      *rules, *object;
    ngx_uint_t                   i;
    ngx_http_plum_allow_rule_t  *rule;

    rules = json_array();
    rule = list->rules.elts;

    for (i = 0; i < list->rules.nelts; i++) {

        if (rule[i].pseudonym != pseudonyms) {
            continue;
        }

        object = json_object();

        ngx_http_plum_policy_set(policy, object, "at",
                                 ngx_http_plum_policy_where(&rule[i].where));
        ngx_http_plum_policy_set(policy, object, "path",
                                 ngx_http_plum_policy_text(&rule[i].path));
        ngx_http_plum_policy_set(policy, object, "steps",
                                 ngx_http_plum_policy_steps(policy,
                                                            &rule[i].path));
        ngx_http_plum_policy_set(policy, object, "for",
                                 ngx_http_plum_policy_events(policy,
                                           rule[i].events, rule[i].nevents));

        if (pseudonyms) {
            ngx_http_plum_policy_set(policy, object, "secret",
                     ngx_http_plum_policy_str(
                                      &list->secrets[rule[i].secret].name));
        }

        ngx_http_plum_policy_push(policy, rules, object);
    }

    return rules;
}


/* "=name", "*", "[]" and "**": so nobody else has to read a path */

static json_t *
ngx_http_plum_policy_steps(ngx_http_plum_policy_t *policy,
    const plum_str_t *path)
{
    size_t             at, len;
    u_char            *name;
    json_t            *steps;
    plum_error_t       err;
    plum_step_kind_t   kind;

    steps = json_array();

    name = malloc(path->len + 1);
    if (name == NULL) {
        policy->failed = 1;
        return steps;
    }

    at = 0;
    name[0] = '=';

    for ( ;; ) {

        if (plum_path_step(path, &at, &kind, name + 1, &len, &err) != PLUM_OK
            || kind == PLUM_STEP_END)
        {
            break;
        }

        ngx_http_plum_policy_push(policy, steps,
                          (kind == PLUM_STEP_NAME)
                          ? ngx_http_plum_policy_bytes(name, len + 1)
                          : json_string((kind == PLUM_STEP_ANY) ? "*"
                                        : (kind == PLUM_STEP_ELEMENT) ? "[]"
                                        : "**"));
    }

    free(name);

    return steps;
}


json_t *
ngx_http_plum_policy_stores(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                       *stores, *object;
    ngx_uint_t                    i;
    ngx_plum_store_t            **store;
    ngx_http_plum_where_t         where;
    const ngx_plum_redis_conf_t  *conf;

    stores = json_array();
    store = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {
        object = json_object();

        where.file = store[i]->file;
        where.line = store[i]->line;

        ngx_http_plum_policy_set(policy, object, "name",
                                 ngx_http_plum_policy_str(&store[i]->name));
        ngx_http_plum_policy_set(policy, object, "at",
                                 ngx_http_plum_policy_where(&where));

        conf = ngx_plum_store_redis_conf(store[i]);

        ngx_http_plum_policy_set(policy, object, "kind",
                                 json_string(conf ? "redis" : "memory"));

        if (conf) {
            ngx_http_plum_policy_redis(policy, object, conf);
        }

        ngx_http_plum_policy_push(policy, stores, object);
    }

    return stores;
}


static void
ngx_http_plum_policy_redis(ngx_http_plum_policy_t *policy, json_t *object,
    const ngx_plum_redis_conf_t *conf)
{
    json_t      *hosts;
    const char  *topology;
    ngx_uint_t   local;

    topology = (conf->topology == &ngx_plum_redis_cluster) ? "cluster"
               : (conf->topology == &ngx_plum_redis_sentinel) ? "sentinel"
               : "single";

    hosts = ngx_http_plum_policy_hosts(policy, conf, &local);

    ngx_http_plum_policy_set(policy, object, "topology",
                             json_string(topology));
    ngx_http_plum_policy_set(policy, object, "hosts", hosts);
    ngx_http_plum_policy_set(policy, object, "local", json_boolean(local));
    ngx_http_plum_policy_set(policy, object, "tls",
                             json_boolean(conf->ssl != NULL));
    ngx_http_plum_policy_set(policy, object, "ca",
                             conf->ca.len ? ngx_http_plum_policy_str(&conf->ca)
                                          : json_null());
    ngx_http_plum_policy_set(policy, object, "certificate",
                             json_boolean(conf->certificate.len != 0));
    ngx_http_plum_policy_set(policy, object, "user",
                             ngx_http_plum_policy_str(&conf->user));
    ngx_http_plum_policy_set(policy, object, "password",
                             json_boolean(conf->password.len != 0));
    ngx_http_plum_policy_set(policy, object, "prefix",
                             ngx_http_plum_policy_str(&conf->prefix));
}


/* local: each of them is a socket or an address of this host only */

static json_t *
ngx_http_plum_policy_hosts(ngx_http_plum_policy_t *policy,
    const ngx_plum_redis_conf_t *conf, ngx_uint_t *local)
{
    json_t                 *hosts;
    ngx_uint_t              i, k;
    ngx_plum_redis_host_t  *host;

    *local = 1;
    hosts = json_array();

    for (i = 0; i < conf->nhosts; i++) {
        host = &conf->hosts[i];

        ngx_http_plum_policy_push(policy, hosts,
                                  ngx_http_plum_policy_str(&host->text));

        if (host->local) {
            continue;
        }

        if (host->naddrs == 0) {
            *local = 0;
        }

        for (k = 0; k < host->naddrs; k++) {
            if (!ngx_http_plum_loopback(host->addrs[k].sockaddr)) {
                *local = 0;
            }
        }
    }

    return hosts;
}
