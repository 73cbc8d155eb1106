/*
 * Replies of Redis.  Input: a byte that says whether arrays are allowed and
 * in what pieces the rest comes, then the stream; as a whole it is also the
 * text of a redirection, and a key.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_cluster.h>
#include <plum_redis.h>


#define REPLY_MAX  4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int holds)
{
    if (!holds) {
        abort();
    }
}


static void
check_node(const plum_node_t *node, int known)
{
    size_t             i;
    static const char  bytes[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:";

    check(node->host.len <= PLUM_NODE_HOST_MAX);
    check(node->port != 0 || (!known && node->host.len == 0));

    for (i = 0; i < node->host.len; i++) {
        check(memchr(bytes, node->host.data[i], sizeof(bytes) - 1) != NULL);
    }
}


static int
check_redirect(const plum_str_t *text)
{
    uint16_t     slot;
    plum_node_t  node;

    if (plum_redirect_parse(text, &slot, &node) != PLUM_OK) {
        return 0;
    }

    check(slot < PLUM_SLOTS);
    check_node(&node, 1);
    check(node.host.data >= text->data
          && node.host.data + node.host.len < text->data + text->len);
    check(text->data[text->len - 1] >= '0' && text->data[text->len - 1] <= '9');

    return 1;
}


static void
check_judge(const redisReply *reply)
{
    int                   again, kind, redirects;
    uint64_t              replicas;
    plum_redis_result_t   result;

    for (kind = 0; kind < 2 * PLUM_REDIS_KINDS; kind++) {
        again = kind % 2;
        plum_redis_judge((plum_redis_kind_t) (kind / 2), again, reply,
                         &result);

        check(result.outcome <= PLUM_REDIS_BROKEN);
        check(result.left == 0 || result.outcome == PLUM_REDIS_BUSY);
        check(result.text.len <= REPLY_MAX);
        check((reply->type == REDIS_REPLY_ERROR)
              == (result.outcome >= PLUM_REDIS_NOSCRIPT
                  && result.outcome <= PLUM_REDIS_FOREIGN));

        if (result.outcome == PLUM_REDIS_DONE) {
            check(result.text.data == (uint8_t *) reply->str + 1
                  && result.text.len == (size_t) reply->len - 1);
        }

        redirects = check_redirect(&result.text);
        check(!redirects || result.outcome == PLUM_REDIS_MOVED
              || result.outcome == PLUM_REDIS_ASK
              || result.outcome == PLUM_REDIS_DONE);
    }

    if (plum_redis_wait(reply, &replicas) == PLUM_OK) {
        check(replicas <= INT64_MAX);
    }
}


static void
check_cluster(const redisReply *reply)
{
    int                 role;
    size_t              i, n;
    plum_node_t         node;
    plum_slot_range_t   range;

    n = (reply->type == REDIS_REPLY_ARRAY) ? reply->elements : 0;

    for (i = 0; i <= n; i++) {
        if (plum_slots_range(reply, i, &range) == PLUM_OK) {
            check(i < n);
            check(range.first <= range.last && range.last < PLUM_SLOTS);
            check_node(&range.node, 1);
        }
    }

    if (plum_sentinel_master(reply, &node) == PLUM_OK) {
        check((node.host.len == 0) == (reply->type == REDIS_REPLY_NIL));
        check_node(&node, 0);
    }

    role = plum_role_master(reply);
    check(role >= -1 && role <= 1);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 rc, array;
    size_t              used, piece, left, integer;
    plum_str_t          text;
    const char         *problem;
    redisReply         *reply, own;
    redisReader        *reader;
    plum_redis_walk_t   walk = { 0 };

    text.data = data;
    text.len = size;
    (void) check_redirect(&text);
    check(plum_slot(&text) < PLUM_SLOTS);

    reader = size ? redisReaderCreate() : NULL;

    if (reader == NULL) {
        return 0;
    }

    array = data[0] & 1;
    piece = (data[0] >> 1) ? (data[0] >> 1) : size;
    rc = PLUM_OK;

    for (used = 1; used < size && rc == PLUM_OK; used += piece) {
        piece = (piece < size - used) ? piece : size - used;
        check(redisReaderFeed(reader, (const char *) data + used, piece)
              == REDIS_OK);

        do {
            left = reader->len - reader->pos;
            integer = plum_redis_integer(reader->buf + reader->pos, left, &own);

            rc = plum_redis_next(reader, &walk, array, REPLY_MAX, &reply,
                                 &problem);

            check(integer == 0
                  || (reply && reply->type == own.type
                      && reply->integer == own.integer
                      && reader->len - reader->pos == left - integer));

            check(rc == PLUM_OK || (reply == NULL && *problem != '\0'));

            /* nothing is half built, and what is not built is bounded */

            check(rc != PLUM_OK
                  || (reader->ridx == -1
                      && (reply || reader->len - reader->pos <= REPLY_MAX)));

            if (reply) {
                check(array || reply->type != REDIS_REPLY_ARRAY);
                check_judge(reply);
                check_cluster(reply);
                freeReplyObject(reply);
            }
        } while (reply);
    }

    redisReaderFree(reader);

    return 0;
}
