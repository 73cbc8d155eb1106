/*
 * The JSON scanner's less travelled ways; see plum_json.h.
 */

#include <plum_json.h>


static const uint8_t *plum_json_escape(const uint8_t *p, const uint8_t *end);
static const uint8_t *plum_json_utf8(const uint8_t *p, const uint8_t *end);
static unsigned plum_json_hex4(const uint8_t *p, unsigned *value);
static size_t plum_json_put_utf8(uint8_t *out, unsigned code);


const uint8_t *
plum_json_space_slow(const uint8_t *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }

    return p;
}


const uint8_t *
plum_json_digits_slow(const uint8_t *p)
{
    while (*p >= '0' && *p <= '9') {
        p++;
    }

    return p;
}


const uint8_t *
plum_json_string_rest(const uint8_t *p, const uint8_t *end, unsigned *escaped)
{
    unsigned  n;

    while (p != NULL && p < end) {

        if (*p == '"') {
            return p;
        }

        if (*p == '\\') {
            *escaped = 1;
            p = plum_json_escape(p, end);

        } else if (*p >= 0x80) {
            p = plum_json_utf8(p, end);

        } else if (*p < 0x20) {
            return NULL;

        } else {
            p++;

            while (end - p >= PLUM_JSON_BLOCK) {
                n = plum_json_plain(p);
                p += n;

                if (n < PLUM_JSON_BLOCK) {
                    break;
                }
            }
        }
    }

    return NULL;
}


static const uint8_t *
plum_json_escape(const uint8_t *p, const uint8_t *end)
{
    unsigned  value;

    if (end - p < 2) {
        return NULL;
    }

    switch (p[1]) {

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;

    case 'u':
        if (end - p < 6 || !plum_json_hex4(p + 2, &value)) {
            return NULL;
        }

        return p + 6;

    default:
        return NULL;
    }
}


static unsigned
plum_json_hex4(const uint8_t *p, unsigned *value)
{
    unsigned  i, c, digit;

    *value = 0;

    for (i = 0; i < 4; i++) {
        c = p[i] | 0x20u;

        if (p[i] >= '0' && p[i] <= '9') {
            digit = p[i] - (unsigned) '0';

        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;

        } else {
            return 0;
        }

        *value = *value << 4 | digit;
    }

    return 1;
}


/* a run of sequences longer than one byte; RFC 3629, section 4 */

static const uint8_t *
plum_json_utf8(const uint8_t *p, const uint8_t *end)
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

        plum_json_hex4(p + 2, &code);
        p += 6;

        if (code >= 0xd800 && code <= 0xdfff) {

            if (code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u'
                && plum_json_hex4(p + 2, &low)
                && low >= 0xdc00 && low <= 0xdfff)
            {
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
