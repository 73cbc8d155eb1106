/*
 * The scanner beside functions that look at a byte at a time: the same end
 * of a string, number or run of white space, or the same refusal, at every
 * place of a block, in memory that ends where the text does.
 */

#include "project.h"

#include <plum_scan.h>
#include <plum_trie.h>


#define ROUNDS     200000
#define LENGTH     160


static uint64_t  seed = 20260304;


static size_t
roll(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;

    return (size_t) (seed >> 33) % n;
}


/* a byte at a time, and no more than the grammar says */

static const uint8_t *
slow_string(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    size_t    n, i;
    uint32_t  code;

    for ( /* void */ ; p < end && *p != '"'; p += n) {
        n = 1;

        if (*p == '\\') {
            *escaped = 1;
            n = (end - p >= 2 && p[1] == 'u') ? 6 : 2;

            if (end - p < (ptrdiff_t) n || p[1] == '\0'
                || strchr("\"\\/bfnrtu", p[1]) == NULL)
            {
                return NULL;
            }

            for (i = 2; i < n; i++) {
                if (p[i] == '\0'
                    || strchr("0123456789abcdefABCDEF", p[i]) == NULL)
                {
                    return NULL;
                }
            }

        } else if (*p >= 0x80) {
            n = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

            if (*p < 0xc0 || *p >= 0xf8 || end - p < (ptrdiff_t) n) {
                return NULL;
            }

            code = *p & (0x7fu >> n);

            for (i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80) {
                    return NULL;
                }

                code = code << 6 | (p[i] & 0x3f);
            }

            if (code < (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u)
                || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            {
                return NULL;
            }

        } else if (*p < 0x20) {
            return NULL;
        }
    }

    return (p < end) ? p : NULL;
}


static void
check(const uint8_t *text, size_t len)
{
    size_t          i;
    uint8_t        *copy;
    unsigned        escaped, slow;
    const uint8_t  *end, *expected;

    copy = malloc(len ? len : 1);
    assert_non_null(copy);

    if (len != 0) {
        memcpy(copy, text, len);
    }

    slow = 0;
    escaped = 0;

    expected = slow_string(copy, copy + len, &slow);
    end = plum_scan_string(copy, copy + len, &escaped);

    if (end != expected || (end != NULL && escaped != slow)) {
        print_message("# %td, not %td:", end ? end - copy : -1,
                      expected ? expected - copy : -1);

        for (i = 0; i < len; i++) {
            print_message(" %02x", copy[i]);
        }

        print_message("\n");
        fail();
    }

    free(copy);
}


/* pieces that are right, nearly right and wrong, after one another */

static size_t
put_piece(uint8_t *at)
{
    size_t       n;
    const char  *piece;

    static const char  *const pieces[] = {
        "\\\\", "\\\"", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u00e9",
        "\\uD83c\\uDf81", "\\u12aF", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xe4\xbd\xb3", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf0\x9f\x8e\x81", "\xf4\x8f\xbf\xbf", "\x7f",
        "a", "u", "\\\\u", "plain text of some length, of no interest",

        "\\", "\\u", "\\u1", "\\u12g4", "\\U0000", "\\x", "\x80", "\xbf",
        "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x8e", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\x1f", "\"", "\n"
    };

    if (roll(40) == 0) {
        *at = (uint8_t) roll(256);
        return 1;
    }

    /* mostly right ones, as one wrong one ends it */

    piece = pieces[roll(roll(12) ? 26 : unit_nelts(pieces))];
    n = strlen(piece);
    memcpy(at, piece, n);

    return n;
}


static void
test_random(void **state)
{
    size_t   i, len, limit;
    uint8_t  text[LENGTH + 64];

    (void) state;

    for (i = 0; i < ROUNDS; i++) {
        limit = roll(LENGTH);

        for (len = 0; len < limit; len += put_piece(text + len)) {
            /* void */
        }

        if (roll(4)) {
            text[len++] = '"';
        }

        check(text, len - (len && roll(8) == 0));
    }
}


/* any three bytes at any place, and where a block or the text ends */

static void
test_places(void **state)
{
    size_t    i, before, after;
    uint8_t   text[LENGTH];
    unsigned  one, two;

    static const uint8_t  thirds[] = { 'a', '"', 0x80, 0xbf, '\\', 0xc3, 0 };

    (void) state;

    for (one = 0; one < 256; one++) {
        for (two = 0; two < 256; two++) {
            for (i = 0; i < sizeof(thirds); i++) {

                before = roll(68);
                after = roll(40);

                memset(text, 'x', sizeof(text));
                text[before] = (uint8_t) one;
                text[before + 1] = (uint8_t) two;
                text[before + 2] = thirds[i];
                text[before + 3 + after] = '"';

                check(text, before + 4 + after);
                check(text, before + 3);
            }
        }
    }
}


/* each bit of a block's masks, for any two bytes after one another */

PLUM_SCAN static void
test_blocks(void **state)
{
    unsigned  i, k, one, two, c;
    uint64_t  special, digits, points, blacks;
    uint8_t  *block;

    (void) state;

    block = malloc(PLUM_SCAN_BLOCK);
    assert_non_null(block);

    for (one = 0; one < 256; one++) {
        for (two = 0; two < 256; two++) {

            k = (unsigned) roll(2);

            for (i = 0; i < PLUM_SCAN_BLOCK; i++) {
                block[i] = (uint8_t) ((i + k) % 2 ? one : two);
            }

            special = plum_scan_special(block);
            digits = plum_scan_digits(block);
            points = plum_scan_points(block);
            blacks = plum_scan_blacks(block);

            for (i = 0; i < PLUM_SCAN_BLOCK; i++) {
                c = block[i];

                assert_int_equal(special >> i & 1, c == '"' || c == '\\'
                                                   || c < 0x20 || c >= 0x80);
                assert_int_equal(digits >> i & 1, c >= '0' && c <= '9');
                assert_int_equal(points >> i & 1, c == '.');
                assert_int_equal(blacks >> i & 1, c != ' ' && c != '\n'
                                                  && c != '\r' && c != '\t');
            }
        }
    }

    free(block);
}


/* every bit in which 32 bytes can differ, looked at or not */

PLUM_SCAN static void
test_differs(void **state)
{
    unsigned  i, at;
    uint8_t  *p;
    uint64_t  text[4], mask[4];

    (void) state;

    p = malloc(32);
    assert_non_null(p);

    for (i = 0; i < 32; i++) {
        p[i] = (uint8_t) roll(256);
    }

    for (at = 0; at < 256; at++) {
        memcpy(text, p, sizeof(text));
        memset(mask, 0xff, sizeof(mask));
        assert_int_equal(plum_scan_differs(p, text, mask), 0);

        ((uint8_t *) text)[at / 8] ^= (uint8_t) (1u << at % 8);
        assert_int_equal(plum_scan_differs(p, text, mask), 1);

        ((uint8_t *) mask)[at / 8] ^= (uint8_t) (1u << at % 8);
        assert_int_equal(plum_scan_differs(p, text, mask), 0);
    }

    free(p);
}


/* runs of backslashes of every length, everywhere */

static void
test_backslashes(void **state)
{
    size_t   before, run;
    uint8_t  text[LENGTH];

    (void) state;

    for (before = 0; before < 70; before++) {
        for (run = 0; run < 70; run++) {
            memset(text, 'x', sizeof(text));
            memset(text + before, '\\', run);
            memcpy(text + before + run, "\"u1aF9\"", 7);

            check(text, before + run + 7);
            text[before + run] = 'u';
            check(text, before + run + 7);
            check(text, before + run);
        }
    }
}


static unsigned
is_number(const char *p)
{
    p += (*p == '-');

    if (*p == '0') {
        p++;

    } else if (*p >= '1' && *p <= '9') {
        p += strspn(p, "0123456789");

    } else {
        return 0;
    }

    if (*p == '.') {
        p++;

        if (strspn(p, "0123456789") == 0) {
            return 0;
        }

        p += strspn(p, "0123456789");
    }

    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '+' || p[1] == '-');

        if (strspn(p, "0123456789") == 0) {
            return 0;
        }

        p += strspn(p, "0123456789");
    }

    return *p == '\0';
}


/*
 * Numbers, right and wrong, and white space around them, near the end of a
 * text and far from it; project_run() sees to it that both walks agree.
 */

static void
test_tokens(void **state)
{
    size_t              i, k, len;
    char                text[256], token[48];
    uint8_t            *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_scratch_t     *scratch;
    plum_projection_t   result;
    plum_project_rc_t   rc;

    static const char  bytes[] = "0123456789-+.eE0011";

    (void) state;

    plan = project_plan("a.b [] c", &err);
    assert_non_null(plan);

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    for (i = 0; i < ROUNDS / 2; i++) {

        len = roll(roll(3) ? 8 : 44);

        for (k = 0; k < len; k++) {
            token[k] = bytes[roll(roll(3) ? 10 : 19)];
        }

        token[len] = '\0';

        len = (size_t) snprintf(text, sizeof(text),
                                "{\"a\":%*s{\"b\":%s%*s},\"c\":[\"%*s\"]}",
                                (int) roll(70), "", token,
                                roll(2) ? (int) roll(40) : 0, "",
                                (int) roll(40), "");

        rc = project_run(plan, scratch, (const uint8_t *) text, len, &out,
                         NULL, &copy, &result);

        if ((rc == PLUM_PROJECT_OK) != is_number(token)) {
            fail_msg("%s", text);
        }

        free(out);
        free(copy);
    }

    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_backslashes),
        cmocka_unit_test(test_tokens)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

#if defined(PLUM_WITH_AVX2)
    if (!plum_scan_has_avx2()) {
        printf("1..0 # SKIP no AVX2 here\n");
        return 0;
    }
#endif

    return cmocka_run_group_tests(tests, NULL, NULL);
}
