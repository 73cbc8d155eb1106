/*
 * Redis Cluster and Sentinel without either: slots of keys, redirections,
 * replies to CLUSTER SLOTS, SENTINEL GET-MASTER-ADDR-BY-NAME and ROLE.
 */

#include "unit.h"
#include "stream.h"

#include <plum_cluster.h>


#define HOST_16   "abcdefghijklmnop"
#define HOST_64   HOST_16 HOST_16 HOST_16 HOST_16
#define HOST_255  HOST_64 HOST_64 HOST_64 HOST_16 HOST_16 HOST_16              \
                  "abcdefghijklmno"

#define ID        "$40\r\n0123456789012345678901234567890123456789\r\n"


static redisReply *
read_reply(const char *bytes)
{
    redisReply  *reply;

    reply = stream_reply(bytes, strlen(bytes));

    if (reply == NULL) {
        fail_msg("no reply: %s", bytes);
    }

    return reply;
}


static void
check_host(const plum_host_t *node, const char *host, uint16_t port)
{
    assert_int_equal(node->host.len, strlen(host));
    assert_int_equal(node->port, port);

    if (node->host.len != 0) {
        assert_memory_equal(node->host.data, host, node->host.len);
    }
}


static void
test_slot(void **state)
{
    size_t      i;
    plum_str_t  key;
    const struct {
        const char  *key;
        uint16_t     slot;
    } tests[] = {
        { "123456789", 12739 },
        { "foo", 12182 },
        { "bar", 5061 },
        { "", 0 },
        { "a", 15495 },
        { "{foo}", 12182 },
        { "bar{foo}", 12182 },
        { "foo{bar}{zap}", 5061 },
        { "}{bar}", 5061 },
        { "{bar}}", 5061 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        key = unit_str(tests[i].key);

        if (plum_slot(&key) != tests[i].slot) {
            fail_msg("%s: %d", tests[i].key, plum_slot(&key));
        }
    }

    key.data = NULL;
    key.len = 0;
    assert_int_equal(plum_slot(&key), 0);
}


/* bit by bit, and of the whole key: the rule is what is under test */

static uint16_t
plain_slot(const plum_str_t *key)
{
    int       bit;
    size_t    i;
    uint32_t  crc;

    crc = 0;

    for (i = 0; i < key->len; i++) {
        crc ^= (uint32_t) key->data[i] << 8;

        for (bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
        }
    }

    return (uint16_t) (crc % PLUM_SLOTS);
}


static void
test_tag(void **state)
{
    size_t      i;
    plum_str_t  key, tag;
    const struct {
        const char  *key;
        const char  *tag;
    } tests[] = {
        { "{user1000}.following", "user1000" },
        { "foo{bar}{zap}", "bar" },
        { "foo{{bar}}zap", "{bar" },
        { "foo{}{bar}", "foo{}{bar}" },
        { "{}", "{}" },
        { "{}bar", "{}bar" },
        { "{", "{" },
        { "}", "}" },
        { "foo{bar", "foo{bar" },
        { "foo}bar{", "foo}bar{" },
        { "foo}bar{zap", "foo}bar{zap" },
        { "{ }", " " },
        { "plum:{a}b", "a" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        key = unit_str(tests[i].key);
        tag = unit_str(tests[i].tag);

        if (plum_slot(&key) != plain_slot(&tag)) {
            fail_msg("%s: %d", tests[i].key, plum_slot(&key));
        }
    }
}


/* every entry of the table */

static void
test_bytes(void **state)
{
    size_t      i;
    uint8_t     bytes[2];
    plum_str_t  key;

    (void) state;

    key.data = bytes;
    key.len = sizeof(bytes);

    for (i = 0; i < 65536; i++) {
        bytes[0] = (uint8_t) (i >> 8);
        bytes[1] = (uint8_t) i;

        assert_int_equal(plum_slot(&key), plain_slot(&key));
    }
}


static void
test_redirect(void **state)
{
    size_t       i;
    uint16_t     slot;
    plum_str_t   text;
    plum_host_t  node;
    const struct {
        const char  *text;
        uint16_t     slot;
        const char  *host;
        uint16_t     port;
    } tests[] = {
        { "MOVED 3999 127.0.0.1:6381", 3999, "127.0.0.1", 6381 },
        { "ASK 3999 127.0.0.1:6381", 3999, "127.0.0.1", 6381 },
        { "MOVED 0 a:1", 0, "a", 1 },
        { "MOVED 16383 a:65535", 16383, "a", 65535 },
        { "MOVED 1 ::1:6379", 1, "::1", 6379 },
        { "ASK 1 2001:db8::a:6379", 1, "2001:db8::a", 6379 },
        { "MOVED 1 :6379", 1, "", 6379 },
        { "ASK 1 ?:6379", 1, "", 6379 },
        { "MOVED 1 redis-1.My_net.example:6379", 1,
          "redis-1.My_net.example", 6379 },
        { "MOVED 1 " HOST_255 ":6379", 1, HOST_255, 6379 }
    };

    (void) state;

    assert_int_equal(strlen(HOST_255), PLUM_NODE_HOST_MAX);

    for (i = 0; i < unit_nelts(tests); i++) {
        text = unit_str(tests[i].text);

        if (plum_redirect_parse(&text, &slot, &node) != PLUM_OK) {
            fail_msg("%s", tests[i].text);
        }

        assert_int_equal(slot, tests[i].slot);
        check_host(&node, tests[i].host, tests[i].port);
    }
}


static void
test_redirect_bad(void **state)
{
    size_t       i;
    uint16_t     slot;
    plum_str_t   text;
    plum_host_t  node;
    const char  *tests[] = {
        "", "MOVED", "MOVED ", "ASK ", "MOVED 1", "MOVED 1 ", "MOVED 1 a",
        "MOVED 1 a:", "MOVED 1 :", "MOVED :1", "MOVED a:1", "MOVED  a:1",
        "moved 1 a:1", " MOVED 1 a:1", "ERR MOVED 1 a:1", "ASKING 1 a:1",
        "MOVED\t1 a:1", "MOVED  1 a:1", "MOVED 1  a:1", "MOVED 1\ta:1",
        "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED +1 a:1", "MOVED 1: a:1",
        "MOVED 1/ a:1", "MOVED 1x a:1",
        "MOVED 0x1 a:1", "MOVED 65536 a:1", "MOVED 4294967297 a:1",
        "MOVED 18446744073709551617 a:1", "MOVED 000001 a:1",
        "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a:-1", "MOVED 1 a:1x",
        "MOVED 1 a:4294967297", "MOVED 1 a:99999999999999999999999",
        "MOVED 1 a:1 ", "MOVED 1 a:1\n", "MOVED 1 a:1\r\n", "MOVED 1 a:1 b",
        "MOVED 1 a:1@2", "MOVED 1 a\r\nb:1", "MOVED 1 a\nb:1", "MOVED 1 \r:1",
        "MOVED 1 a b:1", "MOVED 1 [::1]:1", "MOVED 1 fe80::1%eth0:1",
        "MOVED 1 a/b:1", "MOVED 1 u@a:1", "MOVED 1 ??:1", "MOVED 1 a?:1",
        "MOVED 1 \x7f:1", "MOVED 1 \xc3\xa4:1", "MOVED 1 `:1", "MOVED 1 {:1",
        "MOVED 1 a" HOST_255 ":1"
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        text = unit_str(tests[i]);

        if (plum_redirect_parse(&text, &slot, &node) != PLUM_ERROR) {
            fail_msg("%s", tests[i]);
        }
    }

    /* a NUL is no end, and the text ends before one that is not there */

    text.data = (const uint8_t *) "MOVED 1 a\0b:1";
    text.len = 13;
    assert_int_equal(plum_redirect_parse(&text, &slot, &node), PLUM_ERROR);

    text = unit_str("MOVED 1 a:12");
    text.len--;
    assert_int_equal(plum_redirect_parse(&text, &slot, &node), PLUM_OK);
    assert_int_equal(node.port, 1);
}


/* of Redis 4 to 8: without metadata, with none, with some */

static void
test_slots(void **state)
{
    size_t              i;
    redisReply         *reply;
    plum_slot_range_t   range;
    const struct {
        uint16_t     first;
        uint16_t     last;
        const char  *host;
        uint16_t     port;
    } tests[] = {
        { 0, 5460, "127.0.0.1", 30001 },
        { 5461, 5461, "::1", 30002 },
        { 5462, 10000, "redis-1.example", 30003 },
        { 10001, 10002, "", 30004 },
        { 10003, 10004, "", 30005 },
        { 10005, 16383, "", 65535 }
    };

    (void) state;

    reply = read_reply(
        "*6\r\n"
        "*4\r\n:0\r\n:5460\r\n"
        "*2\r\n$9\r\n127.0.0.1\r\n:30001\r\n"
        "*2\r\n$9\r\n127.0.0.1\r\n:30004\r\n"
        "*3\r\n:5461\r\n:5461\r\n"
        "*3\r\n$3\r\n::1\r\n:30002\r\n" ID
        "*5\r\n:5462\r\n:10000\r\n"
        "*4\r\n$15\r\nredis-1.example\r\n:30003\r\n" ID
        "*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$5\r\nshard\r\n$1\r\n1\r\n"
        "*4\r\n$1\r\nb\r\n:1\r\n" ID "*0\r\n"
        "*4\r\n$-1\r\n:0\r\n" ID "*0\r\n"
        "*3\r\n:10001\r\n:10002\r\n*4\r\n$-1\r\n:30004\r\n" ID "*0\r\n"
        "*3\r\n:10003\r\n:10004\r\n*4\r\n$1\r\n?\r\n:30005\r\n" ID "*0\r\n"
        "*3\r\n:10005\r\n:16383\r\n*3\r\n$0\r\n\r\n:65535\r\n" ID);

    assert_int_equal(reply->elements, unit_nelts(tests));

    for (i = 0; i < unit_nelts(tests); i++) {
        assert_int_equal(plum_slots_range(reply, i, &range), PLUM_OK);
        assert_int_equal(range.first, tests[i].first);
        assert_int_equal(range.last, tests[i].last);
        check_host(&range.node, tests[i].host, tests[i].port);
    }

    assert_int_equal(plum_slots_range(reply, i, &range), PLUM_ERROR);
    assert_int_equal(plum_slots_range(reply, SIZE_MAX, &range), PLUM_ERROR);

    freeReplyObject(reply);
}


static void
test_slots_bad(void **state)
{
    size_t              i;
    redisReply         *reply;
    plum_slot_range_t   range;
    const char         *tests[] = {
        "*0\r\n", "*-1\r\n", "$-1\r\n", ":1\r\n", "+OK\r\n",
        "$2\r\nOK\r\n", "-ERR This instance has cluster support disabled\r\n",
        "*1\r\n*0\r\n", "*1\r\n*-1\r\n", "*1\r\n:0\r\n", "*1\r\n$1\r\n0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:1\r\n:0\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:16384\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:65536\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:4294967296\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:-9223372036854775808\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n$-1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n$3\r\na:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n$-1\r\n",
        "*1\r\n*4\r\n:0\r\n:1\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n*1\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n*-1\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:-1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:4294967297\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na\r\n\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$2\r\n??\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$256\r\na" HOST_255 "\r\n:1\r\n"
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reply = read_reply(tests[i]);

        if (plum_slots_range(reply, 0, &range) != PLUM_ERROR) {
            fail_msg("%s", tests[i]);
        }

        freeReplyObject(reply);
    }
}


static void
test_sentinel(void **state)
{
    size_t        i;
    redisReply   *reply;
    plum_host_t   node;
    const struct {
        const char  *reply;
        int          rc;
        const char  *host;
        uint16_t     port;
    } tests[] = {
        { "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n", PLUM_OK,
          "127.0.0.1", 6379 },
        { "*2\r\n$3\r\n::1\r\n$5\r\n65535\r\n", PLUM_OK, "::1", 65535 },
        { "*2\r\n$255\r\n" HOST_255 "\r\n$1\r\n1\r\n", PLUM_OK, HOST_255, 1 },
        { "*-1\r\n", PLUM_OK, "", 0 },
        { "$-1\r\n", PLUM_OK, "", 0 },
        { "*0\r\n", PLUM_ERROR, NULL, 0 },
        { "*1\r\n$1\r\na\r\n", PLUM_ERROR, NULL, 0 },
        { "*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n:1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n:1\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$-1\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$-1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$0\r\n\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\n?\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$3\r\na b\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$256\r\na" HOST_255 "\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$0\r\n\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$1\r\n0\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$5\r\n65536\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$2\r\n-1\r\n", PLUM_ERROR, NULL, 0 },
        { "*2\r\n$1\r\na\r\n$20\r\n18446744073709551617\r\n", PLUM_ERROR,
          NULL, 0 },
        { "*2\r\n*1\r\n$1\r\na\r\n$1\r\n1\r\n", PLUM_ERROR, NULL, 0 },
        { "+OK\r\n", PLUM_ERROR, NULL, 0 },
        { "$3\r\na:1\r\n", PLUM_ERROR, NULL, 0 },
        { "-IDONTKNOW I have not enough information\r\n", PLUM_ERROR,
          NULL, 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reply = read_reply(tests[i].reply);

        if (plum_sentinel_master(reply, &node) != tests[i].rc) {
            fail_msg("%s", tests[i].reply);
        }

        if (tests[i].rc == PLUM_OK) {
            check_host(&node, tests[i].host, tests[i].port);
        }

        freeReplyObject(reply);
    }
}


static void
test_role(void **state)
{
    size_t       i;
    redisReply  *reply;
    const struct {
        const char  *reply;
        int          master;
    } tests[] = {
        { "*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n"
          "$4\r\n9001\r\n$7\r\n3129242\r\n", 1 },
        { "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", 1 },
        { "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected"
          "\r\n:3167038\r\n", 0 },
        { "*2\r\n$8\r\nsentinel\r\n*1\r\n$6\r\nmaster\r\n", 0 },
        { "*1\r\n$6\r\nMASTER\r\n", 0 },
        { "*1\r\n$7\r\nmasters\r\n", 0 },
        { "*1\r\n$5\r\nmaste\r\n", 0 },
        { "*1\r\n$0\r\n\r\n", 0 },
        { "*0\r\n", -1 },
        { "*-1\r\n", -1 },
        { "*1\r\n:1\r\n", -1 },
        { "*1\r\n$-1\r\n", -1 },
        { "*1\r\n*1\r\n$6\r\nmaster\r\n", -1 },
        { "$6\r\nmaster\r\n", -1 },
        { "+master\r\n", -1 },
        { ":1\r\n", -1 },
        { "-NOPERM this user has no permissions to run 'role'\r\n", -1 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        reply = read_reply(tests[i].reply);

        if (plum_role_master(reply) != tests[i].master) {
            fail_msg("%s", tests[i].reply);
        }

        freeReplyObject(reply);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_slot),
        cmocka_unit_test(test_tag),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_redirect_bad),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_slots_bad),
        cmocka_unit_test(test_sentinel),
        cmocka_unit_test(test_role)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
