/*
 * Senders whose signatures have a form of their own: vectors that they
 * published with their libraries, and deliveries signed here by the formula
 * that their documents state.  The vectors are short facts; the source of
 * each stands beside it.
 */

#include "unit.h"

#include <plum_signature.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>


typedef struct {
    const char            *preset;
    const char            *secret;
    int64_t                now;
    const char            *headers[4][2];
    const char            *uri;
    const char            *body;
    plum_credential_rc_t   rc;
} delivery_t;


static void
finish(const char *preset, plum_scheme_t *scheme)
{
    plum_str_t    name;
    plum_error_t  err;

    name = unit_str(preset);
    assert_non_null(plum_scheme_find(&name));
    *scheme = *plum_scheme_find(&name);

    if (plum_scheme_finish(scheme, &err) != PLUM_OK) {
        fail_msg("%s: %s", preset, err.text);
    }
}


static plum_credential_rc_t
deliver(const delivery_t *d)
{
    size_t                i, matched;
    plum_key_t           *key;
    plum_str_t            uri, body;
    plum_scheme_t         scheme;
    unit_headers_t        headers;
    plum_credential_t     cred;
    plum_credential_rc_t  rc;

    finish(d->preset, &scheme);
    headers.n = 0;

    for (i = 0; i < unit_nelts(d->headers) && d->headers[i][0]; i++) {
        unit_add_header(&headers, d->headers[i][0], d->headers[i][1]);
    }

    uri = unit_str(d->uri ? d->uri : "/");
    rc = plum_signature_parse(&scheme, unit_find_header, &headers, &uri,
                              d->now, &cred);

    if (rc != PLUM_CREDENTIAL_OK) {
        return rc;
    }

    key = plum_key_create(scheme.algorithm, (const uint8_t *) d->secret,
                          strlen(d->secret));
    assert_non_null(key);

    body = unit_str(d->body);
    rc = plum_signature_verify(&scheme, &cred, &key, 1, &body, &matched);
    plum_key_destroy(key);

    return rc;
}


#define HUBSPOT_SECRET  "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
#define HUBSPOT_MAC     "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="

#define PADDLE(signature, text, result)                                       \
    { .preset = "paddle", .secret = "VALID_SECRET", .now = 1698796800,        \
      .headers = { { "Paddle-Signature", signature } },                       \
      .body = text, .rc = result }

#define HUBSPOT(at, mac, stamp, host, path, result)                           \
    { .preset = "hubspot", .secret = HUBSPOT_SECRET, .now = at,               \
      .headers = { { "X-HubSpot-Signature-v3", mac },                         \
                   { "X-HubSpot-Request-Timestamp", stamp },                  \
                   { "Host", host } },                                        \
      .uri = path, .body = "{'example_field':'example_value'}",               \
      .rc = result }


static const delivery_t  published[] = {

    /* PaddleHQ/paddle-node-sdk, webhooks-validator.test.ts */

    PADDLE("ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea31"
           "05d0ec9612cf43f9", "{\"data\": [\"1\", \"2\"]}",
           PLUM_CREDENTIAL_OK),
    PADDLE("ts=1698796800;h1=28981e941fae76e53db32f3d2a83cb69db41476595e84e19"
           "70a1b5d98f62b261;h1=28981e941fae76e53db32f3d2a83cb69db41476595e8"
           "4e1970a1b5d98f62b261;h2=RANDOM_HASH", "{\"data\": \"value\"}",
           PLUM_CREDENTIAL_OK),
    PADDLE("ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea31"
           "05d0ec9612cf43f9", "{ \"data\": [ \"1\", \"2\" ]}",
           PLUM_CREDENTIAL_MISMATCH),
    PADDLE("ts=1234;h2=invalid_header", "{}", PLUM_CREDENTIAL_MALFORMED),

    /* HubSpot/hubspot-api-python and -ruby, tests of their signature helper */

    HUBSPOT(1693657560, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
            "1693657560000", "www.example.com", "/webhook_uri",
            PLUM_CREDENTIAL_OK),
    HUBSPOT(1700000300, HUBSPOT_MAC, "1700000300000", "www.example.com",
            "/webhook_uri", PLUM_CREDENTIAL_OK),
    HUBSPOT(1700000300, HUBSPOT_MAC, "1700000300000", "www.example.com",
            "/webhook_uri?a=1", PLUM_CREDENTIAL_MISMATCH),
    HUBSPOT(1700000300, HUBSPOT_MAC, "1700000300000", "example.com",
            "/webhook_uri", PLUM_CREDENTIAL_MISMATCH),
    HUBSPOT(1700000601, HUBSPOT_MAC, "1700000300000", "www.example.com",
            "/webhook_uri", PLUM_CREDENTIAL_STALE)
};


static void
test_published(void **state)
{
    size_t                i;
    plum_credential_rc_t  rc;

    (void) state;

    for (i = 0; i < unit_nelts(published); i++) {
        rc = deliver(&published[i]);

        if (rc != published[i].rc) {
            fail_msg("%s, %zu: %d", published[i].preset, i, rc);
        }
    }
}


#define SECRET  "a secret that was made up for this test"
#define NOW     1772615553                   /* 2026-03-04T09:12:33Z */
#define BODY    "{\"event\":\"a\",\"n\":1}"


/* what is signed, by the documents; the signature's header, and the others */

typedef struct {
    const char  *preset;
    const char  *header;
    const char  *prefix;
    const char  *content;
    const char  *headers[2][2];
    char         base64;
} formula_t;

static const formula_t  formulas[] = {

    { "twitch", "Twitch-Eventsub-Message-Signature", "sha256=",
      "e76c6bd4" "2026-03-04T09:12:33.123456789Z" BODY,
      { { "Twitch-Eventsub-Message-Id", "e76c6bd4" },
        { "Twitch-Eventsub-Message-Timestamp",
          "2026-03-04T09:12:33.123456789Z" } }, 0 },

    { "hubspot", "X-HubSpot-Signature-v3", "",
      "POST" "https://hooks.example.com/in?a=1&b=%20" BODY "1772615553123",
      { { "Host", "hooks.example.com" },
        { "X-HubSpot-Request-Timestamp", "1772615553123" } }, 1 },

    { "zendesk", "X-Zendesk-Webhook-Signature", "",
      "2026-03-04T09:12:33Z" BODY,
      { { "X-Zendesk-Webhook-Signature-Timestamp",
          "2026-03-04T09:12:33Z" } }, 1 },

    { "paddle", "Paddle-Signature", "ts=1772615553;h1=",
      "1772615553:" BODY, { { NULL } }, 0 },

    { "zoom", "x-zm-signature", "v0=", "v0:1772615553:" BODY,
      { { "x-zm-request-timestamp", "1772615553" } }, 0 },

    { "meta", "X-Hub-Signature-256", "sha256=", BODY, { { NULL } }, 0 },

    { "pagerduty", "X-PagerDuty-Signature", "v1=00,v1=", BODY, { { NULL } },
      0 },

    { "linear", "Linear-Signature", "", BODY, { { NULL } }, 0 }
};


/* the header's value */

static void
sign_formula(const formula_t *f, char *value, size_t size)
{
    int       n;
    uint8_t   mac[EVP_MAX_MD_SIZE];
    unsigned  i, len;

    assert_non_null(HMAC(EVP_sha256(), SECRET, (int) strlen(SECRET),
                         (const uint8_t *) f->content, strlen(f->content),
                         mac, &len));

    n = snprintf(value, size, "%s", f->prefix);

    if (f->base64) {
        (void) EVP_EncodeBlock((uint8_t *) value + n, mac, (int) len);
        return;
    }

    for (i = 0; i < len; i++) {
        n += snprintf(value + n, size - (size_t) n, "%02x", mac[i]);
    }
}


static void
test_formulas(void **state)
{
    char                  value[256];
    size_t                i, k;
    delivery_t            d;
    plum_credential_rc_t  rc;

    (void) state;

    for (i = 0; i < unit_nelts(formulas); i++) {
        sign_formula(&formulas[i], value, sizeof(value));

        memset(&d, 0, sizeof(d));
        d.preset = formulas[i].preset;
        d.secret = SECRET;
        d.now = NOW;
        d.headers[0][0] = formulas[i].header;
        d.headers[0][1] = value;
        d.uri = "/in?a=1&b=%20";
        d.body = BODY;

        for (k = 0; k < 2; k++) {
            d.headers[k + 1][0] = formulas[i].headers[k][0];
            d.headers[k + 1][1] = formulas[i].headers[k][1];
        }

        rc = deliver(&d);

        if (rc != PLUM_CREDENTIAL_OK) {
            fail_msg("%s: %d", formulas[i].preset, rc);
        }

        d.body = BODY " ";
        assert_int_equal(deliver(&d), PLUM_CREDENTIAL_MISMATCH);
        d.body = BODY;
        d.secret = SECRET ".";
        assert_int_equal(deliver(&d), PLUM_CREDENTIAL_MISMATCH);
    }
}


/*
 * {id}{timestamp}: with a number for a timestamp, digits could go from the
 * one to the other, and a recorded delivery would have several ids.
 */

static void
test_dated(void **state)
{
    char                value[256];
    size_t              i;
    formula_t           f;
    delivery_t          d;
    static const char  *numbers[][2] = {
        { "msg-01", "772615553" }, { "msg-0", "1772615553" },
        { "msg-", "01772615553" }, { "msg-", "1772615553000" }
    };
    static const char  *dates[][2] = {
        { "msg-2", "026-03-04T09:12:33Z" }, { "msg", "-2026-03-04T09:12:33Z" },
        { "msg-2026-03-04T", "09:12:33Z" }, { "msg-2026-03-04T09:12:33Z", "" }
    };

    (void) state;

    memset(&d, 0, sizeof(d));
    d.preset = "twitch";
    d.secret = SECRET;
    d.now = NOW;
    d.body = BODY;

    f = formulas[0];
    d.headers[0][0] = f.header;
    d.headers[0][1] = value;
    d.headers[1][0] = f.headers[0][0];
    d.headers[2][0] = f.headers[1][0];

    f.content = "msg-01772615553" BODY;
    sign_formula(&f, value, sizeof(value));

    for (i = 0; i < unit_nelts(numbers); i++) {
        d.headers[1][1] = numbers[i][0];
        d.headers[2][1] = numbers[i][1];
        assert_int_equal(deliver(&d), PLUM_CREDENTIAL_MALFORMED);
    }

    f.content = "msg-2026-03-04T09:12:33Z" BODY;
    sign_formula(&f, value, sizeof(value));

    for (i = 0; i < unit_nelts(dates); i++) {
        d.headers[1][1] = dates[i][0];
        d.headers[2][1] = dates[i][1];
        assert_int_equal(deliver(&d), *dates[i][1]
                                      ? PLUM_CREDENTIAL_MALFORMED
                                      : PLUM_CREDENTIAL_MISSING);
    }

    d.headers[1][1] = "msg-";
    d.headers[2][1] = "2026-03-04T09:12:33Z";
    assert_int_equal(deliver(&d), PLUM_CREDENTIAL_OK);

    /* as long as Twitch says, and no longer */

    d.now = NOW + 600;
    assert_int_equal(deliver(&d), PLUM_CREDENTIAL_OK);
    d.now = NOW + 601;
    assert_int_equal(deliver(&d), PLUM_CREDENTIAL_STALE);
}


/* the spellings of one MAC, and what is right in which encoding */

static void
test_encodings(void **state)
{
    char                  text[128];
    size_t                i, k, n;
    uint8_t               mac[EVP_MAX_MD_SIZE];
    unsigned              len, round;
    plum_key_t           *key;
    plum_str_t            name, value, body;
    plum_error_t          err;
    plum_scheme_t         scheme;
    unit_headers_t        headers;
    plum_credential_t     cred;
    static const struct {
        const char  *encoding;
        int          url;
        int          padded;
        int          ok;
    } tests[] = {
        { "base64", 0, 1, 1 }, { "base64", 0, 0, 0 },
        { "base64", 1, 1, 0 }, { "base64", 1, 0, 0 },
        { "base64-unpadded", 0, 1, 0 }, { "base64-unpadded", 0, 0, 1 },
        { "base64-unpadded", 1, 1, 0 }, { "base64-unpadded", 1, 0, 0 },
        { "base64url", 0, 1, 0 }, { "base64url", 0, 0, 0 },
        { "base64url", 1, 1, 1 }, { "base64url", 1, 0, 1 }
    };

    (void) state;

    /* a MAC that the two alphabets spell differently */

    round = 0;

    do {
        (void) snprintf(text, sizeof(text), "%u", round++);
        assert_non_null(HMAC(EVP_sha256(), SECRET, (int) strlen(SECRET),
                             (const uint8_t *) text, strlen(text), mac,
                             &len));
        body = unit_str(text);
        (void) EVP_EncodeBlock((uint8_t *) text + 32, mac, (int) len);
    } while (strchr(text + 32, '+') == NULL
             || strchr(text + 32, '/') == NULL);

    for (i = 0; i < unit_nelts(tests); i++) {
        name = unit_str("hmac");
        scheme = *plum_scheme_find(&name);
        name = unit_str("header");
        value = unit_str("x-sig");
        assert_int_equal(plum_scheme_set(&scheme, &name, &value, &err),
                         PLUM_OK);
        name = unit_str("encoding");
        value = unit_str(tests[i].encoding);
        assert_int_equal(plum_scheme_set(&scheme, &name, &value, &err),
                         PLUM_OK);
        assert_int_equal(plum_scheme_finish(&scheme, &err), PLUM_OK);

        (void) EVP_EncodeBlock((uint8_t *) text + 32, mac, (int) len);
        n = strlen(text + 32);

        for (k = 32; tests[i].url && k < 32 + n; k++) {
            text[k] = (char) ((text[k] == '+') ? '-'
                              : (text[k] == '/') ? '_' : text[k]);
        }

        if (!tests[i].padded) {
            text[32 + n - 1] = '\0';
        }

        headers.n = 0;
        unit_add_header(&headers, "X-Sig", text + 32);
        assert_int_equal(plum_signature_parse(&scheme, unit_find_header,
                                              &headers, &body, NOW, &cred),
                         tests[i].ok ? PLUM_CREDENTIAL_OK
                                     : PLUM_CREDENTIAL_MALFORMED);

        if (tests[i].ok) {
            key = plum_key_create(scheme.algorithm,
                                  (const uint8_t *) SECRET, strlen(SECRET));
            assert_int_equal(plum_signature_verify(&scheme, &cred, &key, 1,
                                                   &body, &n),
                             PLUM_CREDENTIAL_OK);
            plum_key_destroy(key);
        }
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_dated),
        cmocka_unit_test(test_encodings)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
