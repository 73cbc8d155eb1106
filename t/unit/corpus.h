/*
 * Deliveries of every preset, signed here by OpenSSL's one-shot HMAC() and by
 * hand, not by plum_key or plum_content.
 */

#ifndef _CORPUS_H_INCLUDED_
#define _CORPUS_H_INCLUDED_


#include "unit.h"

#include <plum_signature.h>
#include <plum_str.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


#define NOW          1614265330
#define NOW_TEXT     "1614265330"
#define ID           "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY         "{\"event\":\"a\",\"n\":1}"
#define FIRST        "the first secret of all of them"
#define SECOND       "another secret, after a rotation"
#define STRANGER     "the secret of somebody else here"
#define SIG_MAX      160
#define VALUE_MAX    10000


typedef struct {
    const char  *preset;
    const char  *words[8];               /* parameters: name, value, … */
    const char  *header;
    const char  *prefix;
    const char  *timestamp;              /* header */
    const char  *id;                     /* header */
    const char  *content;                /* I, T, B stand for the parts */
    const char  *digest;
    char         separator;              /* of a list, else 0 */
    const char  *stamped;                /* its timestamp's name, if any */
    char         base64;
} subject_t;

typedef struct {
    plum_credential_rc_t  parsed;
    plum_credential_rc_t  rc;
    size_t                matched;
} result_t;


static const subject_t  subjects[] = {

    { .preset = "standard-webhooks", .header = "Webhook-Signature",
      .prefix = "v1,", .timestamp = "Webhook-Timestamp", .id = "Webhook-Id",
      .content = "I.T.B", .digest = "SHA256", .separator = ' ',
      .base64 = 1 },

    { .preset = "svix", .header = "svix-signature", .prefix = "v1,",
      .timestamp = "svix-timestamp", .id = "svix-id", .content = "I.T.B",
      .digest = "SHA256", .separator = ' ', .base64 = 1 },

    { .preset = "stripe", .header = "Stripe-Signature", .prefix = "v1=",
      .content = "T.B", .digest = "SHA256", .separator = ',',
      .stamped = "t" },

    { .preset = "github", .header = "X-Hub-Signature-256",
      .prefix = "sha256=", .content = "B", .digest = "SHA256" },

    { .preset = "shopify", .header = "X-Shopify-Hmac-SHA256", .prefix = "",
      .content = "B", .digest = "SHA256", .base64 = 1 },

    { .preset = "slack", .header = "X-Slack-Signature", .prefix = "v0=",
      .timestamp = "X-Slack-Request-Timestamp", .content = "v0:T:B",
      .digest = "SHA256" },

    { .preset = "zendesk", .header = "X-Zendesk-Webhook-Signature",
      .prefix = "", .timestamp = "X-Zendesk-Webhook-Signature-Timestamp",
      .content = "TB", .digest = "SHA256", .base64 = 1 },

    { .preset = "paddle", .header = "Paddle-Signature", .prefix = "h1=",
      .content = "T:B", .digest = "SHA256", .separator = ';',
      .stamped = "ts" },

    { .preset = "zoom", .header = "x-zm-signature", .prefix = "v0=",
      .timestamp = "x-zm-request-timestamp", .content = "v0:T:B",
      .digest = "SHA256" },

    { .preset = "meta", .header = "X-Hub-Signature-256",
      .prefix = "sha256=", .content = "B", .digest = "SHA256" },

    { .preset = "pagerduty", .header = "X-PagerDuty-Signature",
      .prefix = "v1=", .content = "B", .digest = "SHA256",
      .separator = ',' },

    { .preset = "linear", .header = "Linear-Signature", .prefix = "",
      .content = "B", .digest = "SHA256" },

    { .preset = "hmac", .words = { "header", "x-sig" }, .header = "X-Sig",
      .prefix = "", .content = "B", .digest = "SHA256" },

    { .preset = "hmac",
      .words = { "header", "x-sig", "algorithm", "sha384", "encoding",
                 "base64" },
      .header = "x-sig", .prefix = "", .content = "B", .digest = "SHA384",
      .base64 = 1 },

    { .preset = "hmac",
      .words = { "header", "x-sig", "algorithm", "sha512", "timestamp",
                 "x-ts", "content", "{timestamp}/{body}/end" },
      .header = "x-sig", .prefix = "", .timestamp = "X-TS",
      .content = "T/B/end", .digest = "SHA512" }
};


static inline void
configure(const subject_t *s, const char *parameter, const char *text,
    plum_scheme_t *scheme)
{
    size_t        i;
    plum_str_t    name, value;
    plum_error_t  err;

    name = unit_str(s->preset);
    assert_non_null(plum_scheme_find(&name));
    *scheme = *plum_scheme_find(&name);

    for (i = 0; i < unit_nelts(s->words) && s->words[i]; i += 2) {
        name = unit_str(s->words[i]);
        value = unit_str(s->words[i + 1]);
        assert_int_equal(plum_scheme_set(scheme, &name, &value, &err),
                         PLUM_OK);
    }

    if (parameter) {
        name = unit_str(parameter);
        value = unit_str(text);
        assert_int_equal(plum_scheme_set(scheme, &name, &value, &err),
                         PLUM_OK);
    }

    if (plum_scheme_finish(scheme, &err) != PLUM_OK) {
        fail_msg("%s", err.text);
    }
}


/* the signature as text, without its prefix */

static inline void
sign(const subject_t *s, const char *secret, const char *timestamp,
    const char *body, char *signature)
{
    char         content[1024];
    size_t       n;
    uint8_t      mac[EVP_MAX_MD_SIZE];
    unsigned     i, len;
    const char  *p;

    n = 0;

    for (p = s->content; *p; p++) {
        n += (size_t) snprintf(content + n, sizeof(content) - n, "%s",
                               (*p == 'I') ? ID : (*p == 'T') ? timestamp
                               : (*p == 'B') ? body : "");

        if (*p != 'I' && *p != 'T' && *p != 'B') {
            content[n++] = *p;
        }
    }

    assert_true(n < sizeof(content));
    assert_non_null(HMAC(EVP_get_digestbyname(s->digest), secret,
                         (int) strlen(secret), (const uint8_t *) content, n,
                         mac, &len));

    if (s->base64) {
        (void) EVP_EncodeBlock((uint8_t *) signature, mac, (int) len);
        return;
    }

    for (i = 0; i < len; i++) {
        (void) snprintf(signature + 2 * i, 3, "%02x", mac[i]);
    }
}


/* the header's value with n signatures */

static inline void
wrap(const subject_t *s, const char *timestamp, const char *const *list,
    size_t n, char *value)
{
    int     len;
    size_t  i;

    len = s->stamped ? snprintf(value, VALUE_MAX, "%s=%s", s->stamped,
                                timestamp)
                     : 0;

    for (i = 0; i < n; i++) {
        if (len) {
            value[len++] = s->separator;
        }

        len += snprintf(value + len, VALUE_MAX - (size_t) len, "%s%s",
                        s->prefix, list[i]);
    }
}


static inline plum_key_t *
make_key(const plum_scheme_t *scheme, const char *secret)
{
    plum_key_t  *key;

    key = plum_key_create(scheme->algorithm, (const uint8_t *) secret,
                          strlen(secret));
    assert_non_null(key);

    return key;
}


static inline result_t
submit_headers(const plum_scheme_t *scheme, unit_headers_t *headers,
    const char *body_text, plum_key_t *const *keys, size_t nkeys)
{
    result_t           result;
    plum_str_t         uri, body;
    plum_credential_t  cred;

    uri = unit_str("/in?a=1");
    body = unit_str(body_text);
    result.matched = 99;
    result.parsed = plum_signature_parse(scheme, unit_find_header, headers,
                                         &uri, NOW, &cred);
    result.rc = result.parsed;

    if (result.parsed == PLUM_CREDENTIAL_OK) {
        assert_in_range(cred.ncandidates, scheme->kind == PLUM_SCHEME_MAC,
                        PLUM_SCHEME_CANDIDATES);
        result.rc = plum_signature_verify(scheme, &cred, keys, nkeys,
                                          &body, &result.matched);
    }

    return result;
}


/* a delivery to a place with two live secrets */

static inline result_t
submit(const subject_t *s, const char *value, const char *timestamp,
    const char *body)
{
    result_t        result;
    plum_key_t     *keys[2];
    plum_scheme_t   scheme;
    unit_headers_t  headers;

    configure(s, NULL, NULL, &scheme);
    keys[0] = make_key(&scheme, FIRST);
    keys[1] = make_key(&scheme, SECOND);

    headers.n = 0;
    unit_add_header(&headers, "Content-Type", "application/json");

    if (s->id) {
        unit_add_header(&headers, s->id, ID);
    }

    if (s->timestamp) {
        unit_add_header(&headers, s->timestamp, timestamp);
    }

    if (value) {
        unit_add_header(&headers, s->header, value);
    }

    result = submit_headers(&scheme, &headers, body, keys, 2);

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);

    return result;
}


/* one signature, given as text */

static inline plum_credential_rc_t
submit_one(const subject_t *s, const char *signature)
{
    char  value[VALUE_MAX];

    wrap(s, NOW_TEXT, &signature, 1, value);

    return submit(s, value, NOW_TEXT, BODY).rc;
}


#endif /* _CORPUS_H_INCLUDED_ */
