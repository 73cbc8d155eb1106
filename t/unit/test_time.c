/*
 * Timestamps: what is one, which instant it is, and when it is fresh.
 */

#include "unit.h"

#include <plum_time.h>


static void
test_unix(void **state)
{
    size_t                i;
    int64_t               seconds;
    plum_str_t            text;
    static const struct {
        const char  *text;
        int64_t      seconds;
    } good[] = {
        { "0", 0 }, { "1", 1 }, { "1614265330", 1614265330 },
        { "01614265330", 1614265330 }, { "999999999999", 999999999999 }
    };
    static const char    *bad[] = {
        "", "-1", "+1", " 1", "1 ", "1e9", "0x5", "1.0", "1614265330.5",
        "1614265330\n", "0000000000001", "1614265330000",
        "12345678901234567890", "99999999999999999999999999", "1,5", "nan",
        "\xd9\xa1"
    };

    (void) state;

    for (i = 0; i < unit_nelts(good); i++) {
        text = unit_str(good[i].text);
        assert_int_equal(plum_time_unix(&text, &seconds), PLUM_OK);
        assert_int_equal(seconds, good[i].seconds);
        seconds = -1;
        assert_int_equal(plum_time_any(&text, &seconds), PLUM_OK);
        assert_int_equal(seconds, good[i].seconds);
    }

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);
        assert_int_equal(plum_time_unix(&text, &seconds), PLUM_ERROR);
    }

    text.data = (const uint8_t *) "1\0" "2";
    text.len = 3;
    assert_int_equal(plum_time_unix(&text, &seconds), PLUM_ERROR);
}


/* the instants are those of GNU date */

static void
test_any(void **state)
{
    size_t                i;
    int64_t               seconds;
    plum_str_t            text;
    static const struct {
        const char  *text;
        int64_t      seconds;
    } good[] = {
        { "1614265330999", 1614265330 },
        { "0000000000000", 0 },
        { "9999999999999", 9999999999 },
        { "1970-01-01T00:00:00Z", 0 },
        { "1969-12-31T23:59:59Z", -1 },
        { "2026-03-04 09:12:33", 1772615553 },
        { "2026-03-04T09:12:33", 1772615553 },
        { "2026-03-04T09:12:33Z", 1772615553 },
        { "2026-03-04 09:12:33.123456789012Z", 1772615553 },
        { "2026-03-04T14:42:33+05:30", 1772615553 },
        { "2026-03-04T01:12:33-08:00", 1772615553 },
        { "2026-03-04T09:12:33-00:00", 1772615553 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "2024-02-29T00:00:00.5+00:00", 1709164800 },
        { "2023-12-31T23:59:59Z", 1704067199 },
        { "2016-12-31T23:59:60Z", 1483228800 },
        { "2017-01-01T05:29:60+05:30", 1483228800 },
        { "9999-12-31T23:59:59Z", 253402300799 },
        { "0001-01-01T00:00:00Z", -62135596800 },
        { "0000-03-01T00:00:00Z", -62162035200 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(good); i++) {
        text = unit_str(good[i].text);
        assert_int_equal(plum_time_any(&text, &seconds), PLUM_OK);
        assert_int_equal(seconds, good[i].seconds);

        /* a number is no date */

        seconds = good[i].seconds - 1;
        assert_int_equal(plum_time_date_time(&text, &seconds),
                         strchr(good[i].text, ':') ? PLUM_OK : PLUM_ERROR);
        assert_int_equal(seconds, strchr(good[i].text, ':')
                                  ? good[i].seconds : good[i].seconds - 1);
    }
}


static void
test_any_refused(void **state)
{
    size_t              i;
    int64_t             seconds;
    plum_str_t          text;
    static const char  *bad[] = {
        "", "now", "2026-03-04", "2026-03-04T09:12", "2026-03-04T09:12Z",
        "2026-03-04T09:12:33 Z", "2026-03-04T09:12:33z",
        "2026-03-04t09:12:33Z", "2026-03-04  09:12:33", "2026-3-4T09:12:33Z",
        "2026-13-04T09:12:33Z", "2026-00-04T09:12:33Z",
        "2026-03-00T09:12:33Z", "2026-03-32T09:12:33Z",
        "2026-04-31T09:12:33Z", "2026-02-29T09:12:33Z",
        "1900-02-29T09:12:33Z", "2026-03-04T24:00:00Z",
        "2026-03-04T09:60:00Z", "2026-03-04T09:00:61Z",
        "2026-03-04T09:00:60Z", "2026-03-04T23:59:60+01:00",
        "2026-03-04T09:12:33.", "2026-03-04T09:12:33.Z",
        "2026-03-04T09:12:33,5Z", "2026-03-04T09:12:33+5",
        "2026-03-04T09:12:33+0530", "2026-03-04T09:12:33+05:60",
        "2026-03-04T09:12:33+24:00", "2026-03-04T09:12:33+05:30Z",
        "2026-03-04T09:12:33ZZ", "2026-03-04T09:12:33Z ",
        " 2026-03-04T09:12:33Z", "-026-03-04T09:12:33Z",
        "2026-03-04T-9:12:33Z", "2026/03/04 09:12:33",
        "12345678901234", "-161426533000", "16142653300.0",
        "12345678901234567890", "1e9", " 1", "0x5",
        "Wed, 04 Mar 2026 09:12:33 GMT"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);

        if (plum_time_any(&text, &seconds) != PLUM_ERROR
            || plum_time_date_time(&text, &seconds) != PLUM_ERROR)
        {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}


static void
test_fresh(void **state)
{
    (void) state;

    assert_true(plum_time_fresh(1000, 1000, 0));
    assert_true(plum_time_fresh(1000, 1300, 300));
    assert_true(plum_time_fresh(1300, 1000, 300));
    assert_false(plum_time_fresh(1000, 1301, 300));
    assert_false(plum_time_fresh(1301, 1000, 300));
    assert_false(plum_time_fresh(1000, 1000, -1));
    assert_false(plum_time_fresh(INT64_MIN, INT64_MAX, 300));
    assert_false(plum_time_fresh(INT64_MAX, INT64_MIN, INT64_MAX));
    assert_true(plum_time_fresh(INT64_MAX, INT64_MAX - 300, 300));
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_any_refused),
        cmocka_unit_test(test_fresh)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
