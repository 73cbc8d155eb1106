/*
 * Keys and replies of the queue; see plum_queue.h.
 */

#include <stdio.h>
#include <string.h>

#include <plum_cluster.h>
#include <plum_queue.h>


#define PLUM_QUEUE_ENTRY         7       /* elements of an entry */
#define PLUM_QUEUE_TAG_TRIES     10000


static int plum_queue_integer(const redisReply *reply, size_t i,
    int64_t *value);
static int plum_queue_string(const redisReply *reply, size_t i,
    plum_str_t *value);
static int plum_queue_entry(const redisReply *reply,
    plum_queue_entry_t *entry);


int
plum_queue_name(const plum_str_t *name)
{
    size_t   i;
    uint8_t  c;

    if (name->len == 0 || name->len > PLUM_QUEUE_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * A number is tried after another until the slot is in the shard's part: the
 * chance of a miss is (shards - 1) / shards each time.
 */

size_t
plum_queue_tag(const plum_str_t *queue, unsigned shard, unsigned shards,
    uint8_t *out)
{
    int         len;
    unsigned    i;
    plum_str_t  tag;

    tag.data = out;

    if (shards <= 1) {
        len = snprintf((char *) out, PLUM_QUEUE_TAG_MAX, "{%.*s}",
                       (int) queue->len, (const char *) queue->data);
        return (size_t) len;
    }

    len = 0;

    for (i = 0; i < PLUM_QUEUE_TAG_TRIES; i++) {
        len = snprintf((char *) out, PLUM_QUEUE_TAG_MAX, "{%.*s.%u}",
                       (int) queue->len, (const char *) queue->data,
                       i * shards + shard);
        tag.len = (size_t) len;

        if (plum_slot(&tag) * shards / PLUM_SLOTS == shard) {
            break;
        }
    }

    return (size_t) len;
}


/* FNV-1a: the same on every host and in every version */

unsigned
plum_queue_shard(const plum_str_t *key, unsigned shards)
{
    size_t    i;
    uint32_t  hash;

    hash = 2166136261u;

    for (i = 0; i < key->len; i++) {
        hash = (hash ^ key->data[i]) * 16777619u;
    }

    return (unsigned) (hash % shards);
}


int
plum_queue_accept_reply(const redisReply *reply, size_t ntargets,
    plum_queue_accept_reply_t *result)
{
    size_t   i;
    int64_t  value;

    if (plum_queue_integer(reply, 0, &value) != PLUM_OK) {
        return PLUM_ERROR;
    }

    switch (value) {

    case PLUM_QUEUE_BEFORE:
        result->result = PLUM_QUEUE_BEFORE;
        return PLUM_OK;

    case PLUM_QUEUE_FULL:
        if (plum_queue_integer(reply, 1, &value) != PLUM_OK
            || value < 1 || (uint64_t) value > ntargets)
        {
            return PLUM_ERROR;
        }

        result->result = PLUM_QUEUE_FULL;
        result->full = (size_t) value - 1;
        return PLUM_OK;

    case PLUM_QUEUE_ACCEPTED:
        break;

    default:
        return PLUM_ERROR;
    }

    if (ntargets > PLUM_QUEUE_TARGETS || reply->elements != ntargets + 1) {
        return PLUM_ERROR;
    }

    for (i = 0; i < ntargets; i++) {
        if (plum_queue_integer(reply, i + 1, &result->targets[i])
            != PLUM_OK)
        {
            return PLUM_ERROR;
        }
    }

    result->result = PLUM_QUEUE_ACCEPTED;
    result->ntargets = ntargets;

    return PLUM_OK;
}


int
plum_queue_take_reply(const redisReply *reply,
    plum_queue_take_reply_t *result)
{
    size_t   i;
    int64_t  state;

    result->nentries = 0;
    result->by.len = 0;

    if (plum_queue_integer(reply, 0, &state) != PLUM_OK
        || plum_queue_integer(reply, 1, &result->next) != PLUM_OK
        || state < 0 || state > 1)
    {
        return PLUM_ERROR;
    }

    result->paused = (state == 1);

    if (result->paused) {
        return plum_queue_string(reply, 2, &result->by);
    }

    if (reply->elements - 2 > PLUM_QUEUE_BATCH) {
        return PLUM_ERROR;
    }

    for (i = 2; i < reply->elements; i++) {
        if (plum_queue_entry(reply->element[i],
                             &result->entries[result->nentries])
            != PLUM_OK)
        {
            return PLUM_ERROR;
        }

        result->nentries++;
    }

    return PLUM_OK;
}


static int
plum_queue_entry(const redisReply *reply, plum_queue_entry_t *entry)
{
    int64_t  count, attempt, age;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != PLUM_QUEUE_ENTRY
        || plum_queue_string(reply, 0, &entry->id) != PLUM_OK
        || plum_queue_integer(reply, 1, &count) != PLUM_OK
        || plum_queue_integer(reply, 2, &attempt) != PLUM_OK
        || plum_queue_integer(reply, 3, &age) != PLUM_OK
        || plum_queue_string(reply, 4, &entry->key) != PLUM_OK
        || plum_queue_string(reply, 5, &entry->event) != PLUM_OK
        || plum_queue_string(reply, 6, &entry->body) != PLUM_OK
        || count < 1)
    {
        return PLUM_ERROR;
    }

    entry->count = (uint64_t) count;
    entry->attempt = (attempt < 1) ? 1 : (uint64_t) attempt;

    /* a clock of Redis that was set back */

    entry->age = (age < 0) ? 0 : (uint64_t) age;

    return PLUM_OK;
}


static int
plum_queue_integer(const redisReply *reply, size_t i, int64_t *value)
{
    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements
        || reply->element[i]->type != REDIS_REPLY_INTEGER)
    {
        return PLUM_ERROR;
    }

    *value = reply->element[i]->integer;

    return PLUM_OK;
}


static int
plum_queue_string(const redisReply *reply, size_t i, plum_str_t *value)
{
    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements
        || reply->element[i]->type != REDIS_REPLY_STRING)
    {
        return PLUM_ERROR;
    }

    value->data = (const uint8_t *) reply->element[i]->str;
    value->len = (size_t) reply->element[i]->len;

    return PLUM_OK;
}
