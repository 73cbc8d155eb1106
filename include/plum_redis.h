/*
 * Redis commands of the idempotency store, and what their replies mean.
 *
 * A record is one string under <prefix><key>:
 *
 *   p<token in hex>   pending: lapses with the lease (PX)
 *   d<answer>         done: lapses with the retention (PX)
 *
 * Each operation is one Lua script with one key, so it is atomic, and Redis
 * is the only clock.  A script writes at most once, as its last step, so an
 * error reply says that nothing was written.
 */

#ifndef _PLUM_REDIS_H_INCLUDED_
#define _PLUM_REDIS_H_INCLUDED_


#include <plum_types.h>

#include <hiredis/hiredis.h>


#define PLUM_REDIS_TOKEN_LEN     16
#define PLUM_REDIS_SHA_LEN       40
#define PLUM_REDIS_ARGS_MAX      8
#define PLUM_REDIS_DEPTH         8       /* hiredis 0.14 has no more */


typedef enum {
    PLUM_REDIS_CLAIM = 0,
    PLUM_REDIS_RENEW,
    PLUM_REDIS_COMMIT,
    PLUM_REDIS_RELEASE,
    PLUM_REDIS_KINDS
} plum_redis_kind_t;


typedef struct {
    plum_redis_kind_t     kind;
    plum_str_t            key;           /* with the prefix */
    uint8_t               token[PLUM_REDIS_TOKEN_LEN];
    uint64_t              lease;         /* ms: claim, renew */
    uint64_t              retention;     /* ms: commit */
    plum_str_t            answer;        /* commit: with a byte of room for
                                            the state in front, see below */
} plum_redis_command_t;


typedef enum {
    PLUM_REDIS_OK = 0,
    PLUM_REDIS_BUSY,                     /* left is set */
    PLUM_REDIS_DONE,                     /* text: the answer */
    PLUM_REDIS_LOST,
    PLUM_REDIS_NOSCRIPT,                 /* send it again, with eval */
    PLUM_REDIS_REFUSED,                  /* not done; text: the error */
    PLUM_REDIS_MOVED,                    /* not done; text: the error, see
                                            plum_redirect_parse() */
    PLUM_REDIS_ASK,                      /* as MOVED */
    PLUM_REDIS_TRYAGAIN,                 /* not done: the cluster is about to
                                            change; text: the error */
    PLUM_REDIS_READONLY,                 /* not done: this node is no master
                                            (any more); text: the error */
    PLUM_REDIS_FOREIGN,                  /* not done: what stands under the
                                            key is no record; text: the error */
    PLUM_REDIS_BROKEN                    /* no reply to such a command */
} plum_redis_outcome_t;


typedef struct {
    plum_redis_outcome_t  outcome;
    uint64_t              left;          /* ms */
    plum_str_t            text;          /* lives as long as the reply */
} plum_redis_result_t;


/* the script of a kind, and the SHA-1 of it in lower-case hex */

const char *plum_redis_script(plum_redis_kind_t kind);
const char *plum_redis_sha(plum_redis_kind_t kind);

/*
 * Has hiredis encode what is the same in every EVALSHA of a kind.  To be
 * called in each process, or before its fork(), ahead of plum_redis_evalsha();
 * again does no harm.  PLUM_ERROR: no memory.
 */

int plum_redis_prepare(void);

/*
 * The command in the protocol of Redis.  evalsha() writes it to out, where
 * there is room for room() bytes, and returns its length.  eval() brings the
 * script along; its memory is from hiredis and goes back with
 * plum_redis_free(), which also wipes it; PLUM_ERROR: no memory.
 * answer.data[-1] is overwritten: it must be the caller's.
 */

size_t plum_redis_room(const plum_redis_command_t *command);
size_t plum_redis_evalsha(plum_redis_command_t *command, uint8_t *out);
int plum_redis_eval(plum_redis_command_t *command, char **out, size_t *len);

/* as eval(), for any command of at most PLUM_REDIS_ARGS_MAX words */

int plum_redis_words(const plum_str_t *word, size_t n, char **out,
    size_t *len);

void plum_redis_free(char *out, size_t len);

/*
 * Judges the reply to a command.  again: the command was sent before and its
 * reply did not come, so that finding it done is a success.
 */

void plum_redis_judge(plum_redis_kind_t kind, int again,
    const redisReply *reply, plum_redis_result_t *result);

/*
 * The reply to WAIT: how many replicas have what was written before on this
 * connection, perhaps fewer than were asked for.  PLUM_ERROR: no such reply.
 * https://redis.io/docs/latest/commands/wait/
 */

int plum_redis_wait(const redisReply *reply, uint64_t *replicas);

/*
 * An integer, which nearly every reply is, needs no hiredis: returns its
 * length and fills in *reply, which owns nothing, where one stands at data,
 * as a whole.  0: it may be one all the same, plum_redis_next() knows.
 */

size_t plum_redis_integer(const char *data, size_t len, redisReply *reply);

/*
 * How much of a reply that is not whole has been walked over: zeros where a
 * reader begins.
 */

typedef struct {
    size_t  at;                          /* from the beginning of the reply */
    size_t  seen;                        /* of its line, without an end */
    size_t  items;                       /* to come, at all levels */
    size_t  left[PLUM_REDIS_DEPTH + 1];  /* to come, at each */
    size_t  depth;
} plum_redis_walk_t;

/*
 * The next whole reply of the reader; *reply is NULL where more bytes are
 * needed; each is walked over once, however they come.  Nothing is built of a
 * reply that is not whole: what it announces costs no memory.  Where array is
 * 0 an array is refused from its first byte; else it holds the types of RESP2
 * only, at most PLUM_REDIS_DEPTH levels.
 * PLUM_ERROR: no such reply, or one that is or is going to be of more than
 * max bytes, *text says which; the reader is of no use any more.
 */

int plum_redis_next(redisReader *reader, plum_redis_walk_t *walk, int array,
    size_t max, redisReply **reply, const char **text);

/*
 * Milliseconds to wait after the given number of failed attempts (from 1):
 * 100, 200, 400 ... 5000, each plus or minus half of it by a random number.
 */

uint32_t plum_redis_backoff(uint32_t attempts, uint32_t random);


#endif /* _PLUM_REDIS_H_INCLUDED_ */
