/*
 * Content templates: the pieces of one that is accepted spell it again, and
 * one of them is the body.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_content.h>
#include <plum_str.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
append(char *out, size_t used, size_t size, const void *bytes, size_t len)
{
    if (len > size - used) {
        abort();
    }

    if (len != 0) {
        memcpy(out + used, bytes, len);
    }

    return used + len;
}


static size_t
spell(const plum_piece_t *pieces, size_t npieces, char *out, size_t size,
    size_t *bodies)
{
    size_t              i, used;
    static const char  *names[] = { "", "{timestamp}", "{id}", "{body}",
                                    "{header:", "{uri}" };

    used = 0;
    *bodies = 0;

    for (i = 0; i < npieces; i++) {
        *bodies += (pieces[i].kind == PLUM_PIECE_BODY);
        used = append(out, used, size, names[pieces[i].kind],
                      strlen(names[pieces[i].kind]));
        used = append(out, used, size, pieces[i].text.data,
                      pieces[i].text.len);

        if (pieces[i].kind == PLUM_PIECE_HEADER) {
            if (!plum_content_token(&pieces[i].text)) {
                abort();
            }

            used = append(out, used, size, "}", 1);
        }
    }

    return used;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *out;
    size_t         npieces, bodies;
    plum_str_t     content;
    plum_piece_t   pieces[PLUM_SCHEME_PIECES];
    plum_error_t   err;

    content.data = data;
    content.len = size;

    if (plum_content_parse(&content, pieces, &npieces, &err) != PLUM_OK) {
        if (memchr(err.text, '\0', sizeof(err.text)) == NULL) {
            abort();
        }

        return 0;
    }

    out = malloc(size + 1);

    if (out == NULL) {
        return 0;
    }

    if (npieces > PLUM_SCHEME_PIECES
        || spell(pieces, npieces, out, size, &bodies) != size
        || bodies != 1
        || memcmp(out, data, size) != 0)
    {
        abort();
    }

    free(out);

    return 0;
}
