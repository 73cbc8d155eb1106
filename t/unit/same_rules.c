/*
 * "The same rules": every byte of a location's configuration is flipped, and
 * must make a difference, unless its field is named here as one that makes
 * none.  A field that is in no list fails the test: whoever adds one decides.
 * Of NGINX there are the headers.
 */

#include <ngx_http_plum_loc_conf.h>

#include "unit.h"


typedef struct {
    const char  *name;
    size_t       offset;
    size_t       size;
} field_t;


#define FIELD(name)                                                           \
    { #name, offsetof(ngx_http_plum_loc_conf_t, name),                        \
      sizeof(((ngx_http_plum_loc_conf_t *) 0)->name) }


static const field_t  rules[] = {
    FIELD(mode), FIELD(tls), FIELD(types), FIELD(max_body),
    FIELD(signatures), FIELD(satisfy), FIELD(allowlist), FIELD(idempotency),
    FIELD(accept), FIELD(key)
};


static const field_t  others[] = {

    /* whether there are rules at all, which the caller asks, and where */

    FIELD(enable), FIELD(block), FIELD(said), FIELD(where), FIELD(gate),
    FIELD(internal),
    FIELD(satisfy_outer), FIELD(allow), FIELD(allow_where),

    /* what is counted, and under which name */

    FIELD(gate_name), FIELD(measured),

    /* how a queue delivers to this location, and signs: no way in */

    FIELD(deliver), FIELD(sign),

    /* the answer, the log, variables */

    FIELD(ack), FIELD(acks), FIELD(log_level), FIELD(refuse),
    FIELD(captures),

    /* NGINX's own limit, and the less of both */

    FIELD(client_limit), FIELD(body_limit),

    /* made of the rules; each gate is the owner of its records */

    FIELD(plan), FIELD(scratch), FIELD(capture_slots), FIELD(signature_slots),
    FIELD(event_slot), FIELD(stale), FIELD(certificate), FIELD(views),
    FIELD(owner)
};


static const field_t *
find(const field_t *fields, size_t n, size_t offset)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (offset >= fields[i].offset
            && offset < fields[i].offset + fields[i].size)
        {
            return &fields[i];
        }
    }

    return NULL;
}


static void
test_every_byte(void **state)
{
    size_t                     i, gap;
    const field_t             *rule, *other;
    ngx_http_plum_loc_conf_t   one, two;

    (void) state;

    gap = 0;

    memset(&one, 0xa5, sizeof(one));
    memset(&two, 0xa5, sizeof(two));

    assert_true(ngx_http_plum_same_rules(&one, &two));

    for (i = 0; i < sizeof(two); i++) {
        rule = find(rules, unit_nelts(rules), i);
        other = find(others, unit_nelts(others), i);

        ((u_char *) &two)[i] ^= 0xff;

        if (!ngx_http_plum_same_rules(&one, &two) != (rule != NULL)) {
            fail_msg("\"%s\" is %s", rule ? rule->name
                                          : other ? other->name : "?",
                     rule ? "not compared" : "compared");
        }

        ((u_char *) &two)[i] ^= 0xff;

        /* the compiler's padding is shorter than any field but a char */

        gap = (rule || other) ? 0 : gap + 1;

        if ((rule && other) || gap > 1) {
            fail_msg("a field at %zu is in %s list", i,
                     gap ? "no" : "more than one");
        }
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_every_byte)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
