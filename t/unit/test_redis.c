/*
 * The Redis store without Redis: the words of its commands, what replies
 * mean, the back-off.
 */

#include "unit.h"

#include <plum_redis.h>

#include <inttypes.h>
#include <openssl/sha.h>


#define TOKEN_HEX  "70000102030405060708090a0b0c0d0e0f"


static void
make_command(plum_redis_command_t *command, plum_redis_kind_t kind,
    uint8_t *answer, size_t len)
{
    size_t  i;

    command->kind = kind;
    command->key = unit_str("plum:a key");
    command->lease = 30000;
    command->retention = 604800000;
    command->answer.data = answer + 1;
    command->answer.len = len;

    for (i = 0; i < PLUM_REDIS_TOKEN_LEN; i++) {
        command->token[i] = (uint8_t) i;
    }
}


static void
test_sha(void **state)
{
    int          kind;
    char         hex[PLUM_REDIS_SHA_LEN + 1];
    size_t       i;
    uint8_t      digest[SHA_DIGEST_LENGTH];
    const char  *text;

    (void) state;

    for (kind = 0; kind < PLUM_REDIS_KINDS; kind++) {
        text = plum_redis_script((plum_redis_kind_t) kind);
        (void) SHA1((const uint8_t *) text, strlen(text), digest);

        for (i = 0; i < SHA_DIGEST_LENGTH; i++) {
            (void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        }

        assert_string_equal(hex, plum_redis_sha((plum_redis_kind_t) kind));
    }
}


/* into out, which has room enough */

static size_t
encode(plum_redis_command_t *command, int eval, uint8_t *out, size_t size)
{
    char    *text;
    size_t   len;

    if (eval) {
        assert_int_equal(plum_redis_eval(command, &text, &len), PLUM_OK);
        assert_true(len <= size);
        memcpy(out, text, len);
        plum_redis_free(text, len);

    } else {
        assert_true(plum_redis_room(command) <= size);
        len = plum_redis_evalsha(command, out);
        assert_true(len <= plum_redis_room(command));
    }

    return len;
}


static void
check_command(plum_redis_kind_t kind, int eval, const char *head,
    const char *tail)
{
    char                   text[2048];
    size_t                 len;
    uint8_t                out[2048];
    uint8_t                answer[] = { 'x', 'o', 0, 'k' };
    const char            *script;
    plum_redis_command_t   command;

    make_command(&command, kind, answer, 3);

    script = eval ? plum_redis_script(kind) : plum_redis_sha(kind);
    (void) snprintf(text, sizeof(text), "%s$%zu\r\n%s\r\n$1\r\n1\r\n"
                    "$10\r\nplum:a key\r\n$33\r\np%s\r\n", head,
                    strlen(script), script, &TOKEN_HEX[2]);

    len = encode(&command, eval, out, sizeof(out));
    assert_true(len > strlen(text));
    assert_memory_equal(out, text, strlen(text));

    if (kind == PLUM_REDIS_COMMIT) {
        assert_int_equal(len - strlen(text), 10 + strlen(tail));
        assert_memory_equal(out + strlen(text), "$4\r\ndo\0k\r\n", 10);
        assert_memory_equal(out + strlen(text) + 10, tail, strlen(tail));

    } else {
        assert_int_equal(len - strlen(text), strlen(tail));
        assert_memory_equal(out + strlen(text), tail, strlen(tail));
    }
}


static int
setup(void **state)
{
    (void) state;

    return plum_redis_prepare() == PLUM_OK && plum_redis_prepare() == PLUM_OK
           ? 0 : -1;
}


static void
test_command(void **state)
{
    (void) state;

    check_command(PLUM_REDIS_CLAIM, 0, "*6\r\n$7\r\nEVALSHA\r\n",
                  "$5\r\n30000\r\n");
    check_command(PLUM_REDIS_CLAIM, 1, "*6\r\n$4\r\nEVAL\r\n",
                  "$5\r\n30000\r\n");
    check_command(PLUM_REDIS_RENEW, 0, "*6\r\n$7\r\nEVALSHA\r\n",
                  "$5\r\n30000\r\n");
    check_command(PLUM_REDIS_COMMIT, 0, "*7\r\n$7\r\nEVALSHA\r\n",
                  "$9\r\n604800000\r\n");
}


/* a release has nothing behind the token */

static void
test_release(void **state)
{
    size_t                 len;
    uint8_t                out[1024], answer[1];
    plum_redis_command_t   command;

    (void) state;

    make_command(&command, PLUM_REDIS_RELEASE, answer, 0);

    len = encode(&command, 0, out, sizeof(out));
    assert_memory_equal(out, "*5\r\n", 4);
    assert_memory_equal(out + len - 6, "0e0f\r\n", 6);
}


/* xorshift64*: the same in each run */

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;

    return *state * 0x2545f4914f6cdd1dULL;
}


/* the same by hiredis, word by word */

static size_t
by_hiredis(plum_redis_command_t *command, const plum_str_t *record, char **out)
{
    char        token[2 + 2 * PLUM_REDIS_TOKEN_LEN], ms[32];
    size_t      i, n, len;
    plum_str_t  word[PLUM_REDIS_ARGS_MAX];

    token[0] = 'p';

    for (i = 0; i < PLUM_REDIS_TOKEN_LEN; i++) {
        (void) snprintf(token + 1 + 2 * i, 3, "%02x", command->token[i]);
    }

    (void) snprintf(ms, sizeof(ms), "%" PRIu64,
                    command->kind == PLUM_REDIS_COMMIT ? command->retention
                                                       : command->lease);
    word[0] = unit_str("EVALSHA");
    word[1] = unit_str(plum_redis_sha(command->kind));
    word[2] = unit_str("1");
    word[3] = command->key;
    word[4] = unit_str(token);
    n = 5;

    if (command->kind == PLUM_REDIS_COMMIT) {
        word[n++] = *record;
    }

    if (command->kind != PLUM_REDIS_RELEASE) {
        word[n++] = unit_str(ms);
    }

    assert_int_equal(plum_redis_words(word, n, out, &len), PLUM_OK);

    return len;
}


/* what is appended to the words of hiredis is what hiredis would append */

static void
test_random(void **state)
{
    char                  *text;
    size_t                 i, len, shift;
    uint64_t               r;
    unsigned               round;
    plum_str_t             record;
    plum_redis_command_t   command;
    static uint8_t         bytes[12000], out[30000];

    (void) state;

    r = 20261125;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) next_random(&r);
    }

    for (round = 0; round < 20000; round++) {
        command.kind = (plum_redis_kind_t) (round % PLUM_REDIS_KINDS);
        command.key.data = bytes + next_random(&r) % 1000;
        command.key.len = next_random(&r) % 1100;

        /* lengths and numbers of any count of digits */

        shift = next_random(&r) % 14;
        record.data = bytes + 1;
        record.len = 1 + (next_random(&r) % 10000 >> shift);
        bytes[1] = 'x';
        command.answer.data = record.data + 1;
        command.answer.len = record.len - 1;

        shift = next_random(&r) % 64;
        command.lease = next_random(&r) >> shift;
        command.retention = next_random(&r) >> shift;

        for (i = 0; i < PLUM_REDIS_TOKEN_LEN; i++) {
            command.token[i] = (uint8_t) next_random(&r);
        }

        len = encode(&command, 0, out, sizeof(out));

        if (command.kind == PLUM_REDIS_COMMIT) {
            assert_int_equal(bytes[1], 'd');
        }

        assert_int_equal(by_hiredis(&command, &record, &text), len);
        assert_memory_equal(text, out, len);
        plum_redis_free(text, len);
    }
}


static void
test_words(void **state)
{
    char        *out;
    size_t       len;
    plum_str_t   word[PLUM_REDIS_ARGS_MAX + 1];

    (void) state;

    word[0] = unit_str("SELECT");
    word[1] = unit_str("3");

    assert_int_equal(plum_redis_words(word, 2, &out, &len), PLUM_OK);
    assert_int_equal(len, 23);
    assert_memory_equal(out, "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", 23);
    plum_redis_free(out, len);

    assert_int_equal(plum_redis_words(word, 0, &out, &len), PLUM_ERROR);
    assert_int_equal(plum_redis_words(word, PLUM_REDIS_ARGS_MAX + 1, &out,
                                      &len),
                     PLUM_ERROR);
}


static void
test_judge(void **state)
{
    size_t               i;
    const char          *text;
    redisReply          *reply;
    redisReader         *reader;
    plum_redis_walk_t    walk = { 0 };
    plum_redis_result_t  result;
    const struct {
        plum_redis_kind_t     kind;
        int                   again;
        const char           *reply;
        plum_redis_outcome_t  outcome;
        uint64_t              left;
    } tests[] = {
        { PLUM_REDIS_CLAIM, 0, ":0\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_CLAIM, 1, ":0\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_CLAIM, 0, ":1\r\n", PLUM_REDIS_BUSY, 0 },
        { PLUM_REDIS_CLAIM, 0, ":30001\r\n", PLUM_REDIS_BUSY, 30000 },
        { PLUM_REDIS_CLAIM, 0, ":-1\r\n", PLUM_REDIS_BUSY, 0 },
        { PLUM_REDIS_CLAIM, 0, ":-2\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_CLAIM, 0, "$1\r\nd\r\n", PLUM_REDIS_DONE, 0 },
        { PLUM_REDIS_CLAIM, 0, "$0\r\n\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_CLAIM, 0, "$2\r\nO:0\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_CLAIM, 0, "$-1\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_CLAIM, 0, "+OK\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_RENEW, 0, ":1\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_RENEW, 0, ":0\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_RENEW, 0, ":2\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_COMMIT, 0, ":1\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_COMMIT, 0, ":0\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_COMMIT, 1, ":0\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_COMMIT, 0, ":2\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_COMMIT, 1, ":2\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_COMMIT, 0, ":3\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_COMMIT, 0, "$2\r\nOK\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_RELEASE, 0, ":1\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_RELEASE, 0, ":0\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_RELEASE, 0, ":2\r\n", PLUM_REDIS_LOST, 0 },
        { PLUM_REDIS_RELEASE, 1, ":0\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_RELEASE, 1, ":2\r\n", PLUM_REDIS_OK, 0 },
        { PLUM_REDIS_CLAIM, 0, "-NOSCRIPT No matching script.\r\n",
          PLUM_REDIS_NOSCRIPT, 0 },
        { PLUM_REDIS_CLAIM, 0, "-LOADING Redis is loading\r\n",
          PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_COMMIT, 1, "-OOM command not allowed\r\n",
          PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_COMMIT, 0, "-\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-WRONGTYPE Operation against\r\n",
          PLUM_REDIS_FOREIGN, 0 },
        { PLUM_REDIS_RENEW, 0, "-ERR Error running script (call to f_1): "
          "@user_script:1: WRONGTYPE Operation\r\n", PLUM_REDIS_FOREIGN, 0 },
        { PLUM_REDIS_CLAIM, 0, "-PLUM no record\r\n", PLUM_REDIS_FOREIGN, 0 },
        { PLUM_REDIS_CLAIM, 0, "-MOVED 1 a:1\r\n", PLUM_REDIS_MOVED, 0 },
        { PLUM_REDIS_COMMIT, 1, "-MOVED 1 READONLY:1\r\n",
          PLUM_REDIS_MOVED, 0 },
        { PLUM_REDIS_RENEW, 0, "-MOVED \r\n", PLUM_REDIS_MOVED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-MOVED\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-MOVEDX 1 a:1\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-moved 1 a:1\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-ERR MOVED 1 a:1\r\n",
          PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "- MOVED 1 a:1\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "+MOVED 1 a:1\r\n", PLUM_REDIS_BROKEN, 0 },
        { PLUM_REDIS_RELEASE, 0, "-ASK 1 a:1\r\n", PLUM_REDIS_ASK, 0 },
        { PLUM_REDIS_CLAIM, 0, "-ASKING 1 a:1\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-TRYAGAIN Multiple keys request during "
          "rehashing of slot\r\n", PLUM_REDIS_TRYAGAIN, 0 },
        { PLUM_REDIS_CLAIM, 0, "-CLUSTERDOWN Hash slot not served\r\n",
          PLUM_REDIS_TRYAGAIN, 0 },
        { PLUM_REDIS_CLAIM, 0, "-CLUSTERDOWN\r\n", PLUM_REDIS_TRYAGAIN, 0 },
        { PLUM_REDIS_CLAIM, 0, "-CLUSTER\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_CLAIM, 0, "-ERR TRYAGAIN\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_COMMIT, 0, "-READONLY You can't write against a read "
          "only replica.\r\n", PLUM_REDIS_READONLY, 0 },
        { PLUM_REDIS_COMMIT, 0, "-ERR Error running script (call to f_x): "
          "@user_script:12: @user_script: 12: -READONLY You can't write "
          "against a read only replica.\r\n", PLUM_REDIS_READONLY, 0 },
        { PLUM_REDIS_COMMIT, 0, "-READONL\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_COMMIT, 0, "-ERR readonly\r\n", PLUM_REDIS_REFUSED, 0 },
        { PLUM_REDIS_COMMIT, 0, "-MASTERDOWN Link with MASTER is down and "
          "replica-serve-stale-data is set to 'no'.\r\n",
          PLUM_REDIS_READONLY, 0 },
        { PLUM_REDIS_COMMIT, 0, "-ERR MASTERDOWN\r\n", PLUM_REDIS_REFUSED, 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reader = redisReaderCreate();
        assert_non_null(reader);
        assert_int_equal(redisReaderFeed(reader, tests[i].reply,
                                         strlen(tests[i].reply)),
                         REDIS_OK);
        assert_int_equal(plum_redis_next(reader, &walk, 0, 200, &reply,
                                         &text),
                         PLUM_OK);
        assert_non_null(reply);

        plum_redis_judge(tests[i].kind, tests[i].again, reply, &result);

        if (result.outcome != tests[i].outcome) {
            fail_msg("%zu: %s: %d", i, tests[i].reply, (int) result.outcome);
        }

        assert_int_equal(result.left, tests[i].left);

        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}


static void
test_answer(void **state)
{
    const char           *text;
    redisReply           *reply;
    redisReader          *reader;
    plum_redis_walk_t     walk = { 0 };
    plum_redis_result_t   result;

    (void) state;

    reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, "$4\r\nda\0b\r\n", 10), REDIS_OK);
    assert_int_equal(plum_redis_next(reader, &walk, 0, 100, &reply, &text),
                     PLUM_OK);

    plum_redis_judge(PLUM_REDIS_CLAIM, 0, reply, &result);
    assert_int_equal(result.outcome, PLUM_REDIS_DONE);
    assert_int_equal(result.text.len, 3);
    assert_memory_equal(result.text.data, "a\0b", 3);

    freeReplyObject(reply);
    redisReaderFree(reader);
}


static void
test_wait(void **state)
{
    size_t              i;
    uint64_t            replicas;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk = { 0 };
    const struct {
        const char  *reply;
        int          rc;
        uint64_t     replicas;
    } tests[] = {
        { ":0\r\n", PLUM_OK, 0 },
        { ":2\r\n", PLUM_OK, 2 },
        { ":9223372036854775807\r\n", PLUM_OK, INT64_MAX },
        { ":-1\r\n", PLUM_ERROR, 7 },
        { "$1\r\n2\r\n", PLUM_ERROR, 7 },
        { "+2\r\n", PLUM_ERROR, 7 },
        { "$-1\r\n", PLUM_ERROR, 7 },
        { "-ERR WAIT cannot be used with replica instances.\r\n",
          PLUM_ERROR, 7 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reader = redisReaderCreate();
        (void) redisReaderFeed(reader, tests[i].reply, strlen(tests[i].reply));
        assert_int_equal(plum_redis_next(reader, &walk, 0, 100, &reply,
                                         &text),
                         PLUM_OK);
        assert_non_null(reply);

        replicas = 7;

        assert_int_equal(plum_redis_wait(reply, &replicas), tests[i].rc);
        assert_int_equal(replicas, tests[i].replicas);

        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}


static void
test_backoff(void **state)
{
    size_t    i;
    uint32_t  low, high, d;
    const struct {
        uint32_t  attempts;
        uint32_t  delay;
    } tests[] = {
        { 0, 100 }, { 1, 100 }, { 2, 200 }, { 3, 400 }, { 6, 3200 },
        { 7, 5000 }, { 8, 5000 }, { 33, 5000 }, { UINT32_MAX, 5000 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        d = tests[i].delay;

        low = plum_redis_backoff(tests[i].attempts, 0);
        high = plum_redis_backoff(tests[i].attempts, d);

        assert_int_equal(low, d / 2);
        assert_int_equal(high, d + d / 2);
        assert_in_range(plum_redis_backoff(tests[i].attempts, UINT32_MAX),
                        low, high);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_backoff)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, setup, NULL);
}
