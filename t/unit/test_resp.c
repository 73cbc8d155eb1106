/*
 * The protocol of Redis: replies out of a stream, in pieces, in a row, too
 * large, too deep, of wrong types, of lengths that lie; commands; errors.
 */

#include "unit.h"

#include "stream.h"


#define LARGE     "reply is too large"
#define SKIPPED   ""                      /* it is, and will be skipped */
#define NUMBER    "length in a reply is no number"
#define TYPE      "reply of an unexpected type"

#define LEVELS_7  "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"


/* every reply, cut at every byte */

static void
test_pieces(void **state)
{
    size_t        i, cut, len;
    stream_t      stream = { .len = 0 };
    const char   *text;
    redisReply   *reply;
    const char   *replies[] = { ":12\r\n", "$5\r\nhello\r\n",
                                "+OK\r\n", "-ERR no\r\n",
                                "$0\r\n\r\n", "$-1\r\n", "*-1\r\n",
                                "*0\r\n", "$4\r\na\r\nb\r\n",
                                ("*3\r\n*2\r\n$4\r\n\r\n:1\r\n*0\r\n"
                                 "$-1\r\n*1\r\n:5\r\n") };

    (void) state;

    for (i = 0; i < unit_nelts(replies); i++) {
        len = strlen(replies[i]);

        for (cut = 1; cut < len; cut++) {
            stream_feed(&stream, replies[i], cut);
            assert_int_equal(stream_next(&stream, 1, 100, &reply, &text),
                             PLUM_RESP_MORE);

            stream_feed(&stream, replies[i] + cut, len - cut);
            assert_int_equal(stream_next(&stream, 1, 100, &reply, &text),
                             PLUM_RESP_WHOLE);
            assert_non_null(reply);
            freeReplyObject(reply);

            assert_int_equal(stream.len, 0);
        }
    }
}


static void
test_limits(void **state)
{
    int           rc;
    size_t        i;
    stream_t      stream;
    const char   *text;
    redisReply   *reply;
    const struct {
        const char  *bytes;
        int          array;
        const char  *text;
    } tests[] = {
        { "*1\r\n:1\r\n", 0, TYPE },
        { "*1\r\n:1\r\n", 1, NULL },
        { "*1000000000\r\n", 0, TYPE },
        { "%1\r\n", 0, TYPE },
        { "HTTP/1.1 200 OK\r\n", 0, TYPE },
        { "HTTP/1.1 200 OK\r\n", 1, TYPE },
        { "$x\r\n", 0, NUMBER },
        { "$50\r\n0123456789012345678901234567890123456789", 0, SKIPPED },
        { "$50\r\n0123456789", 0, SKIPPED },
        { "$20\r\n0123456789", 0, NULL },
        { "+0123456789012345678901234567890123456789", 0, LARGE },
        { "$-2\r\n", 0, NUMBER },
        { "$\r\n", 0, NUMBER },
        { "$+1\r\n", 0, NUMBER },
        { "$1+\r\n", 0, NUMBER },
        { "$1:\r\n", 0, NUMBER },
        { "$ 1\r\n", 0, NUMBER },
        { "$4294967295\r\n", 0, LARGE },
        { "$9223372036854775807\r\n", 0, LARGE },
        { "$24\r\n012345678901234567890123\r\n", 0, SKIPPED },
        { "$23\r\n01234567890123456789012\r\n", 0, NULL },
        { "*-1\r\n", 1, NULL },
        { "*-2\r\n", 1, NUMBER },
        { "*0\r\n", 1, NULL },
        { "*8\r\n", 1, NULL },
        { "*9\r\n", 1, SKIPPED },
        { "*2147483647\r\n", 1, LARGE },
        { "*18446744073709551617\r\n", 1, LARGE },
        { "*4\r\n*5\r\n", 1, SKIPPED },
        { "*1\r\n$20\r\n0123456789", 1, SKIPPED },
        { "*1\r\n%1\r\n", 1, TYPE },
        { "*3\r\n:1\r\n:2\r\n:3\r\n*1", 1, NULL },
        { "*3\r\n:1\r\n*1\r\n", 1, NULL },
        { "+a\nb", 0, NULL },
        { "+a\rb\r", 0, NULL }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        memset(&stream, 0, sizeof(stream));
        stream_feed(&stream, tests[i].bytes, strlen(tests[i].bytes));

        text = NULL;
        rc = stream_next(&stream, tests[i].array, 30, &reply, &text);

        if (tests[i].text == NULL || *tests[i].text == '\0') {
            assert_int_not_equal(rc, PLUM_ERROR);
            assert_int_equal(stream.walk.large, tests[i].text != NULL);

        } else {
            assert_int_equal(rc, PLUM_ERROR);
            assert_string_equal(text, tests[i].text);
        }

        freeReplyObject(reply);
    }
}


/*
 * A reply that is too large is thrown away as it comes, in pieces of any size,
 * and what follows it is read
 */

static void
test_skip(void **state)
{
    int           rc;
    size_t        i, at, len, piece;
    stream_t      stream;
    const char   *text;
    redisReply   *reply;
    const char   *replies[] = { "$50\r\n01234567890123456789012345678901234"
                                "567890123456789\r\n:7\r\n",
                                "*3\r\n$12\r\nabcdefghijkl\r\n*2\r\n:1\r\n"
                                "+012\r\n$4\r\n\r\n\r\n\r\n:7\r\n",
                                "*12\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n"
                                ":0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:7\r\n" };

    (void) state;

    for (i = 0; i < unit_nelts(replies); i++) {
        len = strlen(replies[i]);

        for (piece = 1; piece <= len; piece++) {
            memset(&stream, 0, sizeof(stream));
            rc = PLUM_RESP_MORE;

            for (at = 0; at < len && rc == PLUM_RESP_MORE; at += piece) {
                stream_feed(&stream, replies[i] + at,
                            at + piece < len ? piece : len - at);
                rc = stream_next(&stream, 1, 30, &reply, &text);

                assert_true(stream.len <= 30 + piece);
            }

            assert_int_equal(rc, PLUM_RESP_LARGE);
            assert_null(reply);

            if (at < len) {
                stream_feed(&stream, replies[i] + at, len - at);
            }

            rc = stream_next(&stream, 1, 30, &reply, &text);
            assert_int_equal(rc, PLUM_RESP_WHOLE);
            assert_int_equal(reply->integer, 7);
            assert_int_equal(stream.len, 0);
            freeReplyObject(reply);
        }
    }
}


/* as many levels as there may be, and one more: hiredis is not even asked */

static void
test_levels(void **state)
{
    int           rc;
    size_t        i;
    stream_t      stream;
    const char   *text;
    redisReply   *reply;
    const struct {
        const char  *bytes;
        int          rc;
    } tests[] = {
        { LEVELS_7 "*3\r\n:1\r\n$-1\r\n$1\r\na\r\n", PLUM_RESP_WHOLE },
        { LEVELS_7 "*0\r\n", PLUM_RESP_WHOLE },
        { LEVELS_7 "*-1\r\n", PLUM_RESP_WHOLE },
        { LEVELS_7 "*1\r\n*1\r\n:1\r\n", PLUM_ERROR },
        { LEVELS_7 "*1\r\n*0\r\n", PLUM_ERROR },
        { LEVELS_7 "*1\r\n*-1\r\n", PLUM_ERROR }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        memset(&stream, 0, sizeof(stream));
        stream_feed(&stream, tests[i].bytes, strlen(tests[i].bytes));

        rc = stream_next(&stream, 1, 100, &reply, &text);

        if (rc != tests[i].rc) {
            fail_msg("%zu: %s", i, tests[i].bytes);
        }

        assert_int_equal(rc == PLUM_RESP_WHOLE, reply != NULL);

        if (rc == PLUM_ERROR) {
            assert_string_equal(text, "reply has too many levels");
        }

        freeReplyObject(reply);
    }
}


/* several in one piece come one by one; the mode may change in between */

static void
test_row(void **state)
{
    size_t        i;
    stream_t      stream = { .len = 0 };
    const char   *text;
    redisReply   *reply;
    const char   *bytes = "+OK\r\n*1\r\n:1\r\n:2\r\n*1\r\n:3\r\n";
    const struct {
        int  array;
        int  type;
    } tests[] = {
        { 0, REDIS_REPLY_STATUS },
        { 1, REDIS_REPLY_ARRAY },
        { 0, REDIS_REPLY_INTEGER }
    };

    (void) state;

    stream_feed(&stream, bytes, strlen(bytes));

    for (i = 0; i < unit_nelts(tests); i++) {

        /* max is of one reply, not of what waits behind it */

        assert_int_equal(stream_next(&stream, tests[i].array, 11, &reply,
                                     &text),
                         PLUM_RESP_WHOLE);
        assert_non_null(reply);
        assert_int_equal(reply->type, tests[i].type);
        freeReplyObject(reply);
    }

    assert_int_equal(stream_next(&stream, 0, 11, &reply, &text), PLUM_ERROR);
    assert_string_equal(text, TYPE);
}


/* each byte alone, and what was walked over is not looked at again */

static void
test_once(void **state)
{
    size_t        i, at, len;
    stream_t      stream = { .len = 0 };
    const char   *text;
    redisReply   *reply;
    const struct {
        const char  *bytes;
        size_t       spoilt;             /* once that many have come */
        const char  *with;
    } tests[] = {
        { "+0123456789\r\n", 8, "+01\r\n" },
        { "*2\r\n:1\r\n:2\r\n", 9, "*2\r\n%1\r\n" },
        { "*2\r\n$4\r\nabcd\r\n:2\r\n", 10, "*2\r\n$1" },
        { "*1\r\n*2\r\n*1\r\n:1\r\n$-1\r\n", 18, "+OK\r\n+OK\r\n+OK\r\n" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        len = strlen(tests[i].bytes);

        for (at = 0; at < len; at++) {
            stream_feed(&stream, tests[i].bytes + at, 1);

            if (at + 1 == tests[i].spoilt) {
                memcpy(stream.bytes, tests[i].with, strlen(tests[i].with));
            }

            if (at + 1 == len) {
                memcpy(stream.bytes, tests[i].bytes, len);
            }

            if (stream_next(&stream, 1, 100, &reply, &text) == PLUM_ERROR) {
                fail_msg("%zu: %zu bytes: %s", i, at + 1, text);
            }

            assert_int_equal(reply != NULL, at + 1 == len);
        }

        assert_int_equal(stream.len, 0);
        freeReplyObject(reply);
    }
}


/* as hiredis has it, or left to it */

static void
test_integer(void **state)
{
    size_t              i, len;
    redisReply          own, *reply;
    const struct {
        const char  *bytes;
        size_t       len;
    } tests[] = {
        { ":0\r\n", 4 }, { ":1\r\n", 4 }, { ":-1\r\n", 5 },
        { ":30001\r\n", 8 }, { ":0\r\n:1\r\n", 4 },
        { ":999999999999999999\r\n", 21 }, { ":-123456789012345678\r\n", 22 },
        { ":9223372036854775807\r\n", 0 }, { "$1\r\n1\r\n", 0 },
        { "+1\r\n", 0 }, { "", 0 }, { ":", 0 }, { ":-", 0 }, { ":1", 0 },
        { ":1\r", 0 }, { ":\r\n", 0 }, { ":-\r\n", 0 }, { ":1\n\r", 0 },
        { ":1x\r\n", 0 }, { ":1\rx", 0 }, { ": 1\r\n", 0 }, { ":+1\r\n", 0 },
        { ":01\r\n", 0 }, { ":-0\r\n", 0 }, { ":00\r\n", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        len = plum_resp_integer(tests[i].bytes, strlen(tests[i].bytes), &own);

        if (len != tests[i].len) {
            fail_msg("%zu: %s: %zu", i, tests[i].bytes, len);
        }

        if (len == 0) {
            continue;
        }

        reply = stream_reply(tests[i].bytes, len);

        assert_non_null(reply);
        assert_int_equal(own.type, reply->type);
        assert_true(own.integer == reply->integer);
        assert_null(own.str);

        freeReplyObject(reply);
    }
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


/* compares with what hiredis makes of the same words */

static void
check_command(const plum_str_t *word, size_t n, const uint8_t *out, size_t len)
{
    char        *text;
    size_t       i, argvlen[16];
    long long    rc;
    const char  *argv[16];

    for (i = 0; i < n; i++) {
        argv[i] = (const char *) word[i].data;
        argvlen[i] = word[i].len;
    }

    rc = redisFormatCommandArgv(&text, (int) n, argv, argvlen);

    assert_int_equal(rc, len);
    assert_memory_equal(text, out, len);

    redisFreeCommand(text);
}


/* commands and scripts of any words: as hiredis encodes them */

static void
test_encode(void **state)
{
    char                 keys[16];
    size_t               i, n, nkeys, len, shift;
    uint64_t             r;
    unsigned             round;
    plum_str_t           word[16];
    static uint8_t       bytes[12000], out[200000];
    const plum_script_t  script = PLUM_SCRIPT(
        "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "return 1");

    (void) state;

    r = 20261125;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) next_random(&r);
    }

    for (round = 0; round < 5000; round++) {
        n = next_random(&r) % 14;

        for (i = 3; i < 3 + n; i++) {

            /* lengths of any count of digits */

            shift = next_random(&r) % 14;
            word[i].data = bytes + next_random(&r) % 1000;
            word[i].len = (next_random(&r) % 10000) >> shift;
        }

        len = plum_resp_command(out, &word[3], n);
        assert_true(len <= plum_resp_room(NULL, &word[3], n));

        if (n) {
            check_command(&word[3], n, out, len);
        }

        nkeys = n ? next_random(&r) % n : 0;
        (void) snprintf(keys, sizeof(keys), "%zu", nkeys);
        word[2] = unit_str(keys);

        word[0] = unit_str("EVALSHA");
        word[1] = unit_str("e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        len = plum_resp_script(out, &script, 0, nkeys, &word[3], n);
        assert_true(len <= plum_resp_room(&script, &word[3], n));
        check_command(word, 3 + n, out, len);

        word[0] = unit_str("EVAL");
        word[1] = script.text;
        len = plum_resp_script(out, &script, 1, nkeys, &word[3], n);
        assert_true(len <= plum_resp_room(&script, &word[3], n));
        check_command(word, 3 + n, out, len);
    }
}


static void
test_number(void **state)
{
    size_t    i;
    uint8_t   out[PLUM_RESP_NUMBER_MAX], *end;
    const struct {
        uint64_t     n;
        const char  *text;
    } tests[] = {
        { 0, "0" }, { 9, "9" }, { 10, "10" }, { 1000, "1000" },
        { UINT64_MAX, "18446744073709551615" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        end = plum_resp_number(out, tests[i].n);
        assert_int_equal(end - out, strlen(tests[i].text));
        assert_memory_equal(out, tests[i].text, strlen(tests[i].text));
    }
}


static void
test_error(void **state)
{
    size_t        i;
    redisReply   *reply;
    const struct {
        const char         *reply;
        plum_resp_error_t   error;
    } tests[] = {
        { "-NOSCRIPT No matching script.\r\n", PLUM_RESP_NOSCRIPT },
        { "-LOADING Redis is loading\r\n", PLUM_RESP_FINAL },
        { "-OOM command not allowed\r\n", PLUM_RESP_FINAL },
        { "-\r\n", PLUM_RESP_FINAL },
        { "-WRONGTYPE Operation against\r\n", PLUM_RESP_FINAL },
        { "-ERR Error running script (call to f_1): "
          "@user_script:1: WRONGTYPE Operation\r\n", PLUM_RESP_FINAL },
        { "-PLUM no record\r\n", PLUM_RESP_FINAL },
        { "-MOVED 1 a:1\r\n", PLUM_RESP_MOVED },
        { "-MOVED 1 READONLY:1\r\n", PLUM_RESP_MOVED },
        { "-MOVED \r\n", PLUM_RESP_MOVED },
        { "-MOVED\r\n", PLUM_RESP_FINAL },
        { "-MOVEDX 1 a:1\r\n", PLUM_RESP_FINAL },
        { "-moved 1 a:1\r\n", PLUM_RESP_FINAL },
        { "-ERR MOVED 1 a:1\r\n", PLUM_RESP_FINAL },
        { "- MOVED 1 a:1\r\n", PLUM_RESP_FINAL },
        { "+MOVED 1 a:1\r\n", PLUM_RESP_FINAL },
        { "-ASK 1 a:1\r\n", PLUM_RESP_ASK },
        { "-ASKING 1 a:1\r\n", PLUM_RESP_FINAL },
        { "-TRYAGAIN Multiple keys request during "
          "rehashing of slot\r\n", PLUM_RESP_TRYAGAIN },
        { "-CLUSTERDOWN Hash slot not served\r\n", PLUM_RESP_TRYAGAIN },
        { "-CLUSTERDOWN\r\n", PLUM_RESP_TRYAGAIN },
        { "-CLUSTER\r\n", PLUM_RESP_FINAL },
        { "-ERR TRYAGAIN\r\n", PLUM_RESP_FINAL },
        { "-READONLY You can't write against a read "
          "only replica.\r\n", PLUM_RESP_READONLY },
        { "-ERR Error running script (call to f_x): "
          "@user_script:12: @user_script: 12: -READONLY You can't write "
          "against a read only replica.\r\n", PLUM_RESP_READONLY },
        { "-READONL\r\n", PLUM_RESP_FINAL },
        { "-ERR readonly\r\n", PLUM_RESP_FINAL },
        { "-MASTERDOWN Link with MASTER is down and "
          "replica-serve-stale-data is set to 'no'.\r\n", PLUM_RESP_READONLY },
        { "-ERR MASTERDOWN\r\n", PLUM_RESP_FINAL }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reply = stream_reply(tests[i].reply, strlen(tests[i].reply));
        assert_non_null(reply);

        if (plum_resp_error(reply) != tests[i].error) {
            fail_msg("%zu: %s", i, tests[i].reply);
        }

        freeReplyObject(reply);
    }
}


static void
test_says(void **state)
{
    redisReply  *reply;

    (void) state;

    reply = stream_reply("-ERR abc\r\n", 10);

    assert_int_equal(plum_resp_says(reply, "ERR", 0), 1);
    assert_int_equal(plum_resp_says(reply, "abc", 0), 0);
    assert_int_equal(plum_resp_says(reply, "abc", 1), 1);
    assert_int_equal(plum_resp_says(reply, "ERR abc", 1), 1);
    assert_int_equal(plum_resp_says(reply, "abcd", 1), 0);
    assert_int_equal(plum_resp_says(reply, "ERR abcd", 0), 0);

    freeReplyObject(reply);

    reply = stream_reply("+ERR\r\n", 6);
    assert_int_equal(plum_resp_says(reply, "ERR", 1), 0);
    freeReplyObject(reply);
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

        low = plum_resp_backoff(tests[i].attempts, 0);
        high = plum_resp_backoff(tests[i].attempts, d);

        assert_int_equal(low, d / 2);
        assert_int_equal(high, d + d / 2);
        assert_in_range(plum_resp_backoff(tests[i].attempts, UINT32_MAX),
                        low, high);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_says),
        cmocka_unit_test(test_backoff)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
