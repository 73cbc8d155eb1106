/*
 * Strings with escapes or bytes outside ASCII, byte by byte; see plum_scan.h.
 */

#include <plum_scan.h>


static const uint8_t *plum_scan_escape(const uint8_t *p, const uint8_t *end);
static const uint8_t *plum_scan_utf8(const uint8_t *p, const uint8_t *end);


#define PLUM_SCAN_ESCAPE     1       /* may follow a backslash */
#define PLUM_SCAN_HEX        2

static const uint8_t  plum_scan_kinds[256] = {
    ['"'] = 1, ['/'] = 1, ['\\'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1,
    ['b'] = 1|2, ['f'] = 1|2,
    ['0'] = 2, ['1'] = 2, ['2'] = 2, ['3'] = 2, ['4'] = 2,
    ['5'] = 2, ['6'] = 2, ['7'] = 2, ['8'] = 2, ['9'] = 2,
    ['a'] = 2, ['c'] = 2, ['d'] = 2, ['e'] = 2,
    ['A'] = 2, ['B'] = 2, ['C'] = 2, ['D'] = 2, ['E'] = 2, ['F'] = 2
};


unsigned
plum_scan_has_avx2(void)
{
#if (PLUM_HAVE_AVX2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
           && __builtin_cpu_supports("bmi2");
#else
    return 0;
#endif
}


const uint8_t *
plum_scan_string(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    unsigned  n;

    while (p != NULL && p < end) {

        if (*p == '"') {
            return p;
        }

        if (*p == '\\') {
            *escaped = 1;
            p = plum_scan_escape(p, end);

        } else if (*p >= 0x80) {
            p = plum_scan_utf8(p, end);

        } else if (*p < 0x20) {
            return NULL;

        } else {
            p++;

            while (end - p >= PLUM_SCAN_BLOCK) {
                n = plum_scan_first(plum_scan_special(p));
                p += n;

                if (n < PLUM_SCAN_BLOCK) {
                    break;
                }
            }
        }
    }

    return NULL;
}


static const uint8_t *
plum_scan_escape(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 2) {
        return NULL;
    }

    if (plum_scan_kinds[p[1]] & PLUM_SCAN_ESCAPE) {
        return p + 2;
    }

    if (p[1] != 'u' || end - p < 6) {
        return NULL;
    }

    if ((plum_scan_kinds[p[2]] & plum_scan_kinds[p[3]] & plum_scan_kinds[p[4]]
         & plum_scan_kinds[p[5]] & PLUM_SCAN_HEX) == 0)
    {
        return NULL;
    }

    return p + 6;
}


/* a run of UTF-8 sequences of two to four bytes (RFC 3629, section 4) */

static const uint8_t *
plum_scan_utf8(const uint8_t *p, const uint8_t *end)
{
    uint8_t  lead, low, high;

    do {
        lead = *p;

        if (lead < 0xe0) {
            if (lead < 0xc2 || end - p < 2 || (p[1] & 0xc0) != 0x80) {
                return NULL;
            }

            p += 2;

        } else if (lead < 0xf0) {
            low = (lead == 0xe0) ? 0xa0 : 0x80;
            high = (lead == 0xed) ? 0x9f : 0xbf;

            if (end - p < 3 || p[1] < low || p[1] > high
                || (p[2] & 0xc0) != 0x80)
            {
                return NULL;
            }

            p += 3;

        } else {
            low = (lead == 0xf0) ? 0x90 : 0x80;
            high = (lead == 0xf4) ? 0x8f : 0xbf;

            if (lead > 0xf4 || end - p < 4 || p[1] < low || p[1] > high
                || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
            {
                return NULL;
            }

            p += 4;
        }

    } while (p < end && *p >= 0x80);

    return p;
}
