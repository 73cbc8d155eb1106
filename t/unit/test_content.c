/*
 * Content templates: which are refused, which values are, and that no content
 * is left that two requests share.  Templates are tried by the thousand, each
 * with every combination of short values.
 */

#include "unit.h"

#include <plum_content.h>
#include <plum_str.h>


#define TOKENS        9
#define TEXTS         3                  /* tokens from here on have values */
#define VALUES        16
#define CONTENT_MAX   160
#define CONTENTS_MAX  40000


typedef struct {
    char      text[CONTENT_MAX];
    size_t    len;
    int       accepted;
} content_t;

typedef struct {
    plum_piece_t  pieces[PLUM_SCHEME_PIECES];
    size_t        npieces;
} template_t;

/* of each token: what it may be; those of a kind are the same in a request */

typedef struct {
    const char  *token;
    const char  *values[VALUES];
} token_t;


/*
 * Short values of few bytes, so that many meet; bodies begin and end as JSON
 * does, and hold all that may stand around them.
 */

static const token_t  tokens[TOKENS] = {
    { ".", { NULL } },
    { ":", { NULL } },
    { "..", { NULL } },
    { "{id}", { "0", ".", ":", "00", "0.", ".0", "0:", ":0", "..", "::",
                ".:", ":.", "/", "0/", NULL } },
    { "{header:X}", { "0", ".", ":", "00", "0.", ".0", "0:", ":0", "..",
                      "::", ".:", ":.", "/", "0/", NULL } },
    { "{header:Y}", { "0", ".", "0.", ".0", ":", "0:", "..", "/0", NULL } },
    { "{uri}", { "/", "/0", "/.", "/:", "/.0", "/0.", "//", NULL } },
    { "{timestamp}", { "2026-03-04T09:12:33", "2026-03-04T09:12:33.5Z",
                       "2026-03-04T09:12:33.00+01:00", "2026-03-04 09:12:33",
                       "1700000000", "01700000000", "17000000000", NULL } },
    { "{body}", { "{}", " []", "{.0:}", "{0.}\n", "[.{}]", NULL } }
};

#define TIMESTAMP  7
#define DATES      4                     /* timestamps that are no numbers */
#define BODY       8

static content_t  contents[CONTENTS_MAX];


static int
compare(const void *a, const void *b)
{
    int               rc;
    const content_t  *one = a, *two = b;

    rc = memcmp(one->text, two->text,
                (one->len < two->len) ? one->len : two->len);

    return rc ? rc : (one->len > two->len) - (one->len < two->len);
}


/* the token that a piece came from */

static size_t
token_of(const plum_piece_t *piece)
{
    switch (piece->kind) {

    case PLUM_PIECE_ID:
        return 3;

    case PLUM_PIECE_HEADER:
        return (piece->text.data[0] == 'X') ? 4 : 5;

    case PLUM_PIECE_URI:
        return 6;

    case PLUM_PIECE_TIMESTAMP:
        return TIMESTAMP;

    case PLUM_PIECE_BODY:
        return BODY;

    default:
        return 0;
    }
}


/* the content that a request with these values has */

static void
spell(const template_t *t, const char *const *values, content_t *content)
{
    size_t      i, k;
    plum_str_t  value;

    content->len = 0;
    content->accepted = 1;

    for (i = 0; i < t->npieces; i++) {
        k = token_of(&t->pieces[i]);
        value = (k < TEXTS) ? t->pieces[i].text : unit_str(values[k]);

        assert_true(content->len + value.len <= CONTENT_MAX);
        memcpy(content->text + content->len, value.data, value.len);
        content->len += value.len;

        content->accepted &= !plum_content_ambiguous(t->pieces, t->npieces,
                                                     i, &value);
    }
}


/* every combination of values of the tokens that a template has */

static size_t
spell_all(const template_t *t, size_t ntimestamps)
{
    int          used[TOKENS] = { 0 };
    size_t       i, n, at[TOKENS] = { 0 };
    const char  *values[TOKENS];

    for (i = 0; i < t->npieces; i++) {
        used[token_of(&t->pieces[i])] = 1;
    }

    n = 0;

    for ( ;; ) {

        if (n == CONTENTS_MAX) {
            return 0;
        }

        for (i = 0; i < TOKENS; i++) {
            values[i] = tokens[i].values[at[i]];
        }

        spell(t, values, &contents[n++]);

        for (i = TEXTS; i < TOKENS; i++) {
            if (used[i] && tokens[i].values[++at[i]]
                && (i != TIMESTAMP || at[i] < ntimestamps))
            {
                break;
            }

            at[i] = 0;
        }

        if (i == TOKENS) {
            return n;
        }
    }
}


/* contents that an accepted request, or any, shares with another request */

static size_t
shared(size_t n, int any)
{
    size_t  i, found;

    qsort(contents, n, sizeof(content_t), compare);
    found = 0;

    for (i = 1; i < n; i++) {
        found += (compare(&contents[i - 1], &contents[i]) == 0
                  && (any || contents[i - 1].accepted
                      || contents[i].accepted));
    }

    return found;
}


/* 1 if the template is one, and if its pieces can be told apart */

static int
make_template(const char *text, unsigned dated, template_t *t, int *apart)
{
    plum_str_t    content;
    plum_error_t  err;

    content = unit_str(text);

    if (plum_content_parse(&content, t->pieces, &t->npieces, &err)
        != PLUM_OK)
    {
        return 0;
    }

    *apart = (plum_content_check(&content, t->pieces, t->npieces, dated,
                                 &err)
              == PLUM_OK);

    return 1;
}


/* a template of so many tokens, from a number that stands for them */

static void
number_template(size_t number, size_t n, char *text)
{
    text[0] = '\0';

    while (n--) {
        (void) strcat(text, tokens[number % TOKENS].token);
        number /= TOKENS;
    }
}


static void
try_template(const char *text, unsigned dated, size_t *accepted)
{
    int         apart;
    size_t      n;
    template_t  t;

    if (!make_template(text, dated, &t, &apart) || !apart) {
        return;
    }

    n = spell_all(&t, dated ? DATES : VALUES);

    if (n == 0) {
        return;
    }

    (*accepted)++;

    if (shared(n, 0)) {
        fail_msg("%s, dated %u: contents that two requests share", text,
                 dated);
    }
}


static void
test_unique(void **state)
{
    char      text[256];
    size_t    i, n, all, accepted;
    uint64_t  seed;

    (void) state;

    accepted = 0;
    all = 1;

    for (n = 1; n <= 4; n++) {
        all *= TOKENS;

        for (i = 0; i < all; i++) {
            number_template(i, n, text);
            try_template(text, 0, &accepted);
            try_template(text, 1, &accepted);
        }
    }

    assert_in_range(accepted, 500, all);

    /* some of the longer ones */

    seed = 1;

    for (i = 0; i < 30000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        number_template((size_t) (seed >> 24), 5 + i % 4, text);
        try_template(text, i % 2, &accepted);
    }

    assert_in_range(accepted, 1000, 60000);
}


/* the test would see it: templates that are refused share contents */

static void
test_refused_templates(void **state)
{
    int                       apart;
    size_t                    i;
    template_t                t;
    static const char *const  refused[] = {
        "{id}{header:X}.{body}", "{header:X}{header:Y}{body}",
        "{id}{timestamp}.{body}", "{id}{timestamp}{body}",
        "{uri}{id}.{body}", "{timestamp}{id}.{body}",
        "{body}.{id}{header:X}", "{body}.{header:X}{uri}"
    };

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        assert_true(make_template(refused[i], 0, &t, &apart));
        assert_false(apart);
        assert_true(shared(spell_all(&t, VALUES), 1) > 0);
    }
}


/* what the senders of this world sign */

static void
test_accepted_templates(void **state)
{
    int         apart;
    size_t      i;
    template_t  t;
    static const struct {
        const char  *text;
        unsigned     dated;
        int          apart;
    } tests[] = {
        { "{body}", 0, 1 },
        { "{id}.{timestamp}.{body}", 0, 1 },
        { "{timestamp}.{body}", 0, 1 },
        { "v0:{timestamp}:{body}", 0, 1 },
        { "{timestamp}{body}", 0, 1 },
        { "{body}{timestamp}", 0, 1 },
        { "{id}{timestamp}{body}", 1, 1 },
        { "{id}{timestamp}{body}", 0, 0 },
        { "{id}{timestamp}.{body}", 1, 0 },
        { "{body}{id}{timestamp}", 1, 0 },
        { "{timestamp}{timestamp}{body}", 1, 0 },
        { "POSThttps://{header:Host}{uri}{body}{timestamp}", 0, 1 },
        { "{header:X}{uri}{body}", 0, 0 },
        { "{id}{uri}{body}", 0, 0 },
        { "{timestamp}{uri}{body}", 0, 1 },
        { "{uri}{uri}{body}", 0, 0 },
        { "{uri}{body}", 0, 1 },
        { "{header:X}{body}", 0, 1 },
        { "{body}{header:X}", 0, 1 },
        { "{body}{uri}{timestamp}", 0, 0 },
        { "{id}.{body}.{timestamp}", 0, 1 },
        { "{header:X}.{header:Y}.{timestamp}.{body}", 0, 1 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        assert_true(make_template(tests[i].text, tests[i].dated, &t,
                                  &apart));
        assert_int_equal(apart, tests[i].apart);
    }
}


static void
test_values(void **state)
{
    int         apart;
    size_t      i;
    template_t  t;
    plum_str_t  value;
    static const struct {
        const char  *text;
        size_t       n;
        const char  *value;
        int          ambiguous;
    } tests[] = {
        { "{id}.{timestamp}.{body}", 0, "msg_2Lh-9:x/y{z}[]~", 0 },
        { "{id}.{timestamp}.{body}", 0, "msg.1", 1 },
        { "{id}.{timestamp}.{body}", 0, ".", 1 },
        { "{id}.{timestamp}.{body}", 2, "17.5", 0 },    /* not its business */
        { "{id}..{body}", 0, "a.b", 0 },
        { "{id}..{body}", 0, "a.", 1 },                 /* an overlap */
        { "{id}..{body}", 0, ".a", 0 },
        { "{body}..{id}", 2, "a.", 0 },
        { "{body}..{id}", 2, ".a", 1 },
        { "{body}..{id}", 2, "a..b", 1 },
        { "v0.{id}:{body}", 1, "a.b", 0 },              /* in front of all */
        { "{body}:{id}.end", 2, "a.end", 0 },           /* behind all */
        { "{header:A}.{header:B}:{body}", 0, "refund.created", 1 },
        { "{header:A}.{header:B}:{body}", 2, "created.77", 1 },
        { "{header:A}.{header:B}:{body}", 0, "a:b", 0 },
        { "{header:A}.{header:B}:{body}", 2, "a:b", 1 },
        { "{header:A}.{header:B}:{body}", 2, "{a}", 0 },
        { "{uri}.{body}", 0, "/a.php", 1 },
        { "{uri}:{body}", 0, "/a.php?x[]={}", 0 },
        { "{uri}{body}", 0, "/a.php", 0 },
        { "{uri}{body}", 0, "/a?x[]=1", 1 },
        { "{uri}{body}", 0, "/a{", 1 },
        { "{header:A}{body}", 0, "a}", 0 },
        { "{header:A}{body}", 0, "a b", 1 },
        { "{header:A}{body}", 0, "a\tb", 1 },
        { "{body}{header:A}", 1, "a{[", 0 },
        { "{body}{header:A}", 1, "]", 1 },
        { "{body}{header:A}", 1, "}a", 1 },
        { "{body}{header:A}", 1, "a b", 1 },
        { "{header:Host}{uri}{body}", 0, "a.example:8080", 0 },
        { "{header:Host}{uri}{body}", 0, "a/b", 1 },
        { "{id}{timestamp}{body}", 0, "e76c6bd4-55c9", 0 },
        { "{id}{timestamp}{body}", 0, "e2026-01-01T00:00:00Z", 0 },
        { "{id}{timestamp}{body}", 0, "e{", 1 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        assert_true(make_template(tests[i].text, 1, &t, &apart));
        assert_true(apart);
        value = unit_str(tests[i].value);
        assert_int_equal(plum_content_ambiguous(t.pieces, t.npieces,
                                                tests[i].n, &value),
                         tests[i].ambiguous);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_refused_templates),
        cmocka_unit_test(test_accepted_templates),
        cmocka_unit_test(test_values)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
