/*
 * Media types: what is one, what its charset is, and that the parser agrees
 * with the grammar of RFC 9110 written as a regular expression.
 */

#include "unit.h"

#include <regex.h>
#include <stdio.h>

#include <plum_media.h>


#define TCHAR    "[A-Za-z0-9!#$%&'*+.^_`|~-]"
#define TOKEN    TCHAR "+"
#define OWS      "[ \t]*"
#define QUOTED   "\"([^\x01-\x08\x0a-\x1f\"\\\x7f]"                           \
                 "|\\\\[^\x01-\x08\x0a-\x1f\x7f])*\""
#define GRAMMAR  "^" OWS TOKEN "/" TOKEN                                      \
                 "(" OWS ";" OWS "(" TOKEN "=(" TOKEN "|" QUOTED "))?)*"      \
                 OWS "$"

#define LONGEST  5


static const char  letters[] = "a/;=\"\\ \t,+";


/* a text with a NUL in it is none of these */

static int
agrees(const regex_t *grammar, const char *text)
{
    int           rc;
    plum_str_t    str;
    plum_media_t  media;

    str = unit_str(text);
    rc = (plum_media_parse(&str, &media) == PLUM_OK);

    if (rc != (regexec(grammar, text, 0, NULL, 0) == 0)) {
        print_message("# not as in the grammar: %s\n", text);
        return 0;
    }

    return 1;
}


static void
test_grammar(void **state)
{
    char                 text[64];
    size_t               i, k, n, at;
    regex_t              grammar;
    static const char   *before[] = { "", "a/b", "a/b;", "a/b;c=", "a/b;c=\"" };

    (void) state;

    assert_int_equal(regcomp(&grammar, GRAMMAR, REG_EXTENDED|REG_NOSUB), 0);

    /* every text of these letters, behind each beginning */

    n = 1;

    for (i = 0; i < LONGEST; i++) {
        n *= sizeof(letters);
    }

    for (k = 0; k < unit_nelts(before); k++) {
        for (i = 0; i < n; i++) {
            size_t  rest = i, len = strlen(before[k]);

            (void) strcpy(text, before[k]);

            for (at = 0; at < LONGEST; at++) {
                text[len + at] = letters[rest % sizeof(letters)];
                rest /= sizeof(letters);
            }

            text[len + LONGEST] = '\0';

            assert_true(agrees(&grammar, text));
        }
    }

    regfree(&grammar);
}


static void
test_bytes(void **state)
{
    char                text[64];
    size_t              k;
    regex_t             grammar;
    unsigned            ch;
    static const char  *frames[] = {
        "%ca/b", "a%c/b", "a/b%c", "a/b;c%c=d", "a/b;c=%c", "a/b;c=d%c",
        "a/b;c=\"%c\"", "a/b;c=\"\\%c\"", "a/b;%cc=d", "a/b%c;c=d"
    };

    (void) state;

    assert_int_equal(regcomp(&grammar, GRAMMAR, REG_EXTENDED|REG_NOSUB), 0);

    for (k = 0; k < unit_nelts(frames); k++) {
        for (ch = 1; ch < 256; ch++) {
            (void) snprintf(text, sizeof(text), frames[k], (int) ch);

            assert_true(agrees(&grammar, text));
        }
    }

    regfree(&grammar);
}


static void
test_charset(void **state)
{
    size_t               i;
    plum_str_t           str;
    plum_media_t         media;
    static const struct {
        const char      *text;
        int              rc;
        plum_charset_t   charset;
    } cases[] = {
        { "a/b", PLUM_OK, PLUM_CHARSET_NONE },
        { "a/b;;", PLUM_OK, PLUM_CHARSET_NONE },
        { "a/b; x=\"; charset=utf-7\"", PLUM_OK, PLUM_CHARSET_NONE },
        { "a/b; charsets=utf-7", PLUM_OK, PLUM_CHARSET_NONE },
        { "a/b; xcharset=utf-7", PLUM_OK, PLUM_CHARSET_NONE },
        { "a/b;charset=utf-8", PLUM_OK, PLUM_CHARSET_UTF_8 },
        { "a/b ; x=y; CharSet=UTF-8", PLUM_OK, PLUM_CHARSET_UTF_8 },
        { "a/b; charset=\"utf-8\"; x", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b; charset=\"Utf-8\";x=\"\"", PLUM_OK, PLUM_CHARSET_UTF_8 },
        { "a/b; charset=\"u\\tf\\-8\"", PLUM_OK, PLUM_CHARSET_UTF_8 },
        { "a/b; charset=utf8", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=utf-88", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=utf-", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=utf-7", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=utf-16", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset='utf-8'", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=\"\"", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=\" utf-8\"", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset*=utf-8''utf-8", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset*0=utf-8", PLUM_OK, PLUM_CHARSET_OTHER },
        { "a/b; charset=utf-8; charset=utf-8", PLUM_ERROR,
          PLUM_CHARSET_NONE },
        { "a/b; charset=utf-8; CHARSET=utf-7", PLUM_ERROR,
          PLUM_CHARSET_NONE },
        { "a/b; charset=utf-8; charset*=utf-8''utf-8", PLUM_ERROR,
          PLUM_CHARSET_NONE },
        { "a/b; charset=", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b; charset", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b; charset =utf-8", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b; charset= utf-8", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b charset=utf-8", PLUM_ERROR, PLUM_CHARSET_NONE },
        { "a/b, a/b", PLUM_ERROR, PLUM_CHARSET_NONE }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        str = unit_str(cases[i].text);

        assert_int_equal(plum_media_parse(&str, &media), cases[i].rc);

        if (cases[i].rc == PLUM_OK) {
            assert_int_equal(media.charset, cases[i].charset);
            assert_int_equal(media.type.len, 3);
            assert_ptr_equal(media.type.data, str.data);
        }
    }
}


static void
test_json(void **state)
{
    size_t              i;
    plum_str_t          type;
    static const struct {
        const char     *type;
        int             json;
    } cases[] = {
        { "application/json", 1 },
        { "Application/JSON", 1 },
        { "application/vnd.plum.v1+json", 1 },
        { "application/a+JSON", 1 },
        { "application/+json", 0 },
        { "application/json2", 0 },
        { "application/a+json2", 0 },
        { "application/ajson", 0 },
        { "application/xml", 0 },
        { "text/json", 0 },
        { "text/a+json", 0 },
        { "applications/json", 0 },
        { "x/json", 0 },
        { "+json", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        type = unit_str(cases[i].type);

        assert_int_equal(plum_media_json(&type), cases[i].json);
    }
}


/* the text need not end with a NUL, and may have one in it */

static void
test_ends(void **state)
{
    size_t                  len;
    uint8_t                *text;
    plum_str_t              str;
    plum_media_t            media;
    static const char       whole[] = "a/b; charset=\"utf\\-8\"";

    (void) state;

    for (len = 0; len <= sizeof(whole); len++) {
        text = malloc(len + 1);
        assert_non_null(text);

        (void) memcpy(text + 1, whole, len);

        str.data = text + 1;
        str.len = len;

        /* ends inside of the quoted value, or has the NUL */

        assert_int_equal(plum_media_parse(&str, &media),
                         (len >= 3 && len <= 5) || len == sizeof(whole) - 1
                         ? PLUM_OK : PLUM_ERROR);
        free(text);
    }

    str.data = NULL;
    str.len = 0;

    assert_int_equal(plum_media_parse(&str, &media), PLUM_ERROR);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_charset),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_ends)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
