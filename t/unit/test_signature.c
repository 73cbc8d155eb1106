/*
 * Signatures of every preset: right and wrong ones, headers that are missing,
 * empty or repeated, timestamps, and what is signed.
 */

#include "corpus.h"


static void
test_right(void **state)
{
    char              signature[SIG_MAX], value[VALUE_MAX];
    size_t            i;
    result_t          result;
    const char       *list[1] = { signature };
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        sign(s, FIRST, NOW_TEXT, BODY, signature);
        wrap(s, NOW_TEXT, list, 1, value);
        result = submit(s, value, NOW_TEXT, BODY);
        assert_int_equal(result.rc, PLUM_CREDENTIAL_OK);
        assert_int_equal(result.matched, 0);

        sign(s, SECOND, NOW_TEXT, BODY, signature);
        wrap(s, NOW_TEXT, list, 1, value);
        result = submit(s, value, NOW_TEXT, BODY);
        assert_int_equal(result.rc, PLUM_CREDENTIAL_OK);
        assert_int_equal(result.matched, 1);

        sign(s, FIRST, NOW_TEXT, "", signature);
        wrap(s, NOW_TEXT, list, 1, value);
        result = submit(s, value, NOW_TEXT, "");
        assert_int_equal(result.rc, PLUM_CREDENTIAL_OK);
    }
}


static void
test_mismatch(void **state)
{
    char              signature[SIG_MAX], value[VALUE_MAX];
    size_t            i, k, len;
    const char       *list[1] = { signature };
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        sign(s, STRANGER, NOW_TEXT, BODY, signature);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MISMATCH);

        sign(s, FIRST, NOW_TEXT, BODY " ", signature);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MISMATCH);

        /* no digit of the signature is without weight */

        sign(s, FIRST, NOW_TEXT, BODY, signature);
        len = strlen(signature);

        for (k = 0; k < len && signature[k] != '='; k++) {
            signature[k] = (char) (signature[k] == '1' ? '2' : '1');
            assert_int_not_equal(submit_one(s, signature),
                                 PLUM_CREDENTIAL_OK);
            sign(s, FIRST, NOW_TEXT, BODY, signature);
        }

        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_OK);

        /* another timestamp than the one that was signed, both fresh */

        if (s->timestamp || s->stamped) {
            wrap(s, "1614265331", list, 1, value);
            assert_int_equal(submit(s, value, "1614265331", BODY).rc,
                             PLUM_CREDENTIAL_MISMATCH);
        }
    }
}


static void
test_header(void **state)
{
    char              signature[SIG_MAX], value[VALUE_MAX];
    char              extra[VALUE_MAX + 16];
    size_t            i;
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const char       *list[1] = { signature };
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        sign(s, FIRST, NOW_TEXT, BODY, signature);
        wrap(s, NOW_TEXT, list, 1, value);

        assert_int_equal(submit(s, NULL, NOW_TEXT, BODY).parsed,
                         PLUM_CREDENTIAL_MISSING);
        assert_int_equal(submit(s, "", NOW_TEXT, BODY).parsed,
                         PLUM_CREDENTIAL_MISSING);
        assert_int_equal(submit(s, s->prefix, NOW_TEXT, BODY).parsed,
                         *s->prefix ? PLUM_CREDENTIAL_MALFORMED
                                    : PLUM_CREDENTIAL_MISSING);

        /* twice, even with the same value */

        configure(s, NULL, NULL, &scheme);
        headers.n = 0;
        unit_add_header(&headers, s->header, value);
        unit_add_header(&headers, s->header, value);
        unit_add_header(&headers, s->timestamp ? s->timestamp : "a",
                        NOW_TEXT);
        unit_add_header(&headers, s->id ? s->id : "b", ID);
        assert_int_equal(submit_headers(&scheme, &headers, BODY, NULL,
                                        0).parsed,
                         PLUM_CREDENTIAL_MALFORMED);

        /* wrong prefix, no prefix, one too many */

        (void) snprintf(extra, sizeof(extra), "v9=%s", signature);
        assert_int_equal(submit(s, extra, NOW_TEXT, BODY).parsed,
                         PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(extra, sizeof(extra), "%sv1=%s", s->prefix,
                        signature);
        assert_int_equal(submit(s, extra, NOW_TEXT, BODY).parsed,
                         PLUM_CREDENTIAL_MALFORMED);

        if (*s->prefix) {
            assert_int_equal(submit(s, signature, NOW_TEXT, BODY).parsed,
                             PLUM_CREDENTIAL_MALFORMED);
        }

        /* longer than any header should be */

        memset(extra, 'a', sizeof(extra));
        extra[PLUM_SCHEME_HEADER_MAX + 1] = '\0';
        assert_int_equal(submit(s, extra, NOW_TEXT, BODY).parsed,
                         PLUM_CREDENTIAL_MALFORMED);
    }
}


/* timestamp and id headers, where the scheme has them */

static void
test_other_headers(void **state)
{
    char              signature[SIG_MAX], value[VALUE_MAX];
    size_t            i, k, role;
    plum_key_t       *key;
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const char       *list[1] = { signature };
    const char       *names[2], *values[2] = { NOW_TEXT, ID };
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];
        names[0] = s->timestamp;
        names[1] = s->id;

        configure(s, NULL, NULL, &scheme);
        key = make_key(&scheme, FIRST);
        sign(s, FIRST, NOW_TEXT, BODY, signature);
        wrap(s, NOW_TEXT, list, 1, value);

        for (role = 0; role < 2; role++) {
            if (names[role] == NULL) {
                continue;
            }

            for (k = 0; k < 4; k++) {
                headers.n = 0;
                unit_add_header(&headers, s->header, value);

                if (names[!role]) {
                    unit_add_header(&headers, names[!role], values[!role]);
                }

                if (k != 0) {
                    unit_add_header(&headers, names[role],
                                    k == 1 ? "" : values[role]);
                }

                if (k == 3) {
                    unit_add_header(&headers, names[role], values[role]);
                }

                assert_int_equal(submit_headers(&scheme, &headers, BODY,
                                                &key, 1).rc,
                                 (k < 2) ? PLUM_CREDENTIAL_MISSING
                                 : (k == 2) ? PLUM_CREDENTIAL_OK
                                 : PLUM_CREDENTIAL_MALFORMED);
            }
        }

        plum_key_destroy(key);
    }
}


/* each is signed as it stands, so nothing but the timestamp is at fault */

static void
test_timestamps(void **state)
{
    char                  signature[SIG_MAX], value[VALUE_MAX];
    size_t                i, k;
    const char           *list[1] = { signature };
    const subject_t      *s;
    static const struct {
        const char            *text;
        plum_credential_rc_t   rc;
    } tests[] = {
        { "1614265030", PLUM_CREDENTIAL_OK },           /* 300 s old */
        { "1614265029", PLUM_CREDENTIAL_STALE },
        { "1614265630", PLUM_CREDENTIAL_OK },           /* 300 s ahead */
        { "1614265631", PLUM_CREDENTIAL_STALE },
        { "01614265330", PLUM_CREDENTIAL_OK },
        { "0", PLUM_CREDENTIAL_STALE },
        { "999999999999", PLUM_CREDENTIAL_STALE },
        { "1614265330000", PLUM_CREDENTIAL_OK },        /* milliseconds */
        { "1614265029999", PLUM_CREDENTIAL_STALE },
        { "1614265631000", PLUM_CREDENTIAL_STALE },
        { "16142653300000", PLUM_CREDENTIAL_MALFORMED },
        { "-1614265330", PLUM_CREDENTIAL_MALFORMED },
        { "+1614265330", PLUM_CREDENTIAL_MALFORMED },
        { "16142653300000000000", PLUM_CREDENTIAL_MALFORMED },
        { "1e9", PLUM_CREDENTIAL_MALFORMED },
        { " 1", PLUM_CREDENTIAL_MALFORMED },
        { "0x5", PLUM_CREDENTIAL_MALFORMED },
        { " 1614265330", PLUM_CREDENTIAL_MALFORMED },
        { "1614265330 ", PLUM_CREDENTIAL_MALFORMED },
        { "1614265330.0", PLUM_CREDENTIAL_MALFORMED },
        { "2021-02-25T15:02:10Z", PLUM_CREDENTIAL_OK },
        { "2021-02-25T15:02:10.123456789Z", PLUM_CREDENTIAL_OK },
        { "2021-02-25T20:32:10+05:30", PLUM_CREDENTIAL_OK },
        { "2021-02-25T15:07:11Z", PLUM_CREDENTIAL_STALE },
        { "2021-02-25T15:02:10+05:30", PLUM_CREDENTIAL_STALE },
        { "2021-02-25T15:02:10ZZ", PLUM_CREDENTIAL_MALFORMED },
        { "2021-02-30T15:02:10Z", PLUM_CREDENTIAL_MALFORMED },
        { "2021-02-25", PLUM_CREDENTIAL_MALFORMED },
        { "now", PLUM_CREDENTIAL_MALFORMED }
    };

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        if (!s->timestamp && !s->stamped) {
            continue;
        }

        for (k = 0; k < unit_nelts(tests); k++) {
            sign(s, FIRST, tests[k].text, BODY, signature);
            wrap(s, tests[k].text, list, 1, value);

            /* white space at the end of an item is no part of it */

            assert_int_equal(submit(s, value, tests[k].text, BODY).rc,
                             (s->stamped
                              && strcmp(tests[k].text, NOW_TEXT " ") == 0)
                             ? PLUM_CREDENTIAL_MISMATCH : tests[k].rc);
        }
    }
}


static void
test_tolerance(void **state)
{
    char                  signature[SIG_MAX], value[VALUE_MAX];
    size_t                i;
    plum_key_t           *key;
    plum_scheme_t         scheme;
    unit_headers_t        headers;
    const char           *list[1] = { signature };
    const subject_t      *s;
    static const struct {
        const char            *tolerance;
        const char            *text;
        plum_credential_rc_t   rc;
    } tests[] = {
        { "off", "1", PLUM_CREDENTIAL_OK },
        { "off", "1e9", PLUM_CREDENTIAL_MALFORMED },
        { "1s", "1614265329", PLUM_CREDENTIAL_OK },
        { "1", "1614265328", PLUM_CREDENTIAL_STALE },
        { "10m", "1614265930", PLUM_CREDENTIAL_OK },
        { "10m", "1614265931", PLUM_CREDENTIAL_STALE },
        { "1h", "1614261730", PLUM_CREDENTIAL_OK },
        { "1h", "1614261729", PLUM_CREDENTIAL_STALE }
    };

    (void) state;

    s = &subjects[2];

    for (i = 0; i < unit_nelts(tests); i++) {
        configure(s, "tolerance", tests[i].tolerance, &scheme);
        key = make_key(&scheme, FIRST);
        sign(s, FIRST, tests[i].text, BODY, signature);
        wrap(s, tests[i].text, list, 1, value);

        headers.n = 0;
        unit_add_header(&headers, s->header, value);
        assert_int_equal(submit_headers(&scheme, &headers, BODY, &key,
                                        1).rc,
                         tests[i].rc);
        plum_key_destroy(key);
    }
}


/* what was fresh when it was parsed is judged again later */

static void
test_fresh(void **state)
{
    int64_t            after;
    plum_str_t         uri;
    plum_scheme_t      scheme;
    unit_headers_t     headers;
    plum_credential_t  cred;
    const subject_t    slack = { .preset = "slack" };
    const subject_t    hmac = { .preset = "hmac",
                                .words = { "header", "x-sig" } };

    (void) state;

    uri = unit_str("/");

    /* a header's timestamp, the tolerance is 300 seconds */

    configure(&slack, NULL, NULL, &scheme);
    headers.n = 0;
    unit_add_header(&headers, "X-Slack-Signature",
                    "v0=00112233445566778899aabbccddeeff"
                    "00112233445566778899aabbccddeeff");
    unit_add_header(&headers, "X-Slack-Request-Timestamp", NOW_TEXT);
    assert_int_equal(plum_signature_parse(&scheme, unit_find_header,
                                          &headers, &uri, NOW, &cred),
                     PLUM_CREDENTIAL_OK);

    for (after = -302; after <= 302; after++) {
        assert_int_equal(plum_signature_fresh(&scheme, &cred, NOW + after),
                         after >= -300 && after <= 300);
    }

    /* one of the body: nothing is known until the caller has read it */

    configure(&hmac, "timestamp", "json:at", &scheme);
    headers.n = 0;
    unit_add_header(&headers, "X-Sig",
                    "00112233445566778899aabbccddeeff"
                    "00112233445566778899aabbccddeeff");
    assert_int_equal(plum_signature_parse(&scheme, unit_find_header,
                                          &headers, &uri, NOW, &cred),
                     PLUM_CREDENTIAL_OK);
    assert_true(plum_signature_fresh(&scheme, &cred, 0));

    cred.stamp = NOW;
    cred.stamped = 1;
    assert_false(plum_signature_fresh(&scheme, &cred, 0));
    assert_true(plum_signature_fresh(&scheme, &cred, NOW + 300));
    assert_false(plum_signature_fresh(&scheme, &cred, NOW + 301));

    /* at any time where the tolerance is off */

    scheme.tolerance = 0;
    assert_true(plum_signature_fresh(&scheme, &cred, 0));
}


/* one signature must not speak for two ids */

static void
test_split_id(void **state)
{
    char              mac_text[SIG_MAX], value[VALUE_MAX];
    plum_key_t       *key;
    plum_scheme_t     scheme;
    unit_headers_t    headers;
    const char       *list[1] = { mac_text };
    subject_t         s;

    (void) state;

    s = subjects[0];
    configure(&s, NULL, NULL, &scheme);
    key = make_key(&scheme, FIRST);
    sign(&s, FIRST, NOW_TEXT, "{\"a\":\".1614265331.{}\"}", mac_text);
    wrap(&s, NOW_TEXT, list, 1, value);

    headers.n = 0;
    unit_add_header(&headers, s.header, value);
    unit_add_header(&headers, s.id, ID);
    unit_add_header(&headers, s.timestamp, NOW_TEXT);
    assert_int_equal(submit_headers(&scheme, &headers,
                                    "{\"a\":\".1614265331.{}\"}", &key,
                                    1).rc,
                     PLUM_CREDENTIAL_OK);

    headers.n = 0;
    unit_add_header(&headers, s.header, value);
    unit_add_header(&headers, s.id, ID ".1614265330.{\"a\":\"");
    unit_add_header(&headers, s.timestamp, "1614265331");
    assert_int_equal(submit_headers(&scheme, &headers, "{}\"}", &key, 1).rc,
                     PLUM_CREDENTIAL_MALFORMED);

    plum_key_destroy(key);
}


/* {uri} and {header:Name} are signed */

static void
test_request_parts(void **state)
{
    char             signature[SIG_MAX];
    size_t           i;
    plum_key_t      *key;
    plum_scheme_t    scheme;
    unit_headers_t   headers;
    const char      *days[] = { "Monday", "Tuesday", "", NULL };
    const subject_t  s = {
        .preset = "hmac",
        .words = { "header", "x-sig", "content",
                   "{uri}|{header:X-Day}|{body}" },
        .header = "x-sig", .prefix = "", .digest = "SHA256",
        .content = "/in?a=1|Monday|B"
    };
    static const plum_credential_rc_t  wanted[] = {
        PLUM_CREDENTIAL_OK, PLUM_CREDENTIAL_MISMATCH,
        PLUM_CREDENTIAL_MISSING, PLUM_CREDENTIAL_MISSING
    };

    (void) state;

    configure(&s, NULL, NULL, &scheme);
    key = make_key(&scheme, FIRST);
    sign(&s, FIRST, NOW_TEXT, BODY, signature);

    for (i = 0; i < 4; i++) {
        headers.n = 0;
        unit_add_header(&headers, "X-SIG", signature);

        if (days[i]) {
            unit_add_header(&headers, "x-day", days[i]);
        }

        assert_int_equal(submit_headers(&scheme, &headers, BODY, &key,
                                        1).rc,
                         wanted[i]);
    }

    unit_add_header(&headers, "x-day", "Monday");
    unit_add_header(&headers, "x-day", "Monday");
    assert_int_equal(submit_headers(&scheme, &headers, BODY, &key, 1).rc,
                     PLUM_CREDENTIAL_MALFORMED);

    plum_key_destroy(key);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_other_headers),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_tolerance),
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_split_id),
        cmocka_unit_test(test_request_parts)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
