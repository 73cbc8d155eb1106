/*
 * What becomes of an attempt to deliver, and when the next one is due.  Pure.
 */

#ifndef _PLUM_DELIVERY_H_INCLUDED_
#define _PLUM_DELIVERY_H_INCLUDED_


#include <plum_types.h>


#define PLUM_SCHEDULE_WAITS      32
#define PLUM_RETRY_AFTER_MAX     (60 * 60 * 1000)    /* ms that are obeyed */


/* the waits between attempts, in ms, each longer than the one before it */

typedef struct {
    uint32_t             waits[PLUM_SCHEDULE_WAITS];
    size_t               nwaits;
} plum_schedule_t;

/*
 * Adds a wait of the list "5s,30s,5m".  PLUM_ERROR: too many of them, zero,
 * or not longer than the last one.
 */

int plum_schedule_add(plum_schedule_t *schedule, uint64_t ms,
    plum_error_t *err);

/*
 * Milliseconds to wait after the attempt-th attempt (from 1) failed, plus or
 * minus 20 % by the random number; 0: all waits are used up.
 */

uint32_t plum_schedule_wait(const plum_schedule_t *schedule,
    uint64_t attempt, uint32_t random);


/*
 * What an attempt's outcome asks for.
 *
 * DELIVERED  the consumer has it
 * AGAIN      after the next wait, or a dead letter when there is none; also
 *            for statuses that say that the event is wrong, as a consumer may
 *            be mended
 * PAUSE      as AGAIN, and the consumer is not asked before the time that its
 *            Retry-After names: of 429 and 503
 * GONE       as AGAIN, and the consumer is paused until somebody resumes it:
 *            410
 */

typedef enum {
    PLUM_ATTEMPT_DELIVERED = 0,
    PLUM_ATTEMPT_AGAIN,
    PLUM_ATTEMPT_PAUSE,
    PLUM_ATTEMPT_GONE
} plum_attempt_result_t;

/* success: it is among the codes of success=; status 0: no answer came */

plum_attempt_result_t plum_attempt_result(unsigned status, unsigned success,
    uint64_t retry_after);

/*
 * The milliseconds of a Retry-After header (RFC 9110, section 10.2.3), which
 * is a number of seconds or an HTTP-date: parsed_date is what the caller made
 * of the latter, in seconds of the epoch, and now is the time.  At most
 * PLUM_RETRY_AFTER_MAX; 0: none, or one that cannot be read.
 */

uint64_t plum_retry_after(const plum_str_t *value, int64_t parsed_date,
    int64_t now);


/*
 * The breaker of a consumer, shared by the workers of a host.
 *
 *     closed --failures in a row--> open --pause--> probing
 *     probing --success--> slow start: 1, 2, 4 ... at once --limit--> closed
 *     probing or slow start --failure--> open
 *
 * It holds no lock: its owner does.  All times are milliseconds of one clock.
 */

typedef enum {
    PLUM_BREAKER_CLOSED = 0,
    PLUM_BREAKER_OPEN,
    PLUM_BREAKER_SLOW            /* places: how many at once; 1: probing */
} plum_breaker_state_t;

typedef struct {
    plum_breaker_state_t     state;
    uint32_t                 failures;   /* in a row */
    uint32_t                 places;
    uint32_t                 successes;  /* with so many places */
    uint64_t                 until;      /* OPEN */
} plum_breaker_t;

/*
 * How many attempts may be under way at once, of limit; *wait is set to the
 * milliseconds until that changes by itself (0: it does not).
 */

uint32_t plum_breaker_places(plum_breaker_t *breaker, uint32_t limit,
    uint64_t now, uint64_t *wait);

/* after each attempt; threshold 0: the breaker never opens.  Both return 1 if
   the state has changed, for the log, else 0 */

int plum_breaker_success(plum_breaker_t *breaker, uint32_t limit);
int plum_breaker_failure(plum_breaker_t *breaker, uint32_t threshold,
    uint64_t pause, uint64_t now);


#endif /* _PLUM_DELIVERY_H_INCLUDED_ */
