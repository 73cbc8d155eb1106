/*
 * The idempotency records in Redis: the scripts that change them, and what
 * their replies mean.
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

#ifndef _PLUM_RECORD_H_INCLUDED_
#define _PLUM_RECORD_H_INCLUDED_


#include <plum_resp.h>


#define PLUM_RECORD_TOKEN_LEN    16
#define PLUM_RECORD_WORDS_MAX    4       /* with the key */


typedef enum {
    PLUM_RECORD_CLAIM = 0,
    PLUM_RECORD_RENEW,
    PLUM_RECORD_COMMIT,
    PLUM_RECORD_RELEASE,
    PLUM_RECORD_KINDS
} plum_record_kind_t;


typedef enum {
    PLUM_RECORD_OK = 0,
    PLUM_RECORD_BUSY,                    /* left is set */
    PLUM_RECORD_DONE,                    /* answer is set */
    PLUM_RECORD_LOST,
    PLUM_RECORD_FOREIGN,                 /* an error: not done, what stands
                                            under the key is no record */
    PLUM_RECORD_REFUSED,                 /* any other error: not done */
    PLUM_RECORD_BROKEN                   /* no reply to such a script */
} plum_record_outcome_t;


typedef struct {
    plum_record_outcome_t  outcome;
    uint64_t               left;         /* ms */
    plum_str_t             answer;       /* lives as long as the reply */
} plum_record_result_t;


/* the key, then the arguments of a script; word points to the others */

typedef struct {
    plum_str_t             word[PLUM_RECORD_WORDS_MAX];
    size_t                 n;
    uint8_t                token[1 + 2 * PLUM_RECORD_TOKEN_LEN];
    uint8_t                number[PLUM_RESP_NUMBER_MAX];
} plum_record_words_t;


const plum_script_t *plum_record_script(plum_record_kind_t kind);

/*
 * The words of an operation on the record under key, which must live as long
 * as they do.  ms is the lease (claim, renew) or the retention (commit).
 * answer, only of a commit, begins with "d", see above.
 */

void plum_record_words(plum_record_kind_t kind, const plum_str_t *key,
    const uint8_t *token, uint64_t ms, const plum_str_t *answer,
    plum_record_words_t *words);

/*
 * Judges the reply.  again: the script was sent before and its reply did not
 * come, so that finding it done is a success.
 */

void plum_record_judge(plum_record_kind_t kind, int again,
    const redisReply *reply, plum_record_result_t *result);


#endif /* _PLUM_RECORD_H_INCLUDED_ */
