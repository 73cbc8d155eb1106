/*
 * Strings with more than plain bytes, in blocks of 32, for machines with
 * AVX2; see plum_scan.h, which names its function plum_scan_string_avx2().
 *
 * Masks have a bit for each byte of a block, in 64 bits, so that what is
 * shifted out of a block is what the next one begins with.
 */

#define PLUM_WITH_AVX2       1

#include <plum_scan.h>


#if (PLUM_HAVE_AVX2)

#define PLUM_AVX2_INLINE     PLUM_SCAN static inline

#define PLUM_AVX2_EVEN       0x5555555555555555u

/* one table of sixteen for both halves of a register */

#define plum_avx2_table(...)                                                  \
    _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)


typedef struct {
    uint64_t   escaped;      /* the next block's first byte is: 1 or 0 */
    uint64_t   hex;          /* those of its bytes that must be hexadecimal */
    uint64_t   utf8;         /* it may go on with a character: 1 or 0 */
    __m256i    last;         /* the block before */
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


/* what two tables say, each of one half of each byte: both have the bit */

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
 * The bytes after a backslash that is none itself escaped, the one after the
 * block (bit 32) among them.  A run of backslashes escapes what follows if
 * it is of odd length; adding its first bit to it gives the bit after it.
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


/* the bytes that are wrong where they are, in a block with escapes */

PLUM_AVX2_INLINE uint64_t
plum_avx2_bad_escapes(plum_avx2_t *s, __m256i x, uint64_t slashes,
    uint64_t escaped)
{
    __m256i   kinds;
    uint64_t  hex, u, no_escape, no_hex;

    /*
     * 1, 2, 4: an escape, with a high half of 2 (" /), of 6 (b f n), and of
     * 7 (r t u); 8, 16: hexadecimal, with one of 3 (0 to 9), and of 4 or 6
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


/* the block's bytes moved n up, with the last ones of the block before */

#define plum_avx2_before(last, x, n)                                          \
    _mm256_alignr_epi8(x, _mm256_permute2x128_si256(last, x, 0x21), 16 - (n))


/*
 * Zero where the block's bytes follow on their last three as RFC 3629 says.
 * Three tables tell from two bytes what is wrong with them, one bit for each
 * kind of error; a continuation after a continuation is one unless that is
 * where the third or fourth byte of a character has to be.  The way is that of
 * Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte".
 */

PLUM_AVX2_INLINE __m256i
plum_avx2_bad_utf8(__m256i last, __m256i x)
{
    __m256i  one, two, three, wrong, must;

    enum {
        SHORT = 1,           /* a lead, and no continuation */
        LONG = 2,            /* ASCII, and a continuation */
        LESS3 = 4,           /* e0, and less than a0 */
        MORE = 8,            /* f4, and more than 8f; f5 and more */
        SURROGATE = 16,      /* ed, and more than 9f */
        LESS2 = 32,          /* c0 or c1 */
        LESS4 = 64,          /* f0, and less than 90; f5 and more, too */
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

    /* from e0, and from f0 on there is a high bit left */

    must = _mm256_or_si256(
        _mm256_subs_epu8(two, _mm256_set1_epi8(0xe0 - 0x80)),
        _mm256_subs_epu8(three, _mm256_set1_epi8(0xf0 - 0x80)));
    must = _mm256_and_si256(must, _mm256_set1_epi8((char) 0x80));

    return _mm256_xor_si256(wrong, must);
}


/* is a block, up to its first quote, no UTF-8 */

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

    /* what is after the string is none of its bytes */

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

        /* no zero is in a valid string */

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

        /* up to the closing quote and with it, or all */

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
