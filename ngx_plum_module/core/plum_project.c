/*
 * The projector's walk over one text; see plum_project.h and plum_trie.h.
 *
 * The walk is a loop over members and elements.  Before each turn it stands
 * at the first byte of one, the top frame being the container around it;
 * after its value a "," leads to the next turn, and closing brackets pop
 * frames until one does.  A frame's mode says what becomes of its content:
 *
 *     KEEP    members are judged, and written as they are kept
 *     WHOLE   inside of a "**" value: copied in one piece when it closes
 *     DROP    inside of something left out
 *
 * Frames are pushed only where names or elements have a trie node to meet
 * (and at the root); any other value is validated by the scanner alone.
 *
 * While the event type is not known, every event's rules hold, and a value
 * kept by none but them makes the walk unsure.  Once the type is known, or
 * is known to be missing, an unsure walk starts again with the type's mask,
 * and cannot be unsure then: at most two walks.  Whether names are doubled
 * does not depend on the mask, or the verdict would hang on member order.
 */

#include <plum_json.h>
#include <plum_trie.h>


typedef enum {
    PLUM_KEEP = 0,
    PLUM_WHOLE,
    PLUM_DROP
} plum_mode_t;


typedef struct {
    const plum_node_t   *node;
    uint64_t             serial;
    uint8_t              closing;        /* its bracket */
    uint8_t              mode;
    uint8_t              more;           /* the next one wants a comma */
} plum_frame_t;


typedef struct {
    const plum_plan_t   *plan;
    plum_scratch_t      *scratch;
    const uint8_t       *start;          /* the root's brackets */
    const uint8_t       *end;
    uint8_t             *out;
    plum_value_t        *probes;

    uint64_t             mask;           /* the rules that hold */
    uint64_t             sure;           /* ... for certain */
    unsigned             known:1;        /* the event type */
    unsigned             unsure:1;
    unsigned             again:1;        /* given up, to start again */
    unsigned             nomem:1;

    size_t               dropped;
    const uint8_t       *name;           /* of the member at hand, quoted */
    const uint8_t       *name_end;
    const uint8_t       *whole;          /* the outermost "**" container */
    size_t               whole_depth;

    size_t               depth;
    plum_frame_t        *top;
    plum_frame_t         frames[PLUM_JSON_DEPTH];
} plum_walk_t;


static void plum_walk_start(plum_walk_t *w, uint8_t *out);
static const uint8_t *plum_walk(plum_walk_t *w);
static const uint8_t *plum_walk_name(plum_walk_t *w, const uint8_t *p,
    const plum_node_t **child);
static plum_project_rc_t plum_walk_child(plum_walk_t *w, const uint8_t *name,
    size_t len, unsigned escaped, const plum_node_t **child);
static const uint8_t *plum_walk_skip(plum_walk_t *w, const uint8_t *p);
static const uint8_t *plum_walk_scalar(plum_walk_t *w, const uint8_t *p,
    const plum_node_t *node);
static const uint8_t *plum_walk_container(plum_walk_t *w, const uint8_t *p,
    const plum_node_t *node);
static const uint8_t *plum_walk_push(plum_walk_t *w, const uint8_t *p,
    const plum_node_t *node, plum_mode_t mode);
static const uint8_t *plum_walk_next(plum_walk_t *w, const uint8_t *p);
static void plum_walk_probe(plum_walk_t *w, unsigned slot, const uint8_t *p,
    const uint8_t *end, unsigned escaped);
static void plum_walk_event(plum_walk_t *w, const plum_value_t *type);


static inline unsigned
plum_walk_wants(plum_walk_t *w, uint64_t leaves)
{
    if ((leaves & w->mask) == 0) {
        return 0;
    }

    if ((leaves & w->sure) == 0) {
        w->unsure = 1;
    }

    return 1;
}


/*
 * What is written is a part of what was read, in its order, so out is never
 * ahead of the input: where 32 bytes of it are left, so are 32 of out.
 */

static inline uint8_t *
plum_walk_copy(uint8_t *out, const uint8_t *from, const uint8_t *to,
    const uint8_t *end)
{
    size_t  n;

    n = (size_t) (to - from);

    if (n <= 32 && end - from >= 32) {
        memcpy(out, from, 16);
        memcpy(out + 16, from + 16, 16);

    } else {
        memcpy(out, from, n);
    }

    return out + n;
}


/* writes the member or element at hand, with these bytes as its value */

static inline void
plum_walk_write(plum_walk_t *w, const uint8_t *from, const uint8_t *to)
{
    uint8_t  *out;

    out = w->out;

    if (w->top->more) {
        *out++ = ',';
    }

    w->top->more = 1;

    if (w->top->closing == '}') {

        if (w->name_end + 1 == from) {
            from = w->name;

        } else {
            out = plum_walk_copy(out, w->name, w->name_end, w->end);
            *out++ = ':';
        }
    }

    w->out = plum_walk_copy(out, from, to, w->end);
}


plum_project_rc_t
plum_project(const plum_plan_t *plan, plum_scratch_t *scratch,
    const uint8_t *in, size_t len, uint8_t *out, plum_value_t *probes,
    plum_projection_t *result)
{
    plum_walk_t     w;
    const uint8_t  *p;

    memset(result, 0, sizeof(plum_projection_t));

    w.plan = plan;
    w.scratch = scratch;
    w.probes = probes;
    w.nomem = 0;

    w.known = (plan->nevents == 0);
    w.sure = PLUM_EVERY_EVENT;
    w.mask = w.known ? PLUM_EVERY_EVENT : ~(uint64_t) 0;

    plum_walk_start(&w, out);

    while (len != 0 && (in[len - 1] == ' ' || in[len - 1] == '\n'
                        || in[len - 1] == '\r' || in[len - 1] == '\t'))
    {
        len--;
    }

    if (len == 0 || (in[len - 1] != '}' && in[len - 1] != ']')) {
        return PLUM_PROJECT_INVALID;
    }

    w.start = plum_json_space(in);
    w.end = in + len;

    p = plum_walk(&w);

    if (p == w.end && !w.known) {
        w.known = 1;
        w.mask = PLUM_EVERY_EVENT;
        w.again = w.unsure;
    }

    if (w.again) {
        plum_walk_start(&w, out);
        p = plum_walk(&w);
    }

    if (p != w.end) {
        plum_walk_start(&w, out);
        return w.nomem ? PLUM_PROJECT_NOMEM : PLUM_PROJECT_INVALID;
    }

    result->length = (size_t) (w.out - out);
    result->dropped = w.dropped;
    result->listed = (plan->nevents == 0 || w.mask != PLUM_EVERY_EVENT);

    return PLUM_PROJECT_OK;
}


static void
plum_walk_start(plum_walk_t *w, uint8_t *out)
{
    if (w->plan->nprobes != 0) {
        memset(w->probes, 0, w->plan->nprobes * sizeof(plum_value_t));
    }

    w->out = out;
    w->unsure = 0;
    w->again = 0;
    w->dropped = 0;
    w->depth = 0;

    plum_seen_start(w->scratch);
}


/* NULL, or where the root ends */

static const uint8_t *
plum_walk(plum_walk_t *w)
{
    size_t              depth;
    plum_mode_t         mode;
    const uint8_t      *p;
    const plum_node_t  *node;

    p = w->start;
    node = w->plan->nodes;

    if (*p != '{' && *p != '[') {
        return NULL;
    }

    mode = plum_walk_wants(w, node->whole) ? PLUM_WHOLE : PLUM_KEEP;

    if (mode == PLUM_WHOLE) {
        w->whole = p;
        w->whole_depth = 1;

    } else {
        *w->out++ = *p;
    }

    depth = 0;
    p = plum_walk_push(w, p, node, mode);

    for ( ;; ) {

        if (w->depth <= depth || *p == w->top->closing) {
            p = plum_walk_next(w, p);

            if (p == NULL || w->depth == 0) {
                return p;
            }
        }

        depth = w->depth;

        if (w->top->closing == '}') {
            p = plum_walk_name(w, p, &node);
            if (p == NULL) {
                return NULL;
            }

        } else {
            node = w->top->node->element != 0
                   ? &w->plan->nodes[w->top->node->element] : NULL;
        }

        if (node == NULL) {
            p = plum_walk_skip(w, p);

        } else if (*p == '{' || *p == '[') {
            p = plum_walk_container(w, p, node);

        } else {
            p = plum_walk_scalar(w, p, node);
        }

        if (p == NULL) {
            return NULL;
        }
    }
}


/* a member's name and colon, and the trie node of its value */

static const uint8_t *
plum_walk_name(plum_walk_t *w, const uint8_t *p, const plum_node_t **child)
{
    unsigned        escaped;
    const uint8_t  *end;

    if (*p != '"') {
        return NULL;
    }

    escaped = 0;

    end = plum_json_string(p + 1, w->end, &escaped);
    if (end == NULL) {
        return NULL;
    }

    w->name = p;
    w->name_end = end + 1;

    *child = NULL;

    if (w->top->node->looks
        && plum_walk_child(w, p + 1, (size_t) (end - p - 1), escaped, child)
           != PLUM_PROJECT_OK)
    {
        return NULL;
    }

    p = plum_json_space(end + 1);

    if (*p != ':') {
        return NULL;
    }

    return plum_json_space(p + 1);
}


static plum_project_rc_t
plum_walk_child(plum_walk_t *w, const uint8_t *name, size_t len,
    unsigned escaped, const plum_node_t **child)
{
    size_t              room;
    uint64_t            head, hash, mask;
    unsigned            lone;
    const uint8_t      *decoded;
    plum_project_rc_t   rc;
    const plum_node_t  *node;
    const plum_slot_t  *slots;

    node = w->top->node;
    decoded = name;
    room = (size_t) (w->end - name);

    if (escaped) {

        /* what is to be written next is shorter than what was read */

        len = plum_json_decode(name, len, w->out, &lone);
        decoded = w->out;
        room = len;
    }

    if (node->lengths >> ((len < 63) ? len : 63) & 1) {

        head = plum_trie_head(decoded, len, room);
        hash = plum_trie_hash(head, decoded, len) >> node->shift;
        mask = ((uint64_t) 1 << (64 - node->shift)) - 1;
        slots = &w->plan->slots[node->names];

        for ( /* void */ ; slots[hash].node != 0; hash = (hash + 1) & mask) {

            if (slots[hash].head == head && slots[hash].len == len
                && (len <= 8
                    || memcmp(slots[hash].name + 8, decoded + 8, len - 8)
                       == 0))
            {
                if (w->scratch->stamps[slots[hash].node] == w->top->serial) {
                    return PLUM_PROJECT_INVALID;
                }

                w->scratch->stamps[slots[hash].node] = w->top->serial;

                *child = &w->plan->nodes[slots[hash].node];

                return PLUM_PROJECT_OK;
            }
        }
    }

    if (node->any == 0) {
        return PLUM_PROJECT_OK;
    }

    *child = &w->plan->nodes[node->any];

    rc = plum_seen_add(w->scratch, w->top->serial, name, decoded, len);

    if (rc == PLUM_PROJECT_NOMEM) {
        w->nomem = 1;
    }

    return rc;
}


/* a value that no rule and no probe speaks of */

static const uint8_t *
plum_walk_skip(plum_walk_t *w, const uint8_t *p)
{
    unsigned  escaped;

    if (w->top->mode == PLUM_KEEP && w->top->closing == '}') {
        w->dropped++;
    }

    if (*p == '{' || *p == '[') {
        return plum_json_container(p, w->end, PLUM_JSON_DEPTH - w->depth);
    }

    return plum_json_scalar(p, w->end, &escaped);
}


static const uint8_t *
plum_walk_scalar(plum_walk_t *w, const uint8_t *p, const plum_node_t *node)
{
    unsigned        escaped;
    const uint8_t  *end;

    escaped = 0;

    end = plum_json_scalar(p, w->end, &escaped);
    if (end == NULL) {
        return NULL;
    }

    if (node->probe != PLUM_NO_PROBE) {
        plum_walk_probe(w, node->probe, p, end, escaped);

        if (w->again) {
            return NULL;
        }
    }

    if (w->top->mode != PLUM_KEEP) {
        return end;
    }

    if (plum_walk_wants(w, node->scalar | node->whole)) {
        plum_walk_write(w, p, end);

    } else if (w->top->closing == '}') {
        w->dropped++;
    }

    return end;
}


static const uint8_t *
plum_walk_container(plum_walk_t *w, const uint8_t *p, const plum_node_t *node)
{
    unsigned        object;
    plum_mode_t     mode;
    const uint8_t  *end;

    object = (*p == '{');

    if (node->probe != PLUM_NO_PROBE) {
        plum_walk_probe(w, node->probe, p, p, 0);

        if (w->again) {
            return NULL;
        }
    }

    mode = w->top->mode;

    if (mode == PLUM_KEEP) {

        if (plum_walk_wants(w, node->whole)) {
            mode = PLUM_WHOLE;

        } else if (!plum_walk_wants(w, object ? node->members
                                              : node->elements))
        {
            mode = PLUM_DROP;
            w->dropped += (w->top->closing == '}');
        }
    }

    if (object ? !node->looks : node->element == 0) {

        end = plum_json_container(p, w->end, PLUM_JSON_DEPTH - w->depth);

        if (end != NULL && mode == PLUM_WHOLE && w->top->mode == PLUM_KEEP) {
            plum_walk_write(w, p, end);
        }

        return end;
    }

    if (mode == PLUM_KEEP) {
        plum_walk_write(w, p, p + 1);

    } else if (mode == PLUM_WHOLE && w->top->mode == PLUM_KEEP) {
        plum_walk_write(w, p, p);

        w->whole = p;
        w->whole_depth = w->depth + 1;
    }

    return plum_walk_push(w, p, node, mode);
}


static const uint8_t *
plum_walk_push(plum_walk_t *w, const uint8_t *p, const plum_node_t *node,
    plum_mode_t mode)
{
    if (w->depth == PLUM_JSON_DEPTH) {
        return NULL;
    }

    w->top = &w->frames[w->depth++];

    w->top->node = node;
    w->top->serial = ++w->scratch->serial;
    w->top->closing = (uint8_t) (*p + 2);
    w->top->mode = (uint8_t) mode;
    w->top->more = 0;

    return plum_json_space(p + 1);
}


/* what follows a value, up to the next member or element, or the text's end */

static const uint8_t *
plum_walk_next(plum_walk_t *w, const uint8_t *p)
{
    for ( ;; ) {

        if (p == w->end) {
            return NULL;
        }

        p = plum_json_space(p);

        if (*p == ',') {
            return plum_json_space(p + 1);
        }

        if (*p != w->top->closing) {
            return NULL;
        }

        p++;

        if (w->top->mode == PLUM_KEEP) {
            *w->out++ = w->top->closing;

        } else if (w->top->mode == PLUM_WHOLE && w->whole_depth == w->depth) {
            w->out = plum_walk_copy(w->out, w->whole, p, w->end);
        }

        if (--w->depth == 0) {
            return p;
        }

        w->top = &w->frames[w->depth - 1];
    }
}


static void
plum_walk_probe(plum_walk_t *w, unsigned slot, const uint8_t *p,
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
        plum_walk_event(w, value);
    }
}


static void
plum_walk_event(plum_walk_t *w, const plum_value_t *type)
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
