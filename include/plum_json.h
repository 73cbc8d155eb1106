/*
 * The JSON scanner: strict RFC 8259 and UTF-8, token by token, straight on
 * the bytes of the text.
 *
 * Every function takes a position inside of the text and the text's end, and
 * returns the position after the token, or NULL if the text is invalid
 * there.  The text's last byte is "}" or "]" (the caller has seen to that).
 * No token but a string and the bracket itself can contain that byte, so
 * white space, numbers and literals are scanned without looking at the end;
 * only within a string, and after a closing bracket, can it be reached.
 */

#ifndef _PLUM_JSON_H_INCLUDED_
#define _PLUM_JSON_H_INCLUDED_


#include <plum_scan.h>


/* white space and numbers, byte by byte */

const uint8_t *plum_json_space_rest(const uint8_t *p);
const uint8_t *plum_json_number_long(const uint8_t *p, const uint8_t *end);

/* from the byte after its "e" on */

const uint8_t *plum_json_exponent(const uint8_t *p, const uint8_t *end);

/*
 * Decodes the inside of a valid string into out (never longer than the
 * string) and returns the length.  A lone surrogate becomes the three bytes
 * that UTF-8 has no use for, and sets *lone.
 */

size_t plum_json_decode(const uint8_t *p, size_t len, uint8_t *out,
    unsigned *lone);


PLUM_SCAN static inline const uint8_t *
plum_json_space_run(const uint8_t *p, const uint8_t *end)
{
    unsigned  n;

    while (end - p >= PLUM_SCAN_BLOCK) {
        n = plum_scan_first(plum_scan_blacks(p));
        p += n;

        if (n < PLUM_SCAN_BLOCK) {
            return p;
        }
    }

    return plum_json_space_rest(p);
}


PLUM_SCAN static inline const uint8_t *
plum_json_space(const uint8_t *p, const uint8_t *end)
{
    if (*p > ' ') {
        return p;
    }

    if (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') {
        return p;
    }

    p++;

    return (*p > ' ') ? p : plum_json_space_run(p, end);
}


/*
 * A string, from the byte after its opening quote to its closing quote (not
 * after it).
 */

PLUM_SCAN static inline const uint8_t *
plum_json_string(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    unsigned  n;

    while (end - p >= PLUM_SCAN_BLOCK) {
        n = plum_scan_first(plum_scan_special(p));
        p += n;

        if (n < PLUM_SCAN_BLOCK) {
            if (*p == '"') {
                return p;
            }

            break;
        }
    }

    return plum_scan_string(p, end, escaped);
}


/*
 * A number with a minus or more than digits, of up to a block, and after it
 * what is none of its bytes: without a branch for each, as senders mix them.
 */

PLUM_SCAN static inline const uint8_t *
plum_json_number_block(const uint8_t *p, const uint8_t *end, uint64_t digits)
{
    unsigned  length;
    uint64_t  points, minus, zero, wrong, within;

    points = plum_scan_points(p);

    minus = (*p == '-');
    zero = (p[minus] == '0');

    length = plum_scan_first(~(digits | points | minus));

    if (length == PLUM_SCAN_BLOCK) {
        return plum_json_number_long(p, end);
    }

    within = ((uint64_t) 1 << length) - 1;

    digits &= within;
    points &= within;

    /* a digit before the point, after it and at first; one point; no 01 */

    wrong = points & ~(digits << 1);
    wrong |= (points << 1 | (uint64_t) 1 << minus) & ~digits;
    wrong |= points & (points - 1);
    wrong |= zero << (minus + 1) & digits;

    if (wrong) {
        return NULL;
    }

    p += length;

    return ((*p | 0x20) == 'e') ? plum_json_exponent(p + 1, end) : p;
}


PLUM_SCAN static inline const uint8_t *
plum_json_number(const uint8_t *p, const uint8_t *end)
{
    unsigned  length;
    uint64_t  digits;

    if (end - p < PLUM_SCAN_BLOCK) {
        return plum_json_number_long(p, end);
    }

    digits = plum_scan_digits(p);
    length = plum_scan_first(~digits);

    /* nothing but digits, no zero first; and a comma or bracket after it */

    if (*p >= '1' && *p <= '9' && length < PLUM_SCAN_BLOCK
        && (p[length] == ',' || (p[length] | 0x20) == '}'))
    {
        return p + length;
    }

    return plum_json_number_block(p, end, digits);
}


static inline const uint8_t *
plum_json_literal(const uint8_t *p, const uint8_t *end)
{
    /* the shortest literal and the bracket after it */

    if (end - p < 5) {
        return NULL;
    }

    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0) {
        return p + 4;
    }

    if (memcmp(p, "false", 5) == 0) {
        return p + 5;
    }

    return NULL;
}


/* any value but a container */

PLUM_SCAN static inline const uint8_t *
plum_json_scalar(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    if (*p == '"') {
        p = plum_json_string(p + 1, end, escaped);
        return (p != NULL) ? p + 1 : NULL;
    }

    if (*p <= '9') {
        return plum_json_number(p, end);
    }

    return plum_json_literal(p, end);
}


#endif /* _PLUM_JSON_H_INCLUDED_ */
