/*
 * Templates of what is signed.
 */

#include <plum_content.h>
#include <plum_str.h>

#include <string.h>


/* the bytes that a JSON object or array can begin and end with */

#define PLUM_BODY_BEGINS  "{[ \t\r\n"
#define PLUM_BODY_ENDS    "}] \t\r\n"


static int plum_content_piece(const uint8_t *start, const uint8_t *end,
    plum_piece_t *piece, plum_error_t *err);
static int plum_content_shows(const plum_piece_t *left, unsigned dated);
static int plum_content_meets(const plum_str_t *text, const plum_str_t *first,
    const plum_str_t *second, size_t from, size_t to);
static int plum_content_has(const plum_str_t *value, const char *bytes);


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
plum_content_check(const plum_str_t *content, const plum_piece_t *pieces,
    size_t npieces, unsigned dated, plum_error_t *err)
{
    int                  before;
    size_t               i;
    const plum_piece_t  *piece;

    before = 1;

    for (i = 0; i + 1 < npieces; i++) {
        piece = &pieces[i];

        if (piece[0].kind == PLUM_PIECE_BODY) {
            before = 0;
            continue;
        }

        if (piece[0].kind == PLUM_PIECE_TEXT
            || piece[1].kind == PLUM_PIECE_TEXT
            || piece[1].kind == PLUM_PIECE_BODY
            || (before && plum_content_shows(piece, dated)))
        {
            continue;
        }

        return plum_error(err, "pieces side by side that cannot be told"
                          " apart, put text between them in content",
                          content);
    }

    return PLUM_OK;
}


/*
 * 1 if the border between two pieces in front of the body can be seen: the
 * second is a URI and the first is what never holds a "/"; or the second is a
 * date and time, and the body behind it shows where that ends
 */

static int
plum_content_shows(const plum_piece_t *left, unsigned dated)
{
    static const plum_str_t  host = PLUM_STR("Host");

    switch (left[1].kind) {

    case PLUM_PIECE_URI:
        return left[0].kind == PLUM_PIECE_TIMESTAMP
               || (left[0].kind == PLUM_PIECE_HEADER
                   && plum_str_same(&left[0].text, &host));

    case PLUM_PIECE_TIMESTAMP:
        return dated
               && left[0].kind != PLUM_PIECE_TIMESTAMP
               && left[2].kind == PLUM_PIECE_BODY;

    default:
        return 0;
    }
}


int
plum_content_ambiguous(const plum_piece_t *pieces, size_t npieces, size_t n,
    const plum_str_t *value)
{
    size_t               next;
    const plum_piece_t  *piece;

    piece = &pieces[n];

    if (piece->kind != PLUM_PIECE_ID
        && piece->kind != PLUM_PIECE_HEADER
        && piece->kind != PLUM_PIECE_URI)
    {
        return 0;
    }

    /* text at either end of the template is between no two pieces */

    if (n > 1 && piece[-1].kind == PLUM_PIECE_TEXT
        && plum_content_meets(&piece[-1].text, &piece[-1].text, value, 1,
                              value->len + 1))
    {
        return 1;
    }

    if (n > 0 && piece[-1].kind == PLUM_PIECE_BODY
        && plum_content_has(value, PLUM_BODY_ENDS))
    {
        return 1;
    }

    next = n + 1;

    /* a date and time shows where it begins, so its end is what counts */

    if (next < npieces && pieces[next].kind == PLUM_PIECE_TIMESTAMP) {
        next++;
    }

    if (next == npieces) {
        return 0;
    }

    switch (pieces[next].kind) {

    case PLUM_PIECE_BODY:
        return plum_content_has(value, PLUM_BODY_BEGINS);

    case PLUM_PIECE_URI:
        return plum_content_has(value, "/");

    default: /* PLUM_PIECE_TEXT */
        return next + 1 < npieces
               && plum_content_meets(&pieces[next].text, value,
                                     &pieces[next].text, 0, value->len);
    }
}


/*
 * 1 if text occurs in the concatenation of two strings at an offset of
 * from to to - 1; the caller has seen to it that it would end within them
 */

static int
plum_content_meets(const plum_str_t *text, const plum_str_t *first,
    const plum_str_t *second, size_t from, size_t to)
{
    size_t   i, k;
    uint8_t  ch;

    for (i = from; i < to; i++) {

        for (k = 0; k < text->len; k++) {
            ch = (i + k < first->len) ? first->data[i + k]
                                      : second->data[i + k - first->len];

            if (ch != text->data[k]) {
                break;
            }
        }

        if (k == text->len) {
            return 1;
        }
    }

    return 0;
}


static int
plum_content_has(const plum_str_t *value, const char *bytes)
{
    for ( /* void */ ; *bytes; bytes++) {
        if (memchr(value->data, *bytes, value->len) != NULL) {
            return 1;
        }
    }

    return 0;
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
