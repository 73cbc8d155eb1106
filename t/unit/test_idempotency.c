/*
 * Idempotency keys, success codes, outcomes, kept answers; and the list of
 * reasons.
 */

#include "unit.h"

#include <plum_encoding.h>
#include <plum_idempotency.h>
#include <plum_reason.h>

#include <openssl/rand.h>
#include <openssl/sha.h>


static void
joined(const char *const *parts, char *key)
{
    size_t      n, len;
    plum_str_t  list[8];

    for (n = 0; parts[n]; n++) {
        list[n] = unit_str(parts[n]);
    }

    assert_int_equal(plum_key_join(list, n, (uint8_t *) key, &len), PLUM_OK);
    assert_in_range(len, 1, PLUM_KEY_MAX);
    key[len] = '\0';
}


static void
test_join(void **state)
{
    char                  key[PLUM_KEY_MAX + 1];
    size_t                i;
    static const struct {
        const char  *parts[5];
        const char  *key;
    } tests[] = {
        { { "a" }, "a" },
        { { "a", "bc" }, "a:bc" },
        { { "ab", "c" }, "ab:c" },
        { { "a:b", "c" }, "a%3Ab:c" },
        { { "a", "b:c" }, "a:b%3Ac" },
        { { "%", "%25" }, "%25:%2525" },
        { { " \t\r\n", "\x01\x1f\x7f\x80\xff" },
          "%20%09%0D%0A:%01%1F%7F%80%FF" },
        { { "!~{}" }, "!~{}" },
        { { "order.delivered", "71", "DELIVERED" },
          "order.delivered:71:DELIVERED" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        joined(tests[i].parts, key);
        assert_string_equal(key, tests[i].key);
    }
}


static void
test_join_refused(void **state)
{
    size_t      len;
    uint8_t     key[PLUM_KEY_MAX];
    plum_str_t  parts[3];

    (void) state;

    parts[0] = unit_str("a");
    parts[1] = unit_str("");
    parts[2] = unit_str("b");
    assert_int_equal(plum_key_join(parts, 0, key, &len), PLUM_ERROR);
    assert_int_equal(plum_key_join(parts, 3, key, &len), PLUM_ERROR);
    assert_int_equal(plum_key_join(parts + 1, 1, key, &len), PLUM_ERROR);
}


/* 256 bytes stay, 257 are hashed: the same bytes that 257 would have been */

static void
test_join_long(void **state)
{
    char        text[600], want[80];
    size_t      i, len;
    uint8_t     key[PLUM_KEY_MAX], digest[SHA256_DIGEST_LENGTH];
    plum_str_t  parts[2];

    (void) state;

    memset(text, 'k', sizeof(text));
    text[100] = ':';
    parts[0].data = (const uint8_t *) text;
    parts[0].len = 100;
    parts[1].data = (const uint8_t *) text + 101;
    parts[1].len = 155;

    assert_int_equal(plum_key_join(parts, 2, key, &len), PLUM_OK);
    assert_int_equal(len, PLUM_KEY_MAX);
    assert_memory_equal(key, text, len);

    for (i = 156; i < 400; i += 61) {
        parts[1].len = i;
        assert_int_equal(plum_key_join(parts, 2, key, &len), PLUM_OK);

        (void) SHA256((const uint8_t *) text, 101 + i, digest);
        memcpy(want, "%sha256:", 8);
        plum_hex_encode(digest, sizeof(digest), (uint8_t *) want + 8);
        assert_int_equal(len, 72);
        assert_memory_equal(key, want, 72);
    }

    /* escapes count: 86 times %20 is 258 */

    memset(text, ' ', 86);
    parts[0].len = 85;
    assert_int_equal(plum_key_join(parts, 1, key, &len), PLUM_OK);
    assert_int_equal(len, 255);
    parts[0].len = 86;
    assert_int_equal(plum_key_join(parts, 1, key, &len), PLUM_OK);
    assert_int_equal(len, 72);

    for (i = 0; i < 86; i++) {
        memcpy(text + 3 * i, "%20", 3);
    }

    (void) SHA256((const uint8_t *) text, 258, digest);
    plum_hex_encode(digest, sizeof(digest), (uint8_t *) want + 8);
    assert_memory_equal(key, want, 72);
}


static size_t
random_parts(uint8_t *bytes, plum_str_t *parts)
{
    size_t               i, n, used;
    static const uint8_t alphabet[] = "a:%s";

    assert_int_equal(RAND_bytes(bytes, 32), 1);

    n = 1 + bytes[0] % 3;
    used = 4;

    for (i = 0; i < n; i++) {
        parts[i].data = bytes + used;
        parts[i].len = 1 + bytes[i + 1] % 3;
        used += parts[i].len;
    }

    for (i = 4; i < used; i++) {
        bytes[i] = alphabet[bytes[i] % 4];
    }

    return n;
}


/* two lists have one key only if they are one list */

static void
test_join_injective(void **state)
{
    size_t      i, k, n, m, len1, len2;
    uint8_t     one[32], two[32], key1[PLUM_KEY_MAX], key2[PLUM_KEY_MAX];
    plum_str_t  parts1[3], parts2[3];
    int         same;

    (void) state;

    for (i = 0; i < 20000; i++) {
        n = random_parts(one, parts1);
        m = random_parts(two, parts2);
        same = (n == m);

        for (k = 0; k < n && same; k++) {
            same = parts1[k].len == parts2[k].len
                   && memcmp(parts1[k].data, parts2[k].data, parts1[k].len)
                      == 0;
        }

        assert_int_equal(plum_key_join(parts1, n, key1, &len1), PLUM_OK);
        assert_int_equal(plum_key_join(parts2, m, key2, &len2), PLUM_OK);
        assert_int_equal(len1 == len2 && memcmp(key1, key2, len1) == 0,
                         same);
    }
}


/*
 * The digits are a promise: hosts of different versions share records.  By
 * hand: printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\0' | sha256sum
 */

static void
test_owner(void **state)
{
    size_t               i, k, n, m;
    uint8_t              one[32], two[32], owner1[PLUM_OWNER_LEN],
                         owner2[PLUM_OWNER_LEN], key[PLUM_KEY_MAX];
    plum_str_t           parts1[3], parts2[3];
    int                  same;

    (void) state;

    parts1[0] = unit_str("a");
    parts1[1] = unit_str("");
    assert_int_equal(plum_owner(parts1, 2, owner1), PLUM_OK);
    assert_memory_equal(owner1, "%o6aa98e17c109dd8e:", PLUM_OWNER_LEN);

    /* two lists have one owner only if they are one list */

    for (i = 0; i < 5000; i++) {
        n = random_parts(one, parts1);
        m = random_parts(two, parts2);
        same = (n == m);

        for (k = 0; k < n && same; k++) {
            same = parts1[k].len == parts2[k].len
                   && memcmp(parts1[k].data, parts2[k].data, parts1[k].len)
                      == 0;
        }

        assert_int_equal(plum_owner(parts1, n, owner1), PLUM_OK);
        assert_int_equal(plum_owner(parts2, m, owner2), PLUM_OK);
        assert_int_equal(memcmp(owner1, owner2, PLUM_OWNER_LEN) == 0, same);

        /* and no key begins as an owner does */

        assert_int_equal(plum_key_join(parts1, n, key, &m), PLUM_OK);
        assert_true(m < 2 || memcmp(key, "%o", 2) != 0);
    }
}


static void
test_success(void **state)
{
    size_t              i;
    plum_str_t          text;
    plum_error_t        err;
    plum_success_t      success;
    static const char  *bad[] = {
        "", ",", "200,", ",200", "2xx,,404", "200 ", " 200", "099", "600",
        "99", "2000", "2XX", "4xx", "20x", "-20", "2xx;404", "200, 404",
        "200,201,202,203,204,205,206,207,208,209,210,211,212,213,214,215,216"
    };

    (void) state;

    text = unit_str("2xx");
    assert_int_equal(plum_success_parse(&text, &success, &err), PLUM_OK);
    assert_true(plum_success_match(&success, 200));
    assert_true(plum_success_match(&success, 299));
    assert_false(plum_success_match(&success, 199));
    assert_false(plum_success_match(&success, 300));
    assert_false(plum_success_match(&success, 0));

    text = unit_str("201,409");
    assert_int_equal(plum_success_parse(&text, &success, &err), PLUM_OK);
    assert_false(plum_success_match(&success, 200));
    assert_true(plum_success_match(&success, 201));
    assert_true(plum_success_match(&success, 409));

    text = unit_str("404,2xx,100,599");
    assert_int_equal(plum_success_parse(&text, &success, &err), PLUM_OK);
    assert_true(plum_success_match(&success, 204));
    assert_true(plum_success_match(&success, 404));
    assert_true(plum_success_match(&success, 100));
    assert_true(plum_success_match(&success, 599));
    assert_false(plum_success_match(&success, 500));

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);
        assert_int_equal(plum_success_parse(&text, &success, &err),
                         PLUM_ERROR);
    }

    text = unit_str("200,20x");
    assert_int_equal(plum_success_parse(&text, &success, &err), PLUM_ERROR);
    assert_string_equal(err.text, "invalid success code \"20x\"");
}


static void
test_judge(void **state)
{
    size_t                i;
    plum_str_t            text;
    plum_error_t          err;
    plum_success_t        success;
    static const struct {
        plum_attempt_t  attempts[3];
        size_t          n;
        plum_outcome_t  outcome;
    } tests[] = {
        { { { 0, 0, 0, 1 } }, 0, PLUM_OUTCOME_FAILURE },
        { { { 0, 0, 0, 1 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 200, 1, 1, 1 } }, 1, PLUM_OUTCOME_SUCCESS },
        { { { 200, 1, 1, 0 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 0, 0, 1, 0 }, { 200, 1, 1, 0 } }, 2, PLUM_OUTCOME_IN_DOUBT },
        { { { 500, 1, 1, 1 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 413, 1, 0, 1 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 0, 0, 1, 1 } }, 1, PLUM_OUTCOME_IN_DOUBT },
        { { { 502, 0, 1, 1 } }, 1, PLUM_OUTCOME_IN_DOUBT },
        { { { 502, 0, 0, 1 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 200, 0, 1, 1 } }, 1, PLUM_OUTCOME_IN_DOUBT },
        { { { 200, 0, 0, 1 } }, 1, PLUM_OUTCOME_FAILURE },
        { { { 0, 0, 1, 1 }, { 200, 1, 1, 1 } }, 2, PLUM_OUTCOME_SUCCESS },
        { { { 200, 1, 1, 1 }, { 0, 0, 1, 1 } }, 2, PLUM_OUTCOME_IN_DOUBT },
        { { { 200, 1, 1, 1 }, { 0, 0, 0, 1 } }, 2, PLUM_OUTCOME_FAILURE },
        { { { 200, 1, 1, 1 }, { 503, 1, 1, 1 } }, 2, PLUM_OUTCOME_FAILURE },
        { { { 0, 0, 1, 1 }, { 500, 1, 1, 1 } }, 2, PLUM_OUTCOME_IN_DOUBT },
        { { { 500, 1, 1, 1 }, { 0, 0, 1, 1 } }, 2, PLUM_OUTCOME_IN_DOUBT },
        { { { 0, 0, 0, 1 }, { 500, 1, 1, 1 }, { 0, 0, 0, 1 } }, 3,
          PLUM_OUTCOME_FAILURE }
    };

    (void) state;

    text = unit_str("2xx");
    assert_int_equal(plum_success_parse(&text, &success, &err), PLUM_OK);

    for (i = 0; i < unit_nelts(tests); i++) {
        assert_int_equal(plum_attempts_judge(tests[i].attempts, tests[i].n,
                                             &success),
                         tests[i].outcome);
    }
}


static void
test_answer(void **state)
{
    size_t         i;
    uint8_t       *text;
    plum_str_t     kept;
    plum_answer_t  answer, again;
    static const struct {
        plum_str_t  type;
        plum_str_t  body;
    } tests[] = {
        { PLUM_STR("application/json"), PLUM_STR("{\"ok\":true}") },
        { { NULL, 0 }, { NULL, 0 } },
        { PLUM_STR("text/plain; charset=utf-8"),
          PLUM_STR("caf\xc3\xa9 \"\\\r\n\t \x01 \xf0\x9f\x8d\x91") },
        { PLUM_STR("text/plain"), PLUM_STR("a\0b") }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        answer.status = 200 + (unsigned) i;
        answer.type = tests[i].type;
        answer.body = tests[i].body;

        text = plum_answer_encode(&answer, &kept.len);
        assert_non_null(text);
        kept.data = text;

        assert_int_equal(plum_answer_decode(&kept, &again), PLUM_OK);
        assert_int_equal(again.status, answer.status);
        assert_int_equal(again.type.len, answer.type.len);
        assert_int_equal(again.body.len, answer.body.len);

        if (answer.type.len) {
            assert_memory_equal(again.type.data, answer.type.data,
                                answer.type.len);
        }

        if (answer.body.len) {
            assert_memory_equal(again.body.data, answer.body.data,
                                answer.body.len);
        }

        plum_answer_free(&again);
        free(text);
    }
}


static void
test_answer_refused(void **state)
{
    size_t              i, len;
    plum_str_t          text;
    plum_answer_t       answer;
    static const char  *bad[] = {
        "", "x", "[]", "{}", "{\"status\":200}", "{\"body\":\"\"}",
        "{\"status\":\"200\",\"body\":\"\"}",
        "{\"status\":200,\"body\":null}",
        "{\"status\":200,\"body\":\"\"",
        "{\"status\":200,\"body\":\"\"}x",
        "{\"status\":99,\"body\":\"\"}",
        "{\"status\":600,\"body\":\"\"}",
        "{\"status\":-200,\"body\":\"\"}",
        "{\"status\":4294967496,\"body\":\"\"}",
        "{\"status\":200.0,\"body\":\"\"}",
        "{\"status\":200,\"status\":201,\"body\":\"\"}",
        "{\"status\":200,\"type\":1,\"body\":\"\"}",
        "{\"status\":200,\"type\":\"a\\r\\nb: c\",\"body\":\"\"}",
        "{\"status\":200,\"type\":\"a\\u0000\",\"body\":\"\"}",
        "{\"status\":200,\"type\":\"a\",\"body\":\"\xff\"}"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);
        assert_int_equal(plum_answer_decode(&text, &answer), PLUM_ERROR);
        assert_null(answer.type.data);
        assert_null(answer.body.data);
    }

    answer.status = 200;
    answer.type = unit_str("text/plain");
    answer.body = unit_str("\xff");
    assert_null(plum_answer_encode(&answer, &len));
    answer.body = unit_str("\xed\xa0\x80");
    assert_null(plum_answer_encode(&answer, &len));
    answer.body = unit_str("");
    answer.type = unit_str("\xc3");
    assert_null(plum_answer_encode(&answer, &len));
}


static void
test_reasons(void **state)
{
    unsigned       i;
    plum_str_t     name;
    plum_reason_t  reason;

    (void) state;

    for (i = PLUM_REASON_NONE + 1; i < PLUM_REASON_MAX; i++) {
        reason = (plum_reason_t) i;
        name = unit_str(plum_reason_name(reason));

        assert_true(name.len != 0);
        assert_int_equal(plum_reason_find(&name), reason);
        assert_true(strlen(plum_reason_text(reason)) > 10);
        assert_in_range(plum_reason_status(reason), 400, 503);
    }

    assert_string_equal(plum_reason_name(PLUM_REASON_IN_FLIGHT),
                        "in_flight");
    assert_int_equal(plum_reason_status(PLUM_REASON_IN_FLIGHT), 409);

    assert_string_equal(plum_reason_name(PLUM_REASON_NONE), "");
    assert_string_equal(plum_reason_text(PLUM_REASON_MAX), "");
    assert_int_equal(plum_reason_status(PLUM_REASON_MAX), 0);

    name = unit_str("");
    assert_int_equal(plum_reason_find(&name), PLUM_REASON_NONE);
    name = unit_str("METHOD");
    assert_int_equal(plum_reason_find(&name), PLUM_REASON_NONE);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_join_refused),
        cmocka_unit_test(test_join_long),
        cmocka_unit_test(test_join_injective),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_refused),
        cmocka_unit_test(test_reasons)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
