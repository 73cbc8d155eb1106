
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>
#include <ngx_http_plum_queue.h>


static json_t *ngx_http_plum_policy_signature(ngx_http_plum_policy_t *policy,
    ngx_http_plum_signature_t *signature);
static void ngx_http_plum_policy_mac(ngx_http_plum_policy_t *policy,
    json_t *object, const plum_scheme_t *scheme);
static json_t *ngx_http_plum_policy_covers(ngx_http_plum_policy_t *policy,
    const plum_scheme_t *scheme);
static json_t *ngx_http_plum_policy_header(const plum_str_t *name);
static json_t *ngx_http_plum_policy_captures(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_key(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_dedupe(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);
static json_t *ngx_http_plum_policy_accept(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf);


static const char  *ngx_http_plum_algorithms[] = {
    [PLUM_ALGORITHM_SHA256] = "sha256",
    [PLUM_ALGORITHM_SHA384] = "sha384",
    [PLUM_ALGORITHM_SHA512] = "sha512"
};


void
ngx_http_plum_policy_proof(ngx_http_plum_policy_t *policy, json_t *gate,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                      *satisfy, *signatures, *allow;
    ngx_uint_t                   i;
    ngx_http_plum_signature_t  **signature;

    satisfy = json_object();

    ngx_http_plum_policy_set(policy, satisfy, "value",
             json_string(plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ANY ? "any"
                                                                    : "all"));
    ngx_http_plum_policy_set(policy, satisfy, "at",
        ngx_http_plum_policy_where(&plcf->said[NGX_HTTP_PLUM_SAID_SATISFY]));

    signatures = json_array();
    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {
        ngx_http_plum_policy_push(policy, signatures,
                                  ngx_http_plum_policy_signature(policy,
                                                              signature[i]));
    }

    allow = json_object();

    ngx_http_plum_policy_set(policy, allow, "list",
                             ngx_http_plum_policy_str(&plcf->allowlist->name));
    ngx_http_plum_policy_set(policy, allow, "at",
                             ngx_http_plum_policy_where(&plcf->allow_where));

    ngx_http_plum_policy_set(policy, gate, "satisfy", satisfy);
    ngx_http_plum_policy_set(policy, gate, "signatures", signatures);
    ngx_http_plum_policy_set(policy, gate, "allow", allow);
    ngx_http_plum_policy_set(policy, gate, "captures",
                             ngx_http_plum_policy_captures(policy, plcf));
}


static json_t *
ngx_http_plum_policy_signature(ngx_http_plum_policy_t *policy,
    ngx_http_plum_signature_t *signature)
{
    json_t               *object, *secrets;
    ngx_uint_t            i;
    const plum_scheme_t  *scheme;

    scheme = &signature->scheme;
    object = json_object();
    secrets = json_array();

    for (i = 0; i < signature->nkeys; i++) {
        ngx_http_plum_policy_push(policy, secrets,
                      ngx_http_plum_policy_str(&signature->secrets[i]->label));
    }

    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&signature->where));
    ngx_http_plum_policy_set(policy, object, "scheme",
                             ngx_http_plum_policy_text(&scheme->name));
    ngx_http_plum_policy_set(policy, object, "secret",
                             ngx_http_plum_policy_str(&signature->secret));
    ngx_http_plum_policy_set(policy, object, "secrets", secrets);

    switch (scheme->kind) {

    case PLUM_SCHEME_API_KEY:
        ngx_http_plum_policy_set(policy, object, "kind", json_string("key"));
        ngx_http_plum_policy_set(policy, object, "header",
                                 ngx_http_plum_policy_text(&scheme->header));
        break;

    case PLUM_SCHEME_BODY_TOKEN:
        ngx_http_plum_policy_set(policy, object, "kind", json_string("token"));
        ngx_http_plum_policy_set(policy, object, "path",
                                 ngx_http_plum_policy_text(&scheme->path));
        break;

    case PLUM_SCHEME_MAC:
        ngx_http_plum_policy_mac(policy, object, scheme);
        break;
    }

    return object;
}


static void
ngx_http_plum_policy_mac(ngx_http_plum_policy_t *policy, json_t *object,
    const plum_scheme_t *scheme)
{
    json_t      *timestamp;
    const char  *from;

    ngx_http_plum_policy_set(policy, object, "kind", json_string("mac"));
    ngx_http_plum_policy_set(policy, object, "header",
                             ngx_http_plum_policy_text(&scheme->header));
    ngx_http_plum_policy_set(policy, object, "algorithm",
                  json_string(ngx_http_plum_algorithms[scheme->algorithm]));
    ngx_http_plum_policy_set(policy, object, "format",
                             json_string(scheme->list ? "list" : "plain"));
    ngx_http_plum_policy_set(policy, object, "prefix",
                             ngx_http_plum_policy_text(&scheme->prefix));
    ngx_http_plum_policy_set(policy, object, "content",
                             ngx_http_plum_policy_text(&scheme->content));
    ngx_http_plum_policy_set(policy, object, "covers",
                             ngx_http_plum_policy_covers(policy, scheme));
    ngx_http_plum_policy_set(policy, object, "id",
                             scheme->id.len
                             ? ngx_http_plum_policy_text(&scheme->id)
                             : json_null());

    if (scheme->stamp == PLUM_STAMP_NONE) {
        ngx_http_plum_policy_set(policy, object, "timestamp", json_null());
        return;
    }

    from = (scheme->stamp == PLUM_STAMP_HEADER) ? "header"
           : (scheme->stamp == PLUM_STAMP_LIST) ? "list" : "json";

    timestamp = json_object();

    ngx_http_plum_policy_set(policy, timestamp, "from", json_string(from));
    ngx_http_plum_policy_set(policy, timestamp, "name",
                             ngx_http_plum_policy_text(&scheme->timestamp));

    ngx_http_plum_policy_set(policy, object, "timestamp", timestamp);

    /* in seconds; null: off */

    ngx_http_plum_policy_set(policy, object, "tolerance",
                             scheme->tolerance
                             ? json_integer((json_int_t) scheme->tolerance)
                             : json_null());
}


/* what a recorded delivery cannot be given another value of */

static json_t *
ngx_http_plum_policy_covers(ngx_http_plum_policy_t *policy,
    const plum_scheme_t *scheme)
{
    size_t               i;
    json_t              *covers;
    const plum_piece_t  *piece;

    covers = json_array();

    for (i = 0; i < scheme->npieces; i++) {
        piece = &scheme->pieces[i];

        switch (piece->kind) {

        case PLUM_PIECE_TEXT:
            break;

        case PLUM_PIECE_TIMESTAMP:
            ngx_http_plum_policy_push(policy, covers,
                                      json_string("timestamp"));
            break;

        case PLUM_PIECE_ID:
            ngx_http_plum_policy_push(policy, covers, json_string("id"));
            break;

        case PLUM_PIECE_BODY:
            ngx_http_plum_policy_push(policy, covers, json_string("body"));
            break;

        case PLUM_PIECE_HEADER:
            ngx_http_plum_policy_push(policy, covers,
                                      ngx_http_plum_policy_header(
                                                               &piece->text));
            break;

        case PLUM_PIECE_URI:
            ngx_http_plum_policy_push(policy, covers, json_string("uri"));
            break;
        }
    }

    return covers;
}


static json_t *
ngx_http_plum_policy_header(const plum_str_t *name)
{
    u_char  *p, *last;
    json_t  *value;

    p = malloc(sizeof("header ") + name->len);
    if (p == NULL) {
        return NULL;
    }

    last = ngx_sprintf(p, "header %*s", name->len, name->data);
    value = ngx_http_plum_policy_bytes(p, last - p);

    free(p);

    return value;
}


static json_t *
ngx_http_plum_policy_captures(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                   *captures, *object;
    ngx_uint_t                i;
    ngx_http_plum_capture_t  *capture;

    captures = json_array();
    capture = plcf->captures ? plcf->captures->elts : NULL;

    for (i = 0; capture && i < plcf->captures->nelts; i++) {
        object = json_object();

        ngx_http_plum_policy_set(policy, object, "variable",
                                 ngx_http_plum_policy_str(&capture[i].name));
        ngx_http_plum_policy_set(policy, object, "path",
                                 ngx_http_plum_policy_text(&capture[i].path));
        ngx_http_plum_policy_set(policy, object, "at",
                               ngx_http_plum_policy_where(&capture[i].where));

        ngx_http_plum_policy_push(policy, captures, object);
    }

    return captures;
}


void
ngx_http_plum_policy_records(ngx_http_plum_policy_t *policy, json_t *gate,
    ngx_http_plum_loc_conf_t *plcf)
{
    ngx_http_plum_where_t  *off;

    ngx_http_plum_policy_set(policy, gate, "dedupe",
                             ngx_http_plum_policy_dedupe(policy, plcf));
    ngx_http_plum_policy_set(policy, gate, "accept",
                             ngx_http_plum_policy_accept(policy, plcf));
    ngx_http_plum_policy_set(policy, gate, "key",
                             ngx_http_plum_dedupes(plcf)
                             ? ngx_http_plum_policy_key(policy, plcf)
                             : json_null());

    /* where "plum_idempotency off" is said */

    off = &plcf->said[NGX_HTTP_PLUM_SAID_IDEMPOTENCY];

    ngx_http_plum_policy_set(policy, gate, "dedupe_at",
                             ngx_http_plum_policy_where(off));
}


static json_t *
ngx_http_plum_policy_key(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                    *object, *parts;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *value;

    parts = json_array();
    value = plcf->key->elts;

    for (i = 0; i < plcf->key->nelts; i++) {
        ngx_http_plum_policy_push(policy, parts,
                                  ngx_http_plum_policy_str(&value[i].value));
    }

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "value", parts);
    ngx_http_plum_policy_set(policy, object, "at",
            ngx_http_plum_policy_where(&plcf->said[NGX_HTTP_PLUM_SAID_KEY]));

    return object;
}


/* times are in milliseconds */

static json_t *
ngx_http_plum_policy_dedupe(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                       *object;
    ngx_http_plum_idempotency_t  *conf;

    conf = plcf->idempotency;

    if (conf == NULL) {
        return json_null();
    }

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&conf->where));
    ngx_http_plum_policy_set(policy, object, "store",
                             ngx_http_plum_policy_str(&conf->name));
    ngx_http_plum_policy_set(policy, object, "retention",
                             json_integer((json_int_t) conf->retention));
    ngx_http_plum_policy_set(policy, object, "lease",
                             json_integer((json_int_t) conf->lease));
    ngx_http_plum_policy_set(policy, object, "wait",
                             json_integer((json_int_t) conf->wait));
    ngx_http_plum_policy_set(policy, object, "unavailable",
                             json_string(conf->forward ? "forward"
                                                       : "refuse"));
    ngx_http_plum_policy_set(policy, object, "in_doubt",
                             json_string(conf->hold ? "hold" : "release"));
    ngx_http_plum_policy_set(policy, object, "success",
                             ngx_http_plum_policy_codes(&conf->success));
    ngx_http_plum_policy_set(policy, object, "answer",
                             json_integer((json_int_t) conf->answer));
    ngx_http_plum_policy_set(policy, object, "replicas",
                             json_integer((json_int_t) conf->replicas));
    ngx_http_plum_policy_set(policy, object, "scope",
                             conf->scope.len
                             ? ngx_http_plum_policy_str(&conf->scope)
                             : json_null());

    return object;
}


static json_t *
ngx_http_plum_policy_accept(ngx_http_plum_policy_t *policy,
    ngx_http_plum_loc_conf_t *plcf)
{
    json_t                  *object;
    ngx_http_plum_accept_t  *accept;

    accept = plcf->accept;

    if (accept == NULL) {
        return json_null();
    }

    object = json_object();

    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&accept->where));
    ngx_http_plum_policy_set(policy, object, "queue",
                             ngx_http_plum_policy_str(&accept->name));
    ngx_http_plum_policy_set(policy, object, "retention",
                             json_integer((json_int_t) accept->retention));
    ngx_http_plum_policy_set(policy, object, "unavailable",
                             json_string(accept->forward ? "forward"
                                                         : "refuse"));

    return object;
}
