/*
 * The protocol of Redis, see plum_resp.h.
 *
 * hiredis allocates what the head of an array announces (*2147483647: 16 GB
 * of zeros, walked when it is freed), keeps all of an array that never ends,
 * and on 32 bits overruns a string of $4294967295.  So the bytes of a reply
 * are walked here first, and hiredis sees it when all of them are there.
 */

#include <plum_resp.h>
#include <plum_str.h>

#include <string.h>


#define PLUM_RESP_HEAD_MAX       (1 + PLUM_RESP_NUMBER_MAX + 2)
#define PLUM_RESP_BULK_MAX       (PLUM_RESP_HEAD_MAX + 2)
#define PLUM_RESP_ITEM_MIN       3       /* "+\r\n" */
#define PLUM_RESP_DIGITS         18      /* of any number that fits */

#define PLUM_RESP_BACKOFF_MIN    100
#define PLUM_RESP_BACKOFF_MAX    5000
#define PLUM_RESP_BACKOFF_STEPS  6       /* doublings until the maximum */


typedef struct {
    const char         *word;
    int                 anywhere;        /* else the text starts with it */
    plum_resp_error_t   error;
} plum_resp_refusal_t;


static uint8_t *plum_resp_head(uint8_t *out, uint8_t type, uint64_t n);
static uint8_t *plum_resp_bulk(uint8_t *out, const plum_str_t *word);
static uint8_t *plum_resp_bulks(uint8_t *out, const plum_str_t *word,
    size_t n);
static int plum_resp_item(plum_resp_walk_t *walk, const char *data,
    const char *end, const char **text);
static const char *plum_resp_line(plum_resp_walk_t *walk, const char *data,
    size_t len);
static int plum_resp_length(const char *data, const char *end, size_t *n);
static int plum_resp_end(plum_resp_walk_t *walk);
static int plum_resp_more(plum_resp_walk_t *walk, size_t len);


/*
 * The first row that fits.  Before Redis 7 the error of a command in a script
 * has other words in front.
 */

static const plum_resp_refusal_t  plum_resp_refusals[] = {
    { "NOSCRIPT", 0, PLUM_RESP_NOSCRIPT },
    { "MOVED ", 0, PLUM_RESP_MOVED },
    { "ASK ", 0, PLUM_RESP_ASK },
    { "TRYAGAIN", 0, PLUM_RESP_TRYAGAIN },
    { "CLUSTERDOWN", 0, PLUM_RESP_TRYAGAIN },
    { "MASTERDOWN", 0, PLUM_RESP_READONLY },
    { "READONLY", 1, PLUM_RESP_READONLY },
    { NULL, 0, PLUM_RESP_FINAL }
};


size_t
plum_resp_room(const plum_script_t *script, const plum_str_t *word, size_t n)
{
    size_t  i, room;

    room = PLUM_RESP_HEAD_MAX + n * PLUM_RESP_BULK_MAX;

    for (i = 0; i < n; i++) {
        room += word[i].len;
    }

    if (script) {
        room += script->evalsha.len + script->text.len
                + 2 * PLUM_RESP_BULK_MAX + PLUM_RESP_NUMBER_MAX;
    }

    return room;
}


size_t
plum_resp_command(uint8_t *out, const plum_str_t *word, size_t n)
{
    uint8_t  *p;

    p = plum_resp_head(out, '*', n);
    p = plum_resp_bulks(p, word, n);

    return (size_t) (p - out);
}


size_t
plum_resp_script(uint8_t *out, const plum_script_t *script, int eval,
    size_t nkeys, const plum_str_t *word, size_t n)
{
    uint8_t           *p, digits[PLUM_RESP_NUMBER_MAX];
    plum_str_t         keys;
    const plum_str_t   name = PLUM_STR("EVAL");

    p = plum_resp_head(out, '*', 3 + n);

    if (eval) {
        p = plum_resp_bulk(p, &name);
        p = plum_resp_bulk(p, &script->text);

    } else {
        memcpy(p, script->evalsha.data, script->evalsha.len);
        p += script->evalsha.len;
    }

    keys.data = digits;
    keys.len = (size_t) (plum_resp_number(digits, nkeys) - digits);

    p = plum_resp_bulk(p, &keys);
    p = plum_resp_bulks(p, word, n);

    return (size_t) (p - out);
}


static uint8_t *
plum_resp_head(uint8_t *out, uint8_t type, uint64_t n)
{
    *out++ = type;
    out = plum_resp_number(out, n);
    *out++ = '\r';
    *out++ = '\n';

    return out;
}


static uint8_t *
plum_resp_bulk(uint8_t *out, const plum_str_t *word)
{
    out = plum_resp_head(out, '$', word->len);

    if (word->len) {
        memcpy(out, word->data, word->len);
        out += word->len;
    }

    *out++ = '\r';
    *out++ = '\n';

    return out;
}


static uint8_t *
plum_resp_bulks(uint8_t *out, const plum_str_t *word, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        out = plum_resp_bulk(out, &word[i]);
    }

    return out;
}


uint8_t *
plum_resp_number(uint8_t *out, uint64_t n)
{
    size_t   len;
    uint8_t  digits[PLUM_RESP_NUMBER_MAX];

    len = 0;

    do {
        len++;
        digits[sizeof(digits) - len] = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    memcpy(out, digits + sizeof(digits) - len, len);

    return out + len;
}


plum_resp_error_t
plum_resp_error(const redisReply *reply)
{
    const plum_resp_refusal_t  *refusal;

    for (refusal = plum_resp_refusals; refusal->word; refusal++) {
        if (plum_resp_says(reply, refusal->word, refusal->anywhere)) {
            break;
        }
    }

    return refusal->error;
}


int
plum_resp_says(const redisReply *reply, const char *word, int anywhere)
{
    size_t       len;
    const char  *p, *last;

    len = strlen(word);

    if (reply->type != REDIS_REPLY_ERROR || (size_t) reply->len < len) {
        return 0;
    }

    last = anywhere ? reply->str + reply->len - len : reply->str;

    for (p = reply->str; p <= last; p++) {
        if (memcmp(p, word, len) == 0) {
            return 1;
        }
    }

    return 0;
}


size_t
plum_resp_integer(const char *data, size_t len, redisReply *reply)
{
    size_t      i, first;
    int64_t     n;
    plum_str_t  digits;

    if (len < 2 || data[0] != ':') {
        return 0;
    }

    first = (data[1] == '-') ? 2 : 1;

    digits.data = (const uint8_t *) data + first;
    digits.len = (len - first > PLUM_RESP_DIGITS) ? PLUM_RESP_DIGITS + 1
                                                  : len - first;

    i = first + plum_str_number(&digits, &n);

    if (i == first || i - first > PLUM_RESP_DIGITS || len - i < 2
        || data[i] != '\r' || data[i + 1] != '\n')
    {
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
plum_resp_walk(plum_resp_walk_t *walk, const char *data, size_t len,
    int array, size_t max, size_t skip, const char **text)
{
    size_t       size;
    const char  *end;

    walk->used = 0;

    if (!walk->begun) {
        memset(walk, 0, sizeof(plum_resp_walk_t));

        walk->begun = 1;
        walk->items = 1;
        walk->left[0] = 1;
    }

    for ( ;; ) {
        size = walk->dropped + walk->at;

        if (size > skip || walk->items > (skip - size) / PLUM_RESP_ITEM_MIN) {
            *text = "reply is too large";
            return PLUM_ERROR;
        }

        if (size > max || walk->items > (max - size) / PLUM_RESP_ITEM_MIN) {
            walk->large = 1;
        }

        if (walk->items == 0 && walk->at <= len) {
            return plum_resp_end(walk);
        }

        if (walk->at >= len) {
            return plum_resp_more(walk, len);
        }

        if (memchr("+-:$*", data[walk->at], array ? 5 : 4) == NULL) {
            *text = "reply of an unexpected type";
            return PLUM_ERROR;
        }

        end = plum_resp_line(walk, data + walk->at, len - walk->at);

        if (end == NULL) {

            if (len - walk->at > max) {
                *text = "reply is too large";
                return PLUM_ERROR;
            }

            return plum_resp_more(walk, len);
        }

        if (plum_resp_item(walk, data, end, text) != PLUM_OK) {
            return PLUM_ERROR;
        }
    }
}


static int
plum_resp_end(plum_resp_walk_t *walk)
{
    walk->begun = 0;
    walk->used = walk->at;

    return walk->large ? PLUM_RESP_LARGE : PLUM_RESP_WHOLE;
}


static int
plum_resp_more(plum_resp_walk_t *walk, size_t len)
{
    if (walk->large) {
        walk->used = (walk->at < len) ? walk->at : len;
        walk->dropped += walk->used;
        walk->at -= walk->used;
    }

    return PLUM_RESP_MORE;
}


/* walks over the item that the line up to end is the head, or the whole, of */

static int
plum_resp_item(plum_resp_walk_t *walk, const char *data, const char *end,
    const char **text)
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

    if (type == '*' && walk->depth == PLUM_RESP_DEPTH) {
        *text = "reply has too many levels";
        return PLUM_ERROR;
    }

    if (type == '$' || type == '*') {
        nil = (end - head == 2 && memcmp(head, "-1", 2) == 0);
        n = 0;

        if (!nil && plum_resp_length(head, end, &n) != PLUM_OK) {
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
plum_resp_line(plum_resp_walk_t *walk, const char *data, size_t len)
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


/* what is more than the maximum may come out as any number from it on */

static int
plum_resp_length(const char *data, const char *end, size_t *n)
{
    int64_t     number;
    plum_str_t  digits;

    digits.data = (const uint8_t *) data;
    digits.len = (size_t) (end - data);

    if (digits.len == 0 || plum_str_number(&digits, &number) != digits.len) {
        return PLUM_ERROR;
    }

    *n = (size_t) ((number < PLUM_RESP_SKIP_MAX) ? number
                                                 : PLUM_RESP_SKIP_MAX);

    return PLUM_OK;
}


redisReply *
plum_resp_build(redisReader *reader, const char *data, size_t len,
    const char **text)
{
    void  *object;

    object = NULL;
    *text = "no memory";

    if (redisReaderFeed(reader, data, len) != REDIS_OK
        || redisReaderGetReply(reader, &object) != REDIS_OK)
    {
        *text = reader->errstr;
        return NULL;
    }

    return object;
}


uint32_t
plum_resp_backoff(uint32_t attempts, uint32_t random)
{
    uint32_t  steps, delay;

    steps = attempts ? attempts - 1 : 0;

    delay = (steps < PLUM_RESP_BACKOFF_STEPS)
            ? (uint32_t) PLUM_RESP_BACKOFF_MIN << steps
            : PLUM_RESP_BACKOFF_MAX;

    return delay - delay / 2 + random % (delay + 1);
}
