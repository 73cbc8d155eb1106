/*
 * Signature schemes: the table of presets, and what parameters make of a row.
 */

#include <plum_scheme.h>
#include <plum_content.h>
#include <plum_header.h>
#include <plum_str.h>


#define PLUM_SCHEME_DIGITS       9       /* of a tolerance */


typedef struct {
    plum_str_t   name;
    unsigned     kinds;                  /* bits of plum_scheme_kind_t */
    int        (*set)(plum_scheme_t *scheme, const plum_str_t *value,
                      plum_error_t *err);
} plum_parameter_t;


static int plum_scheme_set_header(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_path(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_algorithm(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_format(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_prefix(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_encoding(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_content(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_timestamp(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_id(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_set_tolerance(plum_scheme_t *scheme,
    const plum_str_t *value, plum_error_t *err);
static int plum_scheme_header(const plum_str_t *name, plum_error_t *err);


static const plum_scheme_t  plum_schemes[] = {

    { .name = PLUM_STR("api-key"),
      .kind = PLUM_SCHEME_API_KEY,
      .header = PLUM_STR("x-api-key") },

    { .name = PLUM_STR("body-token"),
      .kind = PLUM_SCHEME_BODY_TOKEN },

    { .name = PLUM_STR("hmac"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .content = PLUM_STR("{body}") },

    { .name = PLUM_STR("standard-webhooks"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("webhook-signature"),
      .list = 1,
      .encoding = PLUM_ENCODING_BASE64,
      .prefix = PLUM_STR("v1,"),
      .prefix_public = PLUM_STR("v1a,"),
      .content = PLUM_STR("{id}.{timestamp}.{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("webhook-timestamp"),
      .id = PLUM_STR("webhook-id") },

    { .name = PLUM_STR("svix"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("svix-signature"),
      .list = 1,
      .encoding = PLUM_ENCODING_BASE64,
      .prefix = PLUM_STR("v1,"),
      .prefix_public = PLUM_STR("v1a,"),
      .content = PLUM_STR("{id}.{timestamp}.{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("svix-timestamp"),
      .id = PLUM_STR("svix-id") },

    { .name = PLUM_STR("stripe"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("stripe-signature"),
      .list = 1,
      .prefix = PLUM_STR("v1="),
      .content = PLUM_STR("{timestamp}.{body}"),
      .stamp = PLUM_STAMP_LIST,
      .timestamp = PLUM_STR("t") },

    { .name = PLUM_STR("github"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-hub-signature-256"),
      .prefix = PLUM_STR("sha256="),
      .content = PLUM_STR("{body}") },

    { .name = PLUM_STR("shopify"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-shopify-hmac-sha256"),
      .encoding = PLUM_ENCODING_BASE64,
      .content = PLUM_STR("{body}") },

    { .name = PLUM_STR("slack"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-slack-signature"),
      .prefix = PLUM_STR("v0="),
      .content = PLUM_STR("v0:{timestamp}:{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("x-slack-request-timestamp") },

    { .name = PLUM_STR("twitch"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("twitch-eventsub-message-signature"),
      .prefix = PLUM_STR("sha256="),
      .content = PLUM_STR("{id}{timestamp}{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("twitch-eventsub-message-timestamp"),
      .dated = 1,
      .id = PLUM_STR("twitch-eventsub-message-id"),
      .tolerance = 600 },

    { .name = PLUM_STR("hubspot"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-hubspot-signature-v3"),
      .encoding = PLUM_ENCODING_BASE64,
      .content = PLUM_STR("POSThttps://{header:Host}{uri}{body}{timestamp}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("x-hubspot-request-timestamp") },

    { .name = PLUM_STR("zendesk"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-zendesk-webhook-signature"),
      .encoding = PLUM_ENCODING_BASE64,
      .content = PLUM_STR("{timestamp}{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("x-zendesk-webhook-signature-timestamp") },

    { .name = PLUM_STR("paddle"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("paddle-signature"),
      .list = 1,
      .prefix = PLUM_STR("h1="),
      .content = PLUM_STR("{timestamp}:{body}"),
      .stamp = PLUM_STAMP_LIST,
      .timestamp = PLUM_STR("ts") },

    { .name = PLUM_STR("zoom"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-zm-signature"),
      .prefix = PLUM_STR("v0="),
      .content = PLUM_STR("v0:{timestamp}:{body}"),
      .stamp = PLUM_STAMP_HEADER,
      .timestamp = PLUM_STR("x-zm-request-timestamp") },

    { .name = PLUM_STR("meta"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-hub-signature-256"),
      .prefix = PLUM_STR("sha256="),
      .content = PLUM_STR("{body}") },

    { .name = PLUM_STR("pagerduty"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("x-pagerduty-signature"),
      .list = 1,
      .prefix = PLUM_STR("v1="),
      .content = PLUM_STR("{body}") },

    { .name = PLUM_STR("linear"),
      .kind = PLUM_SCHEME_MAC,
      .algorithm = PLUM_ALGORITHM_SHA256,
      .header = PLUM_STR("linear-signature"),
      .content = PLUM_STR("{body}"),
      .stamp = PLUM_STAMP_JSON,
      .timestamp = PLUM_STR("webhookTimestamp") }
};


#define PLUM_KEY_ONLY            (1u << PLUM_SCHEME_API_KEY)
#define PLUM_TOKEN_ONLY          (1u << PLUM_SCHEME_BODY_TOKEN)
#define PLUM_MAC_ONLY            (1u << PLUM_SCHEME_MAC)

/*
 * The order gives the bits of plum_scheme_t.given; the first one's is
 * PLUM_GIVEN_TOLERANCE.
 */

static const plum_parameter_t  plum_parameters[] = {
    { PLUM_STR("tolerance"), PLUM_MAC_ONLY, plum_scheme_set_tolerance },
    { PLUM_STR("header"), PLUM_KEY_ONLY | PLUM_MAC_ONLY,
      plum_scheme_set_header },
    { PLUM_STR("path"), PLUM_TOKEN_ONLY, plum_scheme_set_path },
    { PLUM_STR("algorithm"), PLUM_MAC_ONLY, plum_scheme_set_algorithm },
    { PLUM_STR("format"), PLUM_MAC_ONLY, plum_scheme_set_format },
    { PLUM_STR("prefix"), PLUM_MAC_ONLY, plum_scheme_set_prefix },
    { PLUM_STR("encoding"), PLUM_MAC_ONLY, plum_scheme_set_encoding },
    { PLUM_STR("content"), PLUM_MAC_ONLY, plum_scheme_set_content },
    { PLUM_STR("timestamp"), PLUM_MAC_ONLY, plum_scheme_set_timestamp },
    { PLUM_STR("id"), PLUM_MAC_ONLY, plum_scheme_set_id }
};

/* headers that steer the connection, the body or NGINX's own decisions */

static const plum_str_t  plum_reserved_headers[] = {
    PLUM_STR("Accept-Encoding"), PLUM_STR("Connection"),
    PLUM_STR("Content-Encoding"), PLUM_STR("Content-Length"),
    PLUM_STR("Content-Range"), PLUM_STR("Content-Type"), PLUM_STR("Cookie"),
    PLUM_STR("Early-Data"), PLUM_STR("Expect"), PLUM_STR("Forwarded"),
    PLUM_STR("Host"), PLUM_STR("HTTP2-Settings"), PLUM_STR("If-Match"),
    PLUM_STR("If-Modified-Since"), PLUM_STR("If-None-Match"),
    PLUM_STR("If-Range"), PLUM_STR("If-Unmodified-Since"),
    PLUM_STR("Keep-Alive"), PLUM_STR("Proxy-Connection"), PLUM_STR("Range"),
    PLUM_STR("TE"), PLUM_STR("Trailer"), PLUM_STR("Transfer-Encoding"),
    PLUM_STR("Upgrade"), PLUM_STR("Via"), PLUM_STR("X-Forwarded-For"),
    PLUM_STR("X-Forwarded-Host"), PLUM_STR("X-Forwarded-Port"),
    PLUM_STR("X-Forwarded-Proto"), PLUM_STR("X-Real-IP")
};


#define plum_nelts(table)  (sizeof(table) / sizeof((table)[0]))


const plum_scheme_t *
plum_scheme_find(const plum_str_t *name)
{
    size_t  i;

    for (i = 0; i < plum_nelts(plum_schemes); i++) {
        if (plum_str_equal(&plum_schemes[i].name, name)) {
            return &plum_schemes[i];
        }
    }

    return NULL;
}


int
plum_scheme_set(plum_scheme_t *scheme, const plum_str_t *parameter,
    const plum_str_t *value, plum_error_t *err)
{
    size_t                   i;
    const plum_parameter_t  *p;

    for (i = 0; i < plum_nelts(plum_parameters); i++) {
        p = &plum_parameters[i];

        if (!plum_str_equal(&p->name, parameter)) {
            continue;
        }

        if (!(p->kinds & 1u << scheme->kind)) {
            return plum_error(err, "parameter does not suit the scheme",
                              parameter);
        }

        if (scheme->given & 1u << i) {
            return plum_error(err, "duplicate parameter", parameter);
        }

        scheme->given |= 1u << i;

        return p->set(scheme, value, err);
    }

    return plum_error(err, "unknown parameter", parameter);
}


static int
plum_scheme_set_header(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    scheme->header = *value;

    return plum_scheme_header(value, err);
}


static int
plum_scheme_set_path(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    scheme->path = *value;

    return value->len ? PLUM_OK : plum_error(err, "invalid path", value);
}


static int
plum_scheme_set_algorithm(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    size_t             i;
    static const struct {
        plum_str_t        name;
        plum_algorithm_t  algorithm;
    } algorithms[] = {
        { PLUM_STR("sha256"), PLUM_ALGORITHM_SHA256 },
        { PLUM_STR("sha384"), PLUM_ALGORITHM_SHA384 },
        { PLUM_STR("sha512"), PLUM_ALGORITHM_SHA512 }
    };

    for (i = 0; i < plum_nelts(algorithms); i++) {
        if (plum_str_equal(&algorithms[i].name, value)) {
            scheme->algorithm = algorithms[i].algorithm;
            return PLUM_OK;
        }
    }

    return plum_error(err, "invalid algorithm", value);
}


static int
plum_scheme_set_format(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    static const plum_str_t  plain = PLUM_STR("plain");
    static const plum_str_t  list = PLUM_STR("list");

    if (plum_str_equal(value, &list)) {
        scheme->list = 1;
        return PLUM_OK;
    }

    scheme->list = 0;

    return plum_str_equal(value, &plain)
           ? PLUM_OK : plum_error(err, "invalid format", value);
}


static int
plum_scheme_set_prefix(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] >= 0x7f) {
            return plum_error(err, "invalid prefix", value);
        }
    }

    scheme->prefix = *value;

    return PLUM_OK;
}


static int
plum_scheme_set_encoding(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    size_t             i;
    static const struct {
        plum_str_t       name;
        plum_encoding_t  encoding;
    } encodings[] = {
        { PLUM_STR("hex"), PLUM_ENCODING_HEX },
        { PLUM_STR("base64"), PLUM_ENCODING_BASE64 },
        { PLUM_STR("base64-unpadded"), PLUM_ENCODING_BASE64_UNPADDED },
        { PLUM_STR("base64url"), PLUM_ENCODING_BASE64URL }
    };

    for (i = 0; i < plum_nelts(encodings); i++) {
        if (plum_str_equal(&encodings[i].name, value)) {
            scheme->encoding = encodings[i].encoding;
            return PLUM_OK;
        }
    }

    return plum_error(err, "invalid encoding", value);
}


static int
plum_scheme_set_content(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    scheme->content = *value;

    return value->len ? PLUM_OK : plum_error(err, "invalid content", value);
}


static int
plum_scheme_set_timestamp(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    size_t                   skip;
    static const plum_str_t  list = PLUM_STR("list:");
    static const plum_str_t  json = PLUM_STR("json:");

    if (plum_str_starts(value, &list)) {
        scheme->stamp = PLUM_STAMP_LIST;
        skip = list.len;

    } else if (plum_str_starts(value, &json)) {
        scheme->stamp = PLUM_STAMP_JSON;
        skip = json.len;

    } else {
        scheme->stamp = PLUM_STAMP_HEADER;
        scheme->timestamp = *value;

        return plum_scheme_header(value, err);
    }

    scheme->timestamp.data = value->data + skip;
    scheme->timestamp.len = value->len - skip;

    if (scheme->timestamp.len == 0) {
        return plum_error(err, "invalid timestamp", value);
    }

    return PLUM_OK;
}


static int
plum_scheme_set_id(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    scheme->id = *value;

    return plum_scheme_header(value, err);
}


static int
plum_scheme_set_tolerance(plum_scheme_t *scheme, const plum_str_t *value,
    plum_error_t *err)
{
    size_t                   n;
    int64_t                  seconds;
    static const plum_str_t  off = PLUM_STR("off");

    if (plum_str_equal(value, &off)) {
        scheme->tolerance = 0;
        return PLUM_OK;
    }

    n = plum_str_number(value, &seconds);

    if (seconds == 0 || n > PLUM_SCHEME_DIGITS || value->len > n + 1) {
        return plum_error(err, "invalid tolerance", value);
    }

    if (value->len == n + 1) {
        switch (value->data[n]) {

        case 's':
            break;

        case 'm':
            seconds *= 60;
            break;

        case 'h':
            seconds *= 3600;
            break;

        default:
            return plum_error(err, "invalid tolerance", value);
        }
    }

    scheme->tolerance = seconds;

    return PLUM_OK;
}


static int
plum_scheme_header(const plum_str_t *name, plum_error_t *err)
{
    size_t  i;

    if (!plum_content_token(name)) {
        return plum_error(err, "invalid header name", name);
    }

    for (i = 0; i < plum_nelts(plum_reserved_headers); i++) {
        if (plum_header_same(&plum_reserved_headers[i], name)) {
            return plum_error(err, "header cannot be used here:", name);
        }
    }

    return PLUM_OK;
}
