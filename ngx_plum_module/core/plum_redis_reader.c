/*
 * Replies of Redis, cut out of the stream; see plum_redis.h.
 *
 * hiredis allocates what the head of an array announces (*2147483647: 16 GB
 * of zeros, walked when it is freed), keeps all of an array that never ends,
 * and on 32 bits overruns a string of $4294967295.  So the bytes of a reply
 * are walked here first, and hiredis sees it when all of them are there.
 */

#include <plum_redis.h>

#include <string.h>


#define PLUM_REDIS_ITEM_MIN      3       /* "+\r\n" */
#define PLUM_REDIS_DIGITS        18      /* of any number that fits */


static int plum_redis_whole(plum_redis_walk_t *walk, const char *data,
    size_t len, int array, size_t max, const char **text);
static int plum_redis_item(plum_redis_walk_t *walk, const char *data,
    const char *end, size_t max, const char **text);
static const char *plum_redis_line(plum_redis_walk_t *walk, const char *data,
    size_t len);
static int plum_redis_length(const char *data, const char *end, size_t max,
    size_t *n);


size_t
plum_redis_integer(const char *data, size_t len, redisReply *reply)
{
    size_t     i, first;
    long long  n;

    if (len < 2 || data[0] != ':') {
        return 0;
    }

    first = (data[1] == '-') ? 2 : 1;
    n = 0;

    for (i = first; i < len && data[i] >= '0' && data[i] <= '9'; i++) {

        if (i - first == PLUM_REDIS_DIGITS) {
            return 0;
        }

        n = n * 10 + (data[i] - '0');
    }

    if (i == first || len - i < 2 || data[i] != '\r' || data[i + 1] != '\n') {
        return 0;
    }

    /* not all hiredis take -0 and 01 */

    if (data[first] == '0' && i != 2) {
        return 0;
    }

    memset(reply, 0, sizeof(redisReply));

    reply->type = REDIS_REPLY_INTEGER;
    reply->integer = (first == 2) ? -n : n;

    return i + 2;
}


int
plum_redis_next(redisReader *reader, plum_redis_walk_t *walk, int array,
    size_t max, redisReply **reply, const char **text)
{
    int    rc;
    void  *object;

    *reply = NULL;

    rc = plum_redis_whole(walk, reader->buf + reader->pos,
                          reader->len - reader->pos, array, max, text);

    if (rc <= 0) {
        return rc == 0 ? PLUM_OK : PLUM_ERROR;
    }

    walk->at = 0;
    object = NULL;

    if (redisReaderGetReply(reader, &object) != REDIS_OK) {
        *text = reader->errstr;
        return PLUM_ERROR;
    }

    *reply = object;

    return PLUM_OK;
}


/* 1: a reply is there; 0: so far it may become one; -1: it may not, see text */

static int
plum_redis_whole(plum_redis_walk_t *walk, const char *data, size_t len,
    int array, size_t max, const char **text)
{
    const char  *end;

    if (walk->at == 0) {
        walk->items = 1;
        walk->left[0] = 1;
        walk->depth = 0;
    }

    for ( ;; ) {

        if (walk->at > max
            || walk->items > (max - walk->at) / PLUM_REDIS_ITEM_MIN)
        {
            *text = "reply is too large";
            return -1;
        }

        if (walk->items == 0) {
            return walk->at <= len;
        }

        if (walk->at >= len) {
            return 0;
        }

        if (memchr("+-:$*", data[walk->at], array ? 5 : 4) == NULL) {
            *text = "reply of an unexpected type";
            return -1;
        }

        end = plum_redis_line(walk, data + walk->at, len - walk->at);

        if (end == NULL) {
            *text = "reply is too large";
            return len > max ? -1 : 0;
        }

        if (plum_redis_item(walk, data, end, max, text) != PLUM_OK) {
            return -1;
        }
    }
}


/* walks over the item that the line up to end is the head, or the whole, of */

static int
plum_redis_item(plum_redis_walk_t *walk, const char *data,
    const char *end, size_t max, const char **text)
{
    int          nil;
    char         type;
    size_t       n;
    const char  *head;

    type = data[walk->at];
    head = data + walk->at + 1;

    walk->at = (size_t) (end - data) + 2;
    walk->items--;
    walk->left[walk->depth]--;

    if (type == '*' && walk->depth == PLUM_REDIS_DEPTH) {
        *text = "reply has too many levels";
        return PLUM_ERROR;
    }

    if (type == '$' || type == '*') {
        nil = (end - head == 2 && memcmp(head, "-1", 2) == 0);
        n = 0;

        if (!nil && plum_redis_length(head, end, max, &n) != PLUM_OK) {
            *text = "length in a reply is no number";
            return PLUM_ERROR;
        }

        if (type == '*') {
            walk->depth++;
            walk->left[walk->depth] = n;
            walk->items += n;

        } else if (!nil) {
            walk->at += n + 2;
        }
    }

    while (walk->depth != 0 && walk->left[walk->depth] == 0) {
        walk->depth--;
    }

    return PLUM_OK;
}


/* the end of a line as hiredis finds it, NULL where it is not there */

static const char *
plum_redis_line(plum_redis_walk_t *walk, const char *data, size_t len)
{
    size_t  i;

    for (i = walk->seen ? walk->seen : 1; i < len; i++) {
        if (data[i - 1] == '\r' && data[i] == '\n') {
            walk->seen = 0;
            return data + i - 1;
        }
    }

    walk->seen = len;

    return NULL;
}


/* what is more than max may come out as any number from max on */

static int
plum_redis_length(const char *data, const char *end, size_t max, size_t *n)
{
    *n = 0;

    if (data == end) {
        return PLUM_ERROR;
    }

    for ( /* void */ ; data < end; data++) {
        if (*data < '0' || *data > '9') {
            return PLUM_ERROR;
        }

        *n = (*n > max / 10) ? max : *n * 10 + (size_t) (*data - '0');
    }

    return PLUM_OK;
}
