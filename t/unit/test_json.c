/*
 * The projector against JSONTestSuite (PLUM_VECTORS, default
 * ../shared/vectors), the events of t/data/json, and many names.
 */

#define _POSIX_C_SOURCE 200809L

#include "project.h"

#include <dirent.h>


#define DATA   "t/data/json"


static uint8_t *
slurp(const char *dir, const char *name, const char *suffix, size_t *len)
{
    FILE     *file;
    char      path[1024];
    uint8_t  *data;

    snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);

    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is missing", path);
    }

    data = malloc(1 << 20);
    assert_non_null(data);

    *len = fread(data, 1, (1 << 20) - 1, file);
    data[*len] = '\0';

    fclose(file);

    return data;
}


static plum_project_rc_t
verdict(const char *rules, const uint8_t *text, size_t len)
{
    uint8_t            *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;
    plum_project_rc_t   rc;

    plan = project_plan(rules, &err);
    assert_non_null(plan);

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    rc = project_run(plan, scratch, text, len, &out, probes, &copy, &result);

    free(out);
    free(copy);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);

    return rc;
}


/* one file by plans that copy all, skip all, and walk into all */

static void
check_suite_file(const char *dir, const char *name)
{
    size_t              i, len, first;
    uint8_t            *text;
    plum_project_rc_t   rc, expected;

    /* the last one looks at every name, so the "a" of two files is double */

    static const char  *plans[] = {
        "**", "zz", "a.zz [].zz asd.zz", "* *.* [] [][] *[] [].*"
    };

    text = slurp(dir, name, "", &len);

    for (first = 0; first < len && strchr(" \t\r\n", text[first]); first++) {
        /* void */
    }

    for (i = 0; i < unit_nelts(plans); i++) {
        expected = (name[0] == 'y') ? PLUM_PROJECT_OK : PLUM_PROJECT_INVALID;

        if (first == len || (text[first] != '{' && text[first] != '[')) {
            expected = PLUM_PROJECT_INVALID;
        }

        if (strncmp(name, "y_object_duplicated_key", 23) == 0 && i >= 2) {
            expected = PLUM_PROJECT_INVALID;
        }

        rc = verdict(plans[i], text, len);

        if (rc == PLUM_PROJECT_NOMEM || (name[0] != 'i' && rc != expected)) {
            fail_msg("%s by %s: %d", name, plans[i], rc);
        }
    }

    free(text);
}


static void
test_suite(void **state)
{
    DIR            *dir;
    char            path[512];
    size_t          n;
    const char     *vectors;
    struct dirent  *entry;

    (void) state;

    vectors = getenv("PLUM_VECTORS");

    snprintf(path, sizeof(path), "%s/json/JSONTestSuite",
             (vectors != NULL) ? vectors : "../shared/vectors");

    dir = opendir(path);

    if (dir == NULL) {

        /* cmocka's skip() is a "not ok", which prove takes for a failure */

        print_message("# skipped: no JSONTestSuite in %s\n", path);
        return;
    }

    n = 0;

    for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {

        if (strstr(entry->d_name, ".json") != NULL) {
            check_suite_file(path, entry->d_name);
            n++;
        }
    }

    closedir(dir);

    print_message("# %zu files of JSONTestSuite\n", n);
    assert_true(n > 300);
}


/* NAME.json by the rules of NAME.rules gives NAME.clean */

static void
check_data(const char *name)
{
    size_t              len, clean_len, rules_len;
    uint8_t            *text, *clean, *rules, *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;

    text = slurp(DATA, name, ".json", &len);
    clean = slurp(DATA, name, ".clean", &clean_len);
    rules = slurp(DATA, name, ".rules", &rules_len);

    rules[rules_len - 1] = '\0';

    plan = project_plan((char *) rules, &err);
    assert_non_null(plan);

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    assert_int_equal(project_run(plan, scratch, text, len, &out, probes,
                                 &copy, &result),
                     PLUM_PROJECT_OK);

    if (result.length != clean_len - 1
        || memcmp(out, clean, result.length) != 0)
    {
        fail_msg("%s: %.*s", name, (int) result.length, (char *) out);
    }

    assert_true(result.listed);

    free(out);
    free(copy);
    free(text);
    free(clean);
    free(rules);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


static void
test_data(void **state)
{
    size_t  i;

    static const char  *names[] = { "webhook", "storefront", "offer" };

    (void) state;

    for (i = 0; i < unit_nelts(names); i++) {
        check_data(names[i]);
    }
}


/* every special byte at every distance from the ends of a block */

static void
test_blocks(void **state)
{
    char    text[128];
    size_t  before, after, i, len;

    static const struct {
        const char         *bytes;
        plum_project_rc_t   rc;
    } list[] = {
        { "\x1f", PLUM_PROJECT_INVALID }, { "\x01", PLUM_PROJECT_INVALID },
        { "\t", PLUM_PROJECT_INVALID }, { "\n", PLUM_PROJECT_INVALID },
        { "\"", PLUM_PROJECT_INVALID }, { "\\", PLUM_PROJECT_INVALID },
        { "\\x", PLUM_PROJECT_INVALID }, { "\\u1x", PLUM_PROJECT_INVALID },
        { "\\u12g4", PLUM_PROJECT_INVALID }, { "\x80", PLUM_PROJECT_INVALID },
        { "\xbf", PLUM_PROJECT_INVALID }, { "\xc0\xaf", PLUM_PROJECT_INVALID },
        { "\xc1\xbf", PLUM_PROJECT_INVALID }, { "\xc3", PLUM_PROJECT_INVALID },
        { "\xe0\x9f\xbf", PLUM_PROJECT_INVALID },
        { "\xe2\x82", PLUM_PROJECT_INVALID },
        { "\xed\xa0\x80", PLUM_PROJECT_INVALID },
        { "\xf0\x8f\xbf\xbf", PLUM_PROJECT_INVALID },
        { "\xf4\x90\x80\x80", PLUM_PROJECT_INVALID },
        { "\xf5\x80\x80\x80", PLUM_PROJECT_INVALID },
        { "\xff", PLUM_PROJECT_INVALID },
        { " ", PLUM_PROJECT_OK }, { "\x7f", PLUM_PROJECT_OK },
        { "}", PLUM_PROJECT_OK }, { "\\\"", PLUM_PROJECT_OK },
        { "\\\\", PLUM_PROJECT_OK }, { "\\uD800", PLUM_PROJECT_OK },
        { "\\u0000", PLUM_PROJECT_OK }, { "\xc2\x80", PLUM_PROJECT_OK },
        { "\xdf\xbf", PLUM_PROJECT_OK }, { "\xe0\xa0\x80", PLUM_PROJECT_OK },
        { "\xed\x9f\xbf", PLUM_PROJECT_OK },
        { "\xee\x80\x80", PLUM_PROJECT_OK },
        { "\xef\xbf\xbf", PLUM_PROJECT_OK },
        { "\xf0\x90\x80\x80", PLUM_PROJECT_OK },
        { "\xf4\x8f\xbf\xbf", PLUM_PROJECT_OK }
    };

    (void) state;

    for (i = 0; i < unit_nelts(list); i++) {
        for (before = 0; before < 35; before++) {
            for (after = 0; after < 35; after += 1 + after / 4) {

                len = (size_t) snprintf(text, sizeof(text),
                                        "[\"%.*s%s%.*s\"]", (int) before,
                          "abcdefghijklmnopqrstuvwxyzabcdefghi",
                                        list[i].bytes, (int) after,
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI");

                if (verdict("**", (uint8_t *) text, len) != list[i].rc
                    || verdict("[]", (uint8_t *) text, len) != list[i].rc)
                {
                    fail_msg("%s", text);
                }

                text[0] = '{';
                text[len - 1] = ':';
                memcpy(text + len, "0}", 3);

                if (verdict("**", (uint8_t *) text, len + 2) != list[i].rc
                    || verdict("*", (uint8_t *) text, len + 2) != list[i].rc)
                {
                    fail_msg("%s", text);
                }
            }
        }
    }
}


/* one scratch, many texts of many names, long after one another */

static void
test_scratch(void **state)
{
    size_t              n, i, at, size, round;
    uint8_t            *out, *copy;
    char               *text;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_scratch_t     *scratch;
    plum_projection_t   result;
    plum_project_rc_t   rc;

    (void) state;

    plan = project_plan("k1.a *.*", &err);
    scratch = plum_scratch_create(plan);
    size = 400000;
    text = malloc(size);

    assert_non_null(scratch);
    assert_non_null(text);

    for (round = 0; round < 24; round++) {
        n = (round % 3 == 0) ? 5000 : round;
        at = (size_t) snprintf(text, size, "{");

        for (i = 0; i < n; i++) {
            at += (size_t) snprintf(text + at, size - at,
                                    "%s\"k%zu\":{\"a\":1,\"b\":2,\"%zu\":3}",
                                    i ? "," : "", i, i % 7);
        }

        at += (size_t) snprintf(text + at, size - at, "}");

        rc = project_run(plan, scratch, (const uint8_t *) text, at, &out,
                         NULL, &copy, &result);

        assert_int_equal(rc, PLUM_PROJECT_OK);
        assert_int_equal(result.length, at);
        assert_memory_equal(out, text, at);
        free(out);
        free(copy);

        /* the last name once more */

        if (n != 0) {
            at--;
            at += (size_t) snprintf(text + at, size - at, ",\"k%zu\":0}",
                                    round % 2 ? n - 1 : 0);

            rc = project_run(plan, scratch, (const uint8_t *) text, at, &out,
                             NULL, &copy, &result);

            assert_int_equal(rc, PLUM_PROJECT_INVALID);
            free(out);
            free(copy);
        }
    }

    free(text);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


/* many names under one node: every one is found, none but them */

static void
test_many_names(void **state)
{
    char                item[32];
    char                text[64], clean[64];
    size_t              i;
    uint8_t            *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_scratch_t     *scratch;
    plum_projection_t   result;

    (void) state;

    plan = plum_plan_create();
    assert_non_null(plan);

    for (i = 0; i < 2000; i++) {
        snprintf(item, sizeof(item), "member_name_%zu", i * 3);
        assert_int_equal(project_add(plan, item, strlen(item), &err),
                         PLUM_OK);
    }

    assert_int_equal(plum_plan_compile(plan, &err), PLUM_OK);
    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    for (i = 0; i < 6000; i++) {
        snprintf(text, sizeof(text), "{\"member_name_%zu\":0}", i);
        strcpy(clean, (i % 3) ? "{}" : text);

        assert_int_equal(project_run(plan, scratch, (const uint8_t *) text,
                                     strlen(text), &out, NULL, &copy,
                                     &result),
                         PLUM_PROJECT_OK);
        assert_int_equal(result.length, strlen(clean));
        assert_memory_equal(out, clean, result.length);
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
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_many_names)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
