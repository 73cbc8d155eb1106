/*
 * The idempotency records in Redis, without Redis: the words of the scripts,
 * what their replies mean.
 */

#include "unit.h"
#include "stream.h"

#include <plum_record.h>

#include <openssl/sha.h>


#define TOKEN_HEX  "000102030405060708090a0b0c0d0e0f"


static void
test_sha(void **state)
{
    int                   kind;
    char                  text[128];
    size_t                i;
    uint8_t               digest[SHA_DIGEST_LENGTH];
    const plum_script_t  *script;

    (void) state;

    for (kind = 0; kind < PLUM_RECORD_KINDS; kind++) {
        script = plum_record_script((plum_record_kind_t) kind);
        (void) SHA1(script->text.data, script->text.len, digest);

        (void) strcpy(text, "$7\r\nEVALSHA\r\n$40\r\n");

        for (i = 0; i < SHA_DIGEST_LENGTH; i++) {
            (void) snprintf(text + strlen(text), 3, "%02x", digest[i]);
        }

        (void) strcat(text, "\r\n");

        assert_int_equal(script->evalsha.len, strlen(text));
        assert_memory_equal(script->evalsha.data, text, strlen(text));
    }
}


static void
check_words(plum_record_kind_t kind, const char *third, const char *fourth)
{
    size_t                i;
    uint8_t               token[PLUM_RECORD_TOKEN_LEN];
    plum_str_t            key, answer, word[PLUM_RECORD_WORDS_MAX];
    plum_record_words_t   words;

    for (i = 0; i < PLUM_RECORD_TOKEN_LEN; i++) {
        token[i] = (uint8_t) i;
    }

    key = unit_str("plum:a key");
    answer = unit_str("do k");

    plum_record_words(kind, &key, token, 604800000, &answer, &words);

    word[0] = key;
    word[1] = unit_str("p" TOKEN_HEX);
    word[2] = third ? unit_str(third) : key;
    word[3] = fourth ? unit_str(fourth) : key;

    assert_int_equal(words.n, fourth ? 4 : third ? 3 : 2);

    for (i = 0; i < words.n; i++) {
        assert_int_equal(words.word[i].len, word[i].len);
        assert_memory_equal(words.word[i].data, word[i].data, word[i].len);
    }
}


static void
test_words(void **state)
{
    (void) state;

    check_words(PLUM_RECORD_CLAIM, "604800000", NULL);
    check_words(PLUM_RECORD_RENEW, "604800000", NULL);
    check_words(PLUM_RECORD_COMMIT, "do k", "604800000");
    check_words(PLUM_RECORD_RELEASE, NULL, NULL);
}


static void
test_judge(void **state)
{
    size_t                 i;
    redisReply            *reply;
    plum_record_result_t   result;
    const struct {
        plum_record_kind_t      kind;
        int                     again;
        const char             *reply;
        plum_record_outcome_t   outcome;
        uint64_t                left;
    } tests[] = {
        { PLUM_RECORD_CLAIM, 0, ":0\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_CLAIM, 1, ":0\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_CLAIM, 0, ":1\r\n", PLUM_RECORD_BUSY, 0 },
        { PLUM_RECORD_CLAIM, 0, ":30001\r\n", PLUM_RECORD_BUSY, 30000 },
        { PLUM_RECORD_CLAIM, 0, ":-1\r\n", PLUM_RECORD_BUSY, 0 },
        { PLUM_RECORD_CLAIM, 0, ":-2\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_CLAIM, 0, "$1\r\nd\r\n", PLUM_RECORD_DONE, 0 },
        { PLUM_RECORD_CLAIM, 0, "$0\r\n\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_CLAIM, 0, "$2\r\nO:0\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_CLAIM, 0, "$-1\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_CLAIM, 0, "+OK\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_RENEW, 0, ":1\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_RENEW, 0, ":0\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_RENEW, 0, ":2\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_COMMIT, 0, ":1\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_COMMIT, 0, ":0\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_COMMIT, 1, ":0\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_COMMIT, 0, ":2\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_COMMIT, 1, ":2\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_COMMIT, 0, ":3\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_COMMIT, 0, "$2\r\nOK\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_RELEASE, 0, ":1\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_RELEASE, 0, ":0\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_RELEASE, 0, ":2\r\n", PLUM_RECORD_LOST, 0 },
        { PLUM_RECORD_RELEASE, 1, ":0\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_RELEASE, 1, ":2\r\n", PLUM_RECORD_OK, 0 },
        { PLUM_RECORD_CLAIM, 0, "-LOADING Redis is loading\r\n",
          PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_COMMIT, 1, "-OOM command not allowed\r\n",
          PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_COMMIT, 0, "-\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-WRONGTYPE Operation against\r\n",
          PLUM_RECORD_FOREIGN, 0 },
        { PLUM_RECORD_RENEW, 0, "-ERR Error running script (call to f_1): "
          "@user_script:1: WRONGTYPE Operation\r\n", PLUM_RECORD_FOREIGN, 0 },
        { PLUM_RECORD_CLAIM, 0, "-PLUM no record\r\n",
          PLUM_RECORD_FOREIGN, 0 },
        { PLUM_RECORD_CLAIM, 0, "-MOVED\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-MOVEDX 1 a:1\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-moved 1 a:1\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-ERR MOVED 1 a:1\r\n",
          PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "- MOVED 1 a:1\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "+MOVED 1 a:1\r\n", PLUM_RECORD_BROKEN, 0 },
        { PLUM_RECORD_CLAIM, 0, "-ASKING 1 a:1\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-CLUSTER\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_CLAIM, 0, "-ERR TRYAGAIN\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_COMMIT, 0, "-READONL\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_COMMIT, 0, "-ERR readonly\r\n", PLUM_RECORD_REFUSED, 0 },
        { PLUM_RECORD_COMMIT, 0, "-ERR MASTERDOWN\r\n",
          PLUM_RECORD_REFUSED, 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reply = stream_reply(tests[i].reply, strlen(tests[i].reply));
        assert_non_null(reply);

        plum_record_judge(tests[i].kind, tests[i].again, reply, &result);

        if (result.outcome != tests[i].outcome) {
            fail_msg("%zu: %s: %d", i, tests[i].reply, (int) result.outcome);
        }

        assert_int_equal(result.left, tests[i].left);

        freeReplyObject(reply);
    }
}


static void
test_answer(void **state)
{
    redisReply            *reply;
    plum_record_result_t   result;

    (void) state;

    reply = stream_reply("$4\r\nda\0b\r\n", 10);

    plum_record_judge(PLUM_RECORD_CLAIM, 0, reply, &result);
    assert_int_equal(result.outcome, PLUM_RECORD_DONE);
    assert_int_equal(result.answer.len, 3);
    assert_memory_equal(result.answer.data, "a\0b", 3);

    freeReplyObject(reply);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_answer)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
