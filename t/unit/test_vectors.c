/*
 * Vectors that others published: webhook signatures of the vendors and their
 * libraries, RFC 4231, and Wycheproof's HMAC and Ed25519.  They are not part
 * of this repository: read from the folder PLUM_VECTORS (default
 * ../shared/vectors), skipped where that is absent.
 */

#include "unit.h"
#include "vectors.h"

#include <plum_encoding.h>
#include <plum_signature.h>


#define VECTOR_MAX   4096


static size_t
unhex(const char *hex, uint8_t *out, size_t size)
{
    size_t      len;
    plum_str_t  text;

    text = unit_str(hex);
    assert_int_equal(plum_hex_decode(&text, out, size, &len), PLUM_OK);

    return len;
}


static int
set(plum_scheme_t *scheme, const char *parameter, const char *text)
{
    plum_str_t    name, value;
    plum_error_t  err;

    name = unit_str(parameter);
    value = unit_str(text);

    return plum_scheme_set(scheme, &name, &value, &err);
}


static void
start(plum_scheme_t *scheme, const char *preset)
{
    plum_str_t  name;

    name = unit_str(preset);
    assert_non_null(plum_scheme_find(&name));
    *scheme = *plum_scheme_find(&name);
}


/* a scheme as it would be configured; PLUM_ERROR if it cannot be */

static int
webhook_scheme(const json_t *vector, plum_scheme_t *scheme, char *tolerance)
{
    json_t       *headers, *seconds;
    const char   *name, *algorithm;
    plum_error_t  err;

    name = vector_text(vector, "scheme");
    algorithm = vector_text(vector, "algorithm");
    headers = json_object_get(vector, "headers");
    seconds = json_object_get(vector, "tolerance");

    if (strcmp(name, "hmac-hex") == 0 || strcmp(name, "hmac-base64") == 0
        || strcmp(name, "timestamp-dot-body-hex") == 0)
    {
        start(scheme, "hmac");
        assert_int_equal(set(scheme, "header",
                             json_object_get(headers, "x-line-signature")
                             ? "x-line-signature" : "x-signature"),
                         PLUM_OK);
        assert_int_equal(set(scheme, "encoding", strcmp(name, "hmac-base64")
                                                 ? "hex" : "base64"),
                         PLUM_OK);
        assert_int_equal(strncmp(algorithm, "hmac-", 5), 0);

        if (set(scheme, "algorithm", algorithm + 5) != PLUM_OK) {
            return PLUM_ERROR;
        }

        if (strcmp(name, "timestamp-dot-body-hex") == 0) {
            assert_int_equal(set(scheme, "timestamp", "x-timestamp"),
                             PLUM_OK);
            assert_int_equal(set(scheme, "content", "{timestamp}.{body}"),
                             PLUM_OK);
        }

    } else {
        start(scheme, name);
    }

    if (seconds) {
        (void) snprintf(tolerance, 16, "%llds",
                        (long long) json_integer_value(seconds));
        assert_int_equal(set(scheme, "tolerance", tolerance), PLUM_OK);
    }

    return plum_scheme_finish(scheme, &err);
}


static plum_key_t *
webhook_key(const json_t *vector, const plum_scheme_t *scheme)
{
    size_t       len;
    uint8_t      bytes[256];
    plum_str_t   encoded;
    const char  *secret;

    secret = vector_text(vector, "secret");

    if (!scheme->prefix_public.len) {
        return plum_key_create(scheme->algorithm, (const uint8_t *) secret,
                               strlen(secret));
    }

    encoded = unit_str(secret);

    if (strncmp(secret, "whsec_", 6) == 0) {
        encoded = unit_str(secret + 6);

    } else if (strncmp(secret, "whpk_", 5) == 0) {
        encoded = unit_str(secret + 5);
    }

    assert_int_equal(plum_base64_decode(&encoded, bytes, sizeof(bytes),
                                        &len),
                     PLUM_OK);

    return plum_key_create(strncmp(secret, "whpk_", 5)
                           ? scheme->algorithm : PLUM_ALGORITHM_ED25519,
                           bytes, len);
}


static plum_credential_rc_t
check(const plum_scheme_t *scheme, unit_headers_t *headers, int64_t now,
    plum_key_t *key, const plum_str_t *body, plum_credential_t *cred)
{
    size_t                matched;
    plum_str_t            uri;
    plum_credential_rc_t  rc;

    uri = unit_str("/");
    rc = plum_signature_parse(scheme, unit_find_header, headers, &uri, now,
                              cred);

    if (rc == PLUM_CREDENTIAL_OK && key) {
        rc = plum_signature_verify(scheme, cred, &key, 1, body, &matched);
    }

    return rc;
}


/* what the vector says must come out */

static void
webhook_check(json_t *vector, const plum_scheme_t *scheme)
{
    void                  *iter;
    json_t                *headers, *now;
    int64_t                clock;
    plum_str_t             body;
    plum_key_t            *key;
    const char            *expect, *name, *value;
    unit_headers_t         list;
    plum_credential_t      cred;
    plum_credential_rc_t   rc;

    headers = json_object_get(vector, "headers");
    now = json_object_get(vector, "now");
    expect = vector_text(vector, "expect");
    clock = json_integer_value(now);
    list.n = 0;

    for (iter = json_object_iter(headers); iter;
         iter = json_object_iter_next(headers, iter))
    {
        name = json_object_iter_key(iter);
        value = json_string_value(json_object_iter_value(iter));
        unit_add_header(&list, name, value);

        /* no clock is named: then it is the sender's */

        if (now == NULL && strcmp(name, "x-timestamp") == 0) {
            clock = strtoll(value, NULL, 10);
        }
    }

    body = unit_str(vector_text(vector, "body"));

    if (strcmp(expect, "unknown") == 0) {
        rc = check(scheme, &list, strtoll(vector_text(headers,
                                                  "webhook-timestamp"),
                                          NULL, 10),
                   NULL, &body, &cred);
        assert_int_equal(rc, PLUM_CREDENTIAL_OK);
        assert_int_equal(cred.ncandidates, 2);
        assert_int_equal(cred.candidates[0].algorithm,
                         PLUM_ALGORITHM_SHA256);
        assert_int_equal(cred.candidates[1].algorithm,
                         PLUM_ALGORITHM_ED25519);
        return;
    }

    key = webhook_key(vector, scheme);
    assert_non_null(key);

    rc = check(scheme, &list, clock, key, &body, &cred);
    plum_key_destroy(key);

    if ((rc == PLUM_CREDENTIAL_OK) != (strcmp(expect, "accept") == 0)) {
        fail_msg("%s: %s, but the result is %d", vector_text(vector, "id"),
                 expect, rc);
    }
}


static void
test_webhooks(void **state)
{
    char           tolerance[16];
    size_t         i, refused;
    json_t        *root, *vectors, *vector;
    plum_scheme_t  scheme;

    (void) state;

    root = vector_file("webhooks.json");
    vectors = json_object_get(root, "vectors");
    refused = 0;

    json_array_foreach(vectors, i, vector) {
        if (webhook_scheme(vector, &scheme, tolerance) == PLUM_OK) {
            webhook_check(vector, &scheme);
            continue;
        }

        /* SHA-1 is not offered, and nothing else is refused */

        assert_string_equal(vector_text(vector, "algorithm"), "hmac-sha1");
        refused++;
    }

    print_message("# webhooks.json: %zu vectors, %zu of them SHA-1,"
                  " which is refused\n", i, refused);
    assert_true(i >= 37);

    json_decref(root);
}


/* a message with a tag, put through a whole scheme: hex in a header */

static plum_credential_rc_t
check_tag(plum_scheme_t *scheme, plum_key_t *key, const char *header,
    const uint8_t *message, size_t len)
{
    plum_str_t         body;
    unit_headers_t     headers;
    plum_credential_t  cred;

    body.data = message;
    body.len = len;
    headers.n = 0;
    unit_add_header(&headers, "x-sig", header);

    return check(scheme, &headers, 0, key, &body, &cred);
}


/* only a whole tag may pass, be the part that is there ever so right */

static void
check_mac(const char *algorithm, const char *key_hex, const char *message_hex,
    const char *tag_hex, int valid)
{
    size_t                len, tag_len;
    uint8_t               bytes[VECTOR_MAX], tag[VECTOR_MAX];
    uint8_t               mac[PLUM_MAC_MAX];
    plum_key_t           *key;
    plum_str_t            message;
    plum_error_t          err;
    plum_scheme_t         scheme;
    plum_credential_rc_t  rc;

    start(&scheme, "hmac");
    assert_int_equal(set(&scheme, "header", "x-sig"), PLUM_OK);
    assert_int_equal(set(&scheme, "algorithm", algorithm), PLUM_OK);
    assert_int_equal(plum_scheme_finish(&scheme, &err), PLUM_OK);

    len = unhex(key_hex, bytes, sizeof(bytes));
    key = plum_key_create(scheme.algorithm, bytes, len);
    assert_non_null(key);

    message.data = bytes;
    message.len = unhex(message_hex, bytes, sizeof(bytes));
    tag_len = unhex(tag_hex, tag, sizeof(tag));

    rc = check_tag(&scheme, key, tag_hex, message.data, message.len);
    assert_int_equal(plum_key_mac(key, &message, 1, mac), PLUM_OK);
    plum_key_destroy(key);

    assert_true(tag_len != 0 && tag_len <= sizeof(mac));
    assert_int_equal(memcmp(mac, tag, tag_len) == 0, valid);
    assert_int_equal(rc, (tag_len
                          != plum_algorithm_size(scheme.algorithm))
                         ? PLUM_CREDENTIAL_MALFORMED
                         : valid ? PLUM_CREDENTIAL_OK
                         : PLUM_CREDENTIAL_MISMATCH);
}


static void
test_rfc4231(void **state)
{
    size_t       i, n;
    json_t      *root, *vector;
    const char  *algorithm;

    (void) state;

    root = vector_file("rfc4231.json");
    n = 0;

    json_array_foreach(json_object_get(root, "vectors"), i, vector) {
        algorithm = vector_text(vector, "alg");

        if (strcmp(algorithm, "sha224") == 0) {
            continue;
        }

        check_mac(algorithm, vector_text(vector, "key"),
                  vector_text(vector, "msg"), vector_text(vector, "tag"), 1);
        n++;
    }

    print_message("# rfc4231.json: %zu vectors\n", n);
    assert_true(n >= 18);

    json_decref(root);
}


static void
test_wycheproof_hmac(void **state)
{
    size_t              i, k, n;
    json_t             *root, *group, *vector;
    static const char  *files[][2] = {
        { "wycheproof/hmac_sha256_test.json", "sha256" },
        { "wycheproof/hmac_sha384_test.json", "sha384" },
        { "wycheproof/hmac_sha512_test.json", "sha512" }
    };

    (void) state;

    for (size_t f = 0; f < unit_nelts(files); f++) {
        root = vector_file(files[f][0]);
        n = 0;

        json_array_foreach(json_object_get(root, "testGroups"), i, group) {
            json_array_foreach(json_object_get(group, "tests"), k, vector) {
                check_mac(files[f][1], vector_text(vector, "key"),
                          vector_text(vector, "msg"),
                          vector_text(vector, "tag"),
                          strcmp(vector_text(vector, "result"), "valid")
                          == 0);
                n++;
            }
        }

        print_message("# %s: %zu vectors\n", files[f][0], n);
        assert_true(n >= 170);
        json_decref(root);
    }
}


static void
check_ed25519(plum_scheme_t *scheme, const char *key_hex, json_t *vector)
{
    char                  header[VECTOR_MAX];
    size_t                len;
    uint8_t               bytes[VECTOR_MAX];
    plum_key_t           *key;
    plum_credential_rc_t  rc;

    len = unhex(key_hex, bytes, sizeof(bytes));
    key = plum_key_create(PLUM_ALGORITHM_ED25519, bytes, len);
    assert_non_null(key);

    len = unhex(vector_text(vector, "msg"), bytes, sizeof(bytes));
    (void) snprintf(header, sizeof(header), "v1a,%s",
                    vector_text(vector, "sig"));

    rc = check_tag(scheme, key, header, bytes, len);
    plum_key_destroy(key);

    if ((rc == PLUM_CREDENTIAL_OK)
        != (strcmp(vector_text(vector, "result"), "valid") == 0))
    {
        fail_msg("tcId %lld: %s, but the result is %d",
                 (long long) json_integer_value(json_object_get(vector,
                                                                "tcId")),
                 vector_text(vector, "result"), rc);
    }
}


static void
test_wycheproof_ed25519(void **state)
{
    size_t         i, k, n;
    json_t        *root, *group, *vector;
    plum_error_t   err;
    plum_scheme_t  scheme;

    (void) state;

    start(&scheme, "hmac");
    assert_int_equal(set(&scheme, "header", "x-sig"), PLUM_OK);
    assert_int_equal(set(&scheme, "format", "list"), PLUM_OK);
    assert_int_equal(set(&scheme, "prefix", "v1,"), PLUM_OK);
    scheme.prefix_public = unit_str("v1a,");
    assert_int_equal(plum_scheme_finish(&scheme, &err), PLUM_OK);

    root = vector_file("wycheproof/ed25519_test.json");
    n = 0;

    json_array_foreach(json_object_get(root, "testGroups"), i, group) {
        json_array_foreach(json_object_get(group, "tests"), k, vector) {
            check_ed25519(&scheme, vector_text(json_object_get(group,
                                                           "publicKey"),
                                           "pk"),
                          vector);
            n++;
        }
    }

    print_message("# wycheproof/ed25519_test.json: %zu vectors\n", n);
    assert_true(n >= 150);

    json_decref(root);
}


int
main(void)
{
    FILE                            *file;
    static const struct CMUnitTest   tests[] = {
        cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_rfc4231),
        cmocka_unit_test(test_wycheproof_hmac),
        cmocka_unit_test(test_wycheproof_ed25519)
    };

    file = fopen(vector_path("webhooks.json"), "r");

    if (file == NULL) {
        printf("1..0 # SKIP %s is absent\n", vector_path("webhooks.json"));
        return 0;
    }

    (void) fclose(file);
    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
