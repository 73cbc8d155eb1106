/*
 * The values that probes ask for, as the walk meets them; see plum_walk.h.
 */

#include <plum_walk.h>


static void plum_probe_event(plum_walk_t *w, const plum_value_t *type);


void
plum_probe(plum_walk_t *w, unsigned slot, const uint8_t *p,
    const uint8_t *end, unsigned escaped)
{
    plum_value_t  *value;

    value = &w->probes[slot];

    value->raw.data = p;
    value->raw.len = (size_t) (end - p);
    value->escaped = 0;

    switch (*p) {

    case '"':
        value->kind = PLUM_VALUE_STRING;
        value->raw.data = p + 1;
        value->raw.len -= 2;
        value->escaped = (escaped != 0);
        break;

    case '{':
    case '[':
        value->kind = PLUM_VALUE_CONTAINER;
        break;

    case 't':
        value->kind = PLUM_VALUE_TRUE;
        break;

    case 'f':
        value->kind = PLUM_VALUE_FALSE;
        break;

    case 'n':
        value->kind = PLUM_VALUE_NULL;
        break;

    default:
        value->kind = PLUM_VALUE_NUMBER;
    }

    if (slot == w->plan->type && !w->known) {
        plum_probe_event(w, value);
    }
}


static void
plum_probe_event(plum_walk_t *w, const plum_value_t *type)
{
    size_t          len;
    unsigned        lone;
    const uint8_t  *text;

    w->known = 1;
    w->mask = PLUM_EVERY_EVENT;

    if (type->kind == PLUM_VALUE_STRING) {

        text = type->raw.data;
        len = type->raw.len;
        lone = 0;

        if (type->escaped) {
            len = plum_json_decode(text, len, w->out, &lone);
            text = w->out;
        }

        if (!lone) {
            w->mask = plum_plan_event_mask(w->plan, text, len);
        }
    }

    w->sure = w->mask;
    w->again = w->unsure;
}
