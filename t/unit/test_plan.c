/*
 * Plans: the grammar of paths, limits, what is refused; captures.
 */

#include "project.h"

#include <plum_path.h>


#define DEEP   (PLUM_JSON_DEPTH + 2)


static void
test_grammar(void **state)
{
    size_t        i;
    plum_str_t    path;
    plum_error_t  err;

    static const char  *good[] = {
        "**", "*", "a", "[]", "a.b", "[].a", "a[]", "a[].b", "[][]", "a.**",
        "*.**", "[].**", "*.*", "*[]", "*.a[][].*.**", "\"\"", "\"a.b\".c",
        "\"*\"", "\"[]\"[]", "\"\\\"\\\\\"", "\"a b\"", "a-b_c$", "\xc3\xa9",
        "0", "$id", "@type", "a:b", "\"/\"", "\"$\".a", "a.\"0\"", "\"-\""
    };

    static const char  *bad[] = {
        "", ".", ".a", "a.", "a..b", "a.[]", "a[]b", "[]a", "[", "]", "a[",
        "a]", "a[0]", "[*]", "a*", "*a", "**a", "**.a", "a.**.b", "***",
        "a.***", "a**", "[]**", "[]*", "a b", " a", "a ", "a\t", "\"a", "\"",
        "\"a\"b", "a\"b\"", "\"a\\n\"", "\"a\\", "\"\\", "a\n.b", "a\"",
        "**[]", "-a", "a.-b", "a(b)", "a|b", "a;b", "{a}", "a<b", "!a", "a`b"
    };

    (void) state;

    for (i = 0; i < unit_nelts(good); i++) {
        path = unit_str(good[i]);

        if (plum_path_check(&path, &err) != PLUM_OK) {
            fail_msg("%s refused: %s", good[i], err.text);
        }
    }

    for (i = 0; i < unit_nelts(bad); i++) {
        path = unit_str(bad[i]);
        err.text[0] = '\0';

        if (plum_path_check(&path, &err) != PLUM_ERROR) {
            fail_msg("%s accepted", bad[i]);
        }

        assert_true(strncmp(err.text, "path \"", 6) == 0);
        assert_true(err.text[strlen(err.text) - 1] != '.');
    }
}


/* other languages for paths: what was meant is said */

static void
test_foreign_paths(void **state)
{
    char          text[256];
    size_t        i;
    plum_str_t    path;
    plum_error_t  err;

    static const struct {
        const char  *path;
        const char  *wrong;
        const char  *hint;
    } list[] = {
        { "$.data.id", "the root is not written", "\"data.id\"" },
        { "$", "the root is not written", "\"**\"" },
        { "@.id", "the root is not written", "\"id\"" },
        { "$[*].id", "the root is not written", "\"[].id\"" },
        { "$['data']['a b'].*", "the root is not written",
          "'data.\"a b\".*'" },
        { "$..id", "the root is not written", NULL },
        { "/data/id", "a name with \"/\" in front must be quoted",
          "\"data.id\"" },
        { "a./b", "a name with \"/\" in front must be quoted", NULL },
        { "#/data/id", "a name with \"/\" in front must be quoted",
          "\"data.id\"" },
        { "/a~1b/0/c", "a name with \"/\" in front must be quoted",
          "'\"a/b\"[].c'" },
        { "/", "a name with \"/\" in front must be quoted", NULL },
        { ".data.id", "name expected", "\"data.id\"" },
        { ".[].id", "name expected", "\"[].id\"" },
        { ".", "name expected", NULL },
        { "a..b", "name expected", NULL },
        { "data[0].id", "\".\" or \"[]\" expected after a step",
          "\"data[].id\"" },
        { "data.items[*]", "\".\" or \"[]\" expected after a step",
          "\"data.items[]\"" },
        { "data[\"id\"]", "\".\" or \"[]\" expected after a step",
          "\"data.id\"" },
        { "[0].id", "name expected", "\"[].id\"" },
        { "data->>id", "a name with \">\" must be quoted", "\"data.id\"" },
        { "data?.id", "a name with \"?\" must be quoted", "\"data.id\"" },
        { "data\\.id", "a name with \"\\\" must be quoted",
          "'\"data.id\"'" },
        { "a b", "\".\" or \"[]\" expected after a step", "'\"a b\"'" },
        { "id,name", "a name with \",\" must be quoted, paths are separated "
          "by spaces", NULL },
        { "event=x", "a name with \"=\" must be quoted", NULL },
        { "-id", "a name with \"-\" in front must be quoted, there are no "
          "exceptions from what is listed", NULL },
    };

    (void) state;

    for (i = 0; i < unit_nelts(list); i++) {
        path = unit_str(list[i].path);

        assert_int_equal(plum_path_check(&path, &err), PLUM_ERROR);

        snprintf(text, sizeof(text), "path \"%s\": %s%s%s", list[i].path,
                 list[i].wrong, list[i].hint ? ", write " : "",
                 list[i].hint ? list[i].hint : "");

        assert_string_equal(err.text, text);
    }
}


/* names that are allowed, but rarely meant */

static void
test_doubtful_paths(void **state)
{
    char          text[256];
    size_t        i;
    plum_str_t    path;
    plum_error_t  err;

    static const struct {
        const char  *path;
        const char  *hint;
    } list[] = {
        { "data/id", "data.id" },
        { "data/0/id", "data[].id" },
        { "data.items/id", "data.items.id" },
        { "items.0.id", "items[].id" },
        { "items.0", "items[]" },
        { "items[].0", "items[][]" },
        { "**", NULL },
        { "0", NULL },
        { "0.a", NULL },
        { "a.b[].*.c0", NULL },
        { "a.b.**", NULL },
        { "\"a/b\".c", NULL },
        { "a.\"0\"", NULL },
    };

    (void) state;

    for (i = 0; i < unit_nelts(list); i++) {
        path = unit_str(list[i].path);

        assert_int_equal(plum_path_check(&path, &err), PLUM_OK);
        assert_int_equal(plum_path_doubt(&path, &err), list[i].hint != NULL);

        if (list[i].hint != NULL) {
            snprintf(text, sizeof(text), "path \"%s\" looks like one of "
                     "another language: quote the name that is meant, or "
                     "write \"%s\"", list[i].path, list[i].hint);
            assert_string_equal(err.text, text);
        }
    }
}


/* a hint is for short paths, and never longer than its buffer */

static void
test_foreign_limits(void **state)
{
    char          text[512];
    size_t        len;
    plum_str_t    path;
    plum_error_t  err;

    (void) state;

    memset(text, 'a', sizeof(text));
    text[0] = '/';

    path.data = (const uint8_t *) text;

    for (len = 2; len < sizeof(text); len++) {
        text[len / 2] = '/';
        path.len = len;

        assert_int_equal(plum_path_check(&path, &err), PLUM_ERROR);
        assert_true(strlen(err.text) < sizeof(err.text));

        text[len / 2] = 'a';
    }

    memset(text, '/', sizeof(text));

    for (len = 1; len < sizeof(text); len++) {
        path.len = len;
        assert_int_equal(plum_path_check(&path, &err), PLUM_ERROR);
    }
}


static void
test_inside(void **state)
{
    char        text[600];
    size_t      i;
    plum_str_t  path, outer;

    static const struct {
        const char  *path;
        const char  *outer;
        int          inside;
    } list[] = {
        { "data.id", "data", 1 },
        { "data[]", "data", 1 },
        { "data.*", "data", 1 },
        { "data.**", "data", 0 },
        { "data.id.**", "data", 1 },
        { "data", "data", 0 },
        { "data", "data.id", 0 },
        { "dat.id", "data", 0 },
        { "a.data.id", "data", 0 },
        { "*.id", "data", 0 },
        { "[].id", "data", 0 },
        { "**", "data", 0 },
        { "\"data\".id", "data", 1 },
        { "data.id", "\"data\"", 1 },
        { "a.\"b.c\".d", "a.\"b.c\"", 1 },
        { "a.\"b.c\".d", "a.b", 0 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(list); i++) {
        path = unit_str(list[i].path);
        outer = unit_str(list[i].outer);

        if (plum_path_inside(&path, &outer) != list[i].inside) {
            fail_msg("%s in %s", list[i].path, list[i].outer);
        }
    }

    memset(text, 'a', sizeof(text));
    text[512] = '.';

    outer.data = (const uint8_t *) text;
    outer.len = 512;
    path.data = (const uint8_t *) text;
    path.len = sizeof(text);

    assert_int_equal(plum_path_inside(&path, &outer), 0);
}


static void
test_refused_plans(void **state)
{
    size_t        i;
    plum_plan_t  *plan;
    plum_error_t  err;

    static const char  *bad[] = {
        "?a[]", "?*", "?**", "?a.*", "?a.**", "?", "=[]", "=a =b", "a@x",
        "=t a@", "=t a@*x", "=t a@x*y", "=t a@**", "=t a@x,", "a..b",
        "=t a@~x", "=t a@!x", "=t a@\"x\"", "=t a@'x'"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        plan = project_plan(bad[i], &err);

        if (plan != NULL) {
            fail_msg("%s accepted", bad[i]);
        }

        assert_true(strlen(err.text) > 10);
    }
}


static void
test_limits(void **state)
{
    char          item[64];
    size_t        i;
    plum_str_t    path;
    plum_plan_t  *plan;
    plum_error_t  err;

    (void) state;

    /* probes, and the same one again */

    plan = plum_plan_create();

    for (i = 0; i <= PLUM_PLAN_PROBES; i++) {
        snprintf(item, sizeof(item), "?p%zu", i);
        assert_int_equal(project_add(plan, item, strlen(item), &err),
                         (i < PLUM_PLAN_PROBES) ? PLUM_OK : PLUM_ERROR);
    }

    assert_int_equal(project_add(plan, "?p1", 3, &err), PLUM_OK);
    assert_int_equal(plum_plan_slots(plan), PLUM_PLAN_PROBES);
    plum_plan_destroy(plan);

    /* event patterns, and the same one again */

    plan = plum_plan_create();

    for (i = 0; i <= PLUM_PLAN_EVENTS; i++) {
        snprintf(item, sizeof(item), "a%zu@e%zu%s", i, i, (i % 2) ? "" : "*");
        assert_int_equal(project_add(plan, item, strlen(item), &err),
                         (i < PLUM_PLAN_EVENTS) ? PLUM_OK : PLUM_ERROR);
    }

    assert_int_equal(project_add(plan, "b@e1", 4, &err), PLUM_OK);
    plum_plan_destroy(plan);

    /* nodes: six steps of "*" or a name, each way of them, and then more */

    plan = plum_plan_create();
    path = unit_str("*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.z");

    assert_int_equal(plum_plan_allow(plan, &path, NULL, 0, &err), PLUM_OK);

    for (i = 0; i < 16; i++) {
        memset(item, '*', sizeof(item));

        for (path.len = 0; path.len < 33; path.len++) {
            item[path.len] = (path.len % 2) ? '.' : '*';
        }

        item[i * 2] = 'a';
        path.data = (const uint8_t *) item;
        assert_int_equal(plum_plan_allow(plan, &path, NULL, 0, &err),
                         PLUM_OK);
    }

    assert_int_equal(plum_plan_compile(plan, &err), PLUM_ERROR);
    assert_non_null(strstr(err.text, "too many"));
    assert_null(plum_scratch_create(plan));
    plum_plan_destroy(plan);

    plum_plan_destroy(NULL);
    plum_scratch_destroy(NULL);
}


static void
test_path_depth(void **state)
{
    char          text[DEEP * 2];
    size_t        i;
    plum_str_t    path;
    plum_error_t  err;

    (void) state;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (i % 2) ? '.' : 'a';
    }

    path.data = (const uint8_t *) text;
    path.len = PLUM_JSON_DEPTH * 2 - 1;
    assert_int_equal(plum_path_check(&path, &err), PLUM_OK);

    path.len += 2;
    assert_int_equal(plum_path_check(&path, &err), PLUM_ERROR);
}


static void
test_captures(void **state)
{
    size_t              i, len;
    uint8_t            *out, *copy, buf[16];
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[16];
    plum_scratch_t     *scratch;
    plum_projection_t   result;

    static const char  text[] =
        "{\"s\":\"abc\",\"e\":\"\\u00e9\\n\\u0000\",\"n\":-1.50e3,\"t\":true,"
        "\"f\":false,\"z\":null,\"o\":{\"p\":\"in\"},\"l\":\"\\ud800\","
        "\"long\":\"0123456789abcdef\",\"over\":\"0123456789abcdefg\","
        "\"x\":\"\",\"slash\":\"0123456789abcde\\/g\",\"a\":[\"q\"]}";

    static const struct {
        const char         *path;
        plum_value_kind_t   kind;
        const char         *raw;
        const char         *value;       /* NULL: none */
        size_t              len;
    } list[] = {
        { "?s", PLUM_VALUE_STRING, "abc", "abc", 3 },
        { "?e", PLUM_VALUE_STRING, "\\u00e9\\n\\u0000", "\xc3\xa9\n", 4 },
        { "?n", PLUM_VALUE_NUMBER, "-1.50e3", "-1.50e3", 7 },
        { "?t", PLUM_VALUE_TRUE, "true", "true", 4 },
        { "?f", PLUM_VALUE_FALSE, "false", "false", 5 },
        { "?z", PLUM_VALUE_NULL, "null", NULL, 0 },
        { "?o", PLUM_VALUE_CONTAINER, "", NULL, 0 },
        { "?o.p", PLUM_VALUE_STRING, "in", "in", 2 },
        { "?l", PLUM_VALUE_STRING, "\\ud800", NULL, 0 },
        { "?long", PLUM_VALUE_STRING, "0123456789abcdef", "0123456789abcdef",
          16 },
        { "?over", PLUM_VALUE_STRING, "0123456789abcdefg", NULL, 0 },
        { "?x", PLUM_VALUE_STRING, "", "", 0 },
        { "?slash", PLUM_VALUE_STRING, "0123456789abcde\\/g", NULL, 0 },
        { "?a", PLUM_VALUE_CONTAINER, "", NULL, 0 },
        { "?s.t", PLUM_VALUE_NONE, "", NULL, 0 },
        { "?none", PLUM_VALUE_NONE, "", NULL, 0 }
    };

    (void) state;

    plan = plum_plan_create();
    assert_non_null(plan);

    for (i = 0; i < unit_nelts(list); i++) {
        assert_int_equal(project_add(plan, list[i].path,
                                     strlen(list[i].path), &err),
                         PLUM_OK);
    }

    assert_int_equal(plum_plan_compile(plan, &err), PLUM_OK);
    assert_int_equal(plum_plan_slots(plan), unit_nelts(list));

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    assert_int_equal(project_run(plan, scratch, (const uint8_t *) text,
                                 sizeof(text) - 1, &out, probes, &copy,
                                 &result),
                     PLUM_PROJECT_OK);
    assert_int_equal(result.length, 2);

    for (i = 0; i < unit_nelts(list); i++) {
        assert_int_equal(probes[i].kind, list[i].kind);
        assert_int_equal(probes[i].raw.len, strlen(list[i].raw));

        if (probes[i].raw.len != 0) {
            assert_memory_equal(probes[i].raw.data, list[i].raw,
                                probes[i].raw.len);
        }

        len = 99;
        assert_int_equal(plum_value_decode(&probes[i], buf, sizeof(buf),
                                           &len),
                         (list[i].value != NULL) ? PLUM_OK : PLUM_ERROR);
        assert_int_equal(len, list[i].len);

        if (len != 0) {
            assert_memory_equal(buf, list[i].value, len);
        }
    }

    free(out);
    free(copy);

    /* an invalid text leaves none, though the probe came before the fault */

    assert_int_equal(project_run(plan, scratch,
                                 (const uint8_t *) "{\"s\":\"a\",}", 10,
                                 &out, probes, &copy, &result),
                     PLUM_PROJECT_INVALID);

    for (i = 0; i < unit_nelts(list); i++) {
        assert_int_equal(probes[i].kind, PLUM_VALUE_NONE);
        assert_int_equal(probes[i].raw.len, 0);
    }

    free(out);
    free(copy);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_foreign_paths),
        cmocka_unit_test(test_doubtful_paths),
        cmocka_unit_test(test_foreign_limits),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_refused_plans),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_path_depth),
        cmocka_unit_test(test_captures)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
