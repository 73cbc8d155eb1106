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
    size_t        i, cut, len;
    const char   *text;
    redisReply   *reply;
    redisReader  *reader;
    const char   *replies[] = { ":12\r\n", "$5\r\nhello\r\n", "+OK\r\n",
                                "-ERR no\r\n", "$0\r\n\r\n", "$-1\r\n",
                                "*-1\r\n", "*0\r\n", "$4\r\na\r\nb\r\n",
                                ("*3\r\n*2\r\n$4\r\n\r\n:1\r\n*0\r\n"
                                 "$-1\r\n*1\r\n:5\r\n") };

    (void) state;

    for (i = 0; i < unit_nelts(replies); i++) {
        len = strlen(replies[i]);

        for (cut = 1; cut < len; cut++) {
            reader = redisReaderCreate();

            (void) redisReaderFeed(reader, replies[i], cut);
            assert_int_equal(plum_redis_next(reader, 1, 100, &reply, &text),
                             PLUM_OK);
            assert_null(reply);

            (void) redisReaderFeed(reader, replies[i] + cut, len - cut);
            assert_int_equal(plum_redis_next(reader, 1, 100, &reply, &text),
                             PLUM_OK);
            assert_non_null(reply);
            freeReplyObject(reply);

            assert_int_equal(plum_redis_next(reader, 0, 100, &reply, &text),
                             PLUM_OK);
            assert_null(reply);
            redisReaderFree(reader);
        }
    }
}


static void
test_limits(void **state)
{
    int           rc;
    size_t        i;
    const char   *text;
    redisReply   *reply;
    redisReader  *reader;
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
        rc = plum_redis_next(reader, tests[i].array, 30, &reply, &text);

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
    int           rc;
    size_t        i;
    const char   *text;
    redisReply   *reply;
    redisReader  *reader;
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

        rc = plum_redis_next(reader, 1, 100, &reply, &text);

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
    size_t        i;
    const char   *text;
    redisReply   *reply;
    redisReader  *reader;
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

    reader = redisReaderCreate();
    (void) redisReaderFeed(reader, bytes, strlen(bytes));

    for (i = 0; i < unit_nelts(tests); i++) {

        /* max is of one reply, not of what waits behind it */

        assert_int_equal(plum_redis_next(reader, tests[i].array, 11, &reply,
                                         &text),
                         PLUM_OK);
        assert_non_null(reply);
        assert_int_equal(reply->type, tests[i].type);
        freeReplyObject(reply);
    }

    assert_int_equal(plum_redis_next(reader, 0, 11, &reply, &text),
                     PLUM_ERROR);
    assert_null(reply);
    assert_string_equal(text, TYPE);

    redisReaderFree(reader);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_row)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
