/*
 * Idempotency keys and kept answers.  The first byte chooses.
 *
 * Keys: the rest is parts, one a line.  Read back, a key gives the very
 * parts, so no two lists of parts can share one.
 *
 * Answers: what is taken for one is written and read again, and must be the
 * same.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_idempotency.h>


#define PARTS   8


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static uint8_t
hex(uint8_t c)
{
    return (uint8_t) (c <= '9' ? c - '0' : c - 'A' + 10);
}


/* does the key, read from its start, spell the parts */

static int
spells(const uint8_t *key, size_t len, const plum_str_t *parts, size_t n)
{
    size_t   i, k, at;
    uint8_t  c;

    at = 0;

    for (i = 0; i < n; i++) {

        if (i != 0 && (at == len || key[at++] != ':')) {
            return 0;
        }

        for (k = 0; k < parts[i].len; k++) {

            if (at == len || key[at] == ':') {
                return 0;
            }

            c = key[at++];

            if (c == '%') {
                if (len - at < 2) {
                    return 0;
                }

                c = (uint8_t) (hex(key[at]) << 4 | hex(key[at + 1]));
                at += 2;

            } else if (c <= ' ' || c >= 0x7f) {
                return 0;
            }

            if (c != parts[i].data[k]) {
                return 0;
            }
        }
    }

    return at == len;
}


static void
check_key(const uint8_t *data, size_t size)
{
    int             empty;
    size_t          n, len;
    uint8_t         key[PLUM_KEY_MAX], again[PLUM_KEY_MAX];
    plum_str_t      parts[PARTS];
    const uint8_t  *end;

    empty = 0;
    memset(parts, 0, sizeof(parts));

    for (n = 0; n < PARTS && size != 0; n++) {
        end = memchr(data, '\n', size);

        parts[n].data = data;
        parts[n].len = end ? (size_t) (end - data) : size;
        empty |= (parts[n].len == 0);

        size -= parts[n].len + (end != NULL);
        data += parts[n].len + (end != NULL);
    }

    if (plum_key_join(parts, n, key, &len) != PLUM_OK) {
        if (n != 0 && !empty) {
            abort();
        }

        return;
    }

    if (n == 0 || empty || len == 0 || len > PLUM_KEY_MAX
        || plum_key_join(parts, n, again, &len) != PLUM_OK
        || memcmp(key, again, len) != 0)
    {
        abort();
    }

    if (len > 8 && memcmp(key, "%sha256:", 8) == 0) {
        if (len != 8 + 64) {
            abort();
        }

        return;
    }

    if (!spells(key, len, parts, n)) {
        abort();
    }
}


static int
same(const plum_str_t *one, const plum_str_t *two)
{
    return one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}


static void
check_answer(const uint8_t *data, size_t size)
{
    uint8_t        *copy;
    plum_str_t      text;
    plum_answer_t   answer, again;

    copy = malloc(size + 1);
    if (copy == NULL) {
        return;
    }

    memcpy(copy, data, size);
    text.data = copy;
    text.len = size;

    if (plum_answer_decode(&text, &answer) != PLUM_OK) {
        free(copy);
        return;
    }

    free(copy);

    copy = plum_answer_encode(&answer, &text.len);
    if (copy == NULL) {
        abort();
    }

    text.data = copy;

    if (plum_answer_decode(&text, &again) != PLUM_OK
        || again.status != answer.status || !same(&again.type, &answer.type)
        || !same(&again.body, &answer.body))
    {
        abort();
    }

    plum_answer_free(&answer);
    plum_answer_free(&again);
    free(copy);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    if (data[0] & 1) {
        check_answer(data + 1, size - 1);

    } else {
        check_key(data + 1, size - 1);
    }

    return 0;
}
