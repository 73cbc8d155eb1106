/*
 * A stream of replies, as the client reads one: bytes come in, and replies
 * are taken off its beginning.
 */

#ifndef PLUM_STREAM_H
#define PLUM_STREAM_H


#include <plum_resp.h>

#include <string.h>


typedef struct {
    char               bytes[4096];
    size_t             len;
    plum_resp_walk_t   walk;
} stream_t;


static inline void
stream_feed(stream_t *stream, const char *bytes, size_t len)
{
    memcpy(stream->bytes + stream->len, bytes, len);
    stream->len += len;
}


/* as plum_resp_walk(), and takes off what it has used: *reply, if whole */

static inline int
stream_next(stream_t *stream, int array, size_t max, redisReply **reply,
    const char **text)
{
    int           rc;
    redisReader  *reader;

    *reply = NULL;

    rc = plum_resp_walk(&stream->walk, stream->bytes, stream->len, array, max,
                        PLUM_RESP_SKIP_MAX, text);

    if (rc == PLUM_ERROR) {
        return rc;
    }

    if (rc == PLUM_RESP_WHOLE) {
        reader = redisReaderCreate();
        *reply = plum_resp_build(reader, stream->bytes, stream->walk.used,
                                 text);
        redisReaderFree(reader);
    }

    stream->len -= stream->walk.used;
    memmove(stream->bytes, stream->bytes + stream->walk.used, stream->len);

    return rc;
}


/* of a text that holds one reply */

static inline redisReply *
stream_reply(const char *bytes, size_t len)
{
    stream_t     stream = { .len = 0 };
    const char  *text;
    redisReply  *reply;

    stream_feed(&stream, bytes, len);
    (void) stream_next(&stream, 1, sizeof(stream.bytes), &reply, &text);

    return reply;
}


#endif /* PLUM_STREAM_H */
