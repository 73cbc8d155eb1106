/*
 * Builds the trie that the projector walks from the tree of the rules; see
 * plum_trie.h.
 *
 * This is the subset construction.  Each trie node stands for a set of nodes
 * of the rules' tree; the root stands for the set of the root alone.  The
 * children of a node are: one for each literal name (the nodes under that name
 * and those under "*"), one for all other names (the nodes under "*"), and one
 * for array elements.  Nodes are built in the order of their depth, without
 * recursion.
 */

#include <stdlib.h>

#include <plum_trie.h>


/* the origin of a trie node: its set is a range of the build's steps */

typedef struct {
    size_t               set;
    size_t               nset;
    uint32_t             parent;
    unsigned             element:1;
} plum_origin_t;


typedef struct {
    const plum_str_t    *name;
    uint32_t             step;
} plum_named_t;


typedef struct {
    plum_plan_t         *plan;
    plum_error_t        *err;
    plum_origin_t       *origins;        /* one for each node */
    size_t               nodes_size;
    size_t               slots_size;
    uint32_t            *steps;
    size_t               nsteps;
    size_t               steps_size;
    plum_named_t        *named;          /* of the current node */
    size_t               named_size;
} plum_build_t;


static int plum_trie_nodes(plum_build_t *b);
static int plum_trie_node(plum_build_t *b, uint32_t node);
static int plum_trie_kind(plum_build_t *b, uint32_t parent,
    plum_step_kind_t kind, uint32_t *node);
static int plum_trie_names(plum_build_t *b, uint32_t parent, size_t n);
static int plum_trie_child(plum_build_t *b, uint32_t parent, size_t first,
    size_t next, uint32_t *node);
static int plum_trie_new_node(plum_build_t *b, uint32_t parent, size_t set,
    uint32_t *node);
static int plum_trie_add(plum_build_t *b, uint32_t step);
static int plum_trie_slots(plum_build_t *b, plum_node_t *node, size_t n);
static void plum_trie_slot(plum_plan_t *plan, const plum_node_t *node,
    const plum_str_t *name, uint32_t child);
static int plum_trie_pseudonyms(plum_build_t *b);
static int plum_trie_pseudonym(plum_build_t *b, uint32_t node);
static const plum_str_t *plum_trie_path(const plum_build_t *b, uint32_t node);
static void plum_trie_masks(plum_build_t *b);
static int plum_trie_compare(const void *one, const void *two);
static void *plum_trie_grow(plum_build_t *b, void *array, size_t *size,
    size_t wanted, size_t item);


int
plum_trie_build(plum_plan_t *plan, plum_error_t *err)
{
    int           rc;
    plum_build_t  b;

    memset(&b, 0, sizeof(plum_build_t));

    b.plan = plan;
    b.err = err;

    rc = plum_trie_nodes(&b);

    if (rc == PLUM_OK && plan->replaces) {
        rc = plum_trie_pseudonyms(&b);
    }

    if (rc == PLUM_OK) {
        plum_trie_masks(&b);

    } else {
        free(plan->nodes);
        free(plan->slots);
        free(plan->pseudonyms);

        plan->nodes = NULL;
        plan->slots = NULL;
        plan->pseudonyms = NULL;
        plan->nnodes = 0;
        plan->nslots = 0;
    }

    free(b.origins);
    free(b.steps);
    free(b.named);

    return rc;
}


static int
plum_trie_nodes(plum_build_t *b)
{
    uint32_t  node;

    if (plum_trie_add(b, 0) != PLUM_OK
        || plum_trie_new_node(b, 0, 0, &node) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    for (node = 0; node < b->plan->nnodes; node++) {
        if (plum_trie_node(b, node) != PLUM_OK) {
            return PLUM_ERROR;
        }
    }

    return PLUM_OK;
}


static int
plum_trie_node(plum_build_t *b, uint32_t node)
{
    size_t              i, n;
    uint32_t            child, step;
    plum_named_t       *named;
    const plum_step_t  *steps;

    if (plum_trie_kind(b, node, PLUM_STEP_ELEMENT, &child) != PLUM_OK) {
        return PLUM_ERROR;
    }

    b->plan->nodes[node].element = child;
    b->origins[child].element = (child != 0);

    if (plum_trie_kind(b, node, PLUM_STEP_ANY, &child) != PLUM_OK) {
        return PLUM_ERROR;
    }

    b->plan->nodes[node].any = child;

    n = 0;
    steps = b->plan->steps;

    for (i = 0; i < b->origins[node].nset; i++) {
        step = b->steps[b->origins[node].set + i];

        for (step = steps[step].child; step != 0; step = steps[step].next) {

            if (steps[step].kind != PLUM_STEP_NAME) {
                continue;
            }

            named = plum_trie_grow(b, b->named, &b->named_size, n + 1,
                                   sizeof(plum_named_t));
            if (named == NULL) {
                return PLUM_ERROR;
            }

            b->named = named;
            b->named[n].name = &steps[step].name;
            b->named[n].step = step;
            n++;
        }
    }

    b->plan->nodes[node].looks = (n != 0 || child != 0);

    return (n != 0) ? plum_trie_names(b, node, n) : PLUM_OK;
}


/* builds the child for all "*", or all "[]", of the parent's set; 0 if none */

static int
plum_trie_kind(plum_build_t *b, uint32_t parent, plum_step_kind_t kind,
    uint32_t *node)
{
    size_t              i, set;
    uint32_t            step;
    const plum_step_t  *steps;

    set = b->nsteps;
    steps = b->plan->steps;

    for (i = 0; i < b->origins[parent].nset; i++) {
        step = b->steps[b->origins[parent].set + i];

        for (step = steps[step].child; step != 0; step = steps[step].next) {

            if (steps[step].kind == kind
                && plum_trie_add(b, step) != PLUM_OK)
            {
                return PLUM_ERROR;
            }
        }
    }

    if (b->nsteps == set) {
        *node = 0;
        return PLUM_OK;
    }

    return plum_trie_new_node(b, parent, set, node);
}


/* builds the children of the parent's n names, which may have duplicates */

static int
plum_trie_names(plum_build_t *b, uint32_t parent, size_t n)
{
    size_t        i, next, len, distinct;
    uint32_t      child;
    plum_node_t  *node;

    qsort(b->named, n, sizeof(plum_named_t), plum_trie_compare);

    for (i = 1, distinct = 1; i < n; i++) {
        distinct += (plum_trie_compare(&b->named[i - 1], &b->named[i]) != 0);
    }

    if (plum_trie_slots(b, &b->plan->nodes[parent], distinct) != PLUM_OK) {
        return PLUM_ERROR;
    }

    for (i = 0; i < n; i = next) {

        next = i + 1;

        while (next < n
               && plum_trie_compare(&b->named[i], &b->named[next]) == 0)
        {
            next++;
        }

        if (plum_trie_child(b, parent, i, next, &child) != PLUM_OK) {
            return PLUM_ERROR;
        }

        node = &b->plan->nodes[parent];

        plum_trie_slot(b->plan, node, b->named[i].name, child);

        len = b->named[i].name->len;
        node->lengths |= (uint64_t) 1 << ((len < 63) ? len : 63);
    }

    return PLUM_OK;
}


/* builds the child of one name, joined with that of "*" if there is one */

static int
plum_trie_child(plum_build_t *b, uint32_t parent, size_t first, size_t next,
    uint32_t *node)
{
    size_t                i, set;
    uint32_t              any;
    const plum_origin_t  *origin;

    set = b->nsteps;

    for (i = first; i < next; i++) {
        if (plum_trie_add(b, b->named[i].step) != PLUM_OK) {
            return PLUM_ERROR;
        }
    }

    any = b->plan->nodes[parent].any;

    if (any != 0) {
        origin = &b->origins[any];

        for (i = 0; i < origin->nset; i++) {
            if (plum_trie_add(b, b->steps[origin->set + i]) != PLUM_OK) {
                return PLUM_ERROR;
            }
        }
    }

    return plum_trie_new_node(b, parent, set, node);
}


/* builds the node of the set that begins at index set of the steps */

static int
plum_trie_new_node(plum_build_t *b, uint32_t parent, size_t set,
    uint32_t *node)
{
    size_t              i, size;
    plum_node_t        *nodes, *n;
    plum_plan_t        *plan;
    plum_origin_t      *origins;
    const plum_step_t  *step;

    plan = b->plan;

    if (plan->nnodes == PLUM_PLAN_NODES) {
        return plum_error(b->err, "rules of \"plum_allowlist\" are too many, "
                          "with each \"*\" worked out", NULL);
    }

    size = b->nodes_size;

    nodes = plum_trie_grow(b, plan->nodes, &size, plan->nnodes + 1,
                           sizeof(plum_node_t));
    if (nodes == NULL) {
        return PLUM_ERROR;
    }

    plan->nodes = nodes;

    origins = plum_trie_grow(b, b->origins, &b->nodes_size, plan->nnodes + 1,
                             sizeof(plum_origin_t));
    if (origins == NULL) {
        return PLUM_ERROR;
    }

    b->origins = origins;

    origins += plan->nnodes;
    origins->set = set;
    origins->nset = b->nsteps - set;
    origins->parent = parent;
    origins->element = 0;

    n = &nodes[plan->nnodes];

    memset(n, 0, sizeof(plum_node_t));

    n->probe = PLUM_NO_PROBE;

    for (i = set; i < b->nsteps; i++) {
        step = &plan->steps[b->steps[i]];

        n->scalar |= step->scalar;
        n->whole |= step->whole;

        /* a probe's path has no "*", so exactly one step leads here */

        if (step->probe != PLUM_NO_PROBE) {
            n->probe = step->probe;
        }
    }

    *node = plan->nnodes++;

    return PLUM_OK;
}


static int
plum_trie_add(plum_build_t *b, uint32_t step)
{
    uint32_t  *steps;

    steps = plum_trie_grow(b, b->steps, &b->steps_size, b->nsteps + 1,
                           sizeof(uint32_t));
    if (steps == NULL) {
        return PLUM_ERROR;
    }

    b->steps = steps;
    b->steps[b->nsteps++] = step;

    return PLUM_OK;
}


/* reserves hash slots for n names of a node, at most half of them used */

static int
plum_trie_slots(plum_build_t *b, plum_node_t *node, size_t n)
{
    size_t        size;
    uint32_t      bits;
    plum_plan_t  *plan;
    plum_slot_t  *slots;

    for (bits = 1; (size_t) 1 << bits < n * 2; bits++) { /* void */ }

    plan = b->plan;
    size = (size_t) 1 << bits;

    slots = plum_trie_grow(b, plan->slots, &b->slots_size,
                           plan->nslots + size, sizeof(plum_slot_t));
    if (slots == NULL) {
        return PLUM_ERROR;
    }

    plan->slots = slots;

    memset(&slots[plan->nslots], 0, size * sizeof(plum_slot_t));

    node->names = plan->nslots;
    node->shift = 64 - bits;

    plan->nslots += (uint32_t) size;

    return PLUM_OK;
}


static void
plum_trie_slot(plum_plan_t *plan, const plum_node_t *node,
    const plum_str_t *name, uint32_t child)
{
    uint64_t      head, hash, mask;
    plum_slot_t  *slots;

    head = plum_trie_head(name->data, name->len, name->len);
    hash = plum_trie_hash(head, name->data, name->len);

    mask = ((uint64_t) 1 << (64 - node->shift)) - 1;
    slots = &plan->slots[node->names];

    hash >>= node->shift;

    while (slots[hash].node != 0) {
        hash = (hash + 1) & mask;
    }

    slots[hash].head = head;
    slots[hash].name = name->data;
    slots[hash].len = name->len;
    slots[hash].node = child;
}


/*
 * The pseudonyms of each node.  A path that is allowed, too, by itself or
 * within a "**" around it, would leave as it is.
 */

static int
plum_trie_pseudonyms(plum_build_t *b)
{
    int           rc;
    uint32_t      i;
    uint8_t      *open;                  /* within a "**" */
    plum_plan_t  *plan;

    plan = b->plan;

    plan->pseudonyms = calloc(plan->nnodes, sizeof(plum_node_pseudonym_t));
    open = calloc(plan->nnodes, 1);

    rc = (plan->pseudonyms != NULL && open != NULL) ? PLUM_OK
                                                : plum_trie_nomem(b->err);

    for (i = 0; rc == PLUM_OK && i < plan->nnodes; i++) {
        open[i] = (plan->nodes[i].whole != 0 || open[b->origins[i].parent]);

        rc = plum_trie_pseudonym(b, i);

        if (rc == PLUM_OK && plan->nodes[i].replaced
            && (open[i] || plan->nodes[i].scalar != 0))
        {
            rc = plum_path_error(b->err, "path", plum_trie_path(b, i),
                                 " is a pseudonym, and is allowed, too");
        }
    }

    free(open);

    return rc;
}


static int
plum_trie_pseudonym(plum_build_t *b, uint32_t node)
{
    size_t                  i;
    const plum_step_t      *step;
    plum_node_pseudonym_t  *pseudonym;

    pseudonym = &b->plan->pseudonyms[node];

    for (i = 0; i < b->origins[node].nset; i++) {
        step = &b->plan->steps[b->steps[b->origins[node].set + i]];

        if (step->pseudonym == 0) {
            continue;
        }

        if (pseudonym->mask != 0 && pseudonym->secret != step->secret) {
            return plum_path_error(b->err, "path", &step->path,
                                   " is a pseudonym by two secrets");
        }

        pseudonym->mask |= step->pseudonym;
        pseudonym->secret = step->secret;
        b->plan->nodes[node].replaced = 1;
    }

    return PLUM_OK;
}


/* the path of the first rule that makes a pseudonym of this node */

static const plum_str_t *
plum_trie_path(const plum_build_t *b, uint32_t node)
{
    size_t              i;
    const plum_step_t  *step;

    i = b->origins[node].set;

    do {
        step = &b->plan->steps[b->steps[i++]];
    } while (step->pseudonym == 0);

    return &step->path;
}


/* from the leaves to the root: children have higher indexes than parents */

static void
plum_trie_masks(plum_build_t *b)
{
    uint32_t      i;
    uint64_t      leaves;
    plum_node_t  *node, *parent;

    for (i = b->plan->nnodes - 1; i != 0; i--) {
        node = &b->plan->nodes[i];
        parent = &b->plan->nodes[b->origins[i].parent];

        leaves = node->scalar | node->whole | node->members | node->elements;

        if (node->replaced) {
            leaves |= b->plan->pseudonyms[i].mask;
        }

        if (b->origins[i].element) {
            parent->elements |= leaves;

        } else {
            parent->members |= leaves;
        }
    }
}


static int
plum_trie_compare(const void *one, const void *two)
{
    const plum_str_t  *a, *b;

    a = ((const plum_named_t *) one)->name;
    b = ((const plum_named_t *) two)->name;

    if (a->len != b->len) {
        return (a->len < b->len) ? -1 : 1;
    }

    return memcmp(a->data, b->data, a->len);
}


static void *
plum_trie_grow(plum_build_t *b, void *array, size_t *size, size_t wanted,
    size_t item)
{
    void    *grown;
    size_t   n;

    if (wanted <= *size) {
        return array;
    }

    for (n = (*size == 0) ? 16 : *size; n < wanted; n *= 2) { /* void */ }

    grown = (n <= SIZE_MAX / item) ? realloc(array, n * item) : NULL;

    if (grown == NULL) {
        (void) plum_trie_nomem(b->err);
        return NULL;
    }

    *size = n;

    return grown;
}
