/*
 * The protocol of Redis (RESP2): commands as bytes, replies out of a stream
 * of bytes, errors that every client must understand.  Pure: no connection.
 *
 * hiredis builds the replies.  Commands are encoded here, straight into the
 * buffer that is sent; t/unit/test_resp.c compares them with those of
 * redisFormatCommandArgv().
 *
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

#ifndef _PLUM_RESP_H_INCLUDED_
#define _PLUM_RESP_H_INCLUDED_


#include <plum_types.h>

#include <hiredis/hiredis.h>


#define PLUM_RESP_DEPTH          8       /* of nested arrays; hiredis 0.14
                                            has no more */
#define PLUM_RESP_SKIP_MAX       (64 * 1024 * 1024)
#define PLUM_RESP_NUMBER_MAX     20      /* digits of 64 bits */


/*
 * A Lua script, and the words that call it by its SHA-1, encoded: to be made
 * with PLUM_SCRIPT("SHA-1 in lower-case hex", "text").
 */

typedef struct {
    plum_str_t  text;
    plum_str_t  evalsha;
} plum_script_t;

#define PLUM_SCRIPT(sha, text)                                                \
    { PLUM_STR(text), PLUM_STR("$7\r\nEVALSHA\r\n$40\r\n" sha "\r\n") }


/*
 * A command of n words; a call of a script, by its SHA-1 or, with eval, with
 * its text: the first nkeys of the words are its keys.  The functions write to
 * out, where there must be room for as many bytes as room() says, and return
 * the length.  number() writes the digits of n, PLUM_RESP_NUMBER_MAX at most,
 * and returns their end.
 */

size_t plum_resp_room(const plum_script_t *script, const plum_str_t *word,
    size_t n);
size_t plum_resp_command(uint8_t *out, const plum_str_t *word, size_t n);
size_t plum_resp_script(uint8_t *out, const plum_script_t *script, int eval,
    size_t nkeys, const plum_str_t *word, size_t n);
uint8_t *plum_resp_number(uint8_t *out, uint64_t n);


/* errors by which a node says that a command was not executed, and why */

typedef enum {
    PLUM_RESP_FINAL = 0,                 /* any other error */
    PLUM_RESP_NOSCRIPT,                  /* EVAL is needed */
    PLUM_RESP_MOVED,                     /* plum_redirect_parse() has more */
    PLUM_RESP_ASK,                       /* as MOVED */
    PLUM_RESP_TRYAGAIN,                  /* the cluster is about to change */
    PLUM_RESP_READONLY                   /* that node is no master */
} plum_resp_error_t;

plum_resp_error_t plum_resp_error(const redisReply *reply);

/* whether the text of an error reply has the word, or begins with it */

int plum_resp_says(const redisReply *reply, const char *word, int anywhere);


/*
 * An integer, which nearly every reply is, needs no hiredis: returns its
 * length and fills in *reply, which owns nothing, where one stands at data,
 * as a whole.  0: it may be one all the same, plum_resp_walk() knows.
 */

size_t plum_resp_integer(const char *data, size_t len, redisReply *reply);

/*
 * How much of a reply has been walked over.  Zeros before the first reply of
 * a stream; plum_resp_walk() keeps it.
 */

typedef struct {
    size_t  used;                        /* bytes to be taken off the data */
    size_t  at;                          /* of the next item, in the data */
    size_t  seen;                        /* of its line, without an end */
    size_t  dropped;                     /* of the reply, before the data */
    size_t  items;                       /* to come, at all levels */
    size_t  left[PLUM_RESP_DEPTH + 1];   /* to come, at each */
    size_t  depth;
    int     begun;
    int     large;
} plum_resp_walk_t;

/*
 * Walks over the reply at data; each byte is walked over once, however they
 * come.  Nothing is built of a reply that is not whole: what it announces
 * costs no memory.  Returns
 *
 *   PLUM_RESP_WHOLE  the first walk->used bytes are a reply
 *   PLUM_RESP_LARGE  the first walk->used bytes are the end of a reply of more
 *                    than max bytes
 *   PLUM_RESP_MORE   more bytes are needed.  walk->used bytes, not 0 only
 *                    within a reply of more than max bytes, are of no use any
 *                    more; the others are to be given again, with those that
 *                    have come
 *   PLUM_ERROR       no such reply, or one of more than skip bytes, or a line
 *                    of more than max; *text says which.  Nothing that follows
 *                    can be read
 *
 * The caller takes walk->used bytes off the data each time.  Where array is 0
 * an array is refused from its first byte; else it holds the types of RESP2
 * only, at most PLUM_RESP_DEPTH levels.  skip is at least max, and at most
 * PLUM_RESP_SKIP_MAX.
 */

enum {
    PLUM_RESP_MORE = 1,
    PLUM_RESP_WHOLE,
    PLUM_RESP_LARGE
};

int plum_resp_walk(plum_resp_walk_t *walk, const char *data, size_t len,
    int array, size_t max, size_t skip, const char **text);

/*
 * What hiredis builds of a whole reply; to be freed with freeReplyObject().
 * NULL: hiredis does not take it (*text says why), or there is no memory.
 */

redisReply *plum_resp_build(redisReader *reader, const char *data, size_t len,
    const char **text);

/*
 * Milliseconds to wait after the given number of failed attempts (from 1):
 * 100, 200, 400 ... 5000, each plus or minus half of it by a random number.
 */

uint32_t plum_resp_backoff(uint32_t attempts, uint32_t random);


#endif /* _PLUM_RESP_H_INCLUDED_ */
