/*
 * Texts as parts of pages: each kind, and that UTF-8 comes out whatever comes
 * in.
 */

#include "unit.h"

#include <plum_escape.h>


static const char *
escaped(plum_escape_t kind, const char *text, size_t len)
{
    size_t       n;
    plum_str_t   str;
    static char  out[1024];

    str.data = (const uint8_t *) text;
    str.len = len;

    n = plum_escape(kind, &str, (uint8_t *) out);
    assert_true(n <= PLUM_ESCAPE_MAX * len);
    out[n] = '\0';

    return out;
}


static void
test_kinds(void **state)
{
    static const char  text[] = "a\"b\\c\n\t<i>&'\x01";

    (void) state;

    assert_string_equal(escaped(PLUM_ESCAPE_LABEL, text, sizeof(text) - 1),
                        "a\\\"b\\\\c\\n\t<i>&'\x01");
    assert_string_equal(escaped(PLUM_ESCAPE_JSON, text, sizeof(text) - 1),
                        "a\\\"b\\\\c\\u000a\\u0009<i>&'\\u0001");
    assert_string_equal(escaped(PLUM_ESCAPE_HTML, text, sizeof(text) - 1),
                        "a&quot;b\\c\n\t&lt;i&gt;&amp;&#39;\x01");
    assert_string_equal(escaped(PLUM_ESCAPE_HTML, "\0", 1), "\xef\xbf\xbd");
    assert_string_equal(escaped(PLUM_ESCAPE_JSON, "\0", 1), "\\u0000");
    assert_string_equal(escaped(PLUM_ESCAPE_LABEL, "", 0), "");
}


/* each pair of bytes, and each first byte with the borders of the second one */

static void
test_utf8(void **state)
{
    size_t         i;
    char           four[4];
    unsigned       a, b;
    plum_str_t     str, out;
    static const struct {
        const char  *text;
        int          valid;
    }  cases[] = {
        { "", 1 }, { "a", 1 }, { "\xc3\xa9", 1 }, { "\xe2\x82\xac", 1 },
        { "\xf0\x9f\x8d\x91", 1 }, { "\xf4\x8f\xbf\xbf", 1 },
        { "\xed\x9f\xbf", 1 }, { "\xee\x80\x80", 1 },
        { "\xc0\xaf", 0 }, { "\xc1\xbf", 0 }, { "\xe0\x80\xaf", 0 },
        { "\xed\xa0\x80", 0 }, { "\xf0\x80\x80\xaf", 0 },
        { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
        { "\xff", 0 }, { "\x80", 0 }, { "\xe2\x82", 0 }, { "\xc3", 0 },
        { "\xc3(", 0 }, { "\xf0\x9f\x8d", 0 }, { "\xe2(\xac", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        str = unit_str(cases[i].text);
        assert_int_equal(plum_utf8(&str), cases[i].valid);
    }

    for (a = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            four[0] = (char) a;
            four[1] = (char) b;
            four[2] = (char) 0x80;
            four[3] = (char) 0x80;

            for (i = 1; i <= 4; i++) {
                out.data = (const uint8_t *) escaped(PLUM_ESCAPE_LABEL, four,
                                                     i);
                out.len = strlen((const char *) out.data);
                assert_true(plum_utf8(&out));
            }
        }
    }

    assert_string_equal(escaped(PLUM_ESCAPE_JSON, "a\xff" "b\xc3\xa9", 5),
                        "a\xef\xbf\xbd" "b\xc3\xa9");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_utf8)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
