/*
 * Spellings of a signature: hexadecimal, base64, lists of several.
 */

#include "corpus.h"


static void
test_hex(void **state)
{
    char              signature[SIG_MAX], good[SIG_MAX], *p;
    size_t            i, len;
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        if (s->base64) {
            continue;
        }

        sign(s, FIRST, NOW_TEXT, BODY, good);
        len = strlen(good);

        memcpy(signature, good, sizeof(good));

        for (p = signature; *p; p++) {
            *p = (char) ((*p >= 'a') ? *p - 32 : *p);
        }

        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_OK);

        for ( /* void */ ; len > 1; len--) {
            memcpy(signature, good, sizeof(good));
            signature[len - 1] = '\0';
            assert_int_equal(submit_one(s, signature),
                             PLUM_CREDENTIAL_MALFORMED);
        }

        (void) snprintf(signature, SIG_MAX, "%.130s0", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "%.130s00", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, " %.130s", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "%.130s ", good);
        assert_int_equal(submit_one(s, signature),
                         s->separator ? PLUM_CREDENTIAL_OK
                                      : PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "0x%.130s", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);

        memcpy(signature, good, sizeof(good));
        signature[7] = 'g';
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
    }
}


static void
test_base64(void **state)
{
    int               n;
    char              signature[SIG_MAX], good[SIG_MAX], body[64];
    char              value[VALUE_MAX], *p;
    size_t            i, len;
    const char       *list[1] = { signature };
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        if (!s->base64) {
            continue;
        }

        /* a signature with both of the digits that URL-safe base64 changes */

        n = 0;

        do {
            (void) snprintf(body, sizeof(body), "{\"n\":%d}", n++);
            sign(s, FIRST, NOW_TEXT, body, good);
        } while (strchr(good, '+') == NULL || strchr(good, '/') == NULL);

        memcpy(signature, good, sizeof(good));
        wrap(s, NOW_TEXT, list, 1, value);
        assert_int_equal(submit(s, value, NOW_TEXT, body).rc,
                         PLUM_CREDENTIAL_OK);

        for (p = signature; *p; p++) {
            *p = (char) ((*p == '+') ? '-' : (*p == '/') ? '_' : *p);
        }

        wrap(s, NOW_TEXT, list, 1, value);
        assert_int_equal(submit(s, value, NOW_TEXT, body).rc,
                         PLUM_CREDENTIAL_MALFORMED);

        sign(s, FIRST, NOW_TEXT, BODY, good);
        len = strlen(good);
        assert_int_equal(submit_one(s, good), PLUM_CREDENTIAL_OK);

        /* cut off anywhere: without padding, without its last bytes */

        for ( /* void */ ; len > 1; len--) {
            memcpy(signature, good, sizeof(good));
            signature[len - 1] = '\0';
            assert_int_equal(submit_one(s, signature),
                             PLUM_CREDENTIAL_MALFORMED);
        }

        (void) snprintf(signature, SIG_MAX, "%.100sAAAA", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "AAAA%.100s", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "%.100s\n", good);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "%.8s %.100s", good, good + 8);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
        (void) snprintf(signature, SIG_MAX, "%.8s\t%.100s", good, good + 8);
        assert_int_equal(submit_one(s, signature), PLUM_CREDENTIAL_MALFORMED);
    }
}


/* other spellings of the last digit before "=" are not the same signature */

static void
test_base64_unused_bits(void **state)
{
    char              good[SIG_MAX], signature[SIG_MAX];
    size_t            i, last;
    const char       *p;
    const subject_t  *s;

    (void) state;

    s = &subjects[0];
    sign(s, FIRST, NOW_TEXT, BODY, good);
    last = strlen(good) - 2;
    assert_int_equal(good[last + 1], '=');

    p = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (i = 0; i < 64; i++) {
        memcpy(signature, good, sizeof(good));
        signature[last] = p[i];
        assert_int_equal(submit_one(s, signature),
                         (p[i] == good[last]) ? PLUM_CREDENTIAL_OK
                         : (i % 4) ? PLUM_CREDENTIAL_MALFORMED
                         : PLUM_CREDENTIAL_MISMATCH);
    }
}


static void
test_candidates(void **state)
{
    char              right[SIG_MAX], wrong[SIG_MAX], value[VALUE_MAX];
    size_t            i, n, place;
    result_t          result;
    const char       *list[20];
    const subject_t  *s;

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        if (!s->separator) {
            continue;
        }

        sign(s, SECOND, NOW_TEXT, BODY, right);
        sign(s, STRANGER, NOW_TEXT, BODY, wrong);

        for (n = 1; n <= 18; n++) {
            for (place = 0; place <= n; place++) {
                for (size_t k = 0; k < n; k++) {
                    list[k] = (k == place) ? right : wrong;
                }

                wrap(s, NOW_TEXT, list, n, value);
                result = submit(s, value, NOW_TEXT, BODY);
                assert_int_equal(result.rc,
                                 (n > 16) ? PLUM_CREDENTIAL_MALFORMED
                                 : (place < n) ? PLUM_CREDENTIAL_OK
                                 : PLUM_CREDENTIAL_MISMATCH);

                if (result.rc == PLUM_CREDENTIAL_OK) {
                    assert_int_equal(result.matched, 1);
                }
            }
        }

        /* potatoes are passed over, but not without end */

        for (n = 0; n < 20; n++) {
            list[n] = "potato";
        }

        wrap(s, NOW_TEXT, list, 3, value);
        assert_int_equal(submit(s, value, NOW_TEXT, BODY).rc,
                         PLUM_CREDENTIAL_MALFORMED);
        list[15] = right;
        wrap(s, NOW_TEXT, list, 16, value);
        assert_int_equal(submit(s, value, NOW_TEXT, BODY).rc,
                         PLUM_CREDENTIAL_OK);
        wrap(s, NOW_TEXT, list, 17, value);
        assert_int_equal(submit(s, value, NOW_TEXT, BODY).rc,
                         PLUM_CREDENTIAL_MALFORMED);
    }
}


/* what is passed over is counted, too: a list is cut into 64 items at most */

static void
test_many_items(void **state)
{
    char              right[SIG_MAX], value[VALUE_MAX];
    size_t            i, k, n, len;
    const subject_t  *s;
    static const char *const  fillers[] = { "", "x", "v9=aGVsbG8" };

    (void) state;

    for (i = 0; i < unit_nelts(subjects); i++) {
        s = &subjects[i];

        if (!s->separator) {
            continue;
        }

        sign(s, FIRST, NOW_TEXT, BODY, right);

        for (k = 0; k < unit_nelts(fillers); k++) {
            for (n = 50; n <= 70; n++) {

                /* a timestamp in the list is an item, and the signature */

                len = (size_t) (s->stamped
                                ? snprintf(value, VALUE_MAX, "%s="
                                           NOW_TEXT "%c",
                                           s->stamped, s->separator)
                                : 0);

                for (size_t j = s->stamped ? 2 : 1; j < n; j++) {
                    len += (size_t) snprintf(value + len, VALUE_MAX - len,
                                             "%s%c", fillers[k],
                                             s->separator);
                }

                (void) snprintf(value + len, VALUE_MAX - len, "%s%s",
                                s->prefix, right);
                assert_int_equal(submit(s, value, NOW_TEXT, BODY).rc,
                                 (n > 64) ? PLUM_CREDENTIAL_MALFORMED
                                          : PLUM_CREDENTIAL_OK);
            }
        }
    }
}


static void
test_items(void **state)
{
    char                right[SIG_MAX], value[VALUE_MAX];
    size_t              i;
    const subject_t    *s;
    static const struct {
        size_t       subject;
        const char  *format;
        int          ok;
    } tests[] = {
        { 0, "v1,%s", 1 },
        { 0, "v2,%s v1,%s", 1 },
        { 0, "v1,%s v2,%s", 1 },
        { 0, " v1,%s  ", 1 },
        { 0, "v1,%s  v0,x", 1 },
        { 0, "v10,%s", 0 },
        { 0, "v1%s", 0 },
        { 0, "v1=%s", 0 },
        { 0, "V1,%s", 0 },
        { 0, "v1, %s", 0 },
        { 0, "v1,%s,v1,%s", 0 },
        { 0, "v1a,%s", 0 },
        { 2, "t=" NOW_TEXT ",v1=%s", 1 },
        { 2, "v1=%s,t=" NOW_TEXT, 1 },
        { 2, "t=" NOW_TEXT ",v0=%s,v1=%s,x,,v", 1 },
        { 2, "t=" NOW_TEXT ",v0=%s", 0 },
        { 2, "t=" NOW_TEXT ",v1=%s,t=" NOW_TEXT, 0 },
        { 2, "t=" NOW_TEXT ",t=1,v1=%s", 0 },
        { 2, "t=1,v1=%s,t=" NOW_TEXT, 0 },
        { 2, "v1=%s", 0 },
        { 2, "t=,v1=%s", 0 },
        { 2, "t,v1=%s", 0 },
        { 2, "tt=" NOW_TEXT ",v1=%s", 0 },
        { 2, "T=" NOW_TEXT ",v1=%s", 0 },
        { 2, "t=" NOW_TEXT " v1=%s", 0 },
        { 2, "t=" NOW_TEXT ";v1=%s", 1 },
        { 2, "t=" NOW_TEXT " ;\t v1=%s , v9=x", 1 },
        { 2, "t=" NOW_TEXT ", v1 =%s", 0 },
        { 2, "t=" NOW_TEXT ", v1= %s", 0 },
        { 2, "t= " NOW_TEXT ", v1=%s", 0 },
        { 2, "t=" NOW_TEXT "\n,v1=%s", 0 },
        { 2, "t=" NOW_TEXT ",v1:%s", 0 },
        { 2, "t=" NOW_TEXT ", v1=%s", 1 },
        { 2, "t=" NOW_TEXT, 0 },
        { 2, ",,,,", 0 },
        { 2, " ; , ", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        s = &subjects[tests[i].subject];
        sign(s, FIRST, NOW_TEXT, BODY, right);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void) snprintf(value, sizeof(value), tests[i].format, right, right);
#pragma GCC diagnostic pop

        assert_int_equal(submit(s, value, NOW_TEXT, BODY).rc,
                         tests[i].ok ? PLUM_CREDENTIAL_OK
                                     : PLUM_CREDENTIAL_MALFORMED);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_unused_bits),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_many_items),
        cmocka_unit_test(test_items)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
