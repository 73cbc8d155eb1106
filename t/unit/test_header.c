/*
 * Names of headers: what is one name, and which names a scheme reads.
 */

#include "unit.h"

#include <plum_header.h>
#include <plum_scheme.h>


/* the rule in the words of the header file, byte by byte */

static uint8_t
canonical(uint8_t ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return (uint8_t) (ch | 0x20);
    }

    return ch == '_' ? '-' : ch;
}


static void
test_bytes(void **state)
{
    unsigned    a, b;
    uint8_t     left[3] = "a?b", right[3] = "A?B";
    plum_str_t  one, two;

    (void) state;

    one.data = left;
    one.len = 3;
    two.data = right;
    two.len = 3;

    for (a = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            left[1] = (uint8_t) a;
            right[1] = (uint8_t) b;

            assert_int_equal(plum_header_same(&one, &two),
                             canonical((uint8_t) a)
                             == canonical((uint8_t) b));
        }
    }
}


static void
test_names(void **state)
{
    size_t                i;
    plum_str_t            one, two;
    static const struct {
        const char  *one;
        const char  *two;
        int          same;
    } cases[] = {
        { "x-api-key", "X_Api_Key", 1 },
        { "x-api-key", "x_api-KEY", 1 },
        { "x-api-key", "x-api-keys", 0 },
        { "x-api-key", "xapikey", 0 },
        { "x-api-key", "x.api.key", 0 },
        { "_", "-", 1 },
        { "", "", 1 },
        { "", "-", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        one = unit_str(cases[i].one);
        two = unit_str(cases[i].two);

        assert_int_equal(plum_header_same(&one, &two), cases[i].same);
        assert_int_equal(plum_header_same(&two, &one), cases[i].same);
    }
}


static void
test_reads(void **state)
{
    size_t             i, k;
    plum_str_t         name, want;
    plum_error_t       err;
    plum_scheme_t      scheme;
    const plum_str_t  *got;
    static const struct {
        const char  *preset;
        const char  *content;
        const char  *names[5];
    } cases[] = {
        { "api-key", NULL, { "x-api-key", NULL } },
        { "body-token", NULL, { NULL } },
        { "stripe", NULL, { "stripe-signature", NULL } },
        { "svix", NULL, { "svix-signature", "svix-timestamp", "svix-id",
                          NULL } },
        { "github", "{header:A}.{body}.{header:B}",
          { "x-hub-signature-256", "A", "B", NULL } }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        name = unit_str(cases[i].preset);
        scheme = *plum_scheme_find(&name);

        if (cases[i].content) {
            scheme.content = unit_str(cases[i].content);
        }

        (void) plum_scheme_finish(&scheme, &err);

        for (k = 0; cases[i].names[k]; k++) {
            got = plum_scheme_reads(&scheme, k);
            want = unit_str(cases[i].names[k]);

            assert_non_null(got);
            assert_int_equal(got->len, want.len);
            assert_memory_equal(got->data, want.data, want.len);
        }

        assert_null(plum_scheme_reads(&scheme, k));
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_reads)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
