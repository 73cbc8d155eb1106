
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>
#include <ngx_http_plum_variables.h>
#include <plum_header.h>


/*
 * What a variable says of an event, as a part of the key.  Captures, other
 * variables of the body, and those of other directives ("map", "set") are
 * taken to tell events apart.
 */

typedef enum {
    NGX_HTTP_PLUM_PART_EVENT = 0,
    NGX_HTTP_PLUM_PART_HEADER,           /* a header of the request */
    NGX_HTTP_PLUM_PART_URI,              /* the path or the arguments */
    NGX_HTTP_PLUM_PART_PATH,             /* the path, in "location =" one */
    NGX_HTTP_PLUM_PART_TYPE,             /* of many events the same */
    NGX_HTTP_PLUM_PART_CONSTANT,         /* of all events the same */
    NGX_HTTP_PLUM_PART_ATTEMPT,          /* of each attempt another */
    NGX_HTTP_PLUM_PART_LATE              /* not known before the forward */
} ngx_http_plum_part_e;

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 prefix;   /* of a family of variables */
    ngx_http_plum_part_e       part;
} ngx_http_plum_part_t;

/* one variable of the key */

typedef struct {
    ngx_http_plum_location_t  *location;
    ngx_str_t                  name;     /* without "$" */
    plum_str_t                 header;   /* of the request; empty: none */
} ngx_http_plum_named_t;


static ngx_int_t ngx_http_plum_review_part(ngx_conf_t *cf,
    ngx_http_plum_named_t *named, ngx_http_plum_part_e *part);
static ngx_int_t ngx_http_plum_review_empty(ngx_conf_t *cf,
    ngx_http_plum_named_t *named);
static ngx_int_t ngx_http_plum_review_capture(ngx_conf_t *cf,
    ngx_http_plum_named_t *named, ngx_int_t index);
static ngx_int_t ngx_http_plum_review_nothing(ngx_conf_t *cf,
    ngx_http_plum_named_t *named, const char *text);
static ngx_http_plum_part_e ngx_http_plum_review_kind(
    ngx_http_plum_named_t *named);
static ngx_http_plum_part_e ngx_http_plum_review_header(ngx_conf_t *cf,
    ngx_http_plum_named_t *named);
static void ngx_http_plum_review_signed(ngx_conf_t *cf,
    ngx_http_plum_named_t *named);
static ngx_uint_t ngx_http_plum_review_next(u_char **p, u_char *last,
    ngx_str_t *name);


#define NGX_HTTP_PLUM_INSTEAD                                                 \
    "a captured field or \"$plum_body_sha256\""

#define ngx_http_plum_part(name, part)                                        \
    { ngx_string(name), 0, NGX_HTTP_PLUM_PART_##part }

#define ngx_http_plum_parts(name, part)                                       \
    { ngx_string(name), 1, NGX_HTTP_PLUM_PART_##part }


static const ngx_http_plum_part_t  ngx_http_plum_part_table[] = {

    ngx_http_plum_parts("http_", HEADER),
    ngx_http_plum_parts("cookie_", HEADER),
    ngx_http_plum_part("host", HEADER),
    ngx_http_plum_part("content_type", HEADER),
    ngx_http_plum_part("content_length", HEADER),

    ngx_http_plum_parts("arg_", URI),
    ngx_http_plum_part("args", URI),
    ngx_http_plum_part("query_string", URI),
    ngx_http_plum_part("request_uri", URI),
    ngx_http_plum_part("uri", PATH),
    ngx_http_plum_part("document_uri", PATH),
    ngx_http_plum_part("request", URI),
    ngx_http_plum_part("request_filename", PATH),

    ngx_http_plum_part("plum_event_type", TYPE),
    ngx_http_plum_part("plum_bytes_in", TYPE),
    ngx_http_plum_part("plum_bytes_out", TYPE),
    ngx_http_plum_part("plum_dropped", TYPE),

    ngx_http_plum_part("plum_secret", CONSTANT),
    ngx_http_plum_part("plum_tls_version", CONSTANT),
    ngx_http_plum_part("document_root", CONSTANT),
    ngx_http_plum_part("realpath_root", CONSTANT),
    ngx_http_plum_part("hostname", CONSTANT),
    ngx_http_plum_part("https", CONSTANT),
    ngx_http_plum_part("is_args", CONSTANT),
    ngx_http_plum_part("limit_rate", CONSTANT),
    ngx_http_plum_part("nginx_version", CONSTANT),
    ngx_http_plum_part("request_method", CONSTANT),
    ngx_http_plum_part("scheme", CONSTANT),
    ngx_http_plum_part("server_addr", CONSTANT),
    ngx_http_plum_part("server_name", CONSTANT),
    ngx_http_plum_part("server_port", CONSTANT),
    ngx_http_plum_part("server_protocol", CONSTANT),
    ngx_http_plum_part("ssl_cipher", CONSTANT),
    ngx_http_plum_part("ssl_protocol", CONSTANT),
    ngx_http_plum_part("ssl_server_name", CONSTANT),
    ngx_http_plum_parts("ssl_client_", CONSTANT),

    ngx_http_plum_part("binary_remote_addr", ATTEMPT),
    ngx_http_plum_part("connection", ATTEMPT),
    ngx_http_plum_part("connection_requests", ATTEMPT),
    ngx_http_plum_part("connection_time", ATTEMPT),
    ngx_http_plum_part("date_gmt", ATTEMPT),
    ngx_http_plum_part("date_local", ATTEMPT),
    ngx_http_plum_part("msec", ATTEMPT),
    ngx_http_plum_part("pid", ATTEMPT),
    ngx_http_plum_parts("proxy_protocol_", ATTEMPT),
    ngx_http_plum_parts("realip_remote_", ATTEMPT),
    ngx_http_plum_part("remote_addr", ATTEMPT),
    ngx_http_plum_part("remote_port", ATTEMPT),
    ngx_http_plum_part("request_id", ATTEMPT),
    ngx_http_plum_part("request_length", ATTEMPT),
    ngx_http_plum_part("request_time", ATTEMPT),
    ngx_http_plum_part("ssl_session_id", ATTEMPT),
    ngx_http_plum_part("ssl_session_reused", ATTEMPT),
    ngx_http_plum_parts("tcpinfo_", ATTEMPT),
    ngx_http_plum_part("time_iso8601", ATTEMPT),
    ngx_http_plum_part("time_local", ATTEMPT),

    ngx_http_plum_part("body_bytes_sent", LATE),
    ngx_http_plum_part("bytes_sent", LATE),
    ngx_http_plum_part("plum_dedupe", LATE),
    ngx_http_plum_part("plum_key", LATE),
    ngx_http_plum_part("plum_reason", LATE),
    ngx_http_plum_part("plum_verdict", LATE),
    ngx_http_plum_part("request_completion", LATE),
    ngx_http_plum_parts("sent_http_", LATE),
    ngx_http_plum_parts("sent_trailer_", LATE),
    ngx_http_plum_part("status", LATE),
    ngx_http_plum_parts("upstream_", LATE),

    { ngx_null_string, 0, NGX_HTTP_PLUM_PART_EVENT }
};


ngx_int_t
ngx_http_plum_review_key(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    u_char                    *p, *last;
    ngx_uint_t                 i;
    ngx_http_plum_part_e       part, best;
    ngx_http_complex_value_t  *value;
    ngx_http_plum_loc_conf_t  *plcf;
    ngx_http_plum_named_t      named;

    plcf = location->plcf;

    if (!ngx_http_plum_dedupes(plcf)) {
        return NGX_OK;
    }

    named.location = location;
    best = NGX_HTTP_PLUM_PART_CONSTANT;
    value = plcf->key->elts;

    for (i = 0; i < plcf->key->nelts; i++) {
        p = value[i].value.data;
        last = p + value[i].value.len;

        while (ngx_http_plum_review_next(&p, last, &named.name)) {

            if (ngx_http_plum_review_part(cf, &named, &part) != NGX_OK) {
                return NGX_ERROR;
            }

            best = ngx_min(best, part);
        }
    }

    if (best == NGX_HTTP_PLUM_PART_CONSTANT) {
        (void) ngx_http_plum_conf_error(cf, &plcf->where,
                        "the variables of \"plum_idempotency_key\" are the "
                        "same in all deliveries: all would be copies of the "
                        "first, add an id of the event by \"plum_capture\"");
        return NGX_ERROR;
    }

    if (best == NGX_HTTP_PLUM_PART_TYPE) {
        ngx_http_plum_conf_warn(cf, &plcf->where,
                                "the variables of \"plum_idempotency_key\" do "
                                "not tell events of one type apart: they "
                                "would be copies of the first, add an id of "
                                "the event by \"plum_capture\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_review_part(ngx_conf_t *cf, ngx_http_plum_named_t *named,
    ngx_http_plum_part_e *part)
{
    ngx_http_plum_loc_conf_t  *plcf;

    plcf = named->location->plcf;

    if (ngx_http_plum_review_empty(cf, named) != NGX_OK) {
        return NGX_ERROR;
    }

    *part = ngx_http_plum_review_kind(named);

    switch (*part) {

    case NGX_HTTP_PLUM_PART_LATE:
        return ngx_http_plum_review_nothing(cf, named, "is not known before "
                                            "the event is forwarded");

    case NGX_HTTP_PLUM_PART_ATTEMPT:
        ngx_http_plum_conf_warn(cf, &plcf->where,
                                "\"$%V\" in \"plum_idempotency_key\" differs "
                                "from attempt to attempt: each is a new "
                                "event, use " NGX_HTTP_PLUM_INSTEAD,
                                &named->name);

        *part = NGX_HTTP_PLUM_PART_EVENT;
        break;

    case NGX_HTTP_PLUM_PART_HEADER:
        *part = ngx_http_plum_review_header(cf, named);
        break;

    case NGX_HTTP_PLUM_PART_URI:
        ngx_http_plum_review_signed(cf, named);
        break;

    default:
        break;
    }

    return NGX_OK;
}


/* an empty part of the key refuses the delivery: is one always empty */

static ngx_int_t
ngx_http_plum_review_empty(ngx_conf_t *cf, ngx_http_plum_named_t *named)
{
    ngx_int_t  index;

    static ngx_str_t  event_type = ngx_string("plum_event_type");

    index = ngx_http_plum_find_capture(cf, &named->name);

    if (index != NGX_DECLINED) {
        return ngx_http_plum_review_capture(cf, named, index);
    }

    if (ngx_http_plum_same(&named->name, &event_type)
        && named->location->plcf->allowlist->event_type.len == 0)
    {
        return ngx_http_plum_review_nothing(cf, named, "is empty, as the "
                                            "allowlist has no \"event_type\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_review_capture(ngx_conf_t *cf, ngx_http_plum_named_t *named,
    ngx_int_t index)
{
    ngx_uint_t                 i;
    const plum_str_t          *inside;
    ngx_http_plum_capture_t   *capture;
    ngx_http_plum_loc_conf_t  *plcf;

    plcf = named->location->plcf;
    capture = plcf->captures ? plcf->captures->elts : NULL;

    for (i = 0; capture && i < plcf->captures->nelts; i++) {

        if (capture[i].index != index) {
            continue;
        }

        inside = ngx_http_plum_review_inside(plcf, &capture[i].path);

        if (inside) {
            ngx_http_plum_conf_warn(cf, &capture[i].where,
                                    "\"$%V\" is a part of the key, and empty "
                                    "where there is \"%*s\": \"%*s\" is an "
                                    "object or array then", &named->name,
                                    inside->len, inside->data,
                                    capture[i].path.len,
                                    capture[i].path.data);
        }

        return NGX_OK;
    }

    return ngx_http_plum_review_nothing(cf, named, "is empty, as no "
                                        "\"plum_capture\" of this location "
                                        "sets it");
}


static ngx_int_t
ngx_http_plum_review_nothing(ngx_conf_t *cf, ngx_http_plum_named_t *named,
    const char *text)
{
    (void) ngx_http_plum_conf_error(cf, &named->location->plcf->where,
                                    "\"$%V\" in \"plum_idempotency_key\" %s: "
                                    "each delivery would be refused "
                                    "(key_missing)", &named->name, text);
    return NGX_ERROR;
}


static ngx_http_plum_part_e
ngx_http_plum_review_kind(ngx_http_plum_named_t *named)
{
    size_t                       skip;
    ngx_str_t                   *name;
    const ngx_http_plum_part_t  *part;

    static const plum_str_t  cookie = PLUM_STR("cookie");

    name = &named->name;
    named->header.len = 0;

    for (part = ngx_http_plum_part_table; part->name.len; part++) {

        if (part->prefix ? name->len <= part->name.len
                         : name->len != part->name.len)
        {
            continue;
        }

        if (ngx_strncasecmp(name->data, part->name.data, part->name.len)
            == 0)
        {
            break;
        }
    }

    if (part->part == NGX_HTTP_PLUM_PART_HEADER) {

        skip = (part->prefix && part->name.data[0] == 'h') ? part->name.len
                                                           : 0;

        named->header.data = name->data + skip;
        named->header.len = name->len - skip;

        if (part->prefix && skip == 0) {
            named->header = cookie;
        }
    }

    /* "location = /uri" has one path; $1 is a match of the location's */

    if (part->part == NGX_HTTP_PLUM_PART_PATH) {
        return named->location->clcf->exact_match
               ? NGX_HTTP_PLUM_PART_CONSTANT : NGX_HTTP_PLUM_PART_URI;
    }

    if (name->data[0] >= '1' && name->data[0] <= '9') {
        return NGX_HTTP_PLUM_PART_URI;
    }

    return part->part;
}


/* a header that belongs to a signature names no event */

static ngx_http_plum_part_e
ngx_http_plum_review_header(ngx_conf_t *cf, ngx_http_plum_named_t *named)
{
    ngx_uint_t                   i;
    const char                  *text;
    const plum_scheme_t         *scheme;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_signature_t  **signature;

    plcf = named->location->plcf;
    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        scheme = &signature[i]->scheme;
        text = NULL;

        if (scheme->kind == PLUM_SCHEME_API_KEY
            && plum_header_same(&scheme->header, &named->header))
        {
            return NGX_HTTP_PLUM_PART_CONSTANT;
        }

        if (scheme->kind != PLUM_SCHEME_MAC) {
            continue;
        }

        if (plum_header_same(&scheme->header, &named->header)) {
            text = "is a signature, which can be spelt in several ways";
        }

        if (scheme->stamp == PLUM_STAMP_HEADER
            && plum_header_same(&scheme->timestamp, &named->header))
        {
            text = "is the time of an attempt";
        }

        if (text) {
            ngx_http_plum_conf_warn(cf, &plcf->where,
                                    "\"$%V\" in \"plum_idempotency_key\" %s: "
                                    "each attempt may be a new event, use "
                                    NGX_HTTP_PLUM_INSTEAD, &named->name,
                                    text);

            return NGX_HTTP_PLUM_PART_EVENT;
        }
    }

    ngx_http_plum_review_signed(cf, named);

    return NGX_HTTP_PLUM_PART_HEADER;
}


/*
 * What no signature covers can be changed in a recorded delivery, which would
 * then be a new event.  Where there is no signature at all (api-key,
 * body-token), a recorded delivery gives the secret away anyhow.  One line
 * that covers it is enough where all must hold; where one may be enough, each
 * must cover it.
 */

static void
ngx_http_plum_review_signed(ngx_conf_t *cf, ngx_http_plum_named_t *named)
{
    ngx_uint_t                   i, signatures, covered, ids;
    const plum_scheme_t         *scheme;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_signature_t  **signature;

    ids = 0;
    covered = 0;
    signatures = 0;

    plcf = named->location->plcf;
    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        scheme = &signature[i]->scheme;

        if (scheme->kind == PLUM_SCHEME_MAC) {

            signatures++;
            ids += (scheme->id.len != 0);
            covered += named->header.len
                       ? plum_scheme_covers(scheme, &named->header)
                       : plum_scheme_covers_uri(scheme);
        }
    }

    if (plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ANY ? covered < signatures
                                                   : signatures && !covered)
    {
        ngx_http_plum_conf_warn(cf, &plcf->where,
                                "\"$%V\" in \"plum_idempotency_key\" is "
                                "covered by no signature: with another value "
                                "a recorded delivery is a new event, use %s"
                                NGX_HTTP_PLUM_INSTEAD, &named->name,
                                ids ? "\"$plum_signed_id\", " : "");
    }
}


/* the next variable of a value, "$name" or "${name}" */

static ngx_uint_t
ngx_http_plum_review_next(u_char **p, u_char *last, ngx_str_t *name)
{
    u_char  *start, *end;

    start = ngx_strlchr(*p, last, '$');

    if (start == NULL || ++start == last) {
        return 0;
    }

    if (*start == '{') {
        start++;
    }

    for (end = start; end < last; end++) {

        if (*end != '_' && !(*end >= '0' && *end <= '9')
            && !((*end | 0x20) >= 'a' && (*end | 0x20) <= 'z'))
        {
            break;
        }

        /* "$10" is $1 and a 0 */

        if (*start >= '1' && *start <= '9' && end > start) {
            break;
        }
    }

    name->data = start;
    name->len = end - start;

    *p = end;

    return 1;
}
