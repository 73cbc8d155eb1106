/*
 * Pseudonyms: their values, and what rules that make them do.  That whole
 * texts are as a slow filter has them is shown by t/fuzz (plan).
 */

#include "project.h"

#include <plum_pseudonym.h>


static plum_key_t  *keys[2];


static int
make_keys(void **state)
{
    (void) state;

    keys[0] = plum_key_create(PLUM_ALGORITHM_SHA256,
                              (const uint8_t *) "Jefe", 4);
    keys[1] = plum_key_create(PLUM_ALGORITHM_SHA256,
                              (const uint8_t *) "other", 5);

    return (keys[0] != NULL && keys[1] != NULL) ? 0 : -1;
}


static int
free_keys(void **state)
{
    (void) state;

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);

    return 0;
}


/* RFC 4231, test case 2: 5bdcc146bf60754e6a042426089575c7... */

static void
test_vector(void **state)
{
    uint8_t      out[PLUM_PSEUDONYM_LENGTH];
    plum_key_t  *static_key;
    plum_str_t   value;

    (void) state;

    value = unit_str("what do ya want for nothing?");

    assert_int_equal(plum_pseudonym(keys[0], &value, out), PLUM_OK);
    assert_memory_equal(out, "W9zBRr9gdU5qBCQmCJV1xw", sizeof(out));

    static_key = plum_key_create(PLUM_ALGORITHM_NONE,
                                 (const uint8_t *) "Jefe", 4);
    assert_non_null(static_key);
    assert_int_equal(plum_pseudonym(static_key, &value, out), PLUM_ERROR);
    plum_key_destroy(static_key);
}


/* n: the values that are replaced */

static void
expect(const char *rules, const char *text, size_t n, const char *expected)
{
    size_t              len;
    uint8_t            *out, *copy, *to;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;

    plan = project_plan(rules, &err);
    if (plan == NULL) {
        fail_msg("%s: %s", rules, err.text);
    }

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    assert_int_equal(project_run(plan, scratch, (const uint8_t *) text,
                                 strlen(text), &out, probes, &copy, &result),
                     PLUM_PROJECT_OK);
    assert_int_equal(result.pseudonyms, n);

    to = malloc(plum_pseudonyms_room(&result));
    assert_non_null(to);

    len = plum_pseudonyms_write(scratch, &result, keys, out, to);

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(to, expected, len);

    free(to);
    free(out);
    free(copy);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


#define NOTHING  "\"W9zBRr9gdU5qBCQmCJV1xw\""


static void
test_values(void **state)
{
    (void) state;

    expect("|0a b", "{\"a\":\"what do ya want for nothing?\",\"b\":1}", 1,
           "{\"a\":" NOTHING ",\"b\":1}");

    /* the value is what the text means, however it is spelt */

    expect("|0a b", "{\"b\":1,\"a\":\"wh\\u0061t do ya want for nothing?\"}",
           1, "{\"b\":1,\"a\":" NOTHING "}");

    /* a number, as it is spelt, is the same person as its digits in a string */

    expect("|0a.*", "{\"a\":{\"x\":17,\"y\":\"17\",\"z\":1.7e1}}", 3,
           "{\"a\":{\"x\":\"IP2r8lAUoviHT70rDXsyKw\","
           "\"y\":\"IP2r8lAUoviHT70rDXsyKw\","
           "\"z\":\"WRQwb_ZCs9xiP4vJkSBjzA\"}}");

    /* neither is a person */

    expect("|0a[] b", "{\"a\":[true,null,{},[],false],\"b\":null}", 0,
           "{\"a\":[],\"b\":null}");

    expect("|0a", "{\"a\":\"\\ud800\"}", 1, "{\"a\":null}");
    expect("|0a", "{\"a\":\"\"}", 1, "{\"a\":\"kjWYym1krypdunnc0CGooA\"}");
}


static void
test_secrets(void **state)
{
    (void) state;

    expect("|0a.x |1b.x", "{\"a\":{\"x\":17},\"b\":{\"x\":17}}", 2,
           "{\"a\":{\"x\":\"IP2r8lAUoviHT70rDXsyKw\"},"
           "\"b\":{\"x\":\"V2lW02mKNgxuQrkcz4V9yQ\"}}");
}


static void
test_events(void **state)
{
    (void) state;

    expect("=t |0a@order.* b", "{\"a\":17,\"b\":2,\"t\":\"order.new\"}", 1,
           "{\"a\":\"IP2r8lAUoviHT70rDXsyKw\",\"b\":2}");
    expect("=t |0a@order.* b", "{\"a\":17,\"b\":2,\"t\":\"user.new\"}", 0,
           "{\"b\":2}");
    expect("=t |0a@order.* b", "{\"t\":\"user.new\",\"a\":17}", 0, "{}");
}


static void
test_refused(void **state)
{
    size_t                    i;
    plum_plan_t              *plan;
    plum_error_t              err;
    static const char *const  rules[] = {
        "|0a a", "a |0a", "|0a **", "|0a.b a.**", "|0*.b a.b", "|0a.* *.b",
        "|0a |1a", "|0a.* |1*.b", "|0a.**", "|0**", "|0a[] a[]", "|0a[].x a.**",
        "=t |0a@x a@y"
    };

    (void) state;

    for (i = 0; i < unit_nelts(rules); i++) {
        plan = project_plan(rules[i], &err);

        if (plan != NULL || strstr(err.text, "pseudonym") == NULL) {
            fail_msg("%s: %s", rules[i], plan ? "a plan" : err.text);
        }
    }
}


/* the largest number of values, and one more */

static void
test_many(void **state)
{
    char               *text;
    size_t              i, len;
    uint8_t            *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;

    (void) state;

    plan = project_plan("|0[]", &err);
    assert_non_null(plan);

    scratch = plum_scratch_create(plan);
    text = malloc(2 * PLUM_PSEUDONYMS_MAX + 4);
    assert_true(scratch != NULL && text != NULL);

    for (i = 0; i < 2; i++) {
        len = 2 * (PLUM_PSEUDONYMS_MAX + i);
        memset(text, ',', len);
        text[0] = '[';
        text[len] = ']';

        for (len--; len < 2 * (PLUM_PSEUDONYMS_MAX + i); len -= 2) {
            text[len] = '1';
        }

        assert_int_equal(project_run(plan, scratch, (const uint8_t *) text,
                                     2 * (PLUM_PSEUDONYMS_MAX + i) + 1, &out,
                                     probes, &copy, &result),
                         i ? PLUM_PROJECT_INVALID : PLUM_PROJECT_OK);
        assert_int_equal(result.pseudonyms, i ? 0 : PLUM_PSEUDONYMS_MAX);

        free(out);
        free(copy);
    }

    free(text);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
