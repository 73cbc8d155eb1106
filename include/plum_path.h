/*
 * Paths to values in a JSON text, as users write them in plum_allowlist:
 *
 *     path    = "**" / step *( "." name / "." "*" / "[]" ) [ ".**" ]
 *     step    = name / "*" / "[]"
 *     name    = 1*char, any byte but  . [ ] * " , = ' \ ? ( ) < > | ! ` ; { }
 *               and white space
 *             / DQUOTE any bytes, \" and \\ for those two DQUOTE
 *
 * "[]" is each element of an array ("items[].sku", "[].id"), "*" any member
 * name at that level, a final ".**" the whole value, whatever it is.
 * Without "**" a path keeps strings, numbers, true, false and null; a
 * container that stands where it ends is dropped.
 *
 * Without quotes some names are errors, as they mean something else in other
 * languages for paths: "$" or "@" as the first step (a root), "#/" in front of
 * it, and a name that begins with "/" (a pointer) or "-" (an exception).
 */

#ifndef _PLUM_PATH_H_INCLUDED_
#define _PLUM_PATH_H_INCLUDED_


#include <plum_types.h>


/* how many containers deep a text may be, and steps long a path */

#ifndef PLUM_JSON_DEPTH
#define PLUM_JSON_DEPTH      64
#endif


typedef enum {
    PLUM_STEP_END = 0,
    PLUM_STEP_NAME,          /* name */
    PLUM_STEP_ANY,           /* "*" */
    PLUM_STEP_ELEMENT,       /* "[]" */
    PLUM_STEP_WHOLE          /* "**", always the last one */
} plum_step_kind_t;


/*
 * Checks a path's grammar alone; for errors at the line where it stands.  A
 * path of more than PLUM_JSON_DEPTH steps is an error too.  Where the path is
 * one of another language, the error says what to write in ours.
 */

int plum_path_check(const plum_str_t *path, plum_error_t *err);

/*
 * 1 if a path that has been checked has a name without quotes which is rather
 * a step of another language: one with "/" in it, or digits behind another
 * step.  Then err says so, and what may be meant.
 */

int plum_path_doubt(const plum_str_t *path, plum_error_t *err);

/*
 * 1 if a path leads into the value at outer, a path of names only: then no
 * text has a scalar at outer and something at path.  Both have been checked.
 * 0 also for paths of more than 512 bytes.
 */

int plum_path_inside(const plum_str_t *path, const plum_str_t *outer);

/*
 * Reads the next step.  *at, 0 at first, moves past it.  A name is decoded
 * into name (as long as the path), its length goes to *len.
 */

int plum_path_step(const plum_str_t *path, size_t *at,
    plum_step_kind_t *kind, uint8_t *name, size_t *len, plum_error_t *err);

/* "what: value" with the value's unprintable bytes as "?", cut if too long */

void plum_path_explain(plum_error_t *err, const char *before,
    const plum_str_t *value, const char *after);


/* inline, so that whoever reads a caller sees that it is never PLUM_OK */

static inline int
plum_path_error(plum_error_t *err, const char *before,
    const plum_str_t *value, const char *after)
{
    plum_path_explain(err, before, value, after);

    return PLUM_ERROR;
}


#endif /* _PLUM_PATH_H_INCLUDED_ */
