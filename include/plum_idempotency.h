/*
 * The pure parts of the idempotency protocol: keys, and what an upstream's
 * attempts mean.
 */

#ifndef _PLUM_IDEMPOTENCY_H_INCLUDED_
#define _PLUM_IDEMPOTENCY_H_INCLUDED_


#include <plum_types.h>


#define PLUM_KEY_MAX             256     /* bytes of a key */


/*
 * Joins the parts of a key so that no two lists of parts give one key: parts
 * are separated by ":"; in a part, "%", ":", bytes below 0x21 and 0x7f and
 * above are written as %XX (upper-case hex).  A key that would be longer than
 * PLUM_KEY_MAX is "%sha256:" and the SHA-256 of that longer key in 64
 * lower-case hex digits ("%s" is no escape, so it cannot be a joined key).
 * key holds PLUM_KEY_MAX bytes.  PLUM_ERROR where nparts is 0 or a part is
 * empty.
 */

int plum_key_join(const plum_str_t *parts, size_t nparts, uint8_t *key,
    size_t *len);


/*
 * The owner of records: what stands in front of every key of a gate, so that
 * the keys of two gates never meet, whatever their senders write.  It is
 * "%o", 16 lower-case hex digits and ":".  The digits are the first 8 bytes
 * of the SHA-256 of the parts, each with its length in front (8 bytes, the
 * highest first), so that no two lists of parts are hashed alike.  "%o" is no
 * escape, so a joined key does not begin so.  owner holds PLUM_OWNER_LEN
 * bytes.  PLUM_ERROR: no memory.
 */

#define PLUM_OWNER_LEN           19
#define PLUM_RECORD_MAX          (PLUM_OWNER_LEN + PLUM_KEY_MAX)

int plum_owner(const plum_str_t *parts, size_t nparts, uint8_t *owner);


/* one attempt at an upstream */

typedef struct {
    unsigned             status;         /* 0: none */
    unsigned             answered:1;     /* a whole response header came */
    unsigned             sent:1;         /* some byte of the request went out */
    unsigned             whole:1;        /* all of it had gone out when the
                                            answer came; of the last attempt */
} plum_attempt_t;


typedef enum {
    PLUM_OUTCOME_SUCCESS,        /* the last attempt was one */
    PLUM_OUTCOME_FAILURE,        /* answered otherwise, or never sent */
    PLUM_OUTCOME_IN_DOUBT        /* no success, and an attempt was sent and
                                    not answered */
} plum_outcome_t;

#define PLUM_SUCCESS_CODES       16

/* what counts as success: a status class and further codes */

typedef struct {
    unsigned             class_2xx:1;
    unsigned             codes[PLUM_SUCCESS_CODES];
    size_t               ncodes;
} plum_success_t;

/*
 * Parses "2xx", or codes of 100 to 599 separated by commas, "2xx" among them.
 */

int plum_success_parse(const plum_str_t *text, plum_success_t *success,
    plum_error_t *err);
int plum_success_match(const plum_success_t *success, unsigned status);

/* attempts in the order of time; without any it is a failure */

plum_outcome_t plum_attempts_judge(const plum_attempt_t *attempts,
    size_t nattempts, const plum_success_t *success);


/*
 * An upstream's answer as it is kept for duplicates: a JSON object with
 * "status", "type" (the content type; absent if there was none) and "body".
 * Built and read by jansson.  Encode returns malloc()ed bytes that the
 * caller frees, or NULL: out of memory, or a body or type that is not UTF-8
 * (such an answer is not kept).  Decode fills *answer with malloc()ed
 * strings (free them with plum_answer_free()); PLUM_ERROR if text is not
 * such an object.
 */

typedef struct {
    unsigned             status;
    plum_str_t           type;
    plum_str_t           body;
} plum_answer_t;

uint8_t *plum_answer_encode(const plum_answer_t *answer, size_t *len);
int plum_answer_decode(const plum_str_t *text, plum_answer_t *answer);
void plum_answer_free(plum_answer_t *answer);


#endif /* _PLUM_IDEMPOTENCY_H_INCLUDED_ */
