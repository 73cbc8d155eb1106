/*
 * Waits between attempts, what outcomes mean, and the breaker.
 */

#include "unit.h"

#include <plum_delivery.h>


static void
test_schedule(void **state)
{
    uint32_t         wait, random;
    plum_error_t     err;
    plum_schedule_t  schedule = { 0 };

    (void) state;

    assert_int_equal(plum_schedule_add(&schedule, 5000, &err), PLUM_OK);
    assert_int_equal(plum_schedule_add(&schedule, 30000, &err), PLUM_OK);

    assert_int_equal(plum_schedule_add(&schedule, 30000, &err), PLUM_ERROR);
    assert_string_equal(err.text, "the waits of \"retry=\" must grow");
    assert_int_equal(plum_schedule_add(&schedule, 0, &err), PLUM_ERROR);
    assert_int_equal(plum_schedule_add(&schedule, (uint64_t) UINT32_MAX + 1,
                                       &err), PLUM_ERROR);
    assert_int_equal(schedule.nwaits, 2);

    for (random = 0; random < 100000; random += 7) {
        wait = plum_schedule_wait(&schedule, 1, random);
        assert_in_range(wait, 4000, 6000);

        wait = plum_schedule_wait(&schedule, 2, random * 40503u);
        assert_in_range(wait, 24000, 36000);
    }

    assert_int_equal(plum_schedule_wait(&schedule, 1, 0), 4000);
    assert_int_equal(plum_schedule_wait(&schedule, 1, 2000), 6000);
    assert_int_equal(plum_schedule_wait(&schedule, 3, 0), 0);
    assert_int_equal(plum_schedule_wait(&schedule, UINT64_MAX, 0), 0);
}


static void
test_schedule_limits(void **state)
{
    uint64_t         i;
    plum_error_t     err;
    plum_schedule_t  schedule = { 0 };

    (void) state;

    for (i = 1; i <= PLUM_SCHEDULE_WAITS; i++) {
        assert_int_equal(plum_schedule_add(&schedule, i, &err), PLUM_OK);
    }

    assert_int_equal(plum_schedule_add(&schedule, i, &err), PLUM_ERROR);

    /* a wait of a millisecond has no fifth */

    assert_int_equal(plum_schedule_wait(&schedule, 1, UINT32_MAX), 1);

    schedule.waits[0] = UINT32_MAX;
    assert_in_range(plum_schedule_wait(&schedule, 1, UINT32_MAX),
                    UINT32_MAX / 5 * 4, UINT32_MAX);
}


static void
test_result(void **state)
{
    (void) state;

    assert_int_equal(plum_attempt_result(200, 1, 0), PLUM_ATTEMPT_DELIVERED);
    assert_int_equal(plum_attempt_result(410, 1, 0), PLUM_ATTEMPT_DELIVERED);
    assert_int_equal(plum_attempt_result(410, 0, 0), PLUM_ATTEMPT_GONE);
    assert_int_equal(plum_attempt_result(0, 0, 0), PLUM_ATTEMPT_AGAIN);
    assert_int_equal(plum_attempt_result(400, 0, 0), PLUM_ATTEMPT_AGAIN);
    assert_int_equal(plum_attempt_result(302, 0, 9), PLUM_ATTEMPT_AGAIN);
    assert_int_equal(plum_attempt_result(503, 0, 0), PLUM_ATTEMPT_AGAIN);
    assert_int_equal(plum_attempt_result(503, 0, 9), PLUM_ATTEMPT_PAUSE);
    assert_int_equal(plum_attempt_result(429, 0, 9), PLUM_ATTEMPT_PAUSE);
    assert_int_equal(plum_attempt_result(500, 0, 9), PLUM_ATTEMPT_AGAIN);
}


static void
check_retry_after(const char *text, int64_t date, uint64_t expected)
{
    plum_str_t  value;

    value = unit_str(text);

    assert_int_equal(plum_retry_after(&value, date, 1000), expected);
}


static void
test_retry_after(void **state)
{
    (void) state;

    check_retry_after("0", -1, 0);
    check_retry_after("120", -1, 120000);
    check_retry_after("3600", -1, 3600000);
    check_retry_after("3601", -1, PLUM_RETRY_AFTER_MAX);
    check_retry_after("99999999999999999999999999", -1,
                      PLUM_RETRY_AFTER_MAX);
    check_retry_after("", -1, 0);
    check_retry_after("-1", -1, 0);
    check_retry_after("1.5", -1, 0);
    check_retry_after("a date", 1060, 60000);
    check_retry_after("a date", 900, 0);
    check_retry_after("a date", INT64_MAX, PLUM_RETRY_AFTER_MAX);
}


static void
test_breaker(void **state)
{
    uint64_t        wait;
    plum_breaker_t  b = { 0 };

    (void) state;

    assert_int_equal(plum_breaker_places(&b, 8, 0, &wait), 8);

    /* failures in a row */

    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 0), 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 0), 0);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 0), 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 0), 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 5), 1);

    assert_int_equal(plum_breaker_places(&b, 8, 6, &wait), 0);
    assert_int_equal(wait, 999);

    /* those that were under way neither close it nor prolong it */

    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 500), 0);
    assert_int_equal(plum_breaker_places(&b, 8, 1004, &wait), 0);
    assert_int_equal(wait, 1);

    /* one probe, which fails */

    assert_int_equal(plum_breaker_places(&b, 8, 1005, &wait), 1);
    assert_int_equal(wait, 0);
    assert_int_equal(plum_breaker_failure(&b, 3, 1000, 1005), 1);
    assert_int_equal(plum_breaker_places(&b, 8, 2004, &wait), 0);

    /* one that succeeds, then 2, then 4 at once, then all */

    assert_int_equal(plum_breaker_places(&b, 8, 2005, &wait), 1);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_places(&b, 8, 2005, &wait), 2);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_places(&b, 8, 2005, &wait), 2);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_places(&b, 8, 2005, &wait), 4);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_success(&b, 8), 0);
    assert_int_equal(plum_breaker_success(&b, 8), 1);
    assert_int_equal(plum_breaker_places(&b, 8, 2005, &wait), 8);
    assert_int_equal(b.state, PLUM_BREAKER_CLOSED);

    /* a failure while it starts slowly opens it at once */

    b.state = PLUM_BREAKER_SLOW;
    b.places = 2;
    assert_int_equal(plum_breaker_failure(&b, 100, 10, 3000), 1);
    assert_int_equal(plum_breaker_places(&b, 8, 3000, &wait), 0);
}


static void
test_breaker_limits(void **state)
{
    uint64_t        wait;
    unsigned        i;
    plum_breaker_t  b = { 0 };

    (void) state;

    for (i = 0; i < 1000; i++) {
        assert_int_equal(plum_breaker_failure(&b, 0, 1000, 0), 0);
    }

    assert_int_equal(plum_breaker_places(&b, 1, 0, &wait), 1);

    b.failures = UINT32_MAX;
    assert_int_equal(plum_breaker_failure(&b, 1, 10, 0), 1);
    assert_int_equal(b.failures, UINT32_MAX);

    /* with one place the probe is all */

    assert_int_equal(plum_breaker_places(&b, 1, 10, &wait), 1);
    assert_int_equal(plum_breaker_success(&b, 1), 1);
    assert_int_equal(b.state, PLUM_BREAKER_CLOSED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_schedule_limits),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_breaker_limits)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
