/*
 * The queue in Redis without Redis: SHA-1 of the scripts, names, tags and
 * shards, replies.
 */

#include "unit.h"

#include <openssl/sha.h>

#include <plum_cluster.h>
#include <plum_queue.h>


#define ENTRY  "*7\r\n$3\r\n5-0\r\n:2\r\n:1\r\n:70\r\n$1\r\nk\r\n$0\r\n\r\n"  \
               "$2\r\n{}\r\n"


static redisReply *
read_reply(const char *bytes)
{
    void         *reply;
    redisReader  *reader;

    reader = redisReaderCreate();
    assert_non_null(reader);
    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);

    redisReaderFree(reader);

    return reply;
}


static void
test_scripts(void **state)
{
    char                  hex[2 * SHA_DIGEST_LENGTH + 1];
    size_t                i;
    unsigned              op;
    unsigned char         digest[SHA_DIGEST_LENGTH];
    const plum_script_t  *script;

    (void) state;

    for (op = 0; op < PLUM_QUEUE_OPS; op++) {
        script = plum_queue_script((plum_queue_op_t) op);

        SHA1(script->text.data, script->text.len, digest);

        for (i = 0; i < SHA_DIGEST_LENGTH; i++) {
            (void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        }

        assert_memory_equal(script->evalsha.data
                            + sizeof("$7\r\nEVALSHA\r\n$40\r\n") - 1,
                            hex, 2 * SHA_DIGEST_LENGTH);
    }
}


static void
test_names(void **state)
{
    size_t       i;
    plum_str_t   name;
    char         longest[PLUM_QUEUE_NAME_MAX + 2];

    static const char *const  bad[] = {
        "", "a b", "a:b", "a{b", "a}b", "a.b", "\xc3\xa4", "a\n"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        name = unit_str(bad[i]);
        assert_int_equal(plum_queue_name(&name), 0);
    }

    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';

    name = unit_str(longest);
    assert_int_equal(plum_queue_name(&name), 0);

    name.len--;
    assert_int_equal(plum_queue_name(&name), 1);

    name = unit_str("Az09_-");
    assert_int_equal(plum_queue_name(&name), 1);
}


static void
test_tags(void **state)
{
    uint8_t     out[PLUM_QUEUE_TAG_MAX], longest[PLUM_QUEUE_NAME_MAX];
    unsigned    shards, shard, other;
    plum_str_t  queue, tag;

    (void) state;

    tag.data = out;
    queue = unit_str("orders");

    tag.len = plum_queue_tag(&queue, 0, 1, out);
    assert_int_equal(tag.len, 8);
    assert_memory_equal(out, "{orders}", 8);

    memset(longest, 'q', sizeof(longest));

    for (shards = 2; shards <= PLUM_QUEUE_SHARDS; shards++) {
        for (shard = 0; shard < shards; shard++) {

            queue.data = (shard % 2) ? longest : (const uint8_t *) "orders";
            queue.len = (shard % 2) ? sizeof(longest) : 6;

            tag.len = plum_queue_tag(&queue, shard, shards, out);

            assert_true(tag.len < sizeof(out));
            assert_int_equal(out[0], '{');
            assert_int_equal(out[tag.len - 1], '}');
            assert_int_equal(plum_slot(&tag) * shards / PLUM_SLOTS, shard);
        }
    }

    /* the shard of a key must never change between versions */

    queue = unit_str("evt_1");
    assert_int_equal(plum_queue_shard(&queue, 1), 0);
    other = plum_queue_shard(&queue, 64);
    assert_int_equal(other, 2);
}


static void
test_accept(void **state)
{
    size_t                     i;
    redisReply                *reply;
    plum_queue_accept_reply_t  result;

    static const char *const  bad[] = {
        ":0\r\n", "*0\r\n", "*1\r\n:3\r\n", "*1\r\n$1\r\n0\r\n",
        "*2\r\n:0\r\n:1\r\n", "*4\r\n:0\r\n:1\r\n:1\r\n:1\r\n",
        "*3\r\n:0\r\n:1\r\n$1\r\n1\r\n", "*1\r\n:2\r\n",
        "*2\r\n:2\r\n:0\r\n", "*2\r\n:2\r\n:3\r\n", "$-1\r\n"
    };

    (void) state;

    reply = read_reply("*3\r\n:0\r\n:7\r\n:-1\r\n");
    assert_int_equal(plum_queue_accept_reply(reply, 2, &result), PLUM_OK);
    assert_int_equal(result.result, PLUM_QUEUE_ACCEPTED);
    assert_int_equal(result.ntargets, 2);
    assert_int_equal(result.targets[0], 7);
    assert_int_equal(result.targets[1], -1);
    freeReplyObject(reply);

    reply = read_reply("*1\r\n:1\r\n");
    assert_int_equal(plum_queue_accept_reply(reply, 2, &result), PLUM_OK);
    assert_int_equal(result.result, PLUM_QUEUE_BEFORE);
    freeReplyObject(reply);

    reply = read_reply("*2\r\n:2\r\n:2\r\n");
    assert_int_equal(plum_queue_accept_reply(reply, 2, &result), PLUM_OK);
    assert_int_equal(result.result, PLUM_QUEUE_FULL);
    assert_int_equal(result.full, 1);
    freeReplyObject(reply);

    for (i = 0; i < unit_nelts(bad); i++) {
        reply = read_reply(bad[i]);
        assert_int_equal(plum_queue_accept_reply(reply, 2, &result),
                         PLUM_ERROR);
        freeReplyObject(reply);
    }
}


static void
test_take(void **state)
{
    size_t                    i;
    redisReply               *reply;
    plum_queue_take_reply_t   result;

    static const char *const  bad[] = {
        ":0\r\n", "*1\r\n:0\r\n", "*2\r\n:2\r\n:0\r\n", "*2\r\n:1\r\n:5\r\n",
        "*3\r\n:0\r\n:0\r\n:1\r\n", "*3\r\n:0\r\n:0\r\n*0\r\n",
        "*3\r\n:0\r\n:0\r\n*7\r\n$3\r\n5-0\r\n:0\r\n:1\r\n:70\r\n$1\r\nk\r\n"
        "$0\r\n\r\n$2\r\n{}\r\n",
        "*3\r\n:0\r\n:0\r\n*7\r\n$3\r\n5-0\r\n:1\r\n:1\r\n:70\r\n:1\r\n"
        "$0\r\n\r\n$2\r\n{}\r\n",
        "*19\r\n:0\r\n:0\r\n" ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY
        ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY ENTRY
    };

    (void) state;

    reply = read_reply("*4\r\n:0\r\n:-1\r\n" ENTRY ENTRY);
    assert_int_equal(plum_queue_take_reply(reply, &result), PLUM_OK);
    assert_int_equal(result.paused, 0);
    assert_int_equal(result.next, -1);
    assert_int_equal(result.nentries, 2);
    assert_int_equal(result.entries[1].count, 2);
    assert_int_equal(result.entries[1].attempt, 1);
    assert_int_equal(result.entries[1].age, 70);
    assert_int_equal(result.entries[1].event.len, 0);
    assert_memory_equal(result.entries[1].id.data, "5-0", 3);
    assert_memory_equal(result.entries[1].body.data, "{}", 2);
    freeReplyObject(reply);

    reply = read_reply("*3\r\n:1\r\n:-1\r\n$4\r\ngone\r\n");
    assert_int_equal(plum_queue_take_reply(reply, &result), PLUM_OK);
    assert_int_equal(result.paused, 1);
    assert_int_equal(result.nentries, 0);
    assert_memory_equal(result.by.data, "gone", 4);
    freeReplyObject(reply);

    for (i = 0; i < unit_nelts(bad); i++) {
        reply = read_reply(bad[i]);

        if (plum_queue_take_reply(reply, &result) != PLUM_ERROR) {
            fail_msg("taken: %s", bad[i]);
        }

        freeReplyObject(reply);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_take)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
