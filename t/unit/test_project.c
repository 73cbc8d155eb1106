/*
 * The projector, rule by rule of plum_project.h.
 */

#include "project.h"


#define DEEP   (PLUM_JSON_DEPTH + 2)


typedef struct {
    const char  *rules;                  /* see project.h */
    const char  *text;
    const char  *clean;                  /* NULL: invalid */
    size_t       dropped;
} case_t;


typedef struct {
    const char  *text;
    const char  *clean;
    unsigned     listed;
} event_t;


static const case_t  shapes[] = {

    /* members */
    { "a", "{\"a\":1,\"b\":2}", "{\"a\":1}", 1 },
    { "a b", "{\"b\":2,\"a\":1}", "{\"b\":2,\"a\":1}", 0 },
    { "a", "{}", "{}", 0 },
    { "a", "{\"b\":{\"a\":1,\"c\":[{\"d\":2}]}}", "{}", 1 },
    { "a.b", "{\"a\":{\"b\":1,\"c\":2},\"b\":3}", "{\"a\":{\"b\":1}}", 2 },
    { "a.b", "{\"a\":{}}", "{\"a\":{}}", 0 },
    { "a.b", "{\"a\":{\"c\":1}}", "{\"a\":{}}", 1 },
    { "a", "{\"a\":true,\"b\":false}", "{\"a\":true}", 1 },
    { "a b c", "{\"a\":null,\"b\":false,\"c\":\"x\"}",
      "{\"a\":null,\"b\":false,\"c\":\"x\"}", 0 },
    { "", "{\"a\":1,\"b\":[]}", "{}", 2 },
    { "", "[1,{\"a\":1}]", "[]", 0 },

    /* a container where a path ends, and of the other kind on its way */
    { "a", "{\"a\":{\"b\":1}}", "{}", 1 },
    { "a", "{\"a\":[1]}", "{}", 1 },
    { "a.b", "{\"a\":[{\"b\":1}]}", "{}", 1 },
    { "a[]", "{\"a\":{\"b\":1}}", "{}", 1 },
    { "a.b", "{\"a\":1}", "{}", 1 },
    { "a[]", "{\"a\":\"x\"}", "{}", 1 },
    { "[].a", "{\"a\":1}", "{}", 1 },
    { "a", "[{\"a\":1}]", "[]", 0 },

    /* both kinds allowed */
    { "a.b a[].c a", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}", 0 },
    { "a.b a[].c a", "{\"a\":[{\"c\":1}]}", "{\"a\":[{\"c\":1}]}", 0 },
    { "a.b a[].c a", "{\"a\":7}", "{\"a\":7}", 0 },

    /* elements */
    { "[]", "[1,\"x\",null,[2],{\"a\":3}]", "[1,\"x\",null]", 0 },
    { "[].a", "[{\"a\":1,\"b\":2},3,[4],{\"b\":5}]", "[{\"a\":1},{}]", 2 },
    { "a[].b", "{\"a\":[{\"b\":1},{\"b\":2}]}",
      "{\"a\":[{\"b\":1},{\"b\":2}]}", 0 },
    { "a[].b", "{\"a\":[]}", "{\"a\":[]}", 0 },
    { "[][]", "[[1,[2]],3,[],[{}]]", "[[1],[],[]]", 0 },

    /* whole values */
    { "**", "{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,2]}}", 0 },
    { "**", " [ 1 , {\"a\" : 2} ] ", "[ 1 , {\"a\" : 2} ]", 0 },
    { "a.**", "{\"a\" : {\"b\" : [ 1 ]} , \"c\":2}",
      "{\"a\":{\"b\" : [ 1 ]}}", 1 },
    { "a.**", "{\"a\":5}", "{\"a\":5}", 0 },
    { "[].**", "[ 1, [ 2 ] ,{ \"a\" :3}]", "[1,[ 2 ],{ \"a\" :3}]", 0 },
    { "a.** b", "{\"b\":1,\"a\":[{}],\"b2\":{}}", "{\"b\":1,\"a\":[{}]}", 1 },
    { "a.** a.b.c", "{\"a\":{\"x\": {},\"b\": {\"c\": 1,\"d\": 2}}}",
      "{\"a\":{\"x\": {},\"b\": {\"c\": 1,\"d\": 2}}}", 0 },
    { "** ?a.b", "{\"a\": {\"b\": 1, \"c\":[ ]}}",
      "{\"a\": {\"b\": 1, \"c\":[ ]}}", 0 },

    /* any member */
    { "*", "{\"a\":1,\"b\":[2],\"c\":\"d\"}", "{\"a\":1,\"c\":\"d\"}", 1 },
    { "*.id", "{\"a\":{\"id\":1,\"x\":2},\"b\":{\"y\":3}}",
      "{\"a\":{\"id\":1},\"b\":{}}", 2 },
    { "*.x a.y", "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3,\"y\":4}}",
      "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3}}", 1 },
    { "*.*.z a.b.c *.b.d",
      "{\"a\":{\"b\":{\"c\":1,\"d\":2,\"z\":3,\"q\":4}},"
      "\"k\":{\"b\":{\"c\":1,\"d\":2,\"z\":3}}}",
      "{\"a\":{\"b\":{\"c\":1,\"d\":2,\"z\":3}},"
      "\"k\":{\"b\":{\"d\":2,\"z\":3}}}", 2 },
    { "*.** a", "{\"a\":[1],\"b\":{\"c\":2}}", "{\"a\":[1],\"b\":{\"c\":2}}",
      0 },
    { "*[].a b", "{\"b\":[{\"a\":1}],\"c\":[{\"b\":2}]}",
      "{\"b\":[{\"a\":1}],\"c\":[{}]}", 1 },
    { "a.* a.b.c", "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"e\":3,\"f\":{}}}",
      "{\"a\":{\"b\":{\"c\":1},\"e\":3}}", 2 },

    /* names: escapes are decoded to match, and kept as spelt */
    { "a", "{\"\\u0061\":1}", "{\"\\u0061\":1}", 0 },
    { "ab", "{\"\\u0061b\":1,\"a\\u0062\\u0063\":2}", "{\"\\u0061b\":1}", 1 },
    { "\"a.b\" \"\"", "{\"a.b\":1,\"c d\":2,\"\":3,\"a\":4}",
      "{\"a.b\":1,\"\":3}", 2 },
    { "\"q\\\"\\\\\"", "{\"q\\\"\\\\\":1}", "{\"q\\\"\\\\\":1}", 0 },
    { "\xc3\xa9.\xf0\x9d\x84\x9e",
      "{\"\\u00E9\":{\"\\uD834\\uDD1e\":1,\"\xf0\x9d\x84\x9e!\":2}}",
      "{\"\\u00E9\":{\"\\uD834\\uDD1e\":1}}", 1 },
    { "\"/\" \"t\xc2\xa9\"", "{\"\\/\":1,\"t\\u00a9\":2}",
      "{\"\\/\":1,\"t\\u00a9\":2}", 0 },
    { "a", "{\"a\\u0000\":1,\"\\uD800\":2,\"a\\udc00\":3}", "{}", 3 },
    { "identification identifications",
      "{\"identification\":1,\"identifications\":2,\"identificatiom\":3}",
      "{\"identification\":1,\"identifications\":2}", 1 },
    { "aaaaaaaabbbbbbbbcccccccc",
      "{\"aaaaaaaabbbbbbbBcccccccc\":1,\"aaaaaaaabbbbbbbbcccccccc\":2}",
      "{\"aaaaaaaabbbbbbbbcccccccc\":2}", 1 },

    /* bytes of values stay */
    { "a[]", "{\"a\":[123456789012345678901234567890,-0,1E400,1.50,0e+01]}",
      "{\"a\":[123456789012345678901234567890,-0,1E400,1.50,0e+01]}", 0 },
    { "a", "{\"a\":\"\\u0041\\/\\ud800\\u0000 \xe2\x82\xac\"}",
      "{\"a\":\"\\u0041\\/\\ud800\\u0000 \xe2\x82\xac\"}", 0 },

    /* white space goes */
    { "a.b c[]",
      " \t\r\n{ \"a\" : { \"x\" : 1 , \"b\"\n:\r2 } ,\t\"c\" : [ 3 , 4 ] } \n",
      "{\"a\":{\"b\":2},\"c\":[3,4]}", 1 },
    { "a.b", "{ \"a\" : { } }", "{\"a\":{}}", 0 }
};


static const case_t  doubles[] = {
    { "a", "{\"a\":1,\"a\":2}", NULL, 0 },
    { "a", "{\"a\":1,\"\\u0061\":2}", NULL, 0 },
    { "a", "{\"\\u0061\":1,\"b\":2,\"a\":{}}", NULL, 0 },
    { "a.b", "{\"a\":{},\"a\":3}", NULL, 0 },
    { "a.b", "{\"a\":{\"b\":{},\"c\":1,\"b\":[]}}", NULL, 0 },
    { "a.b", "{\"a\":{\"b\":1},\"c\":{\"b\":1,\"b\":2}}",
      "{\"a\":{\"b\":1}}", 1 },
    { "[].a", "[{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]", 0 },
    { "[].a", "[{\"a\":1},{\"a\":2,\"a\":3}]", NULL, 0 },
    { "a", "{\"b\":1,\"b\":2,\"a\":3}", "{\"a\":3}", 2 },
    { "a", "{\"a\":{\"x\":1,\"x\":2}}", "{}", 1 },
    { "**", "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}", 0 },
    { "a.**", "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":{\"b\":1,\"b\":2}}", 0 },
    { "a.**", "{\"a\":{},\"a\":{}}", NULL, 0 },

    /* in an object inside of a dropped or whole one, where a rule looks */
    { "a.b.c", "{\"a\":{\"b\":{\"c\":1,\"c\":2}}}", NULL, 0 },
    { "** ?a.b", "{\"a\":{\"b\":1,\"b\":2}}", NULL, 0 },
    { "** ?a.b", "{\"a\":1,\"a\":{}}", NULL, 0 },
    { "** ?a.b", "{\"a\":{\"c\":1,\"c\":2},\"d\":1,\"d\":2}",
      "{\"a\":{\"c\":1,\"c\":2},\"d\":1,\"d\":2}", 0 },
    { "b ?a.b", "{\"a\":{\"b\":1,\"b\":2}}", NULL, 0 },

    /* "*" looks at every name */
    { "*", "{\"a\":1,\"b\":2,\"a\":3}", NULL, 0 },
    { "*.x", "{\"a\":1,\"b\":[],\"\\u0062\":3}", NULL, 0 },
    { "*", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", NULL, 0 },
    { "*", "{\"\\ud83d\xc3\xa9\":1,\"\\uD83D\xc3\xa9\":2}", NULL, 0 },
    { "*", "{\"\\ud83d\\ud83d\\ude00\":1,\"\\ud83d\xf0\x9f\x98\x80\":2}",
      NULL, 0 },
    { "*", "{\"\\ud83d\\ude00\":1,\"\\ud83d\\ude01\":2,\"\\ude00\":3}",
      "{\"\\ud83d\\ude00\":1,\"\\ud83d\\ude01\":2,\"\\ude00\":3}", 0 },
    { "*", "{\"a\":1,\"a\\u0000\":2,\"\":3,\"\\u0000\":4}",
      "{\"a\":1,\"a\\u0000\":2,\"\":3,\"\\u0000\":4}", 0 },
    { "* a", "{\"a\":1,\"b\":2,\"a\":3}", NULL, 0 },
    { "* a", "{\"b\":1,\"a\":2,\"b\":3}", NULL, 0 },
    { "*.*", "{\"a\":{\"a\":1,\"b\":2},\"b\":{\"a\":3,\"b\":4}}",
      "{\"a\":{\"a\":1,\"b\":2},\"b\":{\"a\":3,\"b\":4}}", 0 },
    { "*.*", "{\"a\":{\"a\":1,\"b\":2},\"b\":{\"b\":3,\"b\":4}}", NULL, 0 },
    { "*.**", "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":{\"b\":1,\"b\":2}}", 0 }
};


static const case_t  broken[] = {
    { "a **", "", NULL, 0 },
    { "**", " \n", NULL, 0 },
    { "**", "1", NULL, 0 },
    { "**", "\"a\"", NULL, 0 },
    { "**", "null", NULL, 0 },
    { "**", "{", NULL, 0 },
    { "**", "}", NULL, 0 },
    { "**", "]", NULL, 0 },
    { "**", "{]", NULL, 0 },
    { "**", "[}", NULL, 0 },
    { "**", "{}{}", NULL, 0 },
    { "**", "{} []", NULL, 0 },
    { "**", "{}x}", NULL, 0 },
    { "**", "\xef\xbb\xbf{}", NULL, 0 },
    { "a", "{\"a\":1", NULL, 0 },
    { "a", "{\"a\":1]", NULL, 0 },
    { "a", "{\"a\" 1}", NULL, 0 },
    { "a", "{\"a\":}", NULL, 0 },
    { "a", "{\"a\"}", NULL, 0 },
    { "a", "{a:1}", NULL, 0 },
    { "a", "{,}", NULL, 0 },
    { "a", "{\"a\":1,}", NULL, 0 },
    { "a", "{,\"a\":1}", NULL, 0 },
    { "a", "{\"a\":1,,\"b\":2}", NULL, 0 },
    { "a", "{\"a\":1 \"b\":2}", NULL, 0 },
    { "[]", "[1,]", NULL, 0 },
    { "[]", "[,1]", NULL, 0 },
    { "[]", "[1 2]", NULL, 0 },
    { "[]", "[1,[2}]", NULL, 0 },
    { "[].a", "[[1]", NULL, 0 },
    { "a", "{\"a\":\"}", NULL, 0 },
    { "a", "{\"a\":\"\\\"}", NULL, 0 },
    { "a", "{\"a\":\"\\u00\"}", NULL, 0 },
    { "a", "{\"a\":\"\\x\"}", NULL, 0 },
    { "a", "{\"a\":tru}", NULL, 0 },
    { "a", "{\"a\":truee}", NULL, 0 },
    { "a", "{\"a\":01}", NULL, 0 },
    { "a", "{\"a\":-}", NULL, 0 },
    { "a", "{\"a\":1.}", NULL, 0 },
    { "a", "{\"a\":.1}", NULL, 0 },
    { "a", "{\"a\":1e}", NULL, 0 },
    { "a", "{\"a\":1e+}", NULL, 0 },
    { "a", "{\"a\":+1}", NULL, 0 },
    { "a", "{\"a\":0x1}", NULL, 0 },
    { "a", "{\"a\":NaN}", NULL, 0 },
    { "a", "{\"a\":\v1}", NULL, 0 }
};


static const event_t  events[] = {
    { "{\"t\":\"x\",\"a\":1,\"b\":2,\"c\":3,\"d\":4}",
      "{\"t\":\"x\",\"a\":1,\"b\":2}", 1 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"t\":\"x\"}",
      "{\"a\":1,\"b\":2,\"t\":\"x\"}", 1 },
    { "{\"a\":1,\"b\":2,\"t\":\"o.r\",\"c\":3,\"d\":4}",
      "{\"a\":1,\"t\":\"o.r\",\"c\":3,\"d\":4}", 1 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"t\":\"o.\"}",
      "{\"a\":1,\"c\":3,\"t\":\"o.\"}", 1 },
    { "{\"c\":3,\"d\":4,\"t\":\"\\u006f.r\"}",
      "{\"c\":3,\"d\":4,\"t\":\"\\u006f.r\"}", 1 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"t\":\"o\"}", "{\"a\":1,\"t\":\"o\"}", 0 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"t\":\"\"}", "{\"a\":1,\"t\":\"\"}", 0 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"t\":\"xx\"}", "{\"a\":1,\"t\":\"xx\"}", 0 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"t\":7}", "{\"a\":1,\"t\":7}", 0 },
    { "{\"a\":1,\"b\":2,\"c\":3,\"t\":null}", "{\"a\":1,\"t\":null}", 0 },
    { "{\"a\":1,\"b\":2,\"t\":[\"x\"],\"c\":3}", "{\"a\":1}", 0 },
    { "{\"a\":1,\"b\":2,\"t\":{\"t\":\"x\"}}", "{\"a\":1}", 0 },
    { "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1}", 0 },
    { "{\"a\":1}", "{\"a\":1}", 0 },
    { "{}", "{}", 0 },
    { "[1]", "[]", 0 },
    { "{\"b\":1,\"t\":\"o.\\ud800\",\"c\":3}", "{\"t\":\"o.\\ud800\"}", 0 },

    /* containers on the way, whole values, and a name no event lets look */
    { "{\"w\":{ \"k\": 1},\"t\":\"x\"}", "{\"w\":{ \"k\": 1},\"t\":\"x\"}",
      1 },
    { "{\"w\":{ \"k\": 1,\"l\":2},\"t\":\"o.r\"}",
      "{\"w\":{\"k\":1},\"t\":\"o.r\"}", 1 },
    { "{\"w\":{ \"k\": 1},\"t\":\"z\"}", "{\"t\":\"z\"}", 0 },
    { "{\"t\":\"z\",\"w\":{\"k\":1,\"k\":2}}", NULL, 0 },
    { "{\"w\":{\"k\":1,\"k\":2},\"t\":\"z\"}", NULL, 0 },
    { "{\"t\":\"x\",\"t\":\"x\"}", NULL, 0 },
    { "{\"b\":1,\"t\":\"x\",\"t\":\"o.r\"}", NULL, 0 },
    { "{\"b\":1,\"t\":\"o.r\",\"c\":1,}", NULL, 0 }
};


#define EVENT_RULES                                                           \
    "=t t a b@x c@o.* d@o.r,nothing w.**@x w.k@o.r"


static void
check(const char *rules, const char *text, const char *clean, size_t dropped,
    int listed)
{
    uint8_t            *out, *copy;
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;
    plum_project_rc_t   rc;

    plan = project_plan(rules, &err);

    if (plan == NULL) {
        fail_msg("%s: %s", rules, err.text);
        return;
    }

    scratch = plum_scratch_create(plan);
    assert_non_null(scratch);

    rc = project_run(plan, scratch, (const uint8_t *) text, strlen(text),
                     &out, probes, &copy, &result);

    if (clean == NULL) {

        if (rc != PLUM_PROJECT_INVALID) {
            fail_msg("%s, %s: accepted", rules, text);
        }

        assert_int_equal(result.length, 0);
        assert_int_equal(result.dropped, 0);
        assert_int_equal(result.listed, 0);

    } else if (rc != PLUM_PROJECT_OK || result.length != strlen(clean)
               || memcmp(out, clean, result.length) != 0)
    {
        fail_msg("%s, %s: %d \"%.*s\"", rules, text, rc,
                 (int) result.length, (char *) out);

    } else {

        if (listed < 0 && result.dropped != dropped) {
            fail_msg("%s, %s: dropped %zu", rules, text, result.dropped);
        }

        if (result.listed != (unsigned) (listed != 0)) {
            fail_msg("%s, %s: listed %u", rules, text, result.listed);
        }
    }

    free(out);
    free(copy);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);
}


static void
test_shapes(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(shapes); i++) {
        check(shapes[i].rules, shapes[i].text, shapes[i].clean,
              shapes[i].dropped, -1);
    }
}


static void
test_doubles(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(doubles); i++) {
        check(doubles[i].rules, doubles[i].text, doubles[i].clean,
              doubles[i].dropped, -1);
    }
}


static void
test_broken(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(broken); i++) {

        /* once as it is asked for, kept, and skipped */

        check(broken[i].rules, broken[i].text, NULL, 0, -1);
        check("**", broken[i].text, NULL, 0, -1);
        check("zz", broken[i].text, NULL, 0, -1);
        check("** ?a", broken[i].text, NULL, 0, -1);
    }
}


static void
test_events(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(events); i++) {
        check(EVENT_RULES, events[i].text, events[i].clean, 0,
              (int) events[i].listed);
    }

    /* any type at all, a type that is not allowed, a type further in */

    check("=t a@*", "{\"a\":1,\"t\":\"\"}", "{\"a\":1}", 0, 1);
    check("=t a@*", "{\"a\":1,\"t\":5}", "{}", 0, 0);
    check("=h.t a@x", "{\"a\":1,\"h\":{\"t\":\"x\"}}", "{\"a\":1}", 0, 1);
    check("=h.t a@x", "{\"a\":1,\"h\":{\"t\":{}},\"t\":\"x\"}", "{}", 0, 0);
    check("=h.t **@x", "{\"a\": 1,\"h\":{\"t\":\"x\"}}",
          "{\"a\": 1,\"h\":{\"t\":\"x\"}}", 0, 1);
    check("=h.t **@x h.t", "{\"a\": 1,\"h\":{\"t\":\"y\"}}",
          "{\"h\":{\"t\":\"y\"}}", 0, 0);
    check("=h.t **@x", "{\"a\": 1,\"h\":{\"t\":\"x\",\"t\":\"x\"}}", NULL, 0,
          0);

    /* no rule with events: whatever the type is, it is listed */

    check("=t a", "{\"a\":1}", "{\"a\":1}", 0, 1);
}


static void
test_dropped_events(void **state)
{
    (void) state;

    /* the second walk counts afresh */

    check("=t a b@x c@y", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"t\":\"x\"}",
          "{\"a\":1,\"b\":2}", 3, -1);
}


/* arrays or objects, n deep, in every mode of the walk */

/* an event type that does not stand in the text */

static void
test_typed(void **state)
{
    size_t                i;
    uint8_t               out[64];
    unsigned              avx2;
    plum_str_t            type, text;
    plum_plan_t          *plan;
    plum_error_t          err;
    plum_scratch_t       *scratch;
    plum_projection_t     result;
    static const struct {
        const char  *rules;
        const char  *type;
        const char  *clean;
        unsigned     listed;
    } tests[] = {
        { "! i a@t.one b@t.*", "t.one", "{\"i\":1,\"a\":2,\"b\":3}", 1 },
        { "! i a@t.one b@t.*", "t.two", "{\"i\":1,\"b\":3}", 1 },
        { "! i a@t.one b@t.*", "t.", "{\"i\":1,\"b\":3}", 1 },
        { "! i a@t.one b@t.*", "t", "{\"i\":1}", 0 },
        { "! i a@t.one b@t.*", "T.one", "{\"i\":1}", 0 },
        { "! i a@t.one b@t.*", "t.one ", "{\"i\":1,\"b\":3}", 1 },
        { "! i a@t.one b@t.*", "", "{\"i\":1}", 0 },
        { "i a@* !", "x", "{\"i\":1,\"a\":2}", 1 },
        { "i a@* !", "", "{\"i\":1}", 0 },
        { "! i", "x", "{\"i\":1}", 1 },
        { "! i", "", "{\"i\":1}", 1 }
    };

    (void) state;

    text = unit_str(" {\"i\": 1, \"a\":2,\"b\":3, \"event\":\"t.one\"} ");

    for (i = 0; i < unit_nelts(tests); i++) {
        plan = project_plan(tests[i].rules, &err);
        assert_non_null(plan);
        scratch = plum_scratch_create(plan);
        assert_non_null(scratch);

        type = unit_str(tests[i].type);

        for (avx2 = 0; avx2 <= scratch->avx2; avx2++) {
            scratch->avx2 = avx2;
            assert_int_equal(plum_project_typed(plan, scratch, &type,
                                                text.data, text.len, out,
                                                NULL, &result),
                             PLUM_PROJECT_OK);
            assert_int_equal(result.length, strlen(tests[i].clean));
            assert_memory_equal(out, tests[i].clean, result.length);
            assert_int_equal(result.listed, tests[i].listed);
        }

        plum_scratch_destroy(scratch);
        plum_plan_destroy(plan);
    }

    /* one event type, from one place */

    assert_null(project_plan("! ! a@x", &err));
    assert_string_equal(err.text, "an allowlist has one event type");
    assert_null(project_plan("=e ! a@x", &err));
    assert_string_equal(err.text, "an allowlist has one event type");
    assert_null(project_plan("! =e a@x", &err));
    assert_string_equal(err.text, "event type \"e\" is the second one of its"
                                  " list");
}


static void
test_depth(void **state)
{
    char    text[DEEP * 8], clean[DEEP * 8], rules[DEEP * 8];
    size_t  n, i, at, rule;

    (void) state;

    for (n = PLUM_JSON_DEPTH - 1; n <= PLUM_JSON_DEPTH + 1; n++) {

        for (at = 0; at < n; at++) {
            text[at] = '[';
            text[n + at] = ']';
        }

        text[n * 2] = '\0';

        check("**", text, (n <= PLUM_JSON_DEPTH) ? text : NULL, 0, -1);
        check("a", text, (n <= PLUM_JSON_DEPTH) ? "[]" : NULL, 0, -1);

        rule = 0;

        for (i = 0; i < PLUM_JSON_DEPTH; i++) {
            rules[rule++] = '[';
            rules[rule++] = ']';
        }

        rules[rule] = '\0';
        check(rules, text, (n <= PLUM_JSON_DEPTH) ? text : NULL, 0, -1);

        at = 0;

        for (i = 0; i + 1 < n; i++) {
            at += (size_t) sprintf(text + at, "{\"a\":");
        }

        at += (size_t) sprintf(text + at, "{}");

        for (i = 0; i + 1 < n; i++) {
            text[at++] = '}';
        }

        text[at] = '\0';
        strcpy(clean, text);

        check("**", text, (n <= PLUM_JSON_DEPTH) ? clean : NULL, 0, -1);
        check("b", text, (n <= PLUM_JSON_DEPTH) ? "{}" : NULL, 1, -1);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_dropped_events),
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_depth)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
