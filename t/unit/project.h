/*
 * Plans from one line, for the projector's tests: items apart by a space,
 * "path" a rule, "path@event,event" one for events, "=path" the event type,
 * "!" an event type that the caller knows, "?path" a probe, "|Npath" and
 * "|Npath@event,event" a pseudonym by secret N.
 */

#ifndef _PROJECT_H_INCLUDED_
#define _PROJECT_H_INCLUDED_


#include "unit.h"

#include <plum_project.h>
#include <plum_trie.h>


#define PROJECT_EVENTS   70


static inline int
project_add(plum_plan_t *plan, const char *item, size_t len,
    plum_error_t *err)
{
    int          secret;
    size_t       n, size;
    unsigned     slot;
    const char  *at, *comma;
    plum_str_t   path, events[PROJECT_EVENTS];

    path.data = (const uint8_t *) item;
    path.len = len;

    if (*item == '!') {
        return plum_plan_event_given(plan, err);
    }

    if (*item == '=' || *item == '?') {
        path.data++;
        path.len--;

        return (*item == '=') ? plum_plan_event_type(plan, &path, &slot, err)
                              : plum_plan_probe(plan, &path, &slot, err);
    }

    secret = -1;

    if (*item == '|' && len > 1 && item[1] >= '0' && item[1] <= '9') {
        secret = item[1] - '0';
        path.data += 2;
        path.len -= 2;
    }

    n = 0;
    at = memchr(item, '@', len);

    if (at != NULL) {
        path.len = (size_t) (at - (const char *) path.data);

        for (at++; at <= item + len; at = comma + 1) {
            size = (size_t) (item + len - at);

            comma = memchr(at, ',', size);
            if (comma == NULL) {
                comma = item + len;
            }

            events[n].data = (const uint8_t *) at;
            events[n].len = (size_t) (comma - at);
            n++;
        }
    }

    return (secret < 0)
           ? plum_plan_allow(plan, &path, events, n, err)
           : plum_plan_pseudonym(plan, &path, events, n, (unsigned) secret,
                                 err);
}


/* NULL, with err filled in, where an item or the whole is refused */

static inline plum_plan_t *
project_plan(const char *rules, plum_error_t *err)
{
    const char   *end;
    plum_plan_t  *plan;

    plan = plum_plan_create();
    if (plan == NULL) {
        strcpy(err->text, "no memory");
        return NULL;
    }

    for ( /* void */ ; *rules != '\0'; rules = end + (*end == ' ')) {
        end = rules + strcspn(rules, " ");

        if (project_add(plan, rules, (size_t) (end - rules), err)
            != PLUM_OK)
        {
            plum_plan_destroy(plan);
            return NULL;
        }
    }

    if (plum_plan_compile(plan, err) != PLUM_OK) {
        plum_plan_destroy(plan);
        return NULL;
    }

    return plan;
}


/* by the other walk: the same in all respects */

static inline plum_project_rc_t
project_compare(const plum_plan_t *plan, plum_scratch_t *scratch,
    const uint8_t *text, size_t len, plum_project_rc_t rc, const uint8_t *out,
    const plum_value_t *probes, const plum_projection_t *result)
{
    unsigned            same;
    uint8_t            *other;
    plum_value_t        values[PLUM_PLAN_PROBES];
    plum_projection_t   found;
    plum_project_rc_t   verdict;

    other = malloc(len ? len : 1);

    if (other == NULL) {
        return PLUM_PROJECT_NOMEM;
    }

    verdict = plum_project(plan, scratch, text, len, other, values, &found);

    same = (verdict == rc && memcmp(&found, result, sizeof(found)) == 0);

    if (same && rc == PLUM_PROJECT_OK) {
        same = (memcmp(other, out, found.length) == 0);
    }

    if (same && probes != NULL && plan->nprobes != 0) {
        same = (memcmp(values, probes,
                       plan->nprobes * sizeof(plum_value_t)) == 0);
    }

    if (!same && verdict != PLUM_PROJECT_NOMEM) {
        fail_msg("two walks: %.*s", (int) len, (const char *) text);
    }

    free(other);

    return verdict;
}


/*
 * Projects a copy of the text that ends where its memory does, so that a
 * sanitizer sees every step too far; out is owned by the caller.  Where
 * there are two walks, they have to agree, and take turns to be the first
 * to learn a name.
 */

static inline plum_project_rc_t
project_run(const plum_plan_t *plan, plum_scratch_t *scratch,
    const uint8_t *text, size_t len, uint8_t **out, plum_value_t *probes,
    uint8_t **copy, plum_projection_t *result)
{
    unsigned           avx2;
    plum_project_rc_t  rc;

    *copy = malloc(len ? len : 1);
    *out = malloc(len ? len : 1);

    if (*copy == NULL || *out == NULL) {
        return PLUM_PROJECT_NOMEM;
    }

    memcpy(*copy, text, len);

    avx2 = scratch->avx2;
    scratch->avx2 = avx2 && len % 2;

    rc = plum_project(plan, scratch, *copy, len, *out, probes, result);

    if (avx2 && rc != PLUM_PROJECT_NOMEM) {
        scratch->avx2 = !scratch->avx2;
        rc = project_compare(plan, scratch, *copy, len, rc, *out, probes,
                             result);
    }

    scratch->avx2 = avx2;

    return rc;
}


#endif /* _PROJECT_H_INCLUDED_ */
