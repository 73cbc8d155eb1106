/*
 * Names of members: looked up, and learned for the next guess; see
 * plum_walk.h.
 */

#include <plum_walk.h>


static plum_project_rc_t plum_walk_child(plum_walk_t *w, const uint8_t *name,
    size_t len, unsigned escaped, const plum_node_t **child,
    uint64_t **stamp);
static plum_guess_t *plum_walk_guess(plum_walk_t *w, const uint8_t *p,
    size_t len);
static plum_guess_t *plum_walk_recall(plum_walk_t *w, plum_guess_t *set,
    const uint64_t *text);


const plum_node_t  plum_node_none = { .probe = PLUM_NO_PROBE };


const uint8_t *
plum_walk_name(plum_walk_t *w, const uint8_t *p)
{
    size_t          len;
    unsigned        escaped;
    uint64_t       *stamp;
    plum_guess_t   *guess;
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

    len = (size_t) (end - p - 1);

    /* a name under "*" has to be remembered in each object, so no guesses */

    if (w->top->node->any == 0 && !escaped && end[1] == ':'
        && len + 3 <= PLUM_GUESS_LENGTH && w->end - p >= PLUM_GUESS_LENGTH)
    {
        guess = plum_walk_guess(w, p, len);

        w->node = guess->node;
        stamp = guess->stamp;

    } else {
        guess = w->scratch->guesses;

        if (plum_walk_child(w, p + 1, len, escaped, &w->node, &stamp)
            != PLUM_PROJECT_OK)
        {
            return NULL;
        }
    }

    if (stamp != NULL) {

        if (*stamp == w->top->serial) {
            return NULL;
        }

        *stamp = w->top->serial;
    }

    w->guess = guess->then;

    p = plum_json_space(end + 1, w->end);

    if (*p != ':') {
        return NULL;
    }

    return plum_json_space(p + 1, w->end);
}


/* the guess that had been right; it has a place in its set, or takes one */

static plum_guess_t *
plum_walk_guess(plum_walk_t *w, const uint8_t *p, size_t len)
{
    unsigned        i;
    uint64_t        hash, text[PLUM_GUESS_WORDS], mask[PLUM_GUESS_WORDS];
    plum_guess_t   *guess, *set;

    static const uint8_t  masks[PLUM_GUESS_LENGTH * 2] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    };

    memcpy(text, p, PLUM_GUESS_LENGTH);
    memcpy(mask, masks + PLUM_GUESS_LENGTH - (len + 3), PLUM_GUESS_LENGTH);

    hash = (uint64_t) (uintptr_t) w->top->node;

    for (i = 0; i < PLUM_GUESS_WORDS; i++) {
        text[i] &= mask[i];
        hash = (hash ^ text[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }

    set = &w->scratch->guesses[hash % PLUM_GUESS_SETS * PLUM_GUESS_WAYS
                               + PLUM_GUESS_FIRST];

    guess = plum_walk_recall(w, set, text);

    if (guess == NULL) {
        guess = &set[w->scratch->forget++ % PLUM_GUESS_WAYS];

        memcpy(guess->text, text, sizeof(text));
        memcpy(guess->mask, mask, sizeof(mask));

        guess->parent = w->top->node;
        guess->len = len + 3;
        guess->then[PLUM_GUESS_NEXT] = w->scratch->guesses;
        guess->then[PLUM_GUESS_INNER] = w->scratch->guesses;

        (void) plum_walk_child(w, p + 1, len, 0, &guess->node, &guess->stamp);
    }

    *w->guess = guess;

    return guess;
}


/* the one of a set that is right; NULL if none is */

static plum_guess_t *
plum_walk_recall(plum_walk_t *w, plum_guess_t *set, const uint64_t *text)
{
    unsigned  i, k;
    uint64_t  wrong;

    for (i = 0; i < PLUM_GUESS_WAYS; i++) {
        wrong = (uintptr_t) set[i].parent ^ (uintptr_t) w->top->node;

        for (k = 0; k < PLUM_GUESS_WORDS; k++) {
            wrong |= set[i].text[k] ^ text[k];
        }

        if (!wrong) {
            return &set[i];
        }
    }

    return NULL;
}


/*
 * Looks a name up, under "*" also among those that the object has had; of a
 * name of its own the node's stamp tells that.
 */

static plum_project_rc_t
plum_walk_child(plum_walk_t *w, const uint8_t *name, size_t len,
    unsigned escaped, const plum_node_t **child, uint64_t **stamp)
{
    size_t              room;
    uint64_t            head, hash, mask;
    unsigned            lone;
    const uint8_t      *decoded;
    plum_project_rc_t   rc;
    const plum_node_t  *node;
    const plum_slot_t  *slots;

    node = w->top->node;
    *child = &plum_node_none;
    *stamp = NULL;

    if (!node->looks) {
        return PLUM_PROJECT_OK;
    }

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
                *child = &w->plan->nodes[slots[hash].node];
                *stamp = &w->scratch->stamps[slots[hash].node];

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
