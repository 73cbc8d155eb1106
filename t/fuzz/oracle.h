/*
 * The projector done again, slow and plain: rules that are asked one by one
 * whether their steps lead from the root of a tree to a node.  It shares no
 * code with the core.  What it writes are slices of the text, so that a
 * projector that writes the same bytes does so too.
 */

#ifndef _ORACLE_H_INCLUDED_
#define _ORACLE_H_INCLUDED_


#include "tree.h"

#include <openssl/hmac.h>


#define ORACLE_RULES    24
#define ORACLE_EVENTS   24


/* a name, '*' for any, or '[' for elements; a final "**" is no step */

typedef struct {
    char             kind;
    uint8_t         *name;
    size_t           len;
} oracle_step_t;

typedef struct {
    oracle_step_t    steps[PLUM_JSON_DEPTH];
    size_t           n;
    unsigned         whole:1;
    char             mark;               /* '=' type, '?' probe, 0 rule */
    char             secret;             /* a digit: the rule makes pseudonyms;
                                            else 0 */
    plum_str_t       events[ORACLE_EVENTS];
    size_t           nevents;
    unsigned         active:1;           /* for the event of the text */
    uint8_t         *names;
} oracle_rule_t;

typedef struct {
    oracle_rule_t    rules[ORACLE_RULES];
    size_t           n;
} oracle_rules_t;

typedef struct {
    uint8_t         *out;
    size_t           len;
    size_t           dropped;
    size_t           pseudonyms;
    unsigned         listed;
    unsigned         replace:1;          /* write pseudonyms */
} oracle_result_t;


/* -- rules -- */

/* a name at p, the first step or not, decoded; NULL where there is none */

static inline const uint8_t *
oracle_name(const uint8_t *p, const uint8_t *end, int first,
    oracle_step_t *step)
{
    const uint8_t  *start;

    step->kind = 'n';

    if (p < end && *p == '"') {

        for (p++; p < end && *p != '"'; p++) {

            if (*p == '\\' && (++p == end || (*p != '"' && *p != '\\'))) {
                return NULL;
            }

            step->name[step->len++] = *p;
        }

        return (p < end) ? p + 1 : NULL;
    }

    start = p;

    while (p < end && memchr(".[]*\" \t\n\v\f\r", *p, 11) == NULL) {

        if (memchr(",='\\?()<>|!`;{}", *p, 15) != NULL) {
            return NULL;
        }

        step->name[step->len++] = *p++;
    }

    /* what other languages mean by "$", "@", "/id", "#/id" and "-id" */

    if (p == start || *start == '-' || *start == '/'
        || (first && p == start + 1 && (*start == '$' || *start == '@'))
        || (first && p > start + 1 && *start == '#' && start[1] == '/'))
    {
        return NULL;
    }

    return p;
}


/* path = "**" / step *( "." name / "." "*" / "[]" ) [ ".**" ] */

static inline int
oracle_path(const uint8_t *p, size_t len, oracle_rule_t *r)
{
    size_t          used;
    const uint8_t  *end;
    oracle_step_t  *step;

    used = 0;
    end = p + len;
    r->n = 0;
    r->whole = 0;
    r->names = malloc(len + 1);
    check(r->names != NULL, "memory");

    do {
        if (end - p >= 2 && p[0] == '[' && p[1] == ']') {
            step = &r->steps[r->n];
            step->kind = '[';
            p += 2;

        } else {

            if (r->n != 0 && (p == end || *p++ != '.')) {
                return 0;
            }

            if (end - p == 2 && p[0] == '*' && p[1] == '*') {
                r->whole = 1;
                return 1;
            }

            if (r->n == PLUM_JSON_DEPTH) {
                return 0;
            }

            step = &r->steps[r->n];
            step->name = r->names + used;
            step->len = 0;

            if (p < end && *p == '*') {
                step->kind = '*';
                p++;

            } else {
                p = oracle_name(p, end, r->n == 0, step);

                if (p == NULL) {
                    return 0;
                }

                used += step->len;
            }
        }

        if (r->n++ == PLUM_JSON_DEPTH) {
            return 0;
        }

    } while (p < end);

    return 1;
}


/* an item of project.h's lines; events are NULL where a pattern is wrong */

static inline int
oracle_item(const char *item, size_t len, oracle_rule_t *r)
{
    size_t       i, left;
    plum_str_t  *event;
    const char  *at, *comma, *end;

    end = item + len;
    memset(r, 0, sizeof(oracle_rule_t));

    if (len != 0 && (*item == '=' || *item == '?')) {
        r->mark = *item;

        if (!oracle_path((const uint8_t *) item + 1, len - 1, r)
            || r->whole)
        {
            return 0;
        }

        for (i = 0; i < r->n; i++) {
            if (r->steps[i].kind != 'n') {
                return 0;
            }
        }

        return 1;
    }

    at = memchr(item, '@', len);

    if (len > 1 && *item == '|' && item[1] >= '0' && item[1] <= '9') {
        r->secret = item[1];
        item += 2;
    }

    if (!oracle_path((const uint8_t *) item,
                     (size_t) ((at ? at : end) - item), r)
        || (r->secret && r->whole))
    {
        return 0;
    }

    while (at != NULL) {
        left = (size_t) (end - ++at);
        comma = memchr(at, ',', left);

        check(r->nevents < ORACLE_EVENTS, "too many events for the oracle");
        event = &r->events[r->nevents++];
        event->data = (const uint8_t *) at;
        event->len = comma ? (size_t) (comma - at) : left;

        /* what other languages begin a pattern or a quoted word with */

        if (event->len == 0 || memchr("\t\"'~!", *at, 5) != NULL) {
            return 0;
        }

        comma = memchr(at, '*', event->len);

        if (comma != NULL && comma != at + event->len - 1) {
            return 0;
        }

        at = memchr(at, ',', left);
    }

    return 1;
}


static inline void
oracle_free(oracle_rules_t *rules)
{
    size_t  i;

    for (i = 0; i < rules->n; i++) {
        free(rules->rules[i].names);
    }
}


/* can the first n steps of both rules lead to one node */

static inline int
oracle_meet(const oracle_rule_t *one, const oracle_rule_t *two, size_t n)
{
    const oracle_step_t  *a, *b;

    while (n-- != 0) {
        a = &one->steps[n];
        b = &two->steps[n];

        if ((a->kind == '[') != (b->kind == '[')
            || (a->kind == 'n' && b->kind == 'n'
                && (a->len != b->len
                    || (a->len != 0 && memcmp(a->name, b->name, a->len) != 0))))
        {
            return 0;
        }
    }

    return 1;
}


/* a value that one rule lets through, or another secret has, is no pseudonym */

static inline int
oracle_contradict(const oracle_rules_t *rules)
{
    size_t                i, k;
    const oracle_rule_t  *one, *two;

    for (i = 0; i < rules->n; i++) {
        one = &rules->rules[i];

        for (k = 0; one->secret && k < rules->n; k++) {
            two = &rules->rules[k];

            if (two->mark == 0 && two->secret != one->secret
                && (two->whole ? two->n <= one->n : two->n == one->n)
                && oracle_meet(one, two, two->n))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* whether a line of rules is one that a plan can be made of */

static inline int
oracle_rules(const char *line, oracle_rules_t *rules)
{
    int          ok;
    size_t       i, types, events;
    const char  *end;

    ok = 1;
    types = 0;
    events = 0;
    rules->n = 0;

    for ( /* void */ ; *line != '\0'; line = end + (*end == ' ')) {
        end = line + strcspn(line, " ");

        check(rules->n < ORACLE_RULES, "too many rules for the oracle");
        ok &= oracle_item(line, (size_t) (end - line),
                          &rules->rules[rules->n++]);
    }

    for (i = 0; i < rules->n; i++) {
        types += (rules->rules[i].mark == '=');
        events += rules->rules[i].nevents;
    }

    return ok && types <= 1 && (events == 0 || types == 1)
           && !oracle_contradict(rules);
}


/* -- rules and texts -- */

/* do the first n steps of a rule lead to the node */

static inline int
oracle_leads(const oracle_rule_t *r, size_t n, const node_t *node)
{
    const oracle_step_t  *step;

    for ( /* void */ ; n != 0; n--, node = node->parent) {
        step = &r->steps[n - 1];

        if (node->parent == NULL
            || (step->kind == '[') != (node->name_from == NULL))
        {
            return 0;
        }

        if (step->kind == 'n'
            && (step->len != node->name_len
                || (step->len != 0
                    && memcmp(step->name, node->name, step->len) != 0)))
        {
            return 0;
        }
    }

    return node->parent == NULL;
}


static inline int
oracle_looks(const oracle_rules_t *rules, const node_t *node)
{
    size_t  i, n;

    for (i = 0; i < rules->n; i++) {
        for (n = 1; n <= rules->rules[i].n; n++) {
            if (oracle_leads(&rules->rules[i], n, node)) {
                return 1;
            }
        }
    }

    return 0;
}


/* a name that is looked at stands twice in one object */

static inline int
oracle_doubles(const oracle_rules_t *rules, const tree_t *t)
{
    size_t         i;
    const node_t  *one, *two;

    for (i = 0; i < t->nnodes; i++) {
        one = &t->nodes[i];

        for (two = one->name_from ? one->next : NULL; two != NULL;
             two = two->next)
        {
            if (two->name_len == one->name_len
                && memcmp(two->name, one->name, one->name_len) == 0
                && oracle_looks(rules, one))
            {
                return 1;
            }
        }
    }

    return 0;
}


static inline const node_t *
oracle_find(const oracle_rule_t *r, const tree_t *t)
{
    size_t  i;

    for (i = 0; i < t->nnodes; i++) {
        if (oracle_leads(r, r->n, &t->nodes[i])) {
            return &t->nodes[i];
        }
    }

    return NULL;
}


/* the decoded string of a node; the caller's to free */

static inline uint8_t *
oracle_decode(const node_t *node, size_t *len)
{
    uint8_t   *out;
    unsigned   lone;

    out = malloc((size_t) (node->to - node->from));
    check(out != NULL, "memory");
    check(tree_string(node->from, node->to, out, len, &lone) == node->to,
          "a string that is none");

    return out;
}


/* sets which rules hold for the text's event; whether it is listed */

static inline unsigned
oracle_events(oracle_rules_t *rules, const tree_t *t)
{
    size_t          i, k, n, len;
    uint8_t        *type;
    unsigned        listed, any;
    plum_str_t     *event;
    const node_t   *node;
    oracle_rule_t  *r;

    any = 0;
    listed = 0;
    type = NULL;
    len = 0;

    for (i = 0; i < rules->n; i++) {
        node = (rules->rules[i].mark == '=')
               ? oracle_find(&rules->rules[i], t) : NULL;

        if (node != NULL && node->kind == '"' && !node->lone) {
            type = oracle_decode(node, &len);
        }
    }

    for (i = 0; i < rules->n; i++) {
        r = &rules->rules[i];
        r->active = (r->nevents == 0);
        any |= (r->nevents != 0);

        for (k = 0; type != NULL && k < r->nevents; k++) {
            event = &r->events[k];
            n = event->len - (event->data[event->len - 1] == '*');

            if ((n < event->len ? len >= n : len == n)
                && memcmp(type, event->data, n) == 0)
            {
                r->active = 1;
                listed = 1;
            }
        }
    }

    free(type);

    return !any || listed;
}


/*
 * 0 no, 1 the value as it stands, 2 a container with what is kept in it, or
 * the digit of a secret: the value's pseudonym
 */

static inline unsigned
oracle_kept(const oracle_rules_t *rules, const node_t *node)
{
    size_t                i, n;
    unsigned              result, container;
    const oracle_rule_t  *r;

    result = (node->parent == NULL) ? 2 : 0;
    container = (node->kind == '{' || node->kind == '[');

    for (i = 0; i < rules->n; i++) {
        r = &rules->rules[i];

        if (r->mark || !r->active) {
            continue;
        }

        if (oracle_leads(r, r->n, node) && (r->whole || !container)) {

            if (!r->secret) {
                return 1;
            }

            if (memchr("tfn", node->kind, 3) == NULL) {
                return (unsigned) r->secret;
            }
        }

        for (n = 0; container && n < r->n; n++) {
            if (oracle_leads(r, n, node)
                && (r->steps[n].kind == '[') == (node->kind == '['))
            {
                result = 2;
            }
        }
    }

    return result;
}


static inline void
oracle_put(oracle_result_t *result, const uint8_t *from, const uint8_t *to)
{
    memcpy(result->out + result->len, from, (size_t) (to - from));
    result->len += (size_t) (to - from);
}


/* the keys of secrets are their digits */

static inline void
oracle_pseudonym(const node_t *node, uint8_t key, oracle_result_t *result)
{
    size_t         len;
    uint8_t       *text, mac[EVP_MAX_MD_SIZE], base64[25];
    unsigned char  quote;

    if (!result->replace) {
        oracle_put(result, node->from, node->to);
        return;
    }

    if (node->lone) {
        oracle_put(result, (const uint8_t *) "null",
                   (const uint8_t *) "null" + 4);
        return;
    }

    if (node->kind == '"') {
        text = oracle_decode(node, &len);

    } else {
        len = (size_t) (node->to - node->from);
        text = malloc(len);
        check(text != NULL, "memory");
        memcpy(text, node->from, len);
    }

    check(HMAC(EVP_sha256(), &key, 1, text, len, mac, NULL) != NULL, "HMAC");
    free(text);

    (void) EVP_EncodeBlock(base64, mac, 16);

    for (len = 0; len < 22; len++) {
        base64[len] = (base64[len] == '+') ? '-' : base64[len];
        base64[len] = (base64[len] == '/') ? '_' : base64[len];
    }

    quote = '"';
    oracle_put(result, &quote, &quote + 1);
    oracle_put(result, base64, base64 + 22);
    oracle_put(result, &quote, &quote + 1);
}


/* result->out has room for the whole text, or 24 bytes for each byte of it */

static inline void
oracle_filter(const oracle_rules_t *rules, const node_t *node,
    oracle_result_t *result)
{
    size_t         n;
    const node_t  *child;

    n = oracle_kept(rules, node);

    if (n > 2) {
        result->pseudonyms++;
        oracle_pseudonym(node, (uint8_t) n, result);
        return;
    }

    if (n == 1) {
        oracle_put(result, node->from, node->to);
        return;
    }

    n = 0;
    result->out[result->len++] = (uint8_t) node->kind;

    for (child = node->first; child != NULL; child = child->next) {

        if (!oracle_kept(rules, child)) {
            result->dropped += (child->name_from != NULL);
            continue;
        }

        if (n++) {
            result->out[result->len++] = ',';
        }

        if (child->name_from != NULL) {
            oracle_put(result, child->name_from, child->name_to);
            result->out[result->len++] = ':';
        }

        oracle_filter(rules, child, result);
    }

    result->out[result->len++] = (node->kind == '{') ? '}' : ']';
}


#endif /* _ORACLE_H_INCLUDED_ */
