/*
 * The projector.  The first byte chooses the rules, the rest is texts apart
 * by a record separator (0x1e).
 *
 * A second validator and a slow filter say what must come out, byte by byte:
 * so the output parses, holds no path that is not listed, and every kept
 * value is a slice of the text.
 */

#include "projection.h"


static const char  *const lines[] = {
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


#define NLINES   (sizeof(lines) / sizeof(lines[0]))


static plum_plan_t     *plans[NLINES];
static oracle_rules_t   rules[NLINES];


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
prepare(void)
{
    size_t        i;
    plum_error_t  err;

    for (i = 0; i < NLINES; i++) {
        plans[i] = project_plan(lines[i], &err);
        check(plans[i] != NULL && oracle_rules(lines[i], &rules[i]), "plan");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t  which;

    if (plans[0] == NULL) {
        prepare();
    }

    if (size != 0) {
        which = data[0] % NLINES;
        projection_texts(plans[which], &rules[which], data + 1, size - 1);
    }

    return 0;
}
