/*
 * The projector's walk; see plum_walk.h.
 */

#include <plum_walk.h>


static unsigned plum_walk_scalar(plum_walk_t *w, const plum_node_t *node,
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


/* into the container at p; NULL if that is too deep */

static inline plum_frame_t *
plum_walk_push(plum_walk_t *w, plum_frame_t *top, const uint8_t *p,
    const plum_node_t *node, plum_guess_t **inner, plum_mode_t mode)
{
    top->guess = w->guess;
    w->guess = inner;

    if (top == &w->frames[PLUM_JSON_DEPTH]) {
        return NULL;
    }

    w->top = ++top;

    top->node = node;
    top->element = (node->element != 0) ? &w->plan->nodes[node->element]
                                        : &plum_node_none;
    top->serial = ++w->scratch->serial;
    top->closing = (uint8_t) (*p + 2);
    top->mode = (uint8_t) mode;
    top->more = 0;
    top->counts = (mode == PLUM_KEEP && *p == '{');

    return top;
}


PLUM_SCAN const uint8_t *
plum_walk(plum_walk_t *w)
{
    size_t              dropped;
    unsigned            escaped;
    plum_mode_t         mode;
    plum_frame_t       *top;
    plum_guess_t      **inner;
    const uint8_t      *p, *from, *end;
    const plum_node_t  *node;

    dropped = 0;
    p = w->start;
    end = w->end;
    node = w->plan->nodes;

    if (*p != '{' && *p != '[') {
        return NULL;
    }

    top = w->frames;
    top->mode = PLUM_KEEP;

    w->guess = w->scratch->guesses[PLUM_GUESS_ROOT].then;
    inner = w->guess;

    mode = plum_walk_wants(w, node->whole) ? PLUM_WHOLE : PLUM_KEEP;

    if (mode == PLUM_WHOLE) {
        w->whole = p;
        w->whole_frame = top + 1;

    } else {
        *w->out++ = *p;
    }

open:

    top = plum_walk_push(w, top, p, node, inner, mode);
    if (top == NULL) {
        return NULL;
    }

    p = plum_json_space(p + 1, end);

    if (*p == top->closing) {
        goto close;
    }

turn:

    if (top->closing == '}') {
        p = plum_walk_guessed(w, top, p, end);
        if (p == NULL) {
            return NULL;
        }

        node = w->node;
        inner = w->guess + PLUM_GUESS_INNER;

    } else {
        node = top->element;
        inner = w->guess;
    }

    if (*p == '{' || *p == '[') {

        if (node != &plum_node_none) {
            if (!plum_walk_container(w, p, node, &mode)) {
                return NULL;
            }

        } else {
            mode = (top->mode == PLUM_KEEP) ? PLUM_DROP : top->mode;
            dropped += top->counts;
        }

        goto open;
    }

    from = p;
    escaped = 0;

    p = plum_json_scalar(p, end, &escaped);
    if (p == NULL) {
        return NULL;
    }

    if (node == &plum_node_none) {
        dropped += top->counts;

    } else if (!plum_walk_scalar(w, node, from, p, escaped)) {
        return NULL;
    }

after:

    if (*p == ',') {
        p = plum_json_space(p + 1, end);
        goto turn;
    }

    if (*p <= ' ') {
        p = plum_json_space(p, end);

        if (*p == ',') {
            goto after;
        }
    }

    if (*p != top->closing) {
        return NULL;
    }

close:

    p++;

    if (top->mode != PLUM_DROP) {
        plum_walk_written(w, p);
    }

    w->top = --top;
    w->guess = top->guess;

    if (top == w->frames) {
        w->dropped += dropped;
        return p;
    }

    if (p == end) {
        return NULL;
    }

    goto after;
}


/* a scalar that a rule or a probe speaks of; 0 if the walk is given up */

static unsigned
plum_walk_scalar(plum_walk_t *w, const plum_node_t *node, const uint8_t *from,
    const uint8_t *to, unsigned escaped)
{
    if (node->probe != PLUM_NO_PROBE) {
        plum_walk_probe(w, node->probe, from, to, escaped);

        if (w->again) {
            return 0;
        }
    }

    if (w->top->mode == PLUM_KEEP) {

        if (plum_walk_wants(w, node->scalar | node->whole)) {
            plum_walk_write(w, from, to);

        } else {
            w->dropped += w->top->counts;
        }
    }

    return 1;
}


/* a container that a rule or a probe speaks of; 0 as above */

static unsigned
plum_walk_container(plum_walk_t *w, const uint8_t *p, const plum_node_t *node,
    plum_mode_t *mode)
{
    if (node->probe != PLUM_NO_PROBE) {
        plum_walk_probe(w, node->probe, p, p, 0);

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


/* the container that ends before p is kept */

static void
plum_walk_written(plum_walk_t *w, const uint8_t *p)
{
    if (w->top->mode == PLUM_KEEP) {
        *w->out++ = p[-1];

    } else if (w->top == w->whole_frame) {
        w->out = plum_walk_copy(w->out, w->whole, p, w->end);
    }
}
