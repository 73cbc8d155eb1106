/*
 * Signature schemes: the check of a whole row, once its parameters are set.
 */

#include <plum_scheme.h>
#include <plum_content.h>
#include <plum_header.h>
#include <plum_str.h>

#include <string.h>


static int plum_scheme_finish_mac(plum_scheme_t *scheme, plum_error_t *err);
static int plum_scheme_finish_list(plum_scheme_t *scheme, plum_error_t *err);
static int plum_scheme_finish_stamp(plum_scheme_t *scheme,
    plum_error_t *err);
static int plum_scheme_finish_content(plum_scheme_t *scheme,
    plum_error_t *err);


int
plum_scheme_finish(plum_scheme_t *scheme, plum_error_t *err)
{
    if (scheme->kind == PLUM_SCHEME_BODY_TOKEN) {
        return scheme->path.len ? PLUM_OK
                                : plum_error(err, "no \"path\" parameter",
                                             NULL);
    }

    if (scheme->header.len == 0) {
        return plum_error(err, "no \"header\" parameter", NULL);
    }

    if (scheme->kind == PLUM_SCHEME_API_KEY) {
        return PLUM_OK;
    }

    return plum_scheme_finish_mac(scheme, err);
}


const plum_str_t *
plum_scheme_reads(const plum_scheme_t *scheme, size_t n)
{
    size_t  i;

    if (scheme->header.len != 0 && n-- == 0) {
        return &scheme->header;
    }

    if (scheme->stamp == PLUM_STAMP_HEADER && n-- == 0) {
        return &scheme->timestamp;
    }

    if (scheme->id.len != 0 && n-- == 0) {
        return &scheme->id;
    }

    for (i = 0; i < scheme->npieces; i++) {
        if (scheme->pieces[i].kind == PLUM_PIECE_HEADER && n-- == 0) {
            return &scheme->pieces[i].text;
        }
    }

    return NULL;
}


const plum_str_t *
plum_scheme_place(const plum_scheme_t *scheme)
{
    if (scheme->kind == PLUM_SCHEME_BODY_TOKEN) {
        return &scheme->path;
    }

    return (scheme->stamp == PLUM_STAMP_JSON) ? &scheme->timestamp : NULL;
}


int
plum_scheme_replayable(const plum_scheme_t *scheme)
{
    return scheme->stamp == PLUM_STAMP_NONE || scheme->tolerance == 0;
}


int
plum_scheme_covers(const plum_scheme_t *scheme, const plum_str_t *header)
{
    size_t             i;
    const plum_str_t  *name;

    for (i = 0; i < scheme->npieces; i++) {

        switch (scheme->pieces[i].kind) {

        case PLUM_PIECE_HEADER:
            name = &scheme->pieces[i].text;
            break;

        case PLUM_PIECE_ID:
            name = &scheme->id;
            break;

        case PLUM_PIECE_TIMESTAMP:
            if (scheme->stamp != PLUM_STAMP_HEADER) {
                continue;
            }

            name = &scheme->timestamp;
            break;

        default:
            continue;
        }

        if (plum_header_same(name, header)) {
            return 1;
        }
    }

    return 0;
}


int
plum_scheme_covers_uri(const plum_scheme_t *scheme)
{
    size_t  i;

    for (i = 0; i < scheme->npieces; i++) {
        if (scheme->pieces[i].kind == PLUM_PIECE_URI) {
            return 1;
        }
    }

    return 0;
}


static int
plum_scheme_finish_mac(plum_scheme_t *scheme, plum_error_t *err)
{
    if (scheme->list && plum_scheme_finish_list(scheme, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (plum_scheme_finish_stamp(scheme, err) != PLUM_OK) {
        return PLUM_ERROR;
    }

    if (scheme->id.len != 0
        && (plum_header_same(&scheme->id, &scheme->header)
            || (scheme->stamp == PLUM_STAMP_HEADER
                && plum_header_same(&scheme->id, &scheme->timestamp))))
    {
        return plum_error(err, "header named twice:", &scheme->id);
    }

    if (plum_content_parse(&scheme->content, scheme->pieces,
                           &scheme->npieces, err)
        != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    return plum_scheme_finish_content(scheme, err);
}


/*
 * No prefix may hold what items are cut at, or begin with a space: the white
 * space around an item is no part of it.
 */

static int
plum_scheme_finish_list(plum_scheme_t *scheme, plum_error_t *err)
{
    size_t             i;
    uint8_t            last;
    const char        *separators;
    const plum_str_t  *prefix;

    prefix = &scheme->prefix;
    last = (prefix->len > 1) ? prefix->data[prefix->len - 1] : '\0';

    if (last != '=' && last != ',') {
        return plum_error(err, "prefix of a list does not end with"
                          " \"=\" or \",\":", prefix);
    }

    separators = (last == '=') ? ",;" : " ";

    for (i = 0; i < prefix->len; i++) {
        if (prefix->data[0] == ' '
            || strchr(separators, prefix->data[i]) != NULL)
        {
            return plum_error(err, "invalid prefix", prefix);
        }
    }

    if (scheme->prefix_public.len != 0
        && scheme->prefix_public.data[scheme->prefix_public.len - 1] != last)
    {
        return plum_error(err, "prefix does not suit the scheme:", prefix);
    }

    return PLUM_OK;
}


static int
plum_scheme_finish_stamp(plum_scheme_t *scheme, plum_error_t *err)
{
    size_t             i;
    const plum_str_t  *item, *prefix;

    if (scheme->stamp == PLUM_STAMP_NONE) {
        return scheme->tolerance
               ? plum_error(err, "tolerance without a timestamp", NULL)
               : PLUM_OK;
    }

    if (!(scheme->given & PLUM_GIVEN_TOLERANCE) && scheme->tolerance == 0) {
        scheme->tolerance = PLUM_TOLERANCE_DEFAULT;
    }

    if (scheme->stamp == PLUM_STAMP_HEADER) {
        return plum_header_same(&scheme->timestamp, &scheme->header)
               ? plum_error(err, "header named twice:", &scheme->header)
               : PLUM_OK;
    }

    if (scheme->stamp != PLUM_STAMP_LIST) {
        return PLUM_OK;
    }

    item = &scheme->timestamp;
    prefix = &scheme->prefix;

    if (!scheme->list || prefix->data[prefix->len - 1] != '=') {
        return plum_error(err, "timestamp in a list, but no list of k=v"
                          " items:", item);
    }

    for (i = 0; i < item->len; i++) {
        if (item->data[0] == ' ' || strchr("=,;", item->data[i]) != NULL) {
            return plum_error(err, "invalid timestamp", item);
        }
    }

    if (item->len + 1 == prefix->len && plum_str_starts(prefix, item)) {
        return plum_error(err, "invalid timestamp", item);
    }

    return PLUM_OK;
}


/* what is not signed can be changed at will, so it must not be relied on */

static int
plum_scheme_finish_content(plum_scheme_t *scheme, plum_error_t *err)
{
    int                  stamped, named;
    size_t               i;
    const plum_piece_t  *piece;

    stamped = 0;
    named = 0;

    for (i = 0; i < scheme->npieces; i++) {
        piece = &scheme->pieces[i];

        switch (piece->kind) {

        case PLUM_PIECE_TIMESTAMP:
            if (scheme->stamp != PLUM_STAMP_HEADER
                && scheme->stamp != PLUM_STAMP_LIST)
            {
                return plum_error(err, "{timestamp} without a timestamp from"
                                  " a header in content", &scheme->content);
            }

            stamped = 1;
            break;

        case PLUM_PIECE_ID:
            if (scheme->id.len == 0) {
                return plum_error(err, "{id} without an id in content",
                                  &scheme->content);
            }

            named = 1;
            break;

        case PLUM_PIECE_HEADER:
            if (plum_header_same(&piece->text, &scheme->header)) {
                return plum_error(err, "a signature cannot sign itself,"
                                  " header of the signature in content",
                                  &scheme->content);
            }

            break;

        default:
            break;
        }
    }

    if (!stamped && (scheme->stamp == PLUM_STAMP_HEADER
                     || scheme->stamp == PLUM_STAMP_LIST))
    {
        return plum_error(err, "no {timestamp} in content",
                          &scheme->content);
    }

    if (!named && scheme->id.len != 0) {
        return plum_error(err, "no {id} in content", &scheme->content);
    }

    return plum_content_check(&scheme->content, scheme->pieces,
                              scheme->npieces, scheme->dated, err);
}
