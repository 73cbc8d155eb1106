
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>


static json_t *ngx_http_plum_policy_said(ngx_http_plum_policy_t *policy,
    json_t *value, const ngx_http_plum_where_t *where);
static json_t *ngx_http_plum_policy_tls(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_types(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_ack(ngx_uint_t ack);
static json_t *ngx_http_plum_policy_acks(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_refuse(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);


json_t *
ngx_http_plum_policy_gate(ngx_http_plum_policy_t *policy,
    ngx_http_plum_location_t *location)
{
    json_t                    *gate;
    ngx_http_plum_loc_conf_t  *plcf;

    plcf = location->plcf;
    gate = json_object();

    ngx_http_plum_policy_place(policy, gate, location->cscf, location->clcf);
    ngx_http_plum_policy_set(policy, gate, "at",
                             ngx_http_plum_policy_where(&plcf->where));
    ngx_http_plum_policy_set(policy, gate, "name",
                             plcf->gate_name.len
                             ? ngx_http_plum_policy_str(&plcf->gate_name)
                             : json_null());

    ngx_http_plum_policy_set(policy, gate, "mode",
        ngx_http_plum_policy_said(policy,
                      json_string(plcf->mode == NGX_HTTP_PLUM_OBSERVE
                                  ? "observe" : "enforce"),
                      &plcf->said[NGX_HTTP_PLUM_SAID_MODE]));

    ngx_http_plum_policy_caller(policy, gate, location->cscf, location->clcf);

    ngx_http_plum_policy_set(policy, gate, "internal",
                             json_boolean(plcf->internal));
    ngx_http_plum_policy_set(policy, gate, "tls",
                             ngx_http_plum_policy_tls(policy, plcf));
    ngx_http_plum_policy_set(policy, gate, "types",
        ngx_http_plum_policy_said(policy,
                      ngx_http_plum_policy_types(policy, plcf),
                      &plcf->said[NGX_HTTP_PLUM_SAID_TYPES]));
    ngx_http_plum_policy_set(policy, gate, "max_body",
        ngx_http_plum_policy_said(policy,
                      json_integer((json_int_t) plcf->body_limit),
                      &plcf->said[NGX_HTTP_PLUM_SAID_MAX_BODY]));

    ngx_http_plum_policy_proof(policy, gate, plcf);
    ngx_http_plum_policy_records(policy, gate, plcf);

    ngx_http_plum_policy_set(policy, gate, "target",
                             ngx_http_plum_policy_target(policy,
                                                         location->clcf));
    ngx_http_plum_policy_set(policy, gate, "ack",
        ngx_http_plum_policy_said(policy,
                      ngx_http_plum_policy_ack(plcf->ack),
                      &plcf->said[NGX_HTTP_PLUM_SAID_ACK]));
    ngx_http_plum_policy_set(policy, gate, "acks",
                             ngx_http_plum_policy_acks(policy, plcf));
    ngx_http_plum_policy_set(policy, gate, "refuse",
                             ngx_http_plum_policy_refuse(policy, plcf));

    return gate;
}


/* a value, and where it is said */

static json_t *
ngx_http_plum_policy_said(ngx_http_plum_policy_t *policy, json_t *value,
    const ngx_http_plum_where_t *where)
{
    json_t  *object;

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "value", value);
    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(where));

    return object;
}


static json_t *
ngx_http_plum_policy_tls(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t               *object, *certificate;
    const char           *minimum;
    ngx_http_plum_tls_t  *tls;

    tls = plcf->tls;

    minimum = (tls->minimum == 0) ? "off"
              : (tls->minimum == TLS1_3_VERSION) ? "TLSv1.3" : "TLSv1.2";

    certificate = !tls->certificate ? json_null()
                  : tls->verify
                    ? ngx_http_plum_policy_str(&tls->verify->value)
                    : json_string("connection");

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "minimum", json_string(minimum));
    ngx_http_plum_policy_set(policy, object, "version",
                             tls->version
                             ? ngx_http_plum_policy_str(&tls->version->value)
                             : json_null());
    ngx_http_plum_policy_set(policy, object, "client_certificate",
                             certificate);
    ngx_http_plum_policy_set(policy, object, "at",
            ngx_http_plum_policy_where(&plcf->said[NGX_HTTP_PLUM_SAID_TLS]));

    return object;
}


static json_t *
ngx_http_plum_policy_types(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                *types;
    ngx_uint_t             i;
    ngx_http_plum_type_t  *type;

    types = json_array();
    type = plcf->types ? plcf->types->elts : NULL;

    for (i = 0; type && i < plcf->types->nelts; i++) {
        ngx_http_plum_policy_push(policy, types,
                                  ngx_http_plum_policy_text(&type[i].name));
    }

    return types;
}


static json_t *
ngx_http_plum_policy_ack(ngx_uint_t ack)
{
    return (ack == NGX_HTTP_PLUM_ACK_OFF) ? json_string("off")
                                          : json_integer((json_int_t) ack);
}


static json_t *
ngx_http_plum_policy_acks(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                    *acks, *object;
    ngx_uint_t                 i;
    ngx_http_plum_ack_rule_t  *rule;

    acks = json_array();
    rule = plcf->acks ? plcf->acks->elts : NULL;

    for (i = 0; rule && i < plcf->acks->nelts; i++) {
        object = ngx_http_plum_policy_said(policy,
                                    ngx_http_plum_policy_ack(rule[i].ack),
                                    &rule[i].where);

        ngx_http_plum_policy_set(policy, object, "for",
                                 ngx_http_plum_policy_events(policy,
                                           rule[i].events, rule[i].nevents));
        ngx_http_plum_policy_push(policy, acks, object);
    }

    return acks;
}


/* codes that are not the defaults */

static json_t *
ngx_http_plum_policy_refuse(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t      *refuse;
    ngx_uint_t   i;

    refuse = json_object();

    for (i = 0; i < PLUM_REASON_MAX; i++) {
        if (plcf->refuse[i] != plum_reason_status((plum_reason_t) i)) {
            ngx_http_plum_policy_set(policy, refuse,
                                   plum_reason_name((plum_reason_t) i),
                                   json_integer((json_int_t) plcf->refuse[i]));
        }
    }

    return refuse;
}
