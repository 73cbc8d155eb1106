/*
 * Small helpers for runs of bytes and for configuration errors.
 */

#ifndef _PLUM_STR_H_INCLUDED_
#define _PLUM_STR_H_INCLUDED_


#include <plum_types.h>


/* 1 or 0; "same" ignores the case of ASCII letters.  Not constant time. */

int plum_str_equal(const plum_str_t *a, const plum_str_t *b);
int plum_str_same(const plum_str_t *a, const plum_str_t *b);
int plum_str_starts(const plum_str_t *str, const plum_str_t *prefix);

/*
 * Reads the decimal digits that text begins with, and returns how many there
 * are.  *n is their value, or PLUM_NUMBER_MAX where it is larger than that; 0
 * without digits.  Signs and white space are no digits; leading zeros are.
 */

#define PLUM_NUMBER_MAX  INT64_MAX

size_t plum_str_number(const plum_str_t *text, int64_t *n);

/* writes text, and value in quotes after it unless that is NULL */

void plum_explain(plum_error_t *err, const char *text,
    const plum_str_t *value);


/*
 * Explains, and returns PLUM_ERROR, so that callers can return at once.
 * Inline, so that whoever reads a caller sees that it is never PLUM_OK.
 */

static inline int
plum_error(plum_error_t *err, const char *text, const plum_str_t *value)
{
    plum_explain(err, text, value);

    return PLUM_ERROR;
}


#endif /* _PLUM_STR_H_INCLUDED_ */
