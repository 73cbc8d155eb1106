/*
 * The value of a probe, decoded; see plum_project.h.
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <plum_project.h>


static int plum_value_unescape(const plum_str_t *raw, uint8_t *buf,
    size_t size, size_t *len);


int
plum_value_decode(const plum_value_t *value, uint8_t *buf, size_t size,
    size_t *len)
{
    *len = 0;

    switch (value->kind) {

    case PLUM_VALUE_STRING:
        if (value->escaped) {
            return plum_value_unescape(&value->raw, buf, size, len);
        }

        break;

    case PLUM_VALUE_NUMBER:
    case PLUM_VALUE_TRUE:
    case PLUM_VALUE_FALSE:
        break;

    default:
        return PLUM_ERROR;
    }

    if (value->raw.len > size) {
        return PLUM_ERROR;
    }

    if (value->raw.len != 0) {
        memcpy(buf, value->raw.data, value->raw.len);
    }

    *len = value->raw.len;

    return PLUM_OK;
}


static int
plum_value_unescape(const plum_str_t *raw, uint8_t *buf, size_t size,
    size_t *len)
{
    int      rc;
    char    *text;
    size_t   n;
    json_t  *string;

    /* no escape is longer than six times what it stands for */

    if (raw->len / 6 > size || raw->len > SIZE_MAX - 2) {
        return PLUM_ERROR;
    }

    text = malloc(raw->len + 2);
    if (text == NULL) {
        return PLUM_ERROR;
    }

    text[0] = '"';
    memcpy(text + 1, raw->data, raw->len);
    text[raw->len + 1] = '"';

    string = json_loadb(text, raw->len + 2, JSON_DECODE_ANY|JSON_ALLOW_NUL,
                        NULL);
    free(text);

    rc = PLUM_ERROR;

    if (string != NULL && json_is_string(string)) {
        n = json_string_length(string);

        if (n <= size) {
            if (n != 0) {
                memcpy(buf, json_string_value(string), n);
            }

            *len = n;
            rc = PLUM_OK;
        }
    }

    json_decref(string);

    return rc;
}
