/*
 * Small helpers for runs of bytes and for configuration errors.
 */

#include <plum_str.h>

#include <stdio.h>
#include <string.h>


static uint8_t plum_str_lower(uint8_t ch);


int
plum_str_equal(const plum_str_t *a, const plum_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


int
plum_str_same(const plum_str_t *a, const plum_str_t *b)
{
    size_t  i;

    if (a->len != b->len) {
        return 0;
    }

    for (i = 0; i < a->len; i++) {
        if (plum_str_lower(a->data[i]) != plum_str_lower(b->data[i])) {
            return 0;
        }
    }

    return 1;
}


int
plum_str_starts(const plum_str_t *str, const plum_str_t *prefix)
{
    return str->len >= prefix->len
           && (prefix->len == 0
               || memcmp(str->data, prefix->data, prefix->len) == 0);
}


size_t
plum_str_number(const plum_str_t *text, int64_t *n)
{
    size_t   i;
    int64_t  digit;

    *n = 0;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') {
            break;
        }

        digit = text->data[i] - '0';

        *n = (*n > (PLUM_NUMBER_MAX - digit) / 10) ? PLUM_NUMBER_MAX
                                                   : *n * 10 + digit;
    }

    return i;
}


void
plum_explain(plum_error_t *err, const char *text, const plum_str_t *value)
{
    int  len;

    if (value == NULL) {
        (void) snprintf(err->text, sizeof(err->text), "%s", text);
        return;
    }

    /* what does not fit is cut off anyway */

    len = (value->len < sizeof(err->text)) ? (int) value->len
                                           : (int) sizeof(err->text);

    (void) snprintf(err->text, sizeof(err->text), "%s \"%.*s\"", text, len,
                    value->len ? (const char *) value->data : "");
}


static uint8_t
plum_str_lower(uint8_t ch)
{
    return (uint8_t) ((ch >= 'A' && ch <= 'Z') ? ch | 0x20 : ch);
}
