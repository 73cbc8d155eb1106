/*
 * Hexadecimal, base64 and base64url, decoded strictly.
 */

#include <plum_encoding.h>


static void plum_base64_strip(plum_str_t *text);
static int plum_base64_digits_decode(const plum_str_t *text, uint8_t alphabet,
    uint8_t *buf, size_t size, size_t *len);
static int plum_base64_last(const uint8_t *p, size_t n, uint8_t alphabet,
    uint8_t *out);


/*
 * The value of each digit, with a bit that is set only for digits of that
 * alphabet.  Signatures are decoded without a branch per digit, because the
 * processor could not predict such branches.
 */

#define PLUM_HEX                 0x10
#define PLUM_BASE64              0x40
#define PLUM_BASE64URL           0x80

#define plum_hex_row(ch, value)                                               \
    [ch] = PLUM_HEX | (value), [(ch) + 1] = PLUM_HEX | ((value) + 1),         \
    [(ch) + 2] = PLUM_HEX | ((value) + 2)


static const uint8_t  plum_hex_digits[256] = {
    plum_hex_row('0', 0), plum_hex_row('3', 3), plum_hex_row('6', 6),
    ['9'] = PLUM_HEX | 9,
    plum_hex_row('A', 10), plum_hex_row('D', 13),
    plum_hex_row('a', 10), plum_hex_row('d', 13)
};


#define PLUM_BASE64_BOTH         (PLUM_BASE64 | PLUM_BASE64URL)

#define plum_base64_row(ch, value)                                            \
    [ch] = PLUM_BASE64_BOTH | (value),                                        \
    [(ch) + 1] = PLUM_BASE64_BOTH | ((value) + 1)


static const uint8_t  plum_base64_digits[256] = {
    plum_base64_row('A', 0), plum_base64_row('C', 2),
    plum_base64_row('E', 4), plum_base64_row('G', 6),
    plum_base64_row('I', 8), plum_base64_row('K', 10),
    plum_base64_row('M', 12), plum_base64_row('O', 14),
    plum_base64_row('Q', 16), plum_base64_row('S', 18),
    plum_base64_row('U', 20), plum_base64_row('W', 22),
    plum_base64_row('Y', 24),
    plum_base64_row('a', 26), plum_base64_row('c', 28),
    plum_base64_row('e', 30), plum_base64_row('g', 32),
    plum_base64_row('i', 34), plum_base64_row('k', 36),
    plum_base64_row('m', 38), plum_base64_row('o', 40),
    plum_base64_row('q', 42), plum_base64_row('s', 44),
    plum_base64_row('u', 46), plum_base64_row('w', 48),
    plum_base64_row('y', 50),
    plum_base64_row('0', 52), plum_base64_row('2', 54),
    plum_base64_row('4', 56), plum_base64_row('6', 58),
    plum_base64_row('8', 60),
    ['+'] = PLUM_BASE64 | 62, ['/'] = PLUM_BASE64 | 63,
    ['-'] = PLUM_BASE64URL | 62, ['_'] = PLUM_BASE64URL | 63
};


int
plum_decode(plum_encoding_t encoding, const plum_str_t *text, uint8_t *buf,
    size_t size, size_t *len)
{
    plum_str_t  digits;

    switch (encoding) {

    case PLUM_ENCODING_HEX:
        return plum_hex_decode(text, buf, size, len);

    case PLUM_ENCODING_BASE64:
        return plum_base64_decode(text, buf, size, len);

    case PLUM_ENCODING_BASE64_UNPADDED:
        return plum_base64_digits_decode(text, PLUM_BASE64, buf, size, len);

    default: /* PLUM_ENCODING_BASE64URL */
        digits = *text;
        plum_base64_strip(&digits);

        return plum_base64_digits_decode(&digits, PLUM_BASE64URL, buf, size,
                                         len);
    }
}


int
plum_hex_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len)
{
    size_t   i, n;
    uint8_t  high, low, all;

    n = text->len / 2;

    if (text->len % 2 != 0 || n > size) {
        return PLUM_ERROR;
    }

    all = PLUM_HEX;

    for (i = 0; i < n; i++) {
        high = plum_hex_digits[text->data[2 * i]];
        low = plum_hex_digits[text->data[2 * i + 1]];
        all &= high & low;

        buf[i] = (uint8_t) (high << 4 | (low & 0x0f));
    }

    if (all != PLUM_HEX) {
        return PLUM_ERROR;
    }

    *len = n;

    return PLUM_OK;
}


int
plum_base64_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len)
{
    plum_str_t  digits;

    if (text->len % 4 != 0) {
        return PLUM_ERROR;
    }

    digits = *text;
    plum_base64_strip(&digits);

    return plum_base64_digits_decode(&digits, PLUM_BASE64, buf, size, len);
}


void
plum_hex_encode(const uint8_t *data, size_t len, uint8_t *out)
{
    size_t             i;
    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        *out++ = (uint8_t) digits[data[i] >> 4];
        *out++ = (uint8_t) digits[data[i] & 0x0f];
    }
}


/* strips valid padding; invalid padding stays, and is refused as no digit */

static void
plum_base64_strip(plum_str_t *text)
{
    size_t  n;

    if (text->len % 4 != 0) {
        return;
    }

    for (n = 0; n < 2 && text->len && text->data[text->len - 1] == '='; n++) {
        text->len--;
    }
}


static int
plum_base64_digits_decode(const plum_str_t *text, uint8_t alphabet,
    uint8_t *buf, size_t size, size_t *len)
{
    size_t   i, k, n, rest;
    uint8_t  digit[4], *out, all;

    rest = text->len % 4;

    if (rest == 1) {
        return PLUM_ERROR;
    }

    n = text->len / 4 * 3 + (rest ? rest - 1 : 0);

    if (n > size) {
        return PLUM_ERROR;
    }

    out = buf;
    all = alphabet;

    for (i = 0; i < text->len - rest; i += 4) {
        for (k = 0; k < 4; k++) {
            digit[k] = plum_base64_digits[text->data[i + k]];
            all &= digit[k];
        }

        *out++ = (uint8_t) (digit[0] << 2 | (digit[1] & 0x30) >> 4);
        *out++ = (uint8_t) ((digit[1] & 0x0f) << 4 | (digit[2] & 0x3c) >> 2);
        *out++ = (uint8_t) ((digit[2] & 0x03) << 6 | (digit[3] & 0x3f));
    }

    if (all != alphabet) {
        return PLUM_ERROR;
    }

    if (rest
        && plum_base64_last(text->data + i, rest, alphabet, out) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    *len = n;

    return PLUM_OK;
}


/* the last two or three digits; the unused bits must be zero */

static int
plum_base64_last(const uint8_t *p, size_t n, uint8_t alphabet, uint8_t *out)
{
    uint8_t  a, b, c;

    a = plum_base64_digits[p[0]];
    b = plum_base64_digits[p[1]];

    if (!(a & b & alphabet)) {
        return PLUM_ERROR;
    }

    *out++ = (uint8_t) (a << 2 | (b & 0x30) >> 4);

    if (n == 2) {
        return (b & 0x0f) ? PLUM_ERROR : PLUM_OK;
    }

    c = plum_base64_digits[p[2]];

    if (!(c & alphabet) || (c & 0x03)) {
        return PLUM_ERROR;
    }

    *out = (uint8_t) ((b & 0x0f) << 4 | (c & 0x3c) >> 2);

    return PLUM_OK;
}
