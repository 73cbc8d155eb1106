/*
 * Hexadecimal and base64, decoded strictly.
 */

#include <plum_encoding.h>


static int plum_hex_digit(uint8_t ch);
static int plum_base64_digit(uint8_t ch);
static int plum_base64_last(const uint8_t *p, size_t padding, uint8_t *out);


int
plum_hex_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len)
{
    int     high, low;
    size_t  i, n;

    n = text->len / 2;

    if (text->len % 2 != 0 || n > size) {
        return PLUM_ERROR;
    }

    for (i = 0; i < n; i++) {
        high = plum_hex_digit(text->data[2 * i]);
        low = plum_hex_digit(text->data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return PLUM_ERROR;
        }

        buf[i] = (uint8_t) (high << 4 | low);
    }

    *len = n;

    return PLUM_OK;
}


int
plum_base64_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len)
{
    int             digit[4], k;
    size_t          i, n, padding;
    uint8_t         last[2], *out;
    const uint8_t  *p;

    if (text->len == 0) {
        *len = 0;
        return PLUM_OK;
    }

    if (text->len % 4 != 0) {
        return PLUM_ERROR;
    }

    p = text->data + text->len;
    padding = (p[-1] != '=') ? 0 : (p[-2] != '=') ? 1 : 2;
    n = text->len / 4 * 3 - padding;

    if (n > size) {
        return PLUM_ERROR;
    }

    out = buf;

    for (i = 0; i < text->len - (padding ? 4 : 0); i += 4) {
        for (k = 0; k < 4; k++) {
            digit[k] = plum_base64_digit(text->data[i + (size_t) k]);

            if (digit[k] < 0) {
                return PLUM_ERROR;
            }
        }

        *out++ = (uint8_t) (digit[0] << 2 | digit[1] >> 4);
        *out++ = (uint8_t) ((digit[1] & 0x0f) << 4 | digit[2] >> 2);
        *out++ = (uint8_t) ((digit[2] & 0x03) << 6 | digit[3]);
    }

    if (padding) {
        if (plum_base64_last(p - 4, padding, last) != PLUM_OK) {
            return PLUM_ERROR;
        }

        for (i = 0; i < 3 - padding; i++) {
            *out++ = last[i];
        }
    }

    *len = n;

    return PLUM_OK;
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


static int
plum_hex_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    if (ch >= 'a' && ch <= 'f') {
        return ch - 'a' + 10;
    }

    return -1;
}


static int
plum_base64_digit(uint8_t ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    return (ch == '+') ? 62 : (ch == '/') ? 63 : -1;
}


/* the bits that the last digit has too many must be zero */

static int
plum_base64_last(const uint8_t *p, size_t padding, uint8_t *out)
{
    int  a, b, c;

    a = plum_base64_digit(p[0]);
    b = plum_base64_digit(p[1]);

    if (a < 0 || b < 0) {
        return PLUM_ERROR;
    }

    out[0] = (uint8_t) (a << 2 | b >> 4);

    if (padding == 2) {
        return (b & 0x0f) ? PLUM_ERROR : PLUM_OK;
    }

    c = plum_base64_digit(p[2]);

    if (c < 0 || (c & 0x03)) {
        return PLUM_ERROR;
    }

    out[1] = (uint8_t) ((b & 0x0f) << 4 | c >> 2);

    return PLUM_OK;
}
