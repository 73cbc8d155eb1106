/*
 * The value of a probe, decoded; see plum_project.h.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_json.h>
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


/*
 * The decoded text is at most as long as the escaped one, which may be longer
 * than buf even where the result is not.
 */

static int
plum_value_unescape(const plum_str_t *raw, uint8_t *buf, size_t size,
    size_t *len)
{
    int        rc;
    size_t     n;
    uint8_t   *text;
    unsigned   lone;

    /* no escape is longer than six times what it stands for */

    if (raw->len / 6 > size) {
        return PLUM_ERROR;
    }

    text = malloc(raw->len);
    if (text == NULL) {
        return PLUM_ERROR;
    }

    rc = PLUM_ERROR;
    lone = 0;

    n = plum_json_decode(raw->data, raw->len, text, &lone);

    if (!lone && n <= size) {
        memcpy(buf, text, n);
        *len = n;
        rc = PLUM_OK;
    }

    free(text);

    return rc;
}
