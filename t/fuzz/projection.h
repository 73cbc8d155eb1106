/*
 * One text by one plan, and whether the oracle and jansson agree.
 */

#ifndef _PROJECTION_H_INCLUDED_
#define _PROJECTION_H_INCLUDED_


#include "oracle.h"
#include "project.h"

#include <plum_pseudonym.h>

#include <jansson.h>


/*
 * jansson, of a text that the oracle has judged.  Where it differs: numbers
 * beyond a double or 64 bits, half a surrogate, NUL in a member's name, and
 * depth; and it reads on after a NUL that follows the text.
 */

static inline void
projection_jansson(const tree_t *t, int valid)
{
    size_t                  len;
    json_t                 *json;
    json_error_t            err;
    enum json_error_code    code;

    memset(&err, 0, sizeof(json_error_t));
    len = (size_t) (t->end - t->text);

    json = json_loadb((const char *) t->text, len, JSON_ALLOW_NUL, &err);

    if (json != NULL) {
        json_decref(json);
        check(valid || memchr(t->text, '\0', len) != NULL,
              "jansson takes it");
        return;
    }

    code = json_error_code(&err);

    check(!valid || t->lone || code == json_error_numeric_overflow
          || code == json_error_null_byte_in_key, "jansson refuses it");
}


/* what a probe found, and what becomes of it when decoded */

static inline void
projection_probe(const plum_value_t *value, const node_t *node,
    const tree_t *t, const uint8_t *copy)
{
    int       rc;
    size_t    len, expected, quotes;
    uint8_t   buf[64], *decoded;

    rc = plum_value_decode(value, buf, sizeof(buf), &len);

    if (node == NULL || node->kind == '{' || node->kind == '[') {
        check(value->kind == (node ? PLUM_VALUE_CONTAINER : PLUM_VALUE_NONE),
              "a probe of nothing");
        check(rc == PLUM_ERROR && len == 0, "nothing, decoded");
        return;
    }

    quotes = (node->kind == '"');

    check(value->raw.data == copy + (node->from - t->text) + quotes
          && value->raw.len == (size_t) (node->to - node->from) - 2 * quotes
          && (value->kind == PLUM_VALUE_STRING) == quotes,
          "a probe of another value");

    if (!quotes) {
        check((rc == PLUM_OK) == (node->kind != 'n'
                                  && value->raw.len <= sizeof(buf)),
              "a scalar that cannot be decoded");
        check(rc != PLUM_OK || (len == value->raw.len
                                && memcmp(buf, value->raw.data, len) == 0),
              "a scalar in another spelling");
        return;
    }

    decoded = oracle_decode(node, &expected);

    check((rc == PLUM_OK) == (!node->lone && expected <= sizeof(buf)),
          "a string that cannot be decoded");
    check(rc != PLUM_OK || (len == expected
                            && (len == 0 || memcmp(buf, decoded, len) == 0)),
          "a string that reads otherwise");

    free(decoded);
}


/* slots are in the order in which paths were asked for first */

static inline void
projection_probes(const oracle_rules_t *rules, const tree_t *t,
    const plum_value_t *probes, size_t slots, const uint8_t *copy)
{
    size_t                i, k, n, slot;
    const node_t         *found[PLUM_PLAN_PROBES];
    const oracle_rule_t  *r, *other;

    slot = 0;

    for (i = 0; i < rules->n; i++) {
        r = &rules->rules[i];

        if (!r->mark) {
            continue;
        }

        for (k = 0; k < i; k++) {
            other = &rules->rules[k];
            n = (other->mark && other->n == r->n) ? 0 : r->n + 1;

            for ( /* void */ ; n < r->n; n++) {
                if (r->steps[n].len != other->steps[n].len
                    || memcmp(r->steps[n].name, other->steps[n].name,
                              r->steps[n].len) != 0)
                {
                    n = r->n;
                }
            }

            if (n == r->n) {
                break;
            }
        }

        if (k == i) {
            found[slot++] = oracle_find(r, t);
        }
    }

    check(slot == slots, "another number of probes");

    for (slot = 0; slot < slots; slot++) {
        projection_probe(&probes[slot], found[slot], t, copy);
    }
}


static inline void
projection_result(oracle_rules_t *rules, const tree_t *t, const uint8_t *out,
    const plum_projection_t *result)
{
    oracle_result_t  expected;

    memset(&expected, 0, sizeof(oracle_result_t));

    expected.out = malloc((size_t) (t->end - t->text));
    check(expected.out != NULL, "memory");

    expected.listed = oracle_events(rules, t);
    oracle_filter(rules, &t->nodes[0], &expected);

    check(result->pseudonyms == expected.pseudonyms, "other pseudonyms");
    check(result->length == expected.len
          && memcmp(out, expected.out, expected.len) == 0, "other bytes");
    check(result->dropped == expected.dropped, "dropped another number");
    check(result->listed == expected.listed, "listed otherwise");

    free(expected.out);
}


/* the key of each secret is its digit */

static inline void
projection_pseudonyms(const plum_scratch_t *scratch,
    const oracle_rules_t *rules, const tree_t *t, const uint8_t *out,
    const plum_projection_t *result)
{
    size_t              len;
    uint8_t            *replaced;
    unsigned            i;
    oracle_result_t     expected;
    static plum_key_t  *keys[10];

    if (result->pseudonyms == 0) {
        return;
    }

    for (i = 0; i < 10 && keys[9] == NULL; i++) {
        keys[i] = plum_key_create(PLUM_ALGORITHM_SHA256,
                                  (const uint8_t *) &"0123456789"[i], 1);
        check(keys[i] != NULL, "memory");
    }

    memset(&expected, 0, sizeof(oracle_result_t));

    expected.replace = 1;
    expected.out = malloc((size_t) (t->end - t->text) * 24);
    replaced = malloc(plum_pseudonyms_room(result));
    check(expected.out != NULL && replaced != NULL, "memory");

    oracle_filter(rules, &t->nodes[0], &expected);

    len = plum_pseudonyms_write(scratch, result, keys, out, replaced);

    check(len == expected.len && len <= plum_pseudonyms_room(result)
          && memcmp(replaced, expected.out, len) == 0,
          "other bytes with pseudonyms");

    free(expected.out);
    free(replaced);
}


static inline void
projection_check(const plum_plan_t *plan, plum_scratch_t *scratch,
    oracle_rules_t *rules, const uint8_t *text, size_t len)
{
    int                 valid;
    tree_t              t;
    uint8_t            *out, *copy;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_projection_t   result;
    plum_project_rc_t   rc;

    valid = tree_parse(&t, text, len);
    projection_jansson(&t, valid);

    valid = (valid && !t.deep && !oracle_doubles(rules, &t));

    rc = project_run(plan, scratch, text, len, &out, probes, &copy, &result);

    check(rc == (valid ? PLUM_PROJECT_OK : PLUM_PROJECT_INVALID),
          valid ? "a valid text is refused" : "an invalid text is taken");

    if (valid) {
        projection_result(rules, &t, out, &result);
        projection_pseudonyms(scratch, rules, &t, out, &result);
        projection_probes(rules, &t, probes, plum_plan_slots(plan), copy);
    }

    free(out);
    free(copy);
    tree_free(&t);
}


/* several texts, apart by a record separator, each twice by one scratch */

static inline void
projection_texts(const plum_plan_t *plan, oracle_rules_t *rules,
    const uint8_t *text, size_t len)
{
    size_t           n;
    unsigned         again;
    const uint8_t   *end;
    plum_scratch_t  *scratch;

    scratch = plum_scratch_create(plan);
    check(scratch != NULL, "memory");

    for ( /* void */ ; len != 0; text += n, len -= n) {
        end = memchr(text, 0x1e, len);
        n = end ? (size_t) (end - text) : len;

        for (again = 0; again < 2; again++) {
            projection_check(plan, scratch, rules, text, n);
        }

        n += (end != NULL);
    }

    plum_scratch_destroy(scratch);
}


#endif /* _PROJECTION_H_INCLUDED_ */
