/*
 * Waits between attempts, and what their outcomes mean; see plum_delivery.h.
 */

#include <plum_delivery.h>
#include <plum_str.h>


int
plum_schedule_add(plum_schedule_t *schedule, uint64_t ms, plum_error_t *err)
{
    size_t  n;

    n = schedule->nwaits;

    if (n == PLUM_SCHEDULE_WAITS) {
        return plum_error(err, "\"retry=\" has more than 32 waits", NULL);
    }

    if (ms == 0 || ms > UINT32_MAX) {
        return plum_error(err, "a wait of \"retry=\" must be above zero, and "
                          "at most 49 days", NULL);
    }

    if (n != 0 && ms <= schedule->waits[n - 1]) {
        return plum_error(err, "the waits of \"retry=\" must grow", NULL);
    }

    schedule->waits[n] = (uint32_t) ms;
    schedule->nwaits++;

    return PLUM_OK;
}


uint32_t
plum_schedule_wait(const plum_schedule_t *schedule, uint64_t attempt,
    uint32_t random)
{
    uint64_t  wait, fifth;

    if (attempt == 0 || attempt > schedule->nwaits) {
        return 0;
    }

    wait = schedule->waits[attempt - 1];
    fifth = wait / 5;

    wait = wait - fifth + random % (2 * fifth + 1);

    return (wait > UINT32_MAX) ? UINT32_MAX : (uint32_t) wait;
}


plum_attempt_result_t
plum_attempt_result(unsigned status, unsigned success, uint64_t retry_after)
{
    if (success) {
        return PLUM_ATTEMPT_DELIVERED;
    }

    if (status == 410) {
        return PLUM_ATTEMPT_GONE;
    }

    if ((status == 429 || status == 503) && retry_after != 0) {
        return PLUM_ATTEMPT_PAUSE;
    }

    return PLUM_ATTEMPT_AGAIN;
}


uint64_t
plum_retry_after(const plum_str_t *value, int64_t parsed_date, int64_t now)
{
    size_t   digits;
    int64_t  seconds;

    digits = plum_str_number(value, &seconds);

    if (digits == 0 || digits != value->len) {

        if (parsed_date <= now) {
            return 0;
        }

        seconds = parsed_date - now;
    }

    if (seconds > PLUM_RETRY_AFTER_MAX / 1000) {
        return PLUM_RETRY_AFTER_MAX;
    }

    return (uint64_t) seconds * 1000;
}
