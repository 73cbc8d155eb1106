/*
 * Strings with escapes or bytes outside ASCII, in blocks of 32 bytes, for
 * processors with AVX2: plum_scan_string_avx2() of plum_scan.h.
 *
 * A mask has one bit for each byte of a block.  It is kept in 64 bits, so that
 * bits shifted beyond the block are the carry into the next block.
 */

#define PLUM_WITH_AVX2       1

#include <plum_scan.h>


#if (PLUM_HAVE_AVX2)

#define PLUM_AVX2_INLINE     PLUM_SCAN static inline

#define PLUM_AVX2_EVEN       0x5555555555555555u

/* a table of sixteen bytes, repeated for both halves of a register */

#define plum_avx2_table(...)                                                  \
    _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)


typedef struct {
    uint64_t   escaped;      /* 1: the next block's first byte is escaped */
    uint64_t   hex;          /* bytes of the next block that must be hex */
    uint64_t   utf8;         /* 1: the last byte was not ASCII */
    __m256i    last;         /* the previous block */
} plum_avx2_t;


PLUM_AVX2_INLINE uint64_t
plum_avx2_mask(__m256i x)
{
    return (uint32_t) _mm256_movemask_epi8(x);
}


PLUM_AVX2_INLINE uint64_t
plum_avx2_equal(__m256i x, char c)
{
    return plum_avx2_mask(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)));
}


/*
 * Looks up the low and the high half of each byte in a table of its own, and
 * keeps the bits that both results have.
 */

PLUM_AVX2_INLINE __m256i
plum_avx2_low(__m256i table, __m256i x)
{
    return _mm256_shuffle_epi8(table,
                               _mm256_and_si256(x, _mm256_set1_epi8(0x0f)));
}


PLUM_AVX2_INLINE __m256i
plum_avx2_high(__m256i table, __m256i x)
{
    return plum_avx2_low(table, _mm256_srli_epi16(x, 4));
}


/*
 * The mask of escaped bytes: those that follow a backslash which is not itself
 * escaped.  Bit 32 is the first byte of the next block.  A run of backslashes
 * escapes the byte behind it if the length of the run is odd; adding the run's
 * first bit to the mask carries to the bit behind the run.
 */

PLUM_AVX2_INLINE uint64_t
plum_avx2_escaped(uint64_t slashes, uint64_t carried)
{
    uint64_t  first, after;

    slashes &= ~carried;
    first = slashes & ~(slashes << 1);

    after = (slashes + (first & PLUM_AVX2_EVEN)) & ~PLUM_AVX2_EVEN;
    after |= (slashes + (first & ~PLUM_AVX2_EVEN)) & PLUM_AVX2_EVEN;

    return (after & ~slashes) | carried;
}


/* the mask of bytes that are invalid in a block with escapes */

PLUM_AVX2_INLINE uint64_t
plum_avx2_bad_escapes(plum_avx2_t *s, __m256i x, uint64_t slashes,
    uint64_t escaped)
{
    __m256i   kinds;
    uint64_t  hex, u, no_escape, no_hex;

    /*
     * Bits of the tables.  1, 2, 4: the byte may follow a backslash and its
     * high half is 2 (" /), 6 (b f n) or 7 (r t u).  8, 16: the byte is a hex
     * digit and its high half is 3 (0 to 9), or 4 or 6 (a to f).
     */

    kinds = _mm256_and_si256(
        plum_avx2_low(plum_avx2_table(8, 24, 31, 24, 28, 28, 26, 8, 8, 8,
                                      0, 0, 0, 0, 2, 1), x),
        plum_avx2_high(plum_avx2_table(0, 0, 1, 8, 16, 0, 18, 4, 0, 0,
                                       0, 0, 0, 0, 0, 0), x));

    no_escape = plum_avx2_equal(_mm256_and_si256(kinds, _mm256_set1_epi8(7)),
                                0);
    no_hex = plum_avx2_equal(_mm256_and_si256(kinds, _mm256_set1_epi8(24)),
                             0);

    u = escaped & plum_avx2_equal(x, 'u');
    hex = s->hex | u << 1 | u << 2 | u << 3 | u << 4;

    s->hex = hex >> PLUM_SCAN_BLOCK;

    return (escaped & no_escape & ~slashes) | (hex & no_hex);
}


/* the block shifted by n bytes; the gap is filled from the previous block */

#define plum_avx2_before(last, x, n)                                          \
    _mm256_alignr_epi8(x, _mm256_permute2x128_si256(last, x, 0x21), 16 - (n))


/*
 * Returns zero for each byte that is valid UTF-8 (RFC 3629) after the three
 * bytes before it.  Three tables classify each pair of neighbouring bytes, with
 * one bit for each kind of error.  Two continuation bytes in a row are an error
 * unless the second one is the third or fourth byte of a sequence.  Algorithm:
 * Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte".
 */

PLUM_AVX2_INLINE __m256i
plum_avx2_bad_utf8(__m256i last, __m256i x)
{
    __m256i  one, two, three, wrong, must;

    enum {
        SHORT = 1,           /* a leading byte without a continuation */
        LONG = 2,            /* a continuation after ASCII */
        LESS3 = 4,           /* e0 followed by less than a0: overlong */
        MORE = 8,            /* f4 followed by more than 8f; f5 to ff */
        SURROGATE = 16,      /* ed followed by more than 9f: surrogate */
        LESS2 = 32,          /* c0 or c1: overlong */
        LESS4 = 64,          /* f0 followed by less than 90; f5 to ff */
        TWO = -128,          /* two continuations */

        ANY = SHORT|LONG|TWO
    };

    one = plum_avx2_before(last, x, 1);
    two = plum_avx2_before(last, x, 2);
    three = plum_avx2_before(last, x, 3);

    wrong = plum_avx2_high(
        plum_avx2_table(LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG,
                        TWO, TWO, TWO, TWO, SHORT|LESS2, SHORT,
                        SHORT|LESS3|SURROGATE, SHORT|MORE|LESS4), one);

    wrong = _mm256_and_si256(wrong, plum_avx2_low(
        plum_avx2_table(ANY|LESS2|LESS3|LESS4, ANY|LESS2, ANY, ANY,
                        ANY|MORE, ANY|MORE|LESS4, ANY|MORE|LESS4,
                        ANY|MORE|LESS4, ANY|MORE|LESS4, ANY|MORE|LESS4,
                        ANY|MORE|LESS4, ANY|MORE|LESS4, ANY|MORE|LESS4,
                        ANY|MORE|LESS4|SURROGATE, ANY|MORE|LESS4,
                        ANY|MORE|LESS4), one));

    wrong = _mm256_and_si256(wrong, plum_avx2_high(
        plum_avx2_table(SHORT, SHORT, SHORT, SHORT,
                        SHORT, SHORT, SHORT, SHORT,
                        LONG|TWO|LESS2|LESS3|LESS4,
                        LONG|TWO|LESS2|LESS3|MORE,
                        LONG|TWO|LESS2|SURROGATE|MORE,
                        LONG|TWO|LESS2|SURROGATE|MORE,
                        SHORT, SHORT, SHORT, SHORT), x));

    /* the high bit stays set for bytes from e0, or from f0, on */

    must = _mm256_or_si256(
        _mm256_subs_epu8(two, _mm256_set1_epi8(0xe0 - 0x80)),
        _mm256_subs_epu8(three, _mm256_set1_epi8(0xf0 - 0x80)));
    must = _mm256_and_si256(must, _mm256_set1_epi8((char) 0x80));

    return _mm256_xor_si256(wrong, must);
}


/* 1 if a block is not valid UTF-8 before its first quote */

PLUM_AVX2_INLINE unsigned
plum_avx2_no_utf8(plum_avx2_t *s, __m256i x, uint64_t high, uint64_t quotes)
{
    size_t   n;
    __m256i  bad;

    static const uint8_t  masks[PLUM_SCAN_BLOCK * 2] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    };

    /* bytes behind the closing quote are not part of the string */

    n = plum_scan_first(quotes);
    x = _mm256_and_si256(x, _mm256_loadu_si256((const __m256i *)
                            (const void *) (masks + PLUM_SCAN_BLOCK - n)));

    bad = plum_avx2_bad_utf8(s->last, x);
    s->utf8 = high >> (PLUM_SCAN_BLOCK - 1);

    return !_mm256_testz_si256(bad, bad);
}


PLUM_AVX2_INLINE __m256i
plum_avx2_load(const uint8_t *p, const uint8_t *end)
{
    size_t   left;
    uint8_t  bytes[PLUM_SCAN_BLOCK];

    left = (size_t) (end - p);

    if (left < PLUM_SCAN_BLOCK) {

        /* a valid string contains no NUL, so NULs may fill the block */

        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, p, left);
        p = bytes;
    }

    return _mm256_loadu_si256((const __m256i *) (const void *) p);
}


PLUM_SCAN const uint8_t *
plum_scan_string(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    __m256i      x, control;
    uint64_t     quotes, slashes, high, after, bad, upto;
    plum_avx2_t  s;

    s.escaped = 0;
    s.hex = 0;
    s.utf8 = 0;
    s.last = _mm256_setzero_si256();

    for ( ;; ) {
        x = plum_avx2_load(p, end);

        quotes = plum_avx2_equal(x, '"');
        slashes = plum_avx2_equal(x, '\\');
        high = plum_avx2_mask(x);

        control = _mm256_max_epu8(x, _mm256_set1_epi8(0x1f));
        bad = plum_avx2_equal(control, 0x1f);

        if (slashes | s.escaped | s.hex) {
            after = plum_avx2_escaped(slashes, s.escaped);
            s.escaped = after >> PLUM_SCAN_BLOCK;

            bad |= plum_avx2_bad_escapes(&s, x, slashes, after);
            quotes &= ~after;
        }

        /* the bytes up to and including the closing quote, or all of them */

        upto = quotes ^ (quotes - 1);
        *escaped |= (slashes & upto) != 0;

        if (bad & upto) {
            return NULL;
        }

        if (((high & upto) | s.utf8)
            && plum_avx2_no_utf8(&s, x, high, quotes))
        {
            return NULL;
        }

        if (quotes) {
            return p + __builtin_ctzll(quotes);
        }

        s.last = x;
        p += PLUM_SCAN_BLOCK;
    }
}

#endif
