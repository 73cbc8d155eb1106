/*
 * Replies of Redis.  Input: a byte that says whether arrays are allowed and
 * in what pieces the rest comes, then the stream; as a whole it is also the
 * text of a redirection, and a key.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_cluster.h>
#include <plum_queue.h>
#include <plum_record.h>


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
check_node(const plum_host_t *node, int known)
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
    plum_host_t  node;

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
    int                    again, kind, error;
    plum_str_t             text;
    plum_resp_error_t      why;
    plum_record_result_t   result;

    error = (reply->type == REDIS_REPLY_ERROR);

    for (kind = 0; kind < 2 * PLUM_RECORD_KINDS; kind++) {
        again = kind % 2;
        plum_record_judge((plum_record_kind_t) (kind / 2), again, reply,
                          &result);

        check(result.outcome <= PLUM_RECORD_BROKEN);
        check(result.left == 0 || result.outcome == PLUM_RECORD_BUSY);
        check(error == (result.outcome == PLUM_RECORD_FOREIGN
                        || result.outcome == PLUM_RECORD_REFUSED));

        if (result.outcome == PLUM_RECORD_DONE) {
            check(result.answer.data == (uint8_t *) reply->str + 1
                  && result.answer.len == (size_t) reply->len - 1);
        }
    }

    why = plum_resp_error(reply);
    check(error || why == PLUM_RESP_FINAL);

    if (error) {
        text.data = (uint8_t *) reply->str;
        text.len = (size_t) reply->len;

        check(!check_redirect(&text)
              || why == PLUM_RESP_MOVED || why == PLUM_RESP_ASK);
    }
}


static void
check_cluster(const redisReply *reply)
{
    int                 role;
    size_t              i, n;
    plum_host_t         node;
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


/* a string of an element of the reply, whole */

static void
check_inside(const redisReply *reply, const plum_str_t *str)
{
    check(reply->type == REDIS_REPLY_STRING
          && str->data == (const uint8_t *) reply->str
          && str->len == (size_t) reply->len);
}


static void
check_queue(const redisReply *reply)
{
    size_t                     i, n;
    redisReply               **element;
    plum_queue_take_reply_t    take;
    plum_queue_accept_reply_t  accept;

    for (n = 0; n <= PLUM_QUEUE_TARGETS + 1; n++) {

        if (plum_queue_accept_reply(reply, n, &accept) != PLUM_OK) {
            continue;
        }

        check(accept.result <= PLUM_QUEUE_FULL);
        check(accept.result != PLUM_QUEUE_FULL || accept.full < n);
        check(accept.result != PLUM_QUEUE_ACCEPTED
              || (accept.ntargets == n && n <= PLUM_QUEUE_TARGETS
                  && reply->elements == n + 1));
    }

    if (plum_queue_take_reply(reply, &take) != PLUM_OK) {
        return;
    }

    check(take.nentries <= PLUM_QUEUE_BATCH);

    if (take.paused) {
        check(take.nentries == 0);
        check_inside(reply->element[2], &take.by);
        return;
    }

    check(reply->elements == 2 + take.nentries);

    for (i = 0; i < take.nentries; i++) {
        element = reply->element[2 + i]->element;

        check(take.entries[i].count > 0 && take.entries[i].attempt > 0);
        check_inside(element[0], &take.entries[i].id);
        check_inside(element[4], &take.entries[i].key);
        check_inside(element[5], &take.entries[i].event);
        check_inside(element[6], &take.entries[i].body);
    }
}


/* what has come and is not used up yet */

static void
check_stream(plum_resp_walk_t *walk, const char *data, size_t *at, size_t len,
    int array)
{
    int           rc;
    size_t        integer;
    redisReply   *reply, own;
    const char   *problem;
    redisReader  *reader;

    do {
        integer = walk->begun ? 0
                  : plum_resp_integer(data + *at, len - *at, &own);

        problem = NULL;
        rc = plum_resp_walk(walk, data + *at, len - *at, array, REPLY_MAX,
                            PLUM_RESP_SKIP_MAX, &problem);

        check(integer == 0
              || (rc == PLUM_RESP_WHOLE && walk->used == integer));

        if (rc == PLUM_ERROR) {
            check(problem != NULL);
            *at = SIZE_MAX;
            return;
        }

        check(walk->used <= len - *at);

        if (rc == PLUM_RESP_WHOLE) {
            check(walk->used <= REPLY_MAX);

            /* hiredis may be stricter, but needs no more bytes */

            reader = redisReaderCreate();
            check(reader != NULL);

            reply = plum_resp_build(reader, data + *at, walk->used, &problem);
            check(reply || (reader->err && *problem != '\0'));

            if (reply) {
                check(array || reply->type != REDIS_REPLY_ARRAY);
                check(integer == 0 || reply->integer == own.integer);
                check_judge(reply);
                check_cluster(reply);
                check_queue(reply);
                freeReplyObject(reply);
            }

            redisReaderFree(reader);
        }

        *at += walk->used;

        /* what is kept of a reply that is not whole is bounded */

        check(rc != PLUM_RESP_MORE || len - *at <= REPLY_MAX);
    } while (rc != PLUM_RESP_MORE);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                array;
    size_t             at, len, piece;
    plum_str_t         text;
    plum_resp_walk_t   walk = { 0 };

    text.data = data;
    text.len = size;
    (void) check_redirect(&text);
    check(plum_slot(&text) < PLUM_SLOTS);

    if (size == 0) {
        return 0;
    }

    array = data[0] & 1;
    piece = (data[0] >> 1) ? (data[0] >> 1) : size;
    at = 0;

    for (len = 0; len < size - 1 && at != SIZE_MAX; /* void */ ) {
        len += (piece < size - 1 - len) ? piece : size - 1 - len;

        check_stream(&walk, (const char *) data + 1, &at, len, array);
    }

    return 0;
}
