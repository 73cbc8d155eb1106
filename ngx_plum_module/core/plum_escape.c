/*
 * A text as a part of a page.
 */

#include <plum_escape.h>

#include <string.h>


static size_t plum_escape_sequence(const uint8_t *p, size_t len);
static size_t plum_escape_copy(uint8_t *out, const char *text);
static size_t plum_escape_label(uint8_t ch, uint8_t *out);
static size_t plum_escape_json(uint8_t ch, uint8_t *out);
static size_t plum_escape_html(uint8_t ch, uint8_t *out);


size_t
plum_escape(plum_escape_t kind, const plum_str_t *text, uint8_t *out)
{
    size_t  i, n, len;

    len = 0;

    for (i = 0; i < text->len; i += n) {
        n = plum_escape_sequence(text->data + i, text->len - i);

        if (n == 0) {
            len += plum_escape_copy(out + len, "\xef\xbf\xbd");
            n = 1;
            continue;
        }

        if (n > 1) {
            memcpy(out + len, text->data + i, n);
            len += n;
            continue;
        }

        switch (kind) {

        case PLUM_ESCAPE_LABEL:
            len += plum_escape_label(text->data[i], out + len);
            break;

        case PLUM_ESCAPE_JSON:
            len += plum_escape_json(text->data[i], out + len);
            break;

        case PLUM_ESCAPE_HTML:
            len += plum_escape_html(text->data[i], out + len);
            break;
        }
    }

    return len;
}


int
plum_utf8(const plum_str_t *text)
{
    size_t  i, n;

    for (i = 0; i < text->len; i += n) {
        n = plum_escape_sequence(text->data + i, text->len - i);

        if (n == 0) {
            return 0;
        }
    }

    return 1;
}


/*
 * Bytes of the character at p, by the table 3-7 of the Unicode standard: no
 * surrogates, nothing above U+10FFFF, no longer form than needed.  0: none.
 */

static size_t
plum_escape_sequence(const uint8_t *p, size_t len)
{
    size_t   i, n;
    uint8_t  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;
        low = (p[0] == 0xe0) ? 0xa0 : 0x80;
        high = (p[0] == 0xed) ? 0x9f : 0xbf;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        low = (p[0] == 0xf0) ? 0x90 : 0x80;
        high = (p[0] == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (len < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


static size_t
plum_escape_copy(uint8_t *out, const char *text)
{
    size_t  len;

    len = strlen(text);
    memcpy(out, text, len);

    return len;
}


static size_t
plum_escape_label(uint8_t ch, uint8_t *out)
{
    switch (ch) {

    case '\\':
        return plum_escape_copy(out, "\\\\");

    case '"':
        return plum_escape_copy(out, "\\\"");

    case '\n':
        return plum_escape_copy(out, "\\n");

    default:
        out[0] = ch;
        return 1;
    }
}


static size_t
plum_escape_json(uint8_t ch, uint8_t *out)
{
    size_t             len;
    static const char  hex[] = "0123456789abcdef";

    switch (ch) {

    case '\\':
        return plum_escape_copy(out, "\\\\");

    case '"':
        return plum_escape_copy(out, "\\\"");

    default:
        break;
    }

    if (ch >= 0x20) {
        out[0] = ch;
        return 1;
    }

    len = plum_escape_copy(out, "\\u00");
    out[len++] = (uint8_t) hex[ch >> 4];
    out[len++] = (uint8_t) hex[ch & 0x0f];

    return len;
}


static size_t
plum_escape_html(uint8_t ch, uint8_t *out)
{
    switch (ch) {

    case '&':
        return plum_escape_copy(out, "&amp;");

    case '<':
        return plum_escape_copy(out, "&lt;");

    case '>':
        return plum_escape_copy(out, "&gt;");

    case '"':
        return plum_escape_copy(out, "&quot;");

    case '\'':
        return plum_escape_copy(out, "&#39;");

    case '\0':
        return plum_escape_copy(out, "\xef\xbf\xbd");

    default:
        out[0] = ch;
        return 1;
    }
}
