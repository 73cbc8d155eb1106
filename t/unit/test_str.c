/*
 * Decimal numbers at the start of a text.
 */

#include "unit.h"

#include <plum_str.h>


static void
check_number(const char *text, size_t digits, int64_t value)
{
    int64_t     n;
    plum_str_t  str;

    str = unit_str(text);
    n = -1;

    assert_int_equal(plum_str_number(&str, &n), digits);
    assert_int_equal(n, value);
}


static void
test_number(void **state)
{
    (void) state;

    check_number("", 0, 0);
    check_number("x1", 0, 0);
    check_number("-1", 0, 0);
    check_number(" 1", 0, 0);
    check_number("0", 1, 0);
    check_number("007", 3, 7);
    check_number("300s", 3, 300);
    check_number("12:30", 2, 12);
    check_number("9223372036854775806", 19, INT64_MAX - 1);
    check_number("9223372036854775807", 19, INT64_MAX);
    check_number("9223372036854775808", 19, INT64_MAX);
    check_number("99999999999999999999999999", 26, INT64_MAX);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_number)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
