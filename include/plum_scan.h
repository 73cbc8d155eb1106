/*
 * The innermost loops of the JSON scanner, which classify runs of bytes.
 *
 * Short tokens are scanned inline, in one block of PLUM_SCAN_BLOCK bytes.  The
 * result is a mask in which bit i describes byte i.  All bytes of a block must
 * be inside the text.  A string with escapes, control characters or bytes
 * outside ASCII is scanned by plum_scan_string().
 */

#ifndef _PLUM_SCAN_H_INCLUDED_
#define _PLUM_SCAN_H_INCLUDED_


#include <string.h>

#include <plum_types.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define PLUM_HAVE_AVX2       1
#else
#define PLUM_HAVE_AVX2       0
#endif

/*
 * A file that defines PLUM_WITH_AVX2 gets the same inline functions, compiled
 * for AVX2.  Its code may run only where plum_scan_has_avx2() is 1, and each
 * of its functions that uses them must be declared PLUM_SCAN.
 */

#if defined(PLUM_WITH_AVX2) && (PLUM_HAVE_AVX2)
#include <immintrin.h>

#define PLUM_SCAN            __attribute__((target("avx2,bmi,bmi2")))

#define plum_scan_string     plum_scan_string_avx2

#else
#define PLUM_SCAN

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#endif


/*
 * Scans a string from any of its characters to its closing quote and returns
 * the position of that quote.  NULL: the string is invalid, or the text ends
 * before the quote.  Sets *escaped if there is a backslash; never clears it.
 */

const uint8_t *plum_scan_string(const uint8_t *p, const uint8_t *end,
    unsigned *escaped);
const uint8_t *plum_scan_string_avx2(const uint8_t *p, const uint8_t *end,
    unsigned *escaped);

/* 1 if the AVX2 code was compiled in and this processor can run it, else 0 */

unsigned plum_scan_has_avx2(void);


/* 1 if 32 bytes differ from a text in a bit that the mask has, else 0 */

#if defined(PLUM_WITH_AVX2) && (PLUM_HAVE_AVX2)

PLUM_SCAN static inline unsigned
plum_scan_differs(const uint8_t *p, const uint64_t *text,
    const uint64_t *mask)
{
    __m256i  x;

    x = _mm256_xor_si256(
        _mm256_loadu_si256((const __m256i *) (const void *) p),
        _mm256_loadu_si256((const __m256i *) (const void *) text));

    return !_mm256_testz_si256(
        x, _mm256_loadu_si256((const __m256i *) (const void *) mask));
}

#else

static inline unsigned
plum_scan_differs(const uint8_t *p, const uint64_t *text,
    const uint64_t *mask)
{
    uint64_t  x[4];

    memcpy(x, p, sizeof(x));

    return (((x[0] ^ text[0]) & mask[0]) | ((x[1] ^ text[1]) & mask[1])
            | ((x[2] ^ text[2]) & mask[2]) | ((x[3] ^ text[3]) & mask[3]))
           != 0;
}

#endif


/*
 * Masks of a block: special is a quote, a backslash, a control, or part of a
 * longer UTF-8 sequence; black is anything but white space.
 */

#if defined(PLUM_WITH_AVX2) && (PLUM_HAVE_AVX2)

#define PLUM_SCAN_BLOCK      32

PLUM_SCAN static inline uint64_t
plum_scan_special(const uint8_t *p)
{
    __m256i  x, special;

    x = _mm256_loadu_si256((const __m256i *) (const void *) p);

    /* bytes from 0x80 on are negative, so they are less than a space too */

    special = _mm256_or_si256(
        _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), x),
        _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
    special = _mm256_or_si256(
        special, _mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')));

    return (uint32_t) _mm256_movemask_epi8(special);
}


PLUM_SCAN static inline uint64_t
plum_scan_digits(const uint8_t *p)
{
    __m256i  x;

    /* "0".."9" become the ten smallest signed bytes */

    x = _mm256_loadu_si256((const __m256i *) (const void *) p);
    x = _mm256_sub_epi8(x, _mm256_set1_epi8((char) ('0' - 128)));
    x = _mm256_cmpgt_epi8(_mm256_set1_epi8((char) (10 - 128)), x);

    return (uint32_t) _mm256_movemask_epi8(x);
}


PLUM_SCAN static inline uint64_t
plum_scan_points(const uint8_t *p)
{
    __m256i  x;

    x = _mm256_loadu_si256((const __m256i *) (const void *) p);
    x = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('.'));

    return (uint32_t) _mm256_movemask_epi8(x);
}


PLUM_SCAN static inline uint64_t
plum_scan_blacks(const uint8_t *p)
{
    __m256i  x, white;

    x = _mm256_loadu_si256((const __m256i *) (const void *) p);

    white = _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(' ')),
                            _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\n')));
    white = _mm256_or_si256(
        white, _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\r')));
    white = _mm256_or_si256(
        white, _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\t')));

    return (uint32_t) ~_mm256_movemask_epi8(white);
}

#elif defined(__SSE2__)

#define PLUM_SCAN_BLOCK      32

static inline uint32_t
plum_scan_special16(const uint8_t *p)
{
    __m128i  x, special;

    x = _mm_loadu_si128((const __m128i *) (const void *) p);

    /* bytes from 0x80 on are negative, so they are less than a space too */

    special = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), x),
                           _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));

    return (uint32_t) _mm_movemask_epi8(special);
}


static inline uint32_t
plum_scan_digits16(const uint8_t *p)
{
    __m128i  x;

    /* "0".."9" become the ten smallest signed bytes */

    x = _mm_loadu_si128((const __m128i *) (const void *) p);
    x = _mm_sub_epi8(x, _mm_set1_epi8((char) ('0' - 128)));
    x = _mm_cmplt_epi8(x, _mm_set1_epi8((char) (10 - 128)));

    return (uint32_t) _mm_movemask_epi8(x);
}


static inline uint32_t
plum_scan_points16(const uint8_t *p)
{
    __m128i  x;

    x = _mm_loadu_si128((const __m128i *) (const void *) p);
    x = _mm_cmpeq_epi8(x, _mm_set1_epi8('.'));

    return (uint32_t) _mm_movemask_epi8(x);
}


static inline uint32_t
plum_scan_blacks16(const uint8_t *p)
{
    __m128i  x, white;

    x = _mm_loadu_si128((const __m128i *) (const void *) p);

    white = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(' ')),
                         _mm_cmpeq_epi8(x, _mm_set1_epi8('\n')));
    white = _mm_or_si128(white, _mm_cmpeq_epi8(x, _mm_set1_epi8('\r')));
    white = _mm_or_si128(white, _mm_cmpeq_epi8(x, _mm_set1_epi8('\t')));

    return (uint32_t) _mm_movemask_epi8(white) ^ 0xffff;
}


static inline uint64_t
plum_scan_special(const uint8_t *p)
{
    return plum_scan_special16(p) | (uint64_t) plum_scan_special16(p + 16)
                                    << 16;
}


static inline uint64_t
plum_scan_digits(const uint8_t *p)
{
    return plum_scan_digits16(p) | (uint64_t) plum_scan_digits16(p + 16)
                                   << 16;
}


static inline uint64_t
plum_scan_points(const uint8_t *p)
{
    return plum_scan_points16(p) | (uint64_t) plum_scan_points16(p + 16)
                                   << 16;
}


static inline uint64_t
plum_scan_blacks(const uint8_t *p)
{
    return plum_scan_blacks16(p) | (uint64_t) plum_scan_blacks16(p + 16)
                                   << 16;
}

#else

#define PLUM_SCAN_BLOCK      8

#define PLUM_SCAN_BYTES(c)   ((uint64_t) (c) * 0x0101010101010101u)
#define PLUM_SCAN_HIGH       PLUM_SCAN_BYTES(0x80)

static inline uint64_t
plum_scan_load(const uint8_t *p)
{
    uint64_t  x;

    memcpy(&x, p, sizeof(x));

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    x = __builtin_bswap64(x);
#endif

    return x;
}


/* the high bit of each byte, as a mask */

static inline uint64_t
plum_scan_mask(uint64_t x)
{
    return ((x & PLUM_SCAN_HIGH) >> 7) * 0x0102040810204080u >> 56;
}


/* the high bit of each byte that is c; exact, no borrow between bytes */

static inline uint64_t
plum_scan_equal(uint64_t x, uint8_t c)
{
    x ^= PLUM_SCAN_BYTES(c);

    return ~(((x & ~PLUM_SCAN_HIGH) + ~PLUM_SCAN_HIGH) | x | ~PLUM_SCAN_HIGH);
}


static inline uint64_t
plum_scan_special(const uint8_t *p)
{
    uint64_t  x, special;

    x = plum_scan_load(p);

    special = x | ~((x & ~PLUM_SCAN_HIGH) + PLUM_SCAN_BYTES(0x80 - 0x20));
    special |= plum_scan_equal(x, '"') | plum_scan_equal(x, '\\');

    return plum_scan_mask(special);
}


static inline uint64_t
plum_scan_digits(const uint8_t *p)
{
    uint64_t  x;

    x = plum_scan_load(p) ^ PLUM_SCAN_BYTES('0');
    x |= (x & ~PLUM_SCAN_HIGH) + PLUM_SCAN_BYTES(0x80 - 10);

    return plum_scan_mask(~x);
}


static inline uint64_t
plum_scan_points(const uint8_t *p)
{
    return plum_scan_mask(plum_scan_equal(plum_scan_load(p), '.'));
}


static inline uint64_t
plum_scan_blacks(const uint8_t *p)
{
    uint64_t  x, white;

    x = plum_scan_load(p);

    white = plum_scan_equal(x, ' ') | plum_scan_equal(x, '\n');
    white |= plum_scan_equal(x, '\r') | plum_scan_equal(x, '\t');

    return plum_scan_mask(~white);
}

#endif


/* the index of the lowest bit of a block's mask; PLUM_SCAN_BLOCK if none */

PLUM_SCAN static inline unsigned
plum_scan_first(uint64_t mask)
{
    return (unsigned) __builtin_ctzll(mask
                                      | (uint64_t) 1 << PLUM_SCAN_BLOCK);
}


#endif /* _PLUM_SCAN_H_INCLUDED_ */
