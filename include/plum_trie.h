/*
 * Inside of the projector: what a plan is made of, and what a scratch holds.
 *
 * A plan has two trees.  The first is the rules' own: one node a step, grown
 * by plum_plan_allow() and plum_plan_probe(), searched by nobody but them.
 * plum_plan_compile() makes the second from it, the trie that the projector
 * walks: there a member name leads to at most one node, because under a
 * literal name stands also what the "*" next to it allows.
 *
 * Leaf masks have a bit for each event pattern: bit 0 for rules without
 * events, bit i for the i-th pattern.  A rule holds for an event if its mask
 * and the event's have a bit in common.
 */

#ifndef _PLUM_TRIE_H_INCLUDED_
#define _PLUM_TRIE_H_INCLUDED_


#include <string.h>

#include <plum_project.h>
#include <plum_str.h>


#define PLUM_EVERY_EVENT     ((uint64_t) 1)

#define PLUM_NO_PROBE        ((unsigned) -1)


/* the rules' own tree; indexes, 0 is the root and stands for "none" */

typedef struct {
    plum_step_kind_t     kind;
    plum_str_t           name;           /* data is owned */
    uint32_t             child;
    uint32_t             next;           /* sibling */
    uint64_t             scalar;
    uint64_t             whole;
    uint64_t             pseudonym;
    unsigned             secret;         /* of the pseudonym */
    plum_str_t           path;           /* of the pseudonym; data is owned */
    unsigned             probe;
} plum_step_t;


/* the trie */

typedef struct {
    uint64_t             lengths;        /* bit min(length, 63) of each name */
    uint64_t             scalar;         /* leaf masks: a scalar, anything */
    uint64_t             whole;
    uint64_t             members;        /* all leaves below its members */
    uint64_t             elements;       /* all leaves below its elements */
    uint32_t             names;          /* the first of its slots */
    uint32_t             shift;          /* 64 - log2 of their number */
    uint32_t             any;            /* node of a name not in the slots */
    uint32_t             element;
    unsigned             probe;
    unsigned             looks:1;        /* at names: has slots or any */
    unsigned             replaced:1;     /* has a plum_node_pseudonym_t */
} plum_node_t;


/* the pseudonyms of a node: nodes are as small as a cache line without it */

typedef struct {
    uint64_t             mask;           /* leaf mask */
    unsigned             secret;
} plum_node_pseudonym_t;


/* a value in the output that must be replaced */

typedef struct {
    size_t               at;             /* where it starts in the output */
    size_t               len;
    unsigned             secret;
    unsigned             escaped:1;      /* a string with a backslash in it */
} plum_mark_t;


/* the node of what no rule speaks of */

extern const plum_node_t  plum_node_none;


/* a literal name, in an open hash table; node is 0 in a free slot */

typedef struct {
    uint64_t             head;           /* see plum_trie_head() */
    const uint8_t       *name;
    size_t               len;
    uint32_t             node;
} plum_slot_t;


struct plum_plan_s {
    plum_step_t         *steps;
    uint32_t             nsteps;
    uint32_t             steps_size;

    plum_node_t         *nodes;          /* NULL until compiled */
    uint32_t             nnodes;
    plum_slot_t         *slots;
    uint32_t             nslots;
    plum_node_pseudonym_t  *pseudonyms;  /* of each node, or NULL */
    unsigned             replaces:1;     /* a rule makes pseudonyms */

    plum_str_t           events[PLUM_PLAN_EVENTS];
    unsigned             prefix[PLUM_PLAN_EVENTS];   /* ended with "*" */
    unsigned             nevents;

    unsigned             nprobes;
    unsigned             type;           /* the event type's slot */
    unsigned             given:1;        /* the caller knows the type */
};


/*
 * Names of the objects whose members a "*" looks at: an open hash table of
 * all of them in one text, told apart by their object's serial number.
 * Serial numbers never come again (64 bits last), so nothing is cleared
 * between texts: an entry or stamp with an old one is free.
 */

typedef struct {
    uint64_t             serial;
    uint64_t             hash;
    const uint8_t       *name;           /* as spelt, up to its quote */
} plum_seen_t;


/*
 * A guess of a member's name: its bytes from quote to colon under a mask,
 * and what plum_walk_name() would find.  then[] has the guesses for the
 * member after it and for the first member of its value.  The first two
 * guesses are never right: 0 is for what is not known, 1 is the root's.  The
 * others are a table of sets: a name has one place of a few, or two names of
 * an object might take turns in the same place, and never be guessed.
 */

#define PLUM_GUESS_SETS      64
#define PLUM_GUESS_WAYS      4
#define PLUM_GUESS_WORDS     4
#define PLUM_GUESS_LENGTH    (PLUM_GUESS_WORDS * 8)
#define PLUM_GUESS_ROOT      1
#define PLUM_GUESS_FIRST     2
#define PLUM_GUESSES         (PLUM_GUESS_FIRST                                \
                              + PLUM_GUESS_SETS * PLUM_GUESS_WAYS)

typedef struct plum_guess_s  plum_guess_t;

struct plum_guess_s {
    uint64_t             text[PLUM_GUESS_WORDS];
    uint64_t             mask[PLUM_GUESS_WORDS];
    const plum_node_t   *parent;
    const plum_node_t   *node;
    uint64_t            *stamp;          /* NULL where nothing looks */
    size_t               len;
    plum_guess_t        *then[2];
};

#define PLUM_GUESS_NEXT      0
#define PLUM_GUESS_INNER     1


struct plum_scratch_s {
    unsigned             avx2;           /* walk by plum_walk_avx2() */

    uint64_t             serial;         /* of the last object */
    uint64_t            *stamps;         /* a trie node's last object */

    plum_seen_t         *seen;
    size_t               seen_mask;      /* their number - 1 */
    size_t               seen_used;      /* in this text */
    uint64_t             seen_since;     /* the text's first serial number */
    uint64_t             key[2];         /* of the hash: nobody can know it */

    plum_mark_t         *marks;          /* of the last text */
    size_t               nmarks;
    size_t               marks_size;

    unsigned             forget;         /* which of a set, the next time */
    plum_guess_t         guesses[PLUM_GUESSES];
};


/* the second half of plum_plan_compile() */

int plum_trie_build(plum_plan_t *plan, plum_error_t *err);

/* PLUM_ERROR, with a text that says that memory is exhausted */

static inline int
plum_trie_nomem(plum_error_t *err)
{
    return plum_error(err, "memory for \"plum_allowlist\" is exhausted", NULL);
}


/* the mask of an event type */

uint64_t plum_plan_event_mask(const plum_plan_t *plan, const uint8_t *type,
    size_t len);

/* one more mark, the caller's to fill in; NULL: no memory */

plum_mark_t *plum_mark_add(plum_scratch_t *scratch);

/* for each text, before its first object */

void plum_seen_start(plum_scratch_t *scratch);

/*
 * Remembers a name of the scratch's last-entered object serial; name is as
 * spelt, decoded of len bytes as it is meant.  PLUM_PROJECT_INVALID if that
 * object has had it already.
 */

plum_project_rc_t plum_seen_add(plum_scratch_t *scratch, uint64_t serial,
    const uint8_t *name, const uint8_t *decoded, size_t len);


/*
 * The first eight bytes of a name, filled up with zeros; room is how many
 * bytes may be read.
 */

static inline uint64_t
plum_trie_head(const uint8_t *name, size_t len, size_t room)
{
    uint64_t  head, mask;

    static const uint8_t  masks[16] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    };

    if (room < sizeof(head)) {
        head = 0;
        memcpy(&head, name, len);
        return head;
    }

    memcpy(&head, name, sizeof(head));

    if (len < sizeof(head)) {
        memcpy(&mask, masks + sizeof(head) - len, sizeof(mask));
        head &= mask;
    }

    return head;
}


static inline uint64_t
plum_trie_hash(uint64_t head, const uint8_t *name, size_t len)
{
    uint64_t  tail;

    tail = 0;

    if (len > sizeof(tail)) {
        memcpy(&tail, name + len - sizeof(tail), sizeof(tail));
    }

    return (head ^ (tail << 29 | tail >> 35) ^ len) * 0x9e3779b97f4a7c15u;
}


#endif /* _PLUM_TRIE_H_INCLUDED_ */
