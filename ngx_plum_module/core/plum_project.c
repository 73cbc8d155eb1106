/*
 * The projector; see plum_project.h and plum_walk.h.
 */

#include <plum_walk.h>


static plum_project_rc_t plum_project_walk(plum_walk_t *w, const uint8_t *in,
    size_t len, uint8_t *out, plum_projection_t *result);
static void plum_walk_start(plum_walk_t *w, uint8_t *out);
static const uint8_t *plum_walk_through(plum_walk_t *w);


plum_project_rc_t
plum_project(const plum_plan_t *plan, plum_scratch_t *scratch,
    const uint8_t *in, size_t len, uint8_t *out, plum_value_t *probes,
    plum_projection_t *result)
{
    plum_walk_t  w;

    w.plan = plan;
    w.scratch = scratch;
    w.probes = probes;

    w.known = (plan->nevents == 0);
    w.sure = PLUM_EVERY_EVENT;
    w.mask = w.known ? PLUM_EVERY_EVENT : ~(uint64_t) 0;

    return plum_project_walk(&w, in, len, out, result);
}


plum_project_rc_t
plum_project_typed(const plum_plan_t *plan, plum_scratch_t *scratch,
    const plum_str_t *type, const uint8_t *in, size_t len, uint8_t *out,
    plum_value_t *probes, plum_projection_t *result)
{
    plum_walk_t  w;

    w.plan = plan;
    w.scratch = scratch;
    w.probes = probes;

    w.known = 1;
    w.mask = type->len ? plum_plan_event_mask(plan, type->data, type->len)
                       : PLUM_EVERY_EVENT;
    w.sure = w.mask;

    return plum_project_walk(&w, in, len, out, result);
}


/* w knows the plan, where to put the probes, and which rules hold */

static plum_project_rc_t
plum_project_walk(plum_walk_t *w, const uint8_t *in, size_t len, uint8_t *out,
    plum_projection_t *result)
{
    const uint8_t  *p;

    memset(result, 0, sizeof(plum_projection_t));

    w->nomem = 0;

    plum_walk_start(w, out);

    while (len != 0 && (in[len - 1] == ' ' || in[len - 1] == '\n'
                        || in[len - 1] == '\r' || in[len - 1] == '\t'))
    {
        len--;
    }

    if (len == 0 || (in[len - 1] != '}' && in[len - 1] != ']')) {
        return PLUM_PROJECT_INVALID;
    }

    w->end = in + len;
    w->start = plum_json_space(in, w->end);

    p = plum_walk_through(w);

    if (p == w->end && !w->known) {
        w->known = 1;
        w->mask = PLUM_EVERY_EVENT;
        w->again = w->unsure;
    }

    if (w->again) {
        plum_walk_start(w, out);
        p = plum_walk_through(w);
    }

    if (p != w->end) {
        plum_walk_start(w, out);
        return w->nomem ? PLUM_PROJECT_NOMEM : PLUM_PROJECT_INVALID;
    }

    result->length = (size_t) (w->out - out);
    result->pseudonyms = w->scratch->nmarks;
    result->dropped = w->dropped;
    result->listed = (w->plan->nevents == 0 || w->mask != PLUM_EVERY_EVENT);

    return PLUM_PROJECT_OK;
}


static void
plum_walk_start(plum_walk_t *w, uint8_t *out)
{
    if (w->plan->nprobes != 0) {
        memset(w->probes, 0, w->plan->nprobes * sizeof(plum_value_t));
    }

    w->first = out;
    w->out = out;
    w->unsure = 0;
    w->again = 0;
    w->dropped = 0;

    w->scratch->nmarks = 0;

    plum_seen_start(w->scratch);
}


static const uint8_t *
plum_walk_through(plum_walk_t *w)
{
#if (PLUM_HAVE_AVX2)
    if (w->scratch->avx2) {
        return plum_walk_avx2(w);
    }
#endif

    return plum_walk(w);
}
