/*
 * Random trees, written as texts with odd spellings and white space, random
 * rules, and a slow filter that has no trie: it asks rule by rule whether
 * their steps lead from the root to a node.
 */

#ifndef _PROPERTY_H_INCLUDED_
#define _PROPERTY_H_INCLUDED_


#include "project.h"


#define TEXT_MAX   (1 << 16)
#define NODES      256
#define RULES      6
#define STEPS      5
#define DEPTH      5


/* a value; its text is where it was written */

typedef struct node_s  node_t;

struct node_s {
    char          kind;                  /* { [ or s, a scalar */
    unsigned      string:1;
    int           name;                  /* index in names, -1 in an array */
    size_t        name_from, name_to;    /* as spelt, with quotes */
    size_t        from, to;
    node_t       *first, *next, *parent;
};

/* a rule: names, '*' for any, '[' for elements; "whole" for a final "**" */

typedef struct {
    int           step[STEPS];           /* a name's index, or: */
    size_t        n;
    unsigned      whole:1;
    unsigned      probe:1;
    unsigned      type:1;
    unsigned      events;                /* bit i: for=events[i]; 0: all */
} rule_t;

#define ANY        100
#define ELEMENT    101

typedef struct {
    char          in[TEXT_MAX];
    size_t        len;
    node_t        nodes[NODES];
    size_t        nnodes;
    rule_t        rules[RULES];
    size_t        nrules;
    char          line[1024];
    char          out[TEXT_MAX];
    size_t        out_len, dropped;
    unsigned      active;                /* events that hold, 1: every */
} world_t;


static const struct {
    const char   *rule;
    const char   *spelt[3];
} names[] = {
    { "a", { "\"a\"", "\"\\u0061\"", "\"a\"" } },
    { "b", { "\"b\"", "\"b\"", "\"b\"" } },
    { "t", { "\"t\"", "\"\\u0074\"", "\"t\"" } },
    { "\"\"", { "\"\"", "\"\"", "\"\"" } },
    { "\xc3\xa9\xe2\x82\xac",
      { "\"\xc3\xa9\xe2\x82\xac\"", "\"\\u00e9\xe2\x82\xac\"",
        "\"\\u00E9\\u20aC\"" } },
    { "\xf0\x9f\x98\x80z",
      { "\"\xf0\x9f\x98\x80z\"", "\"\\ud83d\\uDE00z\"",
        "\"\\uD83D\\ude00\\u007a\"" } },
    { "a_much_longer_name", { "\"a_much_longer_name\"",
      "\"a_much_longer_n\\u0061me\"", "\"a_much_longer_name\"" } },
    { "a_much_longer_nape", { "\"a_much_longer_nape\"",
      "\"a_much_longer_nape\"", "\"a_much_longer_nap\\u0065\"" } }
};

static const char  *const scalars[] = {
    "0", "-0", "1.50", "-12e+07", "0E-0", "123456789012345", "1e2", "true",
    "false", "null", "7", "-1", "31415926.53589793", "\"\"", "\"x\"", "\"y\"",
    "\"yz\"", "\"x\"", "\"\\u0078\"", "\"}\"", "\"]\\\"[\"",
    "\"\\\\\"", "\"\\/\\b\\f\\n\\r\\t\"", "\"a string of more than sixteen\"",
    "\"\xc3\xa9t\xc3\xa9, \xe2\x82\xac\xf0\x9f\x98\x80 and some more\"",
    "\"\\u0000\\u001f\"", "\"sixteen bytes ok\""
};

/* types x, y and what begins with y; see scalars */

static const char  *const events[] = { "x", "y*", "nothing" };

static uint64_t  random_state;
static world_t   world;


static size_t
roll(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (size_t) (random_state >> 20) % n;
}


static void
put(world_t *w, const char *text)
{
    size_t  n;

    n = strlen(text);

    assert_true(w->len + n < TEXT_MAX);

    memcpy(w->in + w->len, text, n);
    w->len += n;
}


static void
put_space(world_t *w, size_t often)
{
    static const char  *const spaces[] = { " ", "\n", "\t", "\r\n", "    " };

    if (roll(10) < often) {
        put(w, spaces[roll(unit_nelts(spaces))]);
    }
}


/* a value, depth levels at most; recursion is a test's right */

static node_t *
make(world_t *w, node_t *parent, int name, size_t depth, size_t often)
{
    size_t   i, n;
    node_t  *node, *child, **last;

    if (w->nnodes == NODES) {
        return NULL;
    }

    node = &w->nodes[w->nnodes++];

    memset(node, 0, sizeof(node_t));

    node->name = name;
    node->parent = parent;

    if (name >= 0) {
        node->name_from = w->len;
        put(w, names[name].spelt[roll(3)]);
        node->name_to = w->len;

        put_space(w, often);
        put(w, ":");
        put_space(w, often);
    }

    node->from = w->len;

    if (parent != NULL && (depth == 0 || roll(10) < 5)) {
        i = roll(unit_nelts(scalars));
        put(w, scalars[i]);

        node->kind = 's';
        node->string = (scalars[i][0] == '"');
        node->to = w->len;

        return node;
    }

    node->kind = roll(10) < 7 ? '{' : '[';
    put(w, node->kind == '{' ? "{" : "[");

    n = roll(6);
    last = &node->first;

    for (i = 0; i < n && w->nnodes < NODES; i++) {

        if (i != 0) {
            put(w, ",");
        }

        put_space(w, often);

        name = (node->kind == '[') ? -1 : (int) roll(unit_nelts(names));

        /* mostly without doubles */

        for (child = node->first; child != NULL; child = child->next) {

            if (name >= 0 && child->name == name && roll(40) != 0) {
                name = (name + 1) % (int) unit_nelts(names);
                child = node->first;
            }
        }

        child = make(w, node, name, depth - 1, often);
        put_space(w, often);

        *last = child;
        last = &child->next;
    }

    put_space(w, often);
    put(w, node->kind == '{' ? "}" : "]");

    node->to = w->len;

    return node;
}


static void
make_rule(world_t *w, unsigned probe, unsigned type)
{
    size_t   i;
    rule_t  *r;

    r = &w->rules[w->nrules++];

    memset(r, 0, sizeof(rule_t));

    r->probe = (probe != 0);
    r->type = (type != 0);
    r->n = (probe && type) ? 1 + roll(2) : roll(STEPS + 1);
    r->whole = !probe && (r->n == 0 || roll(6) == 0);

    if (probe && r->n == 0) {
        r->n = 1;
    }

    for (i = 0; i < r->n; i++) {
        r->step[i] = (int) roll(unit_nelts(names));

        if (!probe && roll(4) == 0) {
            r->step[i] = ELEMENT;

        } else if (!probe && roll(4) == 0) {
            r->step[i] = ANY;
        }
    }

    if (probe && type && roll(4) != 0) {
        r->step[r->n - 1] = 2;
    }

    if (!probe && type && roll(2) == 0) {
        r->events = (unsigned) (2 << roll(unit_nelts(events)));
        r->events |= (unsigned) (2 << roll(unit_nelts(events)));
    }
}


/* the rules as a line for project_plan() */

static void
write_rules(world_t *w)
{
    char    *p;
    size_t   i, k;
    rule_t  *r;

    p = w->line;

    for (i = 0; i < w->nrules; i++) {
        r = &w->rules[i];

        p += sprintf(p, "%s%s", i ? " " : "",
                     r->probe ? (r->type ? "=" : "?") : "");

        for (k = 0; k < r->n; k++) {
            p += sprintf(p, "%s%s", (k && r->step[k] != ELEMENT) ? "." : "",
                         r->step[k] == ELEMENT ? "[]"
                         : r->step[k] == ANY ? "*" : names[r->step[k]].rule);
        }

        if (r->whole) {
            p += sprintf(p, "%s**", r->n ? "." : "");
        }

        for (k = 0; k < unit_nelts(events); k++) {
            if (r->events >> (k + 1) & 1) {
                p += sprintf(p, "%s%s",
                             (r->events & ((2u << k) - 1)) ? "," : "@",
                             events[k]);
            }
        }
    }

    *p = '\0';
}


/* do the first n steps of a rule lead to the node */

static unsigned
leads(const rule_t *r, size_t n, const node_t *node)
{
    for ( /* void */ ; n != 0; n--, node = node->parent) {

        if (node->parent == NULL) {
            return 0;
        }

        if (r->step[n - 1] == ELEMENT ? node->name >= 0
            : r->step[n - 1] == ANY ? node->name < 0
            : r->step[n - 1] != node->name)
        {
            return 0;
        }
    }

    return node->parent == NULL;
}


static unsigned
holds(const world_t *w, const rule_t *r)
{
    return !r->probe && (r->events == 0 || (r->events & w->active) != 0);
}


/* does a rule or probe look at the name of this member */

static unsigned
looked_at(const world_t *w, const node_t *node)
{
    size_t  i, n;

    for (i = 0; i < w->nrules; i++) {
        for (n = 1; n <= w->rules[i].n; n++) {
            if (leads(&w->rules[i], n, node)) {
                return 1;
            }
        }
    }

    return 0;
}


static unsigned
has_doubles(const world_t *w)
{
    size_t         i;
    const node_t  *one, *two;

    for (i = 0; i < w->nnodes; i++) {
        one = &w->nodes[i];

        if (one->name < 0 || !looked_at(w, one)) {
            continue;
        }

        for (two = one->next; two != NULL; two = two->next) {
            if (two->name == one->name) {
                return 1;
            }
        }
    }

    return 0;
}


/* keeps: 0 no, 1 the value as it stands, 2 its container with what is kept */

static unsigned
kept(const world_t *w, const node_t *node)
{
    size_t         i, n;
    unsigned       result;
    const rule_t  *r;

    result = (node->parent == NULL) ? 2 : 0;

    for (i = 0; i < w->nrules; i++) {
        r = &w->rules[i];

        if (!holds(w, r)) {
            continue;
        }

        if (leads(r, r->n, node) && (r->whole || node->kind == 's')) {
            return 1;
        }

        for (n = 0; n < r->n; n++) {
            if (leads(r, n, node) && node->kind != 's'
                && (r->step[n] == ELEMENT) == (node->kind == '['))
            {
                result = 2;
            }
        }
    }

    return result;
}


static void
put_out(world_t *w, size_t from, size_t to)
{
    memcpy(w->out + w->out_len, w->in + from, to - from);
    w->out_len += to - from;
}


static void
filter(world_t *w, const node_t *node)
{
    size_t         n;
    const node_t  *child;

    if (kept(w, node) == 1) {
        put_out(w, node->from, node->to);
        return;
    }

    n = 0;
    w->out[w->out_len++] = node->kind;

    for (child = node->first; child != NULL; child = child->next) {

        if (!kept(w, child)) {
            w->dropped += (child->name >= 0);
            continue;
        }

        if (n++) {
            w->out[w->out_len++] = ',';
        }

        if (child->name >= 0) {
            put_out(w, child->name_from, child->name_to);
            w->out[w->out_len++] = ':';
        }

        filter(w, child);
    }

    w->out[w->out_len++] = (node->kind == '{') ? '}' : ']';
}


#endif /* _PROPERTY_H_INCLUDED_ */
