/*
 * Plans, up to their compilation; see plum_project.h and plum_trie.h.
 */

#include <stdlib.h>

#include <plum_trie.h>


static int plum_plan_walk(plum_plan_t *plan, const plum_str_t *path,
    uint32_t *node, unsigned *whole, plum_error_t *err);
static int plum_plan_step(plum_plan_t *plan, uint32_t parent,
    plum_step_kind_t kind, const uint8_t *name, size_t len, uint32_t *node,
    plum_error_t *err);
static int plum_plan_new_step(plum_plan_t *plan, plum_step_kind_t kind,
    const uint8_t *name, size_t len, uint32_t *node, plum_error_t *err);
static int plum_plan_events(plum_plan_t *plan, const plum_str_t *events,
    size_t nevents, uint64_t *mask, plum_error_t *err);
static int plum_plan_event(plum_plan_t *plan, const plum_str_t *pattern,
    uint64_t *mask, plum_error_t *err);
static int plum_plan_open(const plum_plan_t *plan, plum_error_t *err);
static int plum_plan_copy(plum_str_t *to, const uint8_t *data, size_t len);


plum_plan_t *
plum_plan_create(void)
{
    uint32_t      root;
    plum_plan_t  *plan;
    plum_error_t  err;

    plan = calloc(1, sizeof(plum_plan_t));
    if (plan == NULL) {
        return NULL;
    }

    plan->type = PLUM_NO_PROBE;

    if (plum_plan_new_step(plan, PLUM_STEP_END, NULL, 0, &root, &err)
        != PLUM_OK)
    {
        plum_plan_destroy(plan);
        return NULL;
    }

    return plan;
}


void
plum_plan_destroy(plum_plan_t *plan)
{
    uint32_t  i;

    if (plan == NULL) {
        return;
    }

    for (i = 0; i < plan->nsteps; i++) {
        free((void *) (uintptr_t) plan->steps[i].name.data);
        free((void *) (uintptr_t) plan->steps[i].path.data);
    }

    for (i = 0; i < plan->nevents; i++) {
        free((void *) (uintptr_t) plan->events[i].data);
    }

    free(plan->steps);
    free(plan->nodes);
    free(plan->slots);
    free(plan->pseudonyms);
    free(plan);
}


int
plum_plan_allow(plum_plan_t *plan, const plum_str_t *path,
    const plum_str_t *events, size_t nevents, plum_error_t *err)
{
    uint32_t  node;
    uint64_t  mask;
    unsigned  whole;

    if (plum_plan_open(plan, err) != PLUM_OK
        || plum_path_check(path, err) != PLUM_OK
        || plum_plan_events(plan, events, nevents, &mask, err) != PLUM_OK
        || plum_plan_walk(plan, path, &node, &whole, err) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    if (whole) {
        plan->steps[node].whole |= mask;

    } else {
        plan->steps[node].scalar |= mask;
    }

    return PLUM_OK;
}


int
plum_plan_pseudonym(plum_plan_t *plan, const plum_str_t *path,
    const plum_str_t *events, size_t nevents, unsigned secret,
    plum_error_t *err)
{
    uint32_t      node;
    uint64_t      mask;
    unsigned      whole;
    plum_step_t  *step;

    if (plum_plan_open(plan, err) != PLUM_OK
        || plum_path_check(path, err) != PLUM_OK
        || plum_plan_events(plan, events, nevents, &mask, err) != PLUM_OK
        || plum_plan_walk(plan, path, &node, &whole, err) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    if (whole) {
        return plum_path_error(err, "path", path, " of a pseudonym must not"
                               " end with \"**\", name the value");
    }

    step = &plan->steps[node];

    if (step->pseudonym != 0 && step->secret != secret) {
        return plum_path_error(err, "path", path,
                               " is a pseudonym by two secrets");
    }

    if (step->path.data == NULL
        && plum_plan_copy(&step->path, path->data, path->len) != PLUM_OK)
    {
        return plum_trie_nomem(err);
    }

    step->pseudonym |= mask;
    step->secret = secret;
    plan->replaces = 1;

    return PLUM_OK;
}


int
plum_plan_probe(plum_plan_t *plan, const plum_str_t *path, unsigned *slot,
    plum_error_t *err)
{
    size_t            at, len;
    uint32_t          node;
    unsigned          whole;
    plum_step_kind_t  kind;

    if (plum_plan_open(plan, err) != PLUM_OK
        || plum_path_check(path, err) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    at = 0;

    do {
        if (plum_path_step(path, &at, &kind, NULL, &len, err) != PLUM_OK) {
            return PLUM_ERROR;
        }

        if (kind != PLUM_STEP_NAME && kind != PLUM_STEP_END) {
            return plum_path_error(err, "path", path,
                                   " does not name exactly one value");
        }

    } while (kind != PLUM_STEP_END);

    if (plum_plan_walk(plan, path, &node, &whole, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (plan->steps[node].probe == PLUM_NO_PROBE) {

        if (plan->nprobes == PLUM_PLAN_PROBES) {
            return plum_path_error(err, "path", path,
                                   " is one more than can be looked up");
        }

        plan->steps[node].probe = plan->nprobes++;
    }

    *slot = plan->steps[node].probe;

    return PLUM_OK;
}


int
plum_plan_event_type(plum_plan_t *plan, const plum_str_t *path,
    unsigned *slot, plum_error_t *err)
{
    if (plan->type != PLUM_NO_PROBE || plan->given) {
        return plum_path_error(err, "event type", path,
                               " is the second one of its list");
    }

    if (plum_plan_probe(plan, path, slot, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    plan->type = *slot;

    return PLUM_OK;
}


int
plum_plan_event_given(plum_plan_t *plan, plum_error_t *err)
{
    if (plum_plan_open(plan, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (plan->type != PLUM_NO_PROBE || plan->given) {
        return plum_error(err, "an allowlist has one event type", NULL);
    }

    plan->given = 1;

    return PLUM_OK;
}


int
plum_plan_compile(plum_plan_t *plan, plum_error_t *err)
{
    if (plum_plan_open(plan, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (plan->nevents != 0 && plan->type == PLUM_NO_PROBE && !plan->given) {
        return plum_path_error(err, "event pattern", &plan->events[0],
                               " needs the place of the event type");
    }

    return plum_trie_build(plan, err);
}


size_t
plum_plan_slots(const plum_plan_t *plan)
{
    return plan->nprobes;
}


uint64_t
plum_plan_event_mask(const plum_plan_t *plan, const uint8_t *type, size_t len)
{
    unsigned           i;
    uint64_t           mask;
    const plum_str_t  *event;

    mask = PLUM_EVERY_EVENT;

    for (i = 0; i < plan->nevents; i++) {
        event = &plan->events[i];

        if ((plan->prefix[i] ? len >= event->len : len == event->len)
            && memcmp(type, event->data, event->len) == 0)
        {
            mask |= PLUM_EVERY_EVENT << (i + 1);
        }
    }

    return mask;
}


/* finds or makes the node of a path whose grammar has been checked */

static int
plum_plan_walk(plum_plan_t *plan, const plum_str_t *path, uint32_t *node,
    unsigned *whole, plum_error_t *err)
{
    int               rc;
    size_t            at, len;
    uint8_t          *name;
    plum_step_kind_t  kind;

    name = malloc(path->len);
    if (name == NULL) {
        return plum_trie_nomem(err);
    }

    at = 0;
    len = 0;
    *node = 0;

    for ( ;; ) {
        rc = plum_path_step(path, &at, &kind, name, &len, err);

        if (rc != PLUM_OK || kind == PLUM_STEP_END
            || kind == PLUM_STEP_WHOLE)
        {
            break;
        }

        if (kind != PLUM_STEP_NAME) {
            len = 0;
        }

        rc = plum_plan_step(plan, *node, kind, name, len, node, err);

        if (rc != PLUM_OK) {
            break;
        }
    }

    free(name);

    *whole = (kind == PLUM_STEP_WHOLE);

    return rc;
}


static int
plum_plan_step(plum_plan_t *plan, uint32_t parent, plum_step_kind_t kind,
    const uint8_t *name, size_t len, uint32_t *node, plum_error_t *err)
{
    uint32_t      i;
    plum_step_t  *step;

    for (i = plan->steps[parent].child; i != 0; i = step->next) {
        step = &plan->steps[i];

        if (step->kind == kind && step->name.len == len
            && (len == 0 || memcmp(step->name.data, name, len) == 0))
        {
            *node = i;
            return PLUM_OK;
        }
    }

    if (plum_plan_new_step(plan, kind, name, len, &i, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    plan->steps[i].next = plan->steps[parent].child;
    plan->steps[parent].child = i;

    *node = i;

    return PLUM_OK;
}


static int
plum_plan_new_step(plum_plan_t *plan, plum_step_kind_t kind,
    const uint8_t *name, size_t len, uint32_t *node, plum_error_t *err)
{
    size_t        size;
    plum_step_t  *steps, *step;

    if (plan->nsteps == PLUM_PLAN_NODES) {
        return plum_error(err, "rules of \"plum_allowlist\" have too many "
                          "different steps", NULL);
    }

    if (plan->nsteps == plan->steps_size) {
        size = (plan->steps_size == 0) ? 16 : (size_t) plan->steps_size * 2;

        steps = realloc(plan->steps, size * sizeof(plum_step_t));
        if (steps == NULL) {
            return plum_trie_nomem(err);
        }

        plan->steps = steps;
        plan->steps_size = (uint32_t) size;
    }

    step = &plan->steps[plan->nsteps];

    memset(step, 0, sizeof(plum_step_t));

    step->kind = kind;
    step->probe = PLUM_NO_PROBE;

    if (plum_plan_copy(&step->name, name, len) != PLUM_OK) {
        return plum_trie_nomem(err);
    }

    *node = plan->nsteps++;

    return PLUM_OK;
}


/* the mask of a rule that has these events */

static int
plum_plan_events(plum_plan_t *plan, const plum_str_t *events, size_t nevents,
    uint64_t *mask, plum_error_t *err)
{
    size_t  i;

    *mask = (nevents == 0) ? PLUM_EVERY_EVENT : 0;

    for (i = 0; i < nevents; i++) {
        if (plum_plan_event(plan, &events[i], mask, err) != PLUM_OK) {
            return PLUM_ERROR;
        }
    }

    return PLUM_OK;
}


/* adds the bit of an event pattern to the mask */

static int
plum_plan_event(plum_plan_t *plan, const plum_str_t *pattern, uint64_t *mask,
    plum_error_t *err)
{
    size_t          len;
    unsigned        i, prefix;
    const uint8_t  *star;

    len = pattern->len;

    if (len == 0) {
        return plum_path_error(err, "event pattern", pattern, " is empty");
    }

    /* what stands for itself here, and in no event type */

    if (strchr(" \t\"'~!", pattern->data[0]) != NULL
        || pattern->data[len - 1] == ' ')
    {
        return plum_path_error(err, "event pattern", pattern, " is no name,"
                               " with or without a \"*\" at its end");
    }

    star = memchr(pattern->data, '*', len);
    prefix = (star != NULL);

    if (prefix && star != pattern->data + --len) {
        return plum_path_error(err, "event pattern", pattern,
                               " has a \"*\" before its end");
    }

    for (i = 0; i < plan->nevents; i++) {

        if (plan->prefix[i] == prefix && plan->events[i].len == len
            && (len == 0
                || memcmp(plan->events[i].data, pattern->data, len) == 0))
        {
            break;
        }
    }

    if (i == plan->nevents) {

        if (i == PLUM_PLAN_EVENTS) {
            return plum_path_error(err, "event pattern", pattern,
                                   " is one more than a list can have");
        }

        if (plum_plan_copy(&plan->events[i], pattern->data, len) != PLUM_OK) {
            return plum_trie_nomem(err);
        }

        plan->prefix[i] = prefix;
        plan->nevents++;
    }

    *mask |= PLUM_EVERY_EVENT << (i + 1);

    return PLUM_OK;
}


static int
plum_plan_copy(plum_str_t *to, const uint8_t *data, size_t len)
{
    uint8_t  *p;

    /* at least one byte, so that data is a valid pointer for memcmp() */

    p = malloc(len + 1);
    if (p == NULL) {
        return PLUM_ERROR;
    }

    if (len != 0) {
        memcpy(p, data, len);
    }

    to->data = p;
    to->len = len;

    return PLUM_OK;
}


static int
plum_plan_open(const plum_plan_t *plan, plum_error_t *err)
{
    if (plan->nodes != NULL) {
        return plum_error(err, "rules of \"plum_allowlist\" are complete "
                          "already", NULL);
    }

    return PLUM_OK;
}
