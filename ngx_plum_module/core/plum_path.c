/*
 * The grammar of paths; see plum_path.h.
 */

#include <stdio.h>
#include <string.h>

#include <plum_path.h>
#include <plum_path_hint.h>


/* of paths in other languages, or of a parameter: only in quoted names */

#define PLUM_PATH_FOREIGN   ",='\\?()<>|!`;{}"

#define PLUM_PATH_COMPARED  512          /* bytes of plum_path_inside()'s */


static int plum_path_grammar(const plum_str_t *path, plum_error_t *err);
static void plum_path_advise(const plum_str_t *path, plum_error_t *err,
    const char *before);
static unsigned plum_path_plain(uint8_t c);
static int plum_path_foreign(const plum_str_t *path, size_t start, size_t end,
    plum_error_t *err);
static int plum_path_quoted(const plum_str_t *path, size_t *at,
    uint8_t *name, size_t *len, plum_error_t *err);
static int plum_path_name(const plum_str_t *path, size_t *at, uint8_t *name,
    size_t *len, plum_error_t *err);


int
plum_path_check(const plum_str_t *path, plum_error_t *err)
{
    if (plum_path_grammar(path, err) == PLUM_OK) {
        return PLUM_OK;
    }

    plum_path_advise(path, err, ", write ");

    return PLUM_ERROR;
}


int
plum_path_doubt(const plum_str_t *path, plum_error_t *err)
{
    size_t            at, start, len, i;
    unsigned          doubt;
    const uint8_t    *p;
    plum_step_kind_t  kind;

    at = 0;
    doubt = 0;

    do {
        start = at;

        (void) plum_path_step(path, &at, &kind, NULL, &len, err);

        if (kind != PLUM_STEP_NAME) {
            continue;
        }

        start += (start != 0);
        p = path->data + start;

        for (i = 0; i < at - start && p[i] >= '0' && p[i] <= '9'; i++) {
            /* void */
        }

        if (*p != '"'
            && (memchr(p, '/', at - start) != NULL
                || (start != 0 && i == at - start)))
        {
            doubt = 1;
        }

    } while (kind != PLUM_STEP_END && kind != PLUM_STEP_WHOLE);

    if (!doubt) {
        return 0;
    }

    (void) plum_path_error(err, "path", path, " looks like one of another "
                           "language: quote the name that is meant");
    plum_path_advise(path, err, ", or write ");

    return 1;
}


/* adds what the author of a path of another language may have meant */

static void
plum_path_advise(const plum_str_t *path, plum_error_t *err,
    const char *before)
{
    char          text[PLUM_PATH_HINT];
    size_t        len;
    plum_str_t    hint;
    const char   *quote;
    plum_error_t  ignored;

    hint.data = (const uint8_t *) text;
    hint.len = plum_path_hint(path, text);

    if (hint.len == 0 || plum_path_grammar(&hint, &ignored) != PLUM_OK) {
        return;
    }

    /* as it has to be written in a configuration file */

    quote = (memchr(text, '"', hint.len) == NULL) ? "\"" : "'";
    len = strlen(err->text);

    (void) snprintf(err->text + len, sizeof(err->text) - len, "%s%s%s%s",
                    before, quote, text, quote);
}


static int
plum_path_grammar(const plum_str_t *path, plum_error_t *err)
{
    size_t            at, len, depth;
    plum_step_kind_t  kind;

    at = 0;
    depth = 0;

    for ( ;; ) {

        if (plum_path_step(path, &at, &kind, NULL, &len, err) != PLUM_OK) {
            return PLUM_ERROR;
        }

        if (kind == PLUM_STEP_END || kind == PLUM_STEP_WHOLE) {
            return PLUM_OK;
        }

        if (depth++ == PLUM_JSON_DEPTH) {
            return plum_path_error(err, "path", path,
                                   " leads deeper than texts may be");
        }
    }
}


int
plum_path_step(const plum_str_t *path, size_t *at, plum_step_kind_t *kind,
    uint8_t *name, size_t *len, plum_error_t *err)
{
    size_t          i, left;
    const uint8_t  *p;

    i = *at;
    p = path->data;

    if (path->len == 0) {
        return plum_path_error(err, "path", path, " is empty");
    }

    if (i == path->len) {
        *kind = PLUM_STEP_END;
        return PLUM_OK;
    }

    if (path->len - i >= 2 && p[i] == '[' && p[i + 1] == ']') {
        *at = i + 2;
        *kind = PLUM_STEP_ELEMENT;
        return PLUM_OK;
    }

    if (i != 0) {

        if (p[i] != '.') {
            return plum_path_error(err, "path", path,
                                   ": \".\" or \"[]\" expected after a step");
        }

        i++;
    }

    left = path->len - i;

    if (left == 2 && p[i] == '*' && p[i + 1] == '*') {
        *at = path->len;
        *kind = PLUM_STEP_WHOLE;
        return PLUM_OK;
    }

    if (left != 0 && p[i] == '*') {

        if (left > 1 && p[i + 1] == '*') {
            return plum_path_error(err, "path", path,
                                   ": nothing may follow \"**\"");
        }

        *at = i + 1;
        *kind = PLUM_STEP_ANY;
        return PLUM_OK;
    }

    *at = i;
    *kind = PLUM_STEP_NAME;

    return plum_path_name(path, at, name, len, err);
}


int
plum_path_inside(const plum_str_t *path, const plum_str_t *outer)
{
    size_t            at, len, outer_at, outer_len;
    uint8_t           name[PLUM_PATH_COMPARED], outer_name[PLUM_PATH_COMPARED];
    plum_error_t      err;
    plum_step_kind_t  kind, outer_kind;

    if (path->len > PLUM_PATH_COMPARED || outer->len > PLUM_PATH_COMPARED) {
        return 0;
    }

    at = 0;
    len = 0;
    outer_at = 0;
    outer_len = 0;

    for ( ;; ) {
        if (plum_path_step(path, &at, &kind, name, &len, &err) != PLUM_OK
            || plum_path_step(outer, &outer_at, &outer_kind, outer_name,
                              &outer_len, &err)
               != PLUM_OK)
        {
            return 0;
        }

        if (outer_kind == PLUM_STEP_END) {
            return kind != PLUM_STEP_END && kind != PLUM_STEP_WHOLE;
        }

        if (kind != PLUM_STEP_NAME || len != outer_len
            || memcmp(name, outer_name, len) != 0)
        {
            return 0;
        }
    }
}


static int
plum_path_name(const plum_str_t *path, size_t *at, uint8_t *name,
    size_t *len, plum_error_t *err)
{
    size_t  start, end;

    start = *at;

    if (start < path->len && path->data[start] == '"') {
        return plum_path_quoted(path, at, name, len, err);
    }

    for (end = start; end < path->len; end++) {
        if (!plum_path_plain(path->data[end])) {
            break;
        }
    }

    if (plum_path_foreign(path, start, end, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (name != NULL) {
        memcpy(name, path->data + start, end - start);
    }

    *len = end - start;
    *at = end;

    return PLUM_OK;
}


static int
plum_path_quoted(const plum_str_t *path, size_t *at, uint8_t *name,
    size_t *len, plum_error_t *err)
{
    size_t          n;
    const uint8_t  *p, *last;

    n = 0;
    last = path->data + path->len;

    for (p = path->data + *at + 1; p < last; p++) {

        if (*p == '"') {
            *at = (size_t) (p + 1 - path->data);
            *len = n;
            return PLUM_OK;
        }

        if (*p == '\\') {
            p++;

            if (p == last || (*p != '"' && *p != '\\')) {
                return plum_path_error(err, "path", path,
                         ": only \\\" and \\\\ are escapes of a quoted name");
            }
        }

        if (name != NULL) {
            name[n] = *p;
        }

        n++;
    }

    return plum_path_error(err, "path", path, ": closing quote expected");
}


/*
 * A name without quotes must not look like a path in another language, where
 * it would be a member that no text has: all that was meant would be dropped.
 */

static int
plum_path_foreign(const plum_str_t *path, size_t start, size_t end,
    plum_error_t *err)
{
    char            text[64];
    const uint8_t  *p;

    p = path->data + start;

    if (end < path->len
        && strchr(PLUM_PATH_FOREIGN, path->data[end]) != NULL
        && path->data[end] != '\0')
    {
        (void) snprintf(text, sizeof(text), ": a name with \"%c\" must be "
                        "quoted%s", path->data[end],
                        path->data[end] == ',' ? ", paths are separated by"
                                                 " spaces" : "");

        return plum_path_error(err, "path", path, text);
    }

    if (end == start) {
        return plum_path_error(err, "path", path, ": name expected");
    }

    if (*p == '/' || (start == 0 && end > 1 && *p == '#' && p[1] == '/')) {
        return plum_path_error(err, "path", path, ": a name with \"/\" in "
                               "front must be quoted");
    }

    if (*p == '-') {
        return plum_path_error(err, "path", path, ": a name with \"-\" in "
                               "front must be quoted, there are no exceptions"
                               " from what is listed");
    }

    if (start == 0 && end == 1 && (*p == '$' || *p == '@')) {
        return plum_path_error(err, "path", path,
                               ": the root is not written");
    }

    return PLUM_OK;
}


static unsigned
plum_path_plain(uint8_t c)
{
    return c == '\0'
           || strchr(".[]*\" \t\n\v\f\r" PLUM_PATH_FOREIGN, c) == NULL;
}


void
plum_path_explain(plum_error_t *err, const char *before,
    const plum_str_t *value, const char *after)
{
    char    text[129];
    size_t  i;

    for (i = 0; i < value->len && i < sizeof(text) - 1; i++) {
        text[i] = (char) value->data[i];

        if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
            text[i] = '?';
        }
    }

    text[i] = '\0';

    (void) snprintf(err->text, sizeof(err->text), "%s \"%s%s\"%s", before,
                    text, (i < value->len) ? "..." : "", after);
}
