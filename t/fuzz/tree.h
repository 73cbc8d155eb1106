/*
 * A second validator, slow and plain, for the fuzz targets of the projector:
 * a recursive parser of RFC 8259 that builds a tree.  It shares no code with
 * the core.
 */

#ifndef _TREE_H_INCLUDED_
#define _TREE_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plum_project.h>


/* a value; from and to are where it stands in the text */

typedef struct node_s  node_t;

struct node_s {
    char             kind;               /* { [ " or another scalar's first */
    unsigned         lone:1;             /* a string with half a surrogate */
    const uint8_t   *name_from, *name_to;    /* as spelt; NULL: no member */
    uint8_t         *name;               /* decoded */
    size_t           name_len;
    const uint8_t   *from, *to;
    node_t          *parent, *first, *last, *next;
};

typedef struct {
    const uint8_t   *text, *end;
    node_t          *nodes;              /* the root first */
    size_t           nnodes;
    uint8_t         *names;
    size_t           names_len;
    size_t           depth;
    unsigned         deep:1;             /* more than PLUM_JSON_DEPTH */
    unsigned         lone:1;             /* some string has half a surrogate */
} tree_t;


static inline void
check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static inline const uint8_t *
tree_space(const tree_t *t, const uint8_t *p)
{
    while (p < t->end && memchr(" \t\r\n", *p, 4) != NULL) {
        p++;
    }

    return p;
}


/* the bytes of a code point, also of half a surrogate */

static inline size_t
tree_put(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t) c;
        return 1;
    }

    if (c < 0x800) {
        out[0] = (uint8_t) (0xc0 | c >> 6);
        out[1] = (uint8_t) (0x80 | (c & 0x3f));
        return 2;
    }

    if (c < 0x10000) {
        out[0] = (uint8_t) (0xe0 | c >> 12);
        out[1] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t) (0x80 | (c & 0x3f));
        return 3;
    }

    out[0] = (uint8_t) (0xf0 | c >> 18);
    out[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t) (0x80 | (c & 0x3f));

    return 4;
}


/* one UTF-8 sequence; 0 where it is none (RFC 3629) */

static inline size_t
tree_utf8(const uint8_t *p, const uint8_t *end)
{
    size_t    i, n;
    uint8_t   again[4];
    uint32_t  c;

    n = (*p < 0x80) ? 1 : (*p >> 5 == 6) ? 2 : (*p >> 4 == 14) ? 3
        : (*p >> 3 == 30) ? 4 : 0;

    if (n == 0 || (size_t) (end - p) < n) {
        return 0;
    }

    c = (n == 1) ? *p : *p & (0x7fu >> n);

    for (i = 1; i < n; i++) {

        if (p[i] >> 6 != 2) {
            return 0;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    return (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)
            || tree_put(again, c) != n) ? 0 : n;
}


static inline int
tree_hex4(const uint8_t *p, const uint8_t *end, uint32_t *c)
{
    size_t       i;
    const char  *at;

    static const char  digits[] = "0123456789abcdef0123456789ABCDEF";

    *c = 0;

    for (i = 0; i < 4; i++) {
        at = (p + i < end && p[i] != '\0') ? strchr(digits, p[i]) : NULL;

        if (at == NULL) {
            return 0;
        }

        *c = *c << 4 | (uint32_t) ((at - digits) & 15);
    }

    return 1;
}


/* from the backslash; the decoded bytes go to out */

static inline const uint8_t *
tree_escape(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *len,
    unsigned *lone)
{
    uint32_t     c, low;
    const char  *at;

    static const char  from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (++p == end || *p == '\0') {
        return NULL;
    }

    if (*p != 'u') {
        at = strchr(from, *p);
        if (at == NULL) {
            return NULL;
        }

        out[(*len)++] = (uint8_t) to[at - from];
        return p + 1;
    }

    if (!tree_hex4(p + 1, end, &c)) {
        return NULL;
    }

    p += 5;

    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\'
        && p[1] == 'u' && tree_hex4(p + 2, end, &low) && low >= 0xdc00
        && low < 0xe000)
    {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        p += 6;

    } else if (c >= 0xd800 && c < 0xe000) {
        *lone = 1;
    }

    *len += tree_put(out + *len, c);

    return p;
}


/* from quote to after quote; out has room for what is between them */

static inline const uint8_t *
tree_string(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *len,
    unsigned *lone)
{
    size_t  n;

    *len = 0;
    *lone = 0;

    for (p++; p < end && *p != '"'; /* void */ ) {

        if (*p < 0x20) {
            return NULL;
        }

        if (*p == '\\') {
            p = tree_escape(p, end, out, len, lone);

            if (p == NULL) {
                return NULL;
            }

            continue;
        }

        n = tree_utf8(p, end);
        if (n == 0) {
            return NULL;
        }

        memcpy(out + *len, p, n);
        *len += n;
        p += n;
    }

    return (p < end) ? p + 1 : NULL;
}


static inline const uint8_t *
tree_digits(const uint8_t *p, const uint8_t *end)
{
    const uint8_t  *start;

    start = p;

    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }

    return (p > start) ? p : NULL;
}


static inline const uint8_t *
tree_number(const uint8_t *p, const uint8_t *end)
{
    p += (*p == '-');

    if (p < end && *p == '0') {
        p++;

    } else {
        p = tree_digits(p, end);
    }

    if (p != NULL && p < end && *p == '.') {
        p = tree_digits(p + 1, end);
    }

    if (p != NULL && p < end && (*p | 0x20) == 'e') {
        p++;
        p += (p < end && (*p == '+' || *p == '-'));
        p = tree_digits(p, end);
    }

    return p;
}


static inline const uint8_t *
tree_scalar(tree_t *t, const uint8_t *p, node_t *node)
{
    size_t    i, len, left;
    unsigned  lone;
    uint8_t  *out;

    static const char  *const literals[] = { "true", "false", "null" };

    left = (size_t) (t->end - p);

    if (*p == '"') {
        out = malloc(left);
        check(out != NULL, "memory");

        p = tree_string(p, t->end, out, &len, &lone);
        node->lone = (lone != 0);
        t->lone |= node->lone;
        free(out);

        return p;
    }

    for (i = 0; i < 3; i++) {
        len = strlen(literals[i]);

        if (left >= len && memcmp(p, literals[i], len) == 0) {
            return p + len;
        }
    }

    return (*p == '-' || (*p >= '0' && *p <= '9')) ? tree_number(p, t->end)
                                                   : NULL;
}


static inline node_t *
tree_node(tree_t *t, node_t *parent)
{
    node_t  *node;

    node = &t->nodes[t->nnodes++];
    node->parent = parent;

    if (parent != NULL) {
        if (parent->last != NULL) {
            parent->last->next = node;

        } else {
            parent->first = node;
        }

        parent->last = node;
    }

    return node;
}


static inline const uint8_t *
tree_name(tree_t *t, const uint8_t *p, node_t *node)
{
    unsigned  lone;

    if (p == t->end || *p != '"') {
        return NULL;
    }

    node->name = t->names + t->names_len;
    node->name_from = p;

    p = tree_string(p, t->end, node->name, &node->name_len, &lone);
    if (p == NULL) {
        return NULL;
    }

    t->lone |= (lone != 0);
    t->names_len += node->name_len;
    node->name_to = p;

    p = tree_space(t, p);

    return (p < t->end && *p == ':') ? tree_space(t, p + 1) : NULL;
}


/* recursion is a test's right; a text of 64 KB is no deeper than that */

static inline const uint8_t *
tree_value(tree_t *t, const uint8_t *p, node_t *node)
{
    node_t   *child;
    uint8_t   close;

    if (p == t->end) {
        return NULL;
    }

    node->kind = (char) *p;
    node->from = p;

    if (*p != '{' && *p != '[') {
        p = tree_scalar(t, p, node);
        node->to = p;
        return p;
    }

    close = (*p == '{') ? '}' : ']';
    t->deep |= (++t->depth > PLUM_JSON_DEPTH);

    p = tree_space(t, p + 1);

    if (p == t->end) {
        return NULL;
    }

    while (node->first != NULL || *p != close) {
        child = tree_node(t, node);

        if (close == '}') {
            p = tree_name(t, p, child);
        }

        if (p != NULL) {
            p = tree_value(t, p, child);
        }

        if (p == NULL) {
            return NULL;
        }

        p = tree_space(t, p);

        if (p == t->end || (*p != ',' && *p != close)) {
            return NULL;
        }

        if (*p == close) {
            break;
        }

        p = tree_space(t, p + 1);
    }

    t->depth--;
    node->to = p + 1;

    return p + 1;
}


/* whether the text is what the contract calls valid, but for doubled names */

static inline int
tree_parse(tree_t *t, const uint8_t *text, size_t len)
{
    const uint8_t  *p;

    memset(t, 0, sizeof(tree_t));

    t->text = text;
    t->end = text + len;
    t->nodes = calloc(len + 1, sizeof(node_t));
    t->names = malloc(len + 1);
    check(t->nodes != NULL && t->names != NULL, "memory");

    p = tree_space(t, text);

    if (p == t->end || (*p != '{' && *p != '[')) {
        return 0;
    }

    p = tree_value(t, p, tree_node(t, NULL));

    return p != NULL && tree_space(t, p) == t->end;
}


static inline void
tree_free(tree_t *t)
{
    free(t->nodes);
    free(t->names);
}


#endif /* _TREE_H_INCLUDED_ */
