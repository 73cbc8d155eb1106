/*
 * Pseudonyms; see plum_pseudonym.h.
 */

#include <stdlib.h>

#include <openssl/evp.h>

#include <plum_json.h>
#include <plum_pseudonym.h>
#include <plum_trie.h>


#define PLUM_PSEUDONYM_BYTES     16      /* of the MAC */
#define PLUM_PSEUDONYM_PADDED    24      /* in base64, with its padding */


static uint8_t *plum_pseudonym_value(const plum_mark_t *mark,
    plum_key_t *const *keys, const uint8_t *value, uint8_t *to);


int
plum_pseudonym(plum_key_t *key, const plum_str_t *value, uint8_t *out)
{
    size_t   i;
    uint8_t  mac[PLUM_MAC_MAX], text[PLUM_PSEUDONYM_PADDED + 1];

    if (plum_key_algorithm(key) != PLUM_ALGORITHM_SHA256
        || plum_key_mac(key, value, 1, mac) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    (void) EVP_EncodeBlock(text, mac, PLUM_PSEUDONYM_BYTES);

    for (i = 0; i < PLUM_PSEUDONYM_LENGTH; i++) {
        out[i] = (text[i] == '+') ? '-' : (text[i] == '/') ? '_' : text[i];
    }

    return PLUM_OK;
}


size_t
plum_pseudonyms_room(const plum_projection_t *result)
{
    return result->length
           + result->pseudonyms * (PLUM_PSEUDONYM_LENGTH + sizeof("\"\"") - 1);
}


size_t
plum_pseudonyms_write(const plum_scratch_t *scratch,
    const plum_projection_t *result, plum_key_t *const *keys,
    const uint8_t *in, uint8_t *to)
{
    size_t              i, at;
    uint8_t            *p;
    const plum_mark_t  *mark;

    p = to;
    at = 0;

    for (i = 0; i < result->pseudonyms; i++) {
        mark = &scratch->marks[i];

        memcpy(p, in + at, mark->at - at);
        p += mark->at - at;
        at = mark->at + mark->len;

        p = plum_pseudonym_value(mark, keys, in + mark->at, p);

        if (p == NULL) {
            return 0;
        }
    }

    memcpy(p, in + at, result->length - at);

    return (size_t) (p - to) + result->length - at;
}


/* writes what replaces a value, and returns the end of that; or NULL */

static uint8_t *
plum_pseudonym_value(const plum_mark_t *mark, plum_key_t *const *keys,
    const uint8_t *value, uint8_t *to)
{
    int          rc;
    uint8_t     *text;
    unsigned     lone;
    plum_str_t   str;

    str.data = value;
    str.len = mark->len;

    if (*value == '"') {
        str.data++;
        str.len -= 2;
    }

    text = NULL;
    lone = 0;

    if (mark->escaped) {
        text = malloc(str.len);
        if (text == NULL) {
            return NULL;
        }

        str.len = plum_json_decode(str.data, str.len, text, &lone);
        str.data = text;
    }

    if (lone) {
        free(text);
        memcpy(to, "null", 4);
        return to + 4;
    }

    *to = '"';
    rc = plum_pseudonym(keys[mark->secret], &str, to + 1);
    to[1 + PLUM_PSEUDONYM_LENGTH] = '"';

    free(text);

    return (rc == PLUM_OK) ? to + 1 + PLUM_PSEUDONYM_LENGTH + 1 : NULL;
}
