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


#include <string.h>

#include <plum_types.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif


#define PLUM_BYTES(c)        ((uint64_t) (c) * 0x0101010101010101u)
#define PLUM_HIGH_BITS       PLUM_BYTES(0x80)


/* the rest of a string from any byte of it on: sets *escaped, never clears */

const uint8_t *plum_json_string_rest(const uint8_t *p, const uint8_t *end,
    unsigned *escaped);

/* white space and digits, byte by byte */

const uint8_t *plum_json_space_slow(const uint8_t *p);
const uint8_t *plum_json_digits_slow(const uint8_t *p);

/*
 * Decodes the inside of a valid string into out (never longer than the
 * string) and returns the length.  A lone surrogate becomes the three bytes
 * that UTF-8 has no use for, and sets *lone.
 */

size_t plum_json_decode(const uint8_t *p, size_t len, uint8_t *out,
    unsigned *lone);


static inline uint64_t
plum_json_load8(const uint8_t *p)
{
    uint64_t  x;

    memcpy(&x, p, sizeof(x));

    return x;
}


static inline const uint8_t *
plum_json_space(const uint8_t *p)
{
    return (*p > ' ') ? p : plum_json_space_slow(p);
}


/*
 * The length of the run of plain bytes at p: neither a quote, a backslash, a
 * control nor part of a longer UTF-8 sequence.  Looks at one block of
 * PLUM_JSON_BLOCK bytes, all of them inside of the text.
 */

#if defined(__SSE2__)

#define PLUM_JSON_BLOCK      16

static inline unsigned
plum_json_plain(const uint8_t *p)
{
    __m128i   x, special;
    unsigned  bits;

    x = _mm_loadu_si128((const __m128i *) (const void *) p);

    /* bytes from 0x80 on are negative, so they are less than a space too */

    special = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), x),
                           _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));

    bits = (unsigned) _mm_movemask_epi8(special) | 0x10000;

    return (unsigned) __builtin_ctz(bits);
}


static inline unsigned
plum_json_digit_run(const uint8_t *p)
{
    __m128i   x;
    unsigned  bits;

    /* "0".."9" become the ten smallest signed bytes */

    x = _mm_loadu_si128((const __m128i *) (const void *) p);
    x = _mm_sub_epi8(x, _mm_set1_epi8((char) ('0' - 128)));
    x = _mm_cmpgt_epi8(x, _mm_set1_epi8((char) (9 - 128)));

    bits = (unsigned) _mm_movemask_epi8(x) | 0x10000;

    return (unsigned) __builtin_ctz(bits);
}

#else

#define PLUM_JSON_BLOCK      8

static inline unsigned
plum_json_first(uint64_t bits)
{
    if (bits == 0) {
        return 8;
    }

#if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    return (unsigned) __builtin_ctzll(bits) / 8;
#else
    return (unsigned) __builtin_clzll(bits) / 8;
#endif
}


/* the high bit of each byte that is zero; exact, no borrow between bytes */

static inline uint64_t
plum_json_zero_bytes(uint64_t x)
{
    return ~(((x & ~PLUM_HIGH_BITS) + ~PLUM_HIGH_BITS) | x | ~PLUM_HIGH_BITS);
}


static inline unsigned
plum_json_plain(const uint8_t *p)
{
    uint64_t  x, special;

    x = plum_json_load8(p);

    special = x | ~((x & ~PLUM_HIGH_BITS) + PLUM_BYTES(0x80 - 0x20));
    special |= plum_json_zero_bytes(x ^ PLUM_BYTES('"'));
    special |= plum_json_zero_bytes(x ^ PLUM_BYTES('\\'));

    return plum_json_first(special & PLUM_HIGH_BITS);
}


static inline unsigned
plum_json_digit_run(const uint8_t *p)
{
    uint64_t  x;

    x = plum_json_load8(p) ^ PLUM_BYTES('0');
    x |= (x & ~PLUM_HIGH_BITS) + PLUM_BYTES(0x80 - 10);

    return plum_json_first(x & PLUM_HIGH_BITS);
}

#endif


/*
 * A string, from the byte after its opening quote to its closing quote (not
 * after it).
 */

static inline const uint8_t *
plum_json_string(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    unsigned  n;

    while (end - p >= PLUM_JSON_BLOCK) {
        n = plum_json_plain(p);
        p += n;

        if (n < PLUM_JSON_BLOCK) {
            if (*p == '"') {
                return p;
            }

            break;
        }
    }

    return plum_json_string_rest(p, end, escaped);
}


static inline const uint8_t *
plum_json_digits(const uint8_t *p, const uint8_t *end)
{
    unsigned  n;

    while (end - p >= PLUM_JSON_BLOCK) {
        n = plum_json_digit_run(p);
        p += n;

        if (n < PLUM_JSON_BLOCK) {
            return p;
        }
    }

    return plum_json_digits_slow(p);
}


static inline const uint8_t *
plum_json_number(const uint8_t *p, const uint8_t *end)
{
    const uint8_t  *digits;

    if (*p == '-') {
        p++;
    }

    if (*p == '0') {
        p++;

    } else {
        digits = p;
        p = plum_json_digits(p, end);

        if (p == digits) {
            return NULL;
        }
    }

    if (*p == '.') {
        digits = ++p;
        p = plum_json_digits(p, end);

        if (p == digits) {
            return NULL;
        }
    }

    if (*p == 'e' || *p == 'E') {
        p++;

        if (*p == '+' || *p == '-') {
            p++;
        }

        digits = p;
        p = plum_json_digits(p, end);

        if (p == digits) {
            return NULL;
        }
    }

    return p;
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

static inline const uint8_t *
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
