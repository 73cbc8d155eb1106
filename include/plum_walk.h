/*
 * Inside of the projector: the walk over one text.
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
 * While the event type is not known, every event's rules hold, and a value
 * kept by none but them makes the walk unsure.  Once the type is known, or
 * is known to be missing, an unsure walk starts again with the type's mask,
 * and cannot be unsure then: at most two walks.  Whether names are doubled
 * does not depend on the mask, or the verdict would hang on member order.
 */

#ifndef _PLUM_WALK_H_INCLUDED_
#define _PLUM_WALK_H_INCLUDED_


#include <plum_json.h>
#include <plum_trie.h>


typedef enum {
    PLUM_KEEP = 0,
    PLUM_WHOLE,
    PLUM_DROP
} plum_mode_t;


typedef struct {
    const plum_node_t   *node;
    const plum_node_t   *element;        /* the node of its elements */
    uint64_t             serial;
    plum_guess_t       **guess;          /* to go on with, while inside of
                                            one of its values */
    uint8_t              closing;        /* its bracket */
    uint8_t              mode;
    uint8_t              more;           /* the next one wants a comma */
    uint8_t              counts;         /* what is left out, as dropped */
} plum_frame_t;


typedef struct {
    const plum_plan_t   *plan;
    plum_scratch_t      *scratch;
    const uint8_t       *start;          /* the root's brackets */
    const uint8_t       *end;
    uint8_t             *first;          /* of the output */
    uint8_t             *out;            /* its end */
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
    const plum_node_t   *node;           /* of its value */
    plum_guess_t       **guess;          /* the next member's, see below; the
                                            first one's of a member's value
                                            is behind it */
    const uint8_t       *whole;          /* the outermost "**" container */
    plum_frame_t        *whole_frame;

    plum_frame_t        *top;
    plum_frame_t         frames[PLUM_JSON_DEPTH + 1];    /* 0: around the
                                                            root */
} plum_walk_t;


/* NULL, or where the root ends */

const uint8_t *plum_walk(plum_walk_t *w);

/* the same, for machines where plum_scan_has_avx2() */

const uint8_t *plum_walk_avx2(plum_walk_t *w);

/*
 * A member's name and colon; sets w->node, the trie node of its value (that
 * of no rules, if none speaks of it), and returns where the value starts.
 *
 * Events of one sender look alike, so a name is first guessed: it is the
 * one that followed the last name the last time, or that came first in this
 * member's value.  A right guess is one comparison, and the name's length
 * and node need not be found; a wrong one costs next to nothing, and what
 * came instead is the next guess.
 */

const uint8_t *plum_walk_name(plum_walk_t *w, const uint8_t *p);

/*
 * Stores the value from p to end in the probe's slot.  escaped: it is a string
 * with a backslash in it.  If the probe is the event type, the rules of that
 * type hold from here on, and an unsure walk is marked to start again.
 */

void plum_probe(plum_walk_t *w, unsigned slot, const uint8_t *p,
    const uint8_t *end, unsigned escaped);


#endif /* _PLUM_WALK_H_INCLUDED_ */
