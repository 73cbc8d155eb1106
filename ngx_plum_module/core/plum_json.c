/*
 * The JSON scanner's less travelled ways; see plum_json.h.
 */

#include <plum_json.h>


static const uint8_t *plum_json_digits(const uint8_t *p);
static unsigned plum_json_hex4(const uint8_t *p);
static size_t plum_json_put_utf8(uint8_t *out, unsigned code);


const uint8_t *
plum_json_space_rest(const uint8_t *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }

    return p;
}


const uint8_t *
plum_json_number_long(const uint8_t *p, const uint8_t *end)
{
    const uint8_t  *digits;

    if (*p == '-') {
        p++;
    }

    digits = p;
    p = plum_json_digits(p);

    if (p == digits || (*digits == '0' && p != digits + 1)) {
        return NULL;
    }

    if (*p == '.') {
        digits = ++p;
        p = plum_json_digits(p);

        if (p == digits) {
            return NULL;
        }
    }

    return (*p == 'e' || *p == 'E') ? plum_json_exponent(p + 1, end) : p;
}


const uint8_t *
plum_json_exponent(const uint8_t *p, const uint8_t *end)
{
    unsigned        n;
    const uint8_t  *digits;

    p += (*p == '+' || *p == '-');

    digits = p;

    if (end - p >= PLUM_SCAN_BLOCK) {
        n = plum_scan_first(~plum_scan_digits(p));
        p += n;

        if (n < PLUM_SCAN_BLOCK) {
            return (n != 0) ? p : NULL;
        }
    }

    p = plum_json_digits(p);

    return (p != digits) ? p : NULL;
}


static const uint8_t *
plum_json_digits(const uint8_t *p)
{
    while (*p >= '0' && *p <= '9') {
        p++;
    }

    return p;
}


size_t
plum_json_decode(const uint8_t *p, size_t len, uint8_t *out, unsigned *lone)
{
    size_t          n;
    unsigned        code, low;
    const uint8_t  *end, *at;

    static const char  escapes[] = "b\bf\fn\nr\rt\t";

    n = 0;
    end = p + len;

    while (p < end) {

        if (*p != '\\') {
            out[n++] = *p++;
            continue;
        }

        if (p[1] != 'u') {
            at = memchr(escapes, p[1], sizeof(escapes) - 1);
            out[n++] = (at != NULL) ? at[1] : p[1];
            p += 2;
            continue;
        }

        code = plum_json_hex4(p + 2);
        p += 6;

        if (code >= 0xd800 && code <= 0xdfff) {

            low = 0;

            if (code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
                low = plum_json_hex4(p + 2);
            }

            if (low >= 0xdc00 && low <= 0xdfff) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                p += 6;

            } else {
                *lone = 1;
            }
        }

        n += plum_json_put_utf8(out + n, code);
    }

    return n;
}


/* of valid digits: a letter is 9 more than its low half */

static unsigned
plum_json_hex4(const uint8_t *p)
{
    unsigned  i, value;

    value = 0;

    for (i = 0; i < 4; i++) {
        value = value << 4 | ((p[i] & 0x0fu) + (p[i] >> 6) * 9u);
    }

    return value;
}


static size_t
plum_json_put_utf8(uint8_t *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (uint8_t) code;
        return 1;
    }

    if (code < 0x800) {
        out[0] = (uint8_t) (0xc0 | code >> 6);
        out[1] = (uint8_t) (0x80 | (code & 0x3f));
        return 2;
    }

    if (code < 0x10000) {
        out[0] = (uint8_t) (0xe0 | code >> 12);
        out[1] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t) (0x80 | (code & 0x3f));
        return 3;
    }

    out[0] = (uint8_t) (0xf0 | code >> 18);
    out[1] = (uint8_t) (0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t) (0x80 | (code & 0x3f));
    return 4;
}
