/*
 * The breaker of a consumer; see plum_delivery.h.
 */

#include <plum_delivery.h>


uint32_t
plum_breaker_places(plum_breaker_t *breaker, uint32_t limit, uint64_t now,
    uint64_t *wait)
{
    *wait = 0;

    if (breaker->state == PLUM_BREAKER_OPEN) {

        if (breaker->until > now) {
            *wait = breaker->until - now;
            return 0;
        }

        breaker->state = PLUM_BREAKER_SLOW;
        breaker->places = 1;
        breaker->successes = 0;
    }

    if (breaker->state == PLUM_BREAKER_SLOW && breaker->places < limit) {
        return breaker->places;
    }

    return limit;
}


int
plum_breaker_success(plum_breaker_t *breaker, uint32_t limit)
{
    breaker->failures = 0;

    /* the success of an attempt from before it opened is no probe's */

    if (breaker->state != PLUM_BREAKER_SLOW) {
        return 0;
    }

    breaker->successes++;

    if (breaker->successes < breaker->places) {
        return 0;
    }

    breaker->successes = 0;
    breaker->places *= 2;

    if (breaker->places < limit) {
        return 0;
    }

    breaker->state = PLUM_BREAKER_CLOSED;

    return 1;
}


int
plum_breaker_failure(plum_breaker_t *breaker, uint32_t threshold,
    uint64_t pause, uint64_t now)
{
    if (breaker->failures < UINT32_MAX) {
        breaker->failures++;
    }

    if (threshold == 0 || breaker->state == PLUM_BREAKER_OPEN) {
        return 0;
    }

    if (breaker->state == PLUM_BREAKER_CLOSED
        && breaker->failures < threshold)
    {
        return 0;
    }

    breaker->state = PLUM_BREAKER_OPEN;
    breaker->until = now + pause;

    return 1;
}
