/*
 * libFuzzer: the first two bytes choose the rules, the rest is the text.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -It/unit
 *         t/fuzz/fuzz_project.c ngx_plum_module/core/plum_*.c
 *         -ljansson -lcrypto
 *
 * What comes out is valid by a plan that copies everything, comes out the
 * same when projected again, and is no longer than what went in.
 */

#include "project.h"


static const char  *const rules[] = {
    "**",
    "** ?a",
    "a b.c d[].e ?a ?b.c",
    "*",
    "*.* a.** ?a.b",
    "[] [].a [][].* [].b.** a",
    "a.* *.b a.b.c[].d ?a.b ?c",
    "=t a b@x c.**@y* d.a@x d.*@* t",
    "=a.t **@x a.b a.t *.*@y",
    "a.a.a.a.a.a *.*.*.b *[].a[].** [].*[].*",
    ""
};


#define NRULES   (sizeof(rules) / sizeof(rules[0]))


static plum_plan_t     *plans[NRULES];
static plum_scratch_t  *scratches[NRULES];


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
prepare(void)
{
    size_t        i;
    plum_error_t  err;

    for (i = 0; i < NRULES; i++) {
        plans[i] = project_plan(rules[i], &err);
        check(plans[i] != NULL, "plan");

        scratches[i] = plum_scratch_create(plans[i]);
        check(scratches[i] != NULL, "scratch");
    }
}


static void
decode_all(const plum_value_t *probes, size_t n)
{
    size_t   i, len;
    uint8_t  buf[64];

    for (i = 0; i < n; i++) {
        plum_value_decode(&probes[i], buf, sizeof(buf), &len);
        check(len <= sizeof(buf), "a value is longer than its buffer");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              which;
    uint8_t            *out, *again, *whole, *copy[3];
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_projection_t   first, second, third;

    if (plans[0] == NULL) {
        prepare();
    }

    if (size < 2) {
        return 0;
    }

    which = (data[0] | (size_t) data[1] << 8) % NRULES;

    if (project_run(plans[which], scratches[which], data + 2, size - 2, &out,
                    probes, &copy[0], &first)
        != PLUM_PROJECT_OK)
    {
        free(out);
        free(copy[0]);
        return 0;
    }

    check(first.length <= size - 2, "longer than the input");
    decode_all(probes, plum_plan_slots(plans[which]));

    check(project_run(plans[0], scratches[0], out, first.length, &whole,
                      probes, &copy[1], &second)
          == PLUM_PROJECT_OK, "the output is invalid");

    check(project_run(plans[which], scratches[which], out, first.length,
                      &again, probes, &copy[2], &third)
          == PLUM_PROJECT_OK, "the output is refused");

    /* an event type that is not kept leaves its rules without an event */

    if (third.listed == first.listed) {
        check(third.length == first.length
              && memcmp(out, again, first.length) == 0,
              "not the same a second time");

        check(third.dropped == 0, "something left to drop");
    }

    free(out);
    free(again);
    free(whole);
    free(copy[0]);
    free(copy[1]);
    free(copy[2]);

    return 0;
}
