/*
 * The projector's walk; see plum_walk.h.
 */

#include <plum_walk.h>


/*
 * The position of the walk.  The loop keeps it in registers, so every function
 * that takes a pointer to it must be inlined into the loop.
 */

#define PLUM_WALK_INLINE                                                      \
    PLUM_SCAN static inline __attribute__((always_inline))

typedef struct {
    const uint8_t       *p;
    const uint8_t       *end;
    plum_frame_t        *top;
    const plum_node_t   *node;           /* of the value at p */
    plum_guess_t       **inner;          /* guess of its first member */
    size_t               dropped;
    unsigned             empty;          /* the container was just entered */
} plum_place_t;


static unsigned plum_walk_scalar(plum_walk_t *w, const plum_node_t *node,
    const uint8_t *from, const uint8_t *to, unsigned escaped);
static unsigned plum_walk_pseudonym(plum_walk_t *w, const plum_node_t *node,
    const uint8_t *from, const uint8_t *to, unsigned escaped);
static unsigned plum_walk_container(plum_walk_t *w, const uint8_t *p,
    const plum_node_t *node, plum_mode_t *mode);
static void plum_walk_written(plum_walk_t *w, const uint8_t *p);


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
 * The output is a subsequence of the input, so it never gets ahead of it: where
 * 32 bytes of input are left, at least 32 bytes of output room are left, and
 * a copy may write whole blocks.
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


/* writes the current member or element, with these bytes as its value */

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


PLUM_SCAN static inline const uint8_t *
plum_walk_guessed(plum_walk_t *w, const plum_frame_t *top, const uint8_t *p,
    const uint8_t *end)
{
    plum_guess_t  *guess;

    if (end - p < PLUM_GUESS_LENGTH) {
        return plum_walk_name(w, p);
    }

    guess = *w->guess;

    if (guess->parent != top->node
        || plum_scan_differs(p, guess->text, guess->mask))
    {
        return plum_walk_name(w, p);
    }

    if (guess->stamp != NULL) {

        if (*guess->stamp == top->serial) {
            return NULL;
        }

        *guess->stamp = top->serial;
    }

    w->name = p;
    p += guess->len;
    w->name_end = p - 1;

    w->guess = guess->then;
    w->node = guess->node;

    return plum_json_space(p, end);
}


/* enters the container at the current position; 0 if it is too deep */

PLUM_WALK_INLINE unsigned
plum_walk_push(plum_walk_t *w, plum_place_t *at, plum_mode_t mode)
{
    plum_frame_t       *top;
    const plum_node_t  *node;

    top = at->top;
    node = at->node;

    top->guess = w->guess;
    w->guess = at->inner;

    if (top == &w->frames[PLUM_JSON_DEPTH]) {
        return 0;
    }

    top++;

    top->node = node;
    top->element = (node->element != 0) ? &w->plan->nodes[node->element]
                                        : &plum_node_none;
    top->serial = ++w->scratch->serial;
    top->closing = (uint8_t) (*at->p + 2);
    top->mode = (uint8_t) mode;
    top->more = 0;
    top->counts = (mode == PLUM_KEEP && *at->p == '{');

    w->top = top;
    at->top = top;
    at->p = plum_json_space(at->p + 1, at->end);
    at->empty = (*at->p == top->closing);

    return 1;
}


/* enters the root; 0 if the text does not begin with a container */

PLUM_WALK_INLINE unsigned
plum_walk_root(plum_walk_t *w, plum_place_t *at)
{
    plum_mode_t  mode;

    at->p = w->start;
    at->end = w->end;
    at->top = w->frames;
    at->node = w->plan->nodes;
    at->inner = w->scratch->guesses[PLUM_GUESS_ROOT].then;
    at->dropped = 0;

    if (*at->p != '{' && *at->p != '[') {
        return 0;
    }

    w->guess = at->inner;

    if (plum_walk_wants(w, at->node->whole)) {
        mode = PLUM_WHOLE;
        w->whole = at->p;
        w->whole_frame = at->top + 1;

    } else {
        mode = PLUM_KEEP;
        *w->out++ = *at->p;
    }

    return plum_walk_push(w, at, mode);
}


/* moves to the value of a member; an element is a value already */

PLUM_WALK_INLINE unsigned
plum_walk_turn(plum_walk_t *w, plum_place_t *at)
{
    if (at->top->closing == ']') {
        at->node = at->top->element;
        at->inner = w->guess;
        return 1;
    }

    at->p = plum_walk_guessed(w, at->top, at->p, at->end);

    at->node = w->node;
    at->inner = w->guess + PLUM_GUESS_INNER;

    return at->p != NULL;
}


/* enters a container */

PLUM_WALK_INLINE unsigned
plum_walk_into(plum_walk_t *w, plum_place_t *at)
{
    plum_mode_t  mode;

    if (at->node == &plum_node_none) {
        mode = (at->top->mode == PLUM_KEEP) ? PLUM_DROP : at->top->mode;
        at->dropped += at->top->counts;

    } else if (!plum_walk_container(w, at->p, at->node, &mode)) {
        return 0;
    }

    return plum_walk_push(w, at, mode);
}


/* moves past a scalar */

PLUM_WALK_INLINE unsigned
plum_walk_over(plum_walk_t *w, plum_place_t *at)
{
    unsigned        escaped;
    const uint8_t  *from;

    from = at->p;
    escaped = 0;

    at->p = plum_json_scalar(from, at->end, &escaped);
    if (at->p == NULL) {
        return 0;
    }

    if (at->node == &plum_node_none) {
        at->dropped += at->top->counts;
        return 1;
    }

    return plum_walk_scalar(w, at->node, from, at->p, escaped);
}


/* leaves the containers that end here; moves to the next member or element */

PLUM_WALK_INLINE unsigned
plum_walk_out(plum_walk_t *w, plum_place_t *at)
{
    for ( ;; ) {

        if (*at->p <= ' ') {
            at->p = plum_json_space(at->p, at->end);
        }

        if (*at->p == ',') {
            at->p = plum_json_space(at->p + 1, at->end);
            return 1;
        }

        if (*at->p != at->top->closing) {
            return 0;
        }

        at->p++;

        if (at->top->mode != PLUM_DROP) {
            plum_walk_written(w, at->p);
        }

        w->top = --at->top;
        w->guess = at->top->guess;

        if (at->top == w->frames) {
            return 1;
        }

        if (at->p == at->end) {
            return 0;
        }
    }
}


/* aligned to a cache line: this is 3 % of the loop's speed (measured) */

PLUM_SCAN __attribute__((aligned(64))) const uint8_t *
plum_walk(plum_walk_t *w)
{
    plum_place_t  at;

    if (!plum_walk_root(w, &at)) {
        return NULL;
    }

    do {
        if (at.empty) {
            at.empty = 0;

        } else {
            if (!plum_walk_turn(w, &at)) {
                return NULL;
            }

            if (*at.p == '{' || *at.p == '[') {
                if (!plum_walk_into(w, &at)) {
                    return NULL;
                }

                continue;
            }

            if (!plum_walk_over(w, &at)) {
                return NULL;
            }
        }

        if (!plum_walk_out(w, &at)) {
            return NULL;
        }

    } while (at.top != w->frames);

    w->dropped += at.dropped;

    return at.p;
}


/* handles a scalar that a rule or a probe names; 0 ends the walk */

static unsigned
plum_walk_scalar(plum_walk_t *w, const plum_node_t *node, const uint8_t *from,
    const uint8_t *to, unsigned escaped)
{
    if (node->probe != PLUM_NO_PROBE) {
        plum_probe(w, node->probe, from, to, escaped);

        if (w->again) {
            return 0;
        }
    }

    if (w->top->mode == PLUM_KEEP) {

        if (plum_walk_wants(w, node->scalar | node->whole)) {
            plum_walk_write(w, from, to);

        } else if (node->replaced) {
            return plum_walk_pseudonym(w, node, from, to, escaped);

        } else {
            w->dropped += w->top->counts;
        }
    }

    return 1;
}


/* a string or number is written, and marked; 0 ends the walk */

static unsigned
plum_walk_pseudonym(plum_walk_t *w, const plum_node_t *node,
    const uint8_t *from, const uint8_t *to, unsigned escaped)
{
    plum_mark_t                  *mark;
    const plum_node_pseudonym_t  *pseudonym;

    pseudonym = &w->plan->pseudonyms[node - w->plan->nodes];

    /* true, false and null begin with a letter */

    if (*from >= 'a' || !plum_walk_wants(w, pseudonym->mask)) {
        w->dropped += w->top->counts;
        return 1;
    }

    if (w->scratch->nmarks == PLUM_PSEUDONYMS_MAX) {
        return 0;
    }

    mark = plum_mark_add(w->scratch);
    if (mark == NULL) {
        w->nomem = 1;
        return 0;
    }

    plum_walk_write(w, from, to);

    mark->len = (size_t) (to - from);
    mark->at = (size_t) (w->out - w->first) - mark->len;
    mark->secret = pseudonym->secret;
    mark->escaped = (escaped != 0);

    return 1;
}


/* handles a container that a rule or a probe names; 0 ends the walk */

static unsigned
plum_walk_container(plum_walk_t *w, const uint8_t *p, const plum_node_t *node,
    plum_mode_t *mode)
{
    if (node->probe != PLUM_NO_PROBE) {
        plum_probe(w, node->probe, p, p, 0);

        if (w->again) {
            return 0;
        }
    }

    *mode = w->top->mode;

    if (*mode != PLUM_KEEP) {
        return 1;
    }

    if (plum_walk_wants(w, node->whole)) {
        plum_walk_write(w, p, p);

        *mode = PLUM_WHOLE;
        w->whole = p;
        w->whole_frame = w->top + 1;

    } else if (plum_walk_wants(w, (*p == '{') ? node->members
                                              : node->elements))
    {
        plum_walk_write(w, p, p + 1);

    } else {
        *mode = PLUM_DROP;
        w->dropped += w->top->counts;
    }

    return 1;
}


/* keeps the container that ends before p */

static void
plum_walk_written(plum_walk_t *w, const uint8_t *p)
{
    if (w->top->mode == PLUM_KEEP) {
        *w->out++ = p[-1];

    } else if (w->top == w->whole_frame) {
        w->out = plum_walk_copy(w->out, w->whole, p, w->end);
    }
}
