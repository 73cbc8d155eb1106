/*
 * The grammar of paths; see plum_path.h.
 */

#include <stdio.h>
#include <string.h>

#include <plum_path.h>


static unsigned plum_path_plain(uint8_t c);
static int plum_path_quoted(const plum_str_t *path, size_t *at,
    uint8_t *name, size_t *len, plum_error_t *err);
static int plum_path_name(const plum_str_t *path, size_t *at, uint8_t *name,
    size_t *len, plum_error_t *err);


int
plum_path_check(const plum_str_t *path, plum_error_t *err)
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

    if (end == start) {
        return plum_path_error(err, "path", path, ": name expected");
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


static unsigned
plum_path_plain(uint8_t c)
{
    switch (c) {

    case '.':
    case '[':
    case ']':
    case '*':
    case '"':
    case ' ':
    case '\t':
    case '\n':
    case '\v':
    case '\f':
    case '\r':
        return 0;

    default:
        return 1;
    }
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
