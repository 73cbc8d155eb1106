/*
 * What paths of other languages are in ours; see plum_path_hint.h.
 */

#include <string.h>

#include <plum_path_hint.h>


typedef struct {
    const uint8_t  *p;                   /* what is left of the path */
    const uint8_t  *end;
    unsigned        pointer:1;           /* of JSON Pointer */
    char           *hint;
    size_t          len;
} plum_hint_t;


static int plum_hint_step(plum_hint_t *h);
static int plum_hint_bracket(plum_hint_t *h);
static int plum_hint_separator(plum_hint_t *h);
static int plum_hint_name(plum_hint_t *h, const uint8_t *name, size_t len);
static size_t plum_hint_decode(plum_hint_t *h, uint8_t *name);
static int plum_hint_digits(const uint8_t *p, size_t len);
static int plum_hint_add(plum_hint_t *h, const char *text, size_t len);


size_t
plum_path_hint(const plum_str_t *path, char *hint)
{
    plum_hint_t  h;

    if (path->len == 0 || path->len >= PLUM_PATH_HINT) {
        return 0;
    }

    h.p = path->data;
    h.end = path->data + path->len;
    h.pointer = 0;
    h.hint = hint;
    h.len = 0;

    /* roots: "$" of JSONPath, "@" of JMESPath, "#" of a pointer in a URI */

    if (strchr("$@#", *h.p) != NULL
        && (path->len == 1 || strchr(*h.p == '#' ? "/" : ".[/", h.p[1])))
    {
        h.p++;
    }

    if (h.p != h.end && *h.p == '/') {
        h.pointer = 1;
    }

    if (h.p == h.end && plum_hint_add(&h, "**", 2) != PLUM_OK) {
        return 0;
    }

    while (h.p != h.end) {
        if (plum_hint_step(&h) != PLUM_OK) {
            return 0;
        }
    }

    hint[h.len] = '\0';

    return h.len;
}


static int
plum_hint_step(plum_hint_t *h)
{
    size_t   len;
    uint8_t  name[PLUM_PATH_HINT];

    if (*h->p == '[') {
        return plum_hint_bracket(h);
    }

    if (plum_hint_separator(h) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (h->p != h->end && *h->p == '[') {
        return plum_hint_bracket(h);
    }

    len = plum_hint_decode(h, name);

    if (len == 0) {
        return PLUM_ERROR;
    }

    /* an index, where it cannot be the name of the first member */

    if (plum_hint_digits(name, len) && (h->len != 0 || h->pointer)) {
        return plum_hint_add(h, "[]", 2);
    }

    return plum_hint_name(h, name, len);
}


/* "[0]", "[*]", "[1:3]", "['name']" */

static int
plum_hint_bracket(plum_hint_t *h)
{
    size_t          len;
    const uint8_t  *p, *close;

    p = h->p + 1;
    close = memchr(p, ']', (size_t) (h->end - p));

    if (close == NULL) {
        return PLUM_ERROR;
    }

    h->p = close + 1;
    len = (size_t) (close - p);

    if (len > 2 && (*p == '\'' || *p == '"') && close[-1] == *p) {
        return plum_hint_name(h, p + 1, len - 2);
    }

    for ( /* void */ ; p != close; p++) {
        if (*p == '\0' || strchr("0123456789:*-", *p) == NULL) {
            return PLUM_ERROR;
        }
    }

    return plum_hint_add(h, "[]", 2);
}


/* one of ".", "/", "->" and "->>"; ".." of JSONPath has no translation */

static int
plum_hint_separator(plum_hint_t *h)
{
    const uint8_t  *p;

    p = h->p;

    if (*p == '.' || *p == '/') {
        p++;

    } else if (h->end - p > 2 && p[0] == '-' && p[1] == '>') {
        p += (p[2] == '>') ? 3 : 2;

    } else {
        return (h->len == 0) ? PLUM_OK : PLUM_ERROR;
    }

    h->p = p;

    return (p == h->end || *p == '.' || *p == '/') ? PLUM_ERROR : PLUM_OK;
}


/* reads a name, up to what separates it from the next one */

static size_t
plum_hint_decode(plum_hint_t *h, uint8_t *name)
{
    size_t          n;
    const uint8_t  *p, *end;

    n = 0;
    p = h->p;
    end = h->end;

    while (p != end && *p != '[' && *p != '/' && (*p != '.' || h->pointer)
           && (end - p < 3 || p[0] != '-' || p[1] != '>'))
    {
        if (*p == '~' && h->pointer && end - p > 1
            && (p[1] == '0' || p[1] == '1'))
        {
            name[n++] = (p[1] == '0') ? '~' : '/';
            p += 2;
            continue;
        }

        /* of "a\.b" the dot, of "a?.b" nothing */

        if (*p == '\\' && end - p > 1) {
            p++;

        } else if (*p == '?') {
            p++;
            continue;
        }

        name[n++] = *p++;
    }

    h->p = p;

    return n;
}


/* "*" stays what it is; what the grammar does not take as a name is quoted */

static int
plum_hint_name(plum_hint_t *h, const uint8_t *name, size_t len)
{
    int     quoted;
    size_t  i;

    if (h->len != 0 && plum_hint_add(h, ".", 1) != PLUM_OK) {
        return PLUM_ERROR;
    }

    quoted = plum_hint_digits(name, len);

    for (i = 0; i < len; i++) {
        /* of a comma or "=" something else is meant, see plum_path.c */

        if (name[i] < 0x20 || strchr("\"',=!", name[i]) != NULL) {
            return PLUM_ERROR;
        }

        if (strchr(". []/\\?()<>|`;{}", name[i]) != NULL
            || (name[i] == '*' && len > 2))
        {
            quoted = 1;
        }
    }

    if (quoted && plum_hint_add(h, "\"", 1) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (plum_hint_add(h, (const char *) name, len) != PLUM_OK) {
        return PLUM_ERROR;
    }

    return quoted ? plum_hint_add(h, "\"", 1) : PLUM_OK;
}


static int
plum_hint_digits(const uint8_t *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }
    }

    return len != 0;
}


static int
plum_hint_add(plum_hint_t *h, const char *text, size_t len)
{
    if (len >= PLUM_PATH_HINT - h->len) {
        return PLUM_ERROR;
    }

    memcpy(h->hint + h->len, text, len);
    h->len += len;

    return PLUM_OK;
}
