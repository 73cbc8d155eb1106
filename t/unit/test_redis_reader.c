/*
 * Replies of Redis out of a stream: in pieces, in a row, too large, too deep,
 * of wrong types, of lengths that lie.
 */

#include "unit.h"

#include <plum_redis.h>


#define LARGE     "reply is too large"
#define NUMBER    "length in a reply is no number"
#define TYPE      "reply of an unexpected type"

#define LEVELS_7  "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"


/* every reply, cut at every byte */

static void
test_pieces(void **state)
{
    size_t              i, cut, len;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk = { 0 };
    const char         *replies[] = { ":12\r\n", "$5\r\nhello\r\n",
                                      "+OK\r\n", "-ERR no\r\n",
                                      "$0\r\n\r\n", "$-1\r\n", "*-1\r\n",
                                      "*0\r\n", "$4\r\na\r\nb\r\n",
                                      ("*3\r\n*2\r\n$4\r\n\r\n:1\r\n*0\r\n"
                                       "$-1\r\n*1\r\n:5\r\n") };

    (void) state;

    for (i = 0; i < unit_nelts(replies); i++) {
        len = strlen(replies[i]);

        for (cut = 1; cut < len; cut++) {
            reader = redisReaderCreate();

            (void) redisReaderFeed(reader, replies[i], cut);
            assert_int_equal(plum_redis_next(reader, &walk, 1, 100, &reply,
                                             &text),
                             PLUM_OK);
            assert_null(reply);

            (void) redisReaderFeed(reader, replies[i] + cut, len - cut);
            assert_int_equal(plum_redis_next(reader, &walk, 1, 100, &reply,
                                             &text),
                             PLUM_OK);
            assert_non_null(reply);
            freeReplyObject(reply);

            assert_int_equal(plum_redis_next(reader, &walk, 0, 100, &reply,
                                             &text),
                             PLUM_OK);
            assert_null(reply);
            redisReaderFree(reader);
        }
    }
}


static void
test_limits(void **state)
{
    int                 rc;
    size_t              i;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk;
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
        { "$50\r\n0123456789012345678901234567890123456789", 0, LARGE },
        { "$50\r\n0123456789", 0, LARGE },
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
        { "$24\r\n012345678901234567890123\r\n", 0, LARGE },
        { "$23\r\n01234567890123456789012\r\n", 0, NULL },
        { "*-1\r\n", 1, NULL },
        { "*-2\r\n", 1, NUMBER },
        { "*0\r\n", 1, NULL },
        { "*8\r\n", 1, NULL },
        { "*9\r\n", 1, LARGE },
        { "*2147483647\r\n", 1, LARGE },
        { "*18446744073709551617\r\n", 1, LARGE },
        { "*4\r\n*5\r\n", 1, LARGE },
        { "*1\r\n$20\r\n0123456789", 1, LARGE },
        { "*1\r\n%1\r\n", 1, TYPE },
        { "*3\r\n:1\r\n:2\r\n:3\r\n*1", 1, NULL },
        { "*3\r\n:1\r\n*1\r\n", 1, NULL },
        { "+a\nb", 0, NULL },
        { "+a\rb\r", 0, NULL }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reader = redisReaderCreate();
        (void) redisReaderFeed(reader, tests[i].bytes, strlen(tests[i].bytes));

        text = NULL;
        memset(&walk, 0, sizeof(walk));
        rc = plum_redis_next(reader, &walk, tests[i].array, 30, &reply, &text);

        if ((rc == PLUM_ERROR) != (tests[i].text != NULL)) {
            fail_msg("%zu: %s", i, tests[i].bytes);
        }

        if (rc == PLUM_ERROR) {
            assert_null(reply);
            assert_string_equal(text, tests[i].text);
        }

        /* nothing is half built */

        assert_int_equal(reader->ridx, -1);

        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}


/* as many levels as there may be, and one more: hiredis is not even asked */

static void
test_levels(void **state)
{
    int                 rc;
    size_t              i;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk;
    const struct {
        const char  *bytes;
        int          rc;
    } tests[] = {
        { LEVELS_7 "*3\r\n:1\r\n$-1\r\n$1\r\na\r\n", PLUM_OK },
        { LEVELS_7 "*0\r\n", PLUM_OK },
        { LEVELS_7 "*-1\r\n", PLUM_OK },
        { LEVELS_7 "*1\r\n*1\r\n:1\r\n", PLUM_ERROR },
        { LEVELS_7 "*1\r\n*0\r\n", PLUM_ERROR },
        { LEVELS_7 "*1\r\n*-1\r\n", PLUM_ERROR }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reader = redisReaderCreate();
        (void) redisReaderFeed(reader, tests[i].bytes, strlen(tests[i].bytes));

        memset(&walk, 0, sizeof(walk));
        rc = plum_redis_next(reader, &walk, 1, 100, &reply, &text);

        if (rc != tests[i].rc) {
            fail_msg("%zu: %s", i, tests[i].bytes);
        }

        assert_int_equal(rc == PLUM_OK, reply != NULL);
        assert_int_equal(reader->err, 0);

        if (rc == PLUM_ERROR) {
            assert_string_equal(text, "reply has too many levels");
        }

        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}


/* several in one piece come one by one; the mode may change in between */

static void
test_row(void **state)
{
    size_t              i;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk = { 0 };
    const char         *bytes = "+OK\r\n*1\r\n:1\r\n:2\r\n*1\r\n:3\r\n";
    const struct {
        int  array;
        int  type;
    } tests[] = {
        { 0, REDIS_REPLY_STATUS },
        { 1, REDIS_REPLY_ARRAY },
        { 0, REDIS_REPLY_INTEGER }
    };

    (void) state;

    reader = redisReaderCreate();
    (void) redisReaderFeed(reader, bytes, strlen(bytes));

    for (i = 0; i < unit_nelts(tests); i++) {

        /* max is of one reply, not of what waits behind it */

        assert_int_equal(plum_redis_next(reader, &walk, tests[i].array, 11,
                                         &reply, &text),
                         PLUM_OK);
        assert_non_null(reply);
        assert_int_equal(reply->type, tests[i].type);
        freeReplyObject(reply);
    }

    assert_int_equal(plum_redis_next(reader, &walk, 0, 11, &reply, &text),
                     PLUM_ERROR);
    assert_null(reply);
    assert_string_equal(text, TYPE);

    redisReaderFree(reader);
}


/* each byte alone, and what was walked over is not looked at again */

static void
test_once(void **state)
{
    size_t              i, at, len;
    const char         *text;
    redisReply         *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk = { 0 };
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

    reader = redisReaderCreate();

    for (i = 0; i < unit_nelts(tests); i++) {
        len = strlen(tests[i].bytes);

        for (at = 0; at < len; at++) {
            (void) redisReaderFeed(reader, tests[i].bytes + at, 1);

            if (at + 1 == tests[i].spoilt) {
                memcpy(reader->buf + reader->pos, tests[i].with,
                       strlen(tests[i].with));
            }

            if (at + 1 == len) {
                memcpy(reader->buf + reader->pos, tests[i].bytes, len);
            }

            if (plum_redis_next(reader, &walk, 1, 100, &reply, &text)
                != PLUM_OK)
            {
                fail_msg("%zu: %zu bytes: %s", i, at + 1, text);
            }

            assert_int_equal(reply != NULL, at + 1 == len);
        }

        assert_int_equal(walk.at, 0);
        assert_int_equal(walk.seen, 0);
        freeReplyObject(reply);
    }

    redisReaderFree(reader);
}


/* as hiredis has it, or left to it */

static void
test_integer(void **state)
{
    size_t              i, len;
    const char         *text;
    redisReply          own, *reply;
    redisReader        *reader;
    plum_redis_walk_t   walk;
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
        len = plum_redis_integer(tests[i].bytes, strlen(tests[i].bytes), &own);

        if (len != tests[i].len) {
            fail_msg("%zu: %s: %zu", i, tests[i].bytes, len);
        }

        if (len == 0) {
            continue;
        }

        memset(&walk, 0, sizeof(walk));
        reader = redisReaderCreate();
        (void) redisReaderFeed(reader, tests[i].bytes, len);

        assert_int_equal(plum_redis_next(reader, &walk, 0, 100, &reply, &text),
                         PLUM_OK);
        assert_non_null(reply);
        assert_int_equal(own.type, reply->type);
        assert_true(own.integer == reply->integer);
        assert_null(own.str);

        freeReplyObject(reply);
        redisReaderFree(reader);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_integer)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
