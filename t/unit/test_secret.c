/*
 * Secrets of other kinds than HMAC: Ed25519 public keys, API keys, body tokens;
 * and secrets that do not suit a scheme.
 */

#include "corpus.h"


static void
sign_ed25519(EVP_PKEY *pkey, const char *content, char *text)
{
    size_t       len;
    uint8_t      signature[64];
    EVP_MD_CTX  *md;

    len = sizeof(signature);
    md = EVP_MD_CTX_new();
    assert_non_null(md);
    assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(md, signature, &len,
                                    (const uint8_t *) content,
                                    strlen(content)),
                     1);
    (void) EVP_EncodeBlock((uint8_t *) text, signature, (int) len);
    EVP_MD_CTX_free(md);
}


static void
test_ed25519(void **state)
{
    char              v1[SIG_MAX], v1a[SIG_MAX], value[VALUE_MAX];
    size_t            i, k, len;
    uint8_t           public_key[32];
    EVP_PKEY         *pkey;
    result_t          result;
    plum_key_t       *keys[2];
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const subject_t  *s;
    const struct {
        const char            *first;
        const char            *second;
        size_t                 from;     /* keys in use: 0 HMAC, 1 Ed25519 */
        size_t                 to;
        plum_credential_rc_t   rc;
    } tests[] = {
        { "v1a,", v1a, 0, 2, PLUM_CREDENTIAL_OK },
        { "v1a,", v1a, 1, 2, PLUM_CREDENTIAL_OK },
        { "v1a,", v1a, 0, 1, PLUM_CREDENTIAL_MISMATCH },
        { "v1a,", v1a, 0, 0, PLUM_CREDENTIAL_MISMATCH },
        { "v1,x v1,QQ== v1a,", v1a, 0, 2, PLUM_CREDENTIAL_OK },
        { "v1,", v1, 1, 2, PLUM_CREDENTIAL_MISMATCH },
        { "v1,", v1a, 0, 2, PLUM_CREDENTIAL_MALFORMED },
        { "v1a,", v1, 0, 2, PLUM_CREDENTIAL_MALFORMED },
        { "v1a,QQ== v1,", v1, 0, 2, PLUM_CREDENTIAL_OK }
    };

    (void) state;

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(pkey);
    len = sizeof(public_key);
    assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, public_key, &len), 1);
    sign_ed25519(pkey, ID "." NOW_TEXT "." BODY, v1a);

    for (i = 0; i < 2; i++) {
        s = &subjects[i];
        configure(s, NULL, NULL, &scheme);
        sign(s, FIRST, NOW_TEXT, BODY, v1);
        keys[0] = make_key(&scheme, FIRST);
        keys[1] = plum_key_create(PLUM_ALGORITHM_ED25519, public_key, 32);
        assert_non_null(keys[1]);

        for (k = 0; k < unit_nelts(tests); k++) {
            (void) snprintf(value, sizeof(value), "%s%s", tests[k].first,
                            tests[k].second);
            headers.n = 0;
            unit_add_header(&headers, s->header, value);
            unit_add_header(&headers, s->id, ID);
            unit_add_header(&headers, s->timestamp, NOW_TEXT);

            result = submit_headers(&scheme, &headers, BODY,
                                    keys + tests[k].from,
                                    tests[k].to - tests[k].from);
            assert_int_equal(result.rc, tests[k].rc);

            /* right, but for another body */

            if (result.rc == PLUM_CREDENTIAL_OK) {
                assert_int_equal(submit_headers(&scheme, &headers, BODY "x",
                                                keys, 2).rc,
                                 PLUM_CREDENTIAL_MISMATCH);
            }
        }

        plum_key_destroy(keys[0]);
        plum_key_destroy(keys[1]);
    }

    EVP_PKEY_free(pkey);
}


/* each costs a hash of the body for each key, so there may be two */

static void
test_ed25519_candidates(void **state)
{
    char              right[SIG_MAX], wrong[SIG_MAX], value[VALUE_MAX];
    size_t            i, k, len;
    uint8_t           public_key[32];
    EVP_PKEY         *pkey, *stranger;
    result_t          result;
    plum_key_t       *keys[2];
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const subject_t  *s;
    static const struct {
        const char            *places;   /* R right, W wrong, Q cut off,
                                            H of another algorithm */
        plum_credential_rc_t   rc;
    } tests[] = {
        { "R", PLUM_CREDENTIAL_OK },
        { "WR", PLUM_CREDENTIAL_OK },
        { "RW", PLUM_CREDENTIAL_OK },
        { "QR", PLUM_CREDENTIAL_OK },
        { "HHRHHHHHHHWHHHHH", PLUM_CREDENTIAL_OK },
        { "WW", PLUM_CREDENTIAL_MISMATCH },
        { "WWR", PLUM_CREDENTIAL_MALFORMED },
        { "RWW", PLUM_CREDENTIAL_MALFORMED },
        { "QQR", PLUM_CREDENTIAL_MALFORMED },
        { "WWWWWWWWWWWWWWWR", PLUM_CREDENTIAL_MALFORMED }
    };

    (void) state;

    s = &subjects[0];
    configure(s, NULL, NULL, &scheme);
    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    stranger = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_true(pkey && stranger);

    len = sizeof(public_key);
    assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, public_key, &len), 1);
    keys[0] = make_key(&scheme, FIRST);
    keys[1] = plum_key_create(PLUM_ALGORITHM_ED25519, public_key, 32);
    sign_ed25519(pkey, ID "." NOW_TEXT "." BODY, right);
    sign_ed25519(stranger, ID "." NOW_TEXT "." BODY, wrong);

    for (i = 0; i < unit_nelts(tests); i++) {
        len = 0;

        for (k = 0; tests[i].places[k]; k++) {
            len += (size_t) snprintf(value + len, sizeof(value) - len,
                       (tests[i].places[k] == 'R') ? "v1a,%s "
                       : (tests[i].places[k] == 'W') ? "v1a,%s "
                       : (tests[i].places[k] == 'Q') ? "v1a,QQ== "
                       : "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
                       (tests[i].places[k] == 'R') ? right : wrong);
        }

        headers.n = 0;
        unit_add_header(&headers, s->header, value);
        unit_add_header(&headers, s->id, ID);
        unit_add_header(&headers, s->timestamp, NOW_TEXT);
        result = submit_headers(&scheme, &headers, BODY, keys, 2);
        assert_int_equal(result.rc, tests[i].rc);

        if (result.rc == PLUM_CREDENTIAL_OK) {
            assert_int_equal(result.matched, 1);
        }
    }

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(stranger);
}


/* a key made for another digest, or a static one, fits nothing */

static void
test_other_kinds(void **state)
{
    char              signature[SIG_MAX];
    plum_key_t       *keys[3];
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const subject_t   s = { .preset = "hmac", .words = { "header", "x-sig" },
                            .header = "X-Sig", .content = "B",
                            .digest = "SHA256" };

    (void) state;

    configure(&s, NULL, NULL, &scheme);
    sign(&s, FIRST, NOW_TEXT, BODY, signature);
    headers.n = 0;
    unit_add_header(&headers, s.header, signature);

    keys[0] = plum_key_create(PLUM_ALGORITHM_SHA512, (const uint8_t *) FIRST,
                              sizeof(FIRST) - 1);
    keys[1] = plum_key_create(PLUM_ALGORITHM_NONE, (const uint8_t *) FIRST,
                              sizeof(FIRST) - 1);
    keys[2] = make_key(&scheme, FIRST);
    assert_true(keys[0] && keys[1]);

    assert_int_equal(submit_headers(&scheme, &headers, BODY, keys, 2).rc,
                     PLUM_CREDENTIAL_MISMATCH);
    assert_int_equal(submit_headers(&scheme, &headers, BODY, keys,
                                    3).matched,
                     2);

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);
    plum_key_destroy(keys[2]);
}


static void
test_api_key(void **state)
{
    size_t                i;
    result_t              result;
    plum_key_t           *keys[2];
    plum_scheme_t         scheme;
    unit_headers_t        headers;
    const subject_t       s = { .preset = "api-key" };
    static const struct {
        const char            *value;
        plum_credential_rc_t   rc;
    } tests[] = {
        { FIRST, PLUM_CREDENTIAL_OK },
        { SECOND, PLUM_CREDENTIAL_OK },
        { STRANGER, PLUM_CREDENTIAL_MISMATCH },
        { FIRST " ", PLUM_CREDENTIAL_MISMATCH },
        { " " FIRST, PLUM_CREDENTIAL_MISMATCH },
        { FIRST FIRST, PLUM_CREDENTIAL_MISMATCH },
        { "t", PLUM_CREDENTIAL_MISMATCH },
        { "", PLUM_CREDENTIAL_MISSING },
        { NULL, PLUM_CREDENTIAL_MISSING }
    };

    (void) state;

    configure(&s, NULL, NULL, &scheme);
    keys[0] = make_key(&scheme, FIRST);
    keys[1] = make_key(&scheme, SECOND);

    for (i = 0; i < unit_nelts(tests); i++) {
        headers.n = 0;

        if (tests[i].value) {
            unit_add_header(&headers, "X-API-key", tests[i].value);
        }

        result = submit_headers(&scheme, &headers, BODY, keys, 2);
        assert_int_equal(result.rc, tests[i].rc);

        if (i < 2) {
            assert_int_equal(result.matched, i);
        }
    }

    headers.n = 0;
    unit_add_header(&headers, "X-API-key", FIRST);
    unit_add_header(&headers, "x-api-key", FIRST);
    assert_int_equal(submit_headers(&scheme, &headers, BODY, keys, 2).rc,
                     PLUM_CREDENTIAL_MALFORMED);

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);
}


static void
test_body_token(void **state)
{
    size_t         matched;
    plum_key_t    *keys[2];
    plum_str_t     token;
    plum_scheme_t  scheme;
    const subject_t  s = { .preset = "body-token",
                           .words = { "path", "token" } };

    (void) state;

    configure(&s, NULL, NULL, &scheme);
    keys[0] = make_key(&scheme, FIRST);
    keys[1] = make_key(&scheme, SECOND);

    token = unit_str(SECOND);
    assert_int_equal(plum_token_verify(&token, keys, 2, &matched),
                     PLUM_CREDENTIAL_OK);
    assert_int_equal(matched, 1);
    assert_int_equal(plum_token_verify(&token, keys, 1, &matched),
                     PLUM_CREDENTIAL_MISMATCH);
    assert_int_equal(plum_token_verify(&token, keys, 0, &matched),
                     PLUM_CREDENTIAL_MISMATCH);

    token = unit_str("");
    assert_int_equal(plum_token_verify(&token, keys, 2, &matched),
                     PLUM_CREDENTIAL_MISMATCH);

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_ed25519_candidates),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_api_key),
        cmocka_unit_test(test_body_token)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
