/*
 * Templates of what is signed.
 */

#include <plum_content.h>
#include <plum_str.h>

#include <string.h>


static int plum_content_piece(const uint8_t *start, const uint8_t *end,
    plum_piece_t *piece, plum_error_t *err);


int
plum_content_parse(const plum_str_t *content, plum_piece_t *pieces,
    size_t *npieces, plum_error_t *err)
{
    size_t          n, bodies;
    const uint8_t  *p, *end, *start;

    if (content->len == 0) {
        return plum_error(err, "no content", NULL);
    }

    n = 0;
    bodies = 0;
    p = content->data;
    end = p + content->len;

    while (p != end) {

        if (n == PLUM_SCHEME_PIECES) {
            return plum_error(err, "too many pieces in content", content);
        }

        start = p;

        while (p != end && *p != '{' && *p != '}') {
            p++;
        }

        if (p != start) {
            pieces[n].kind = PLUM_PIECE_TEXT;
            pieces[n].text.data = start;
            pieces[n].text.len = (size_t) (p - start);
            n++;
            continue;
        }

        if (*p == '}') {
            return plum_error(err, "\"}\" without \"{\" in content", content);
        }

        p = memchr(start, '}', (size_t) (end - start));

        if (p == NULL) {
            return plum_error(err, "unclosed token in content", content);
        }

        if (plum_content_piece(start + 1, p++, &pieces[n], err) != PLUM_OK) {
            return PLUM_ERROR;
        }

        bodies += (pieces[n++].kind == PLUM_PIECE_BODY);
    }

    if (bodies != 1) {
        return plum_error(err, bodies ? "more than one {body} in content"
                                      : "no {body} in content", content);
    }

    *npieces = n;

    return PLUM_OK;
}


int
plum_content_token(const plum_str_t *name)
{
    size_t   i;
    uint8_t  ch;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z')
              || (ch >= 'a' && ch <= 'z')
              || (ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch) != NULL)))
        {
            return 0;
        }
    }

    return name->len != 0;
}


/* what stands between two braces */

static int
plum_content_piece(const uint8_t *start, const uint8_t *end,
    plum_piece_t *piece, plum_error_t *err)
{
    size_t             i;
    plum_str_t         token;
    static const struct {
        plum_str_t         name;
        plum_piece_kind_t  kind;
    } tokens[] = {
        { PLUM_STR("timestamp"), PLUM_PIECE_TIMESTAMP },
        { PLUM_STR("id"), PLUM_PIECE_ID },
        { PLUM_STR("body"), PLUM_PIECE_BODY },
        { PLUM_STR("uri"), PLUM_PIECE_URI }
    };
    static const plum_str_t  header = PLUM_STR("header:");

    token.data = start;
    token.len = (size_t) (end - start);

    piece->text.data = NULL;
    piece->text.len = 0;

    for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (plum_str_equal(&token, &tokens[i].name)) {
            piece->kind = tokens[i].kind;
            return PLUM_OK;
        }
    }

    if (!plum_str_starts(&token, &header)) {
        return plum_error(err, "unknown token in content:", &token);
    }

    piece->kind = PLUM_PIECE_HEADER;
    piece->text.data = token.data + header.len;
    piece->text.len = token.len - header.len;

    if (!plum_content_token(&piece->text)) {
        return plum_error(err, "invalid header name", &piece->text);
    }

    return PLUM_OK;
}
