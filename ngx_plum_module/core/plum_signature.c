/*
 * The credential of one request, found and parsed from its headers.
 */

#include <plum_signature.h>
#include <plum_content.h>
#include <plum_encoding.h>
#include <plum_str.h>
#include <plum_time.h>

#include <string.h>


static plum_credential_rc_t plum_signature_header(plum_header_pt header,
    void *data, const plum_str_t *name, plum_str_t *value);
static plum_credential_rc_t plum_signature_headers(
    const plum_scheme_t *scheme, plum_header_pt header, void *data,
    plum_credential_t *cred);
static plum_credential_rc_t plum_signature_list(const plum_scheme_t *scheme,
    plum_credential_t *cred);
static plum_credential_rc_t plum_signature_plain(const plum_scheme_t *scheme,
    plum_credential_t *cred);
static int plum_signature_next(plum_str_t *rest, const char *separators,
    plum_str_t *item);
static int plum_signature_blank(uint8_t ch);
static int plum_signature_stamp(const plum_scheme_t *scheme,
    const plum_str_t *item, plum_credential_t *cred);
static int plum_signature_known(const plum_scheme_t *scheme,
    const plum_str_t *item, plum_algorithm_t *algorithm, plum_str_t *text);
static int plum_signature_decode(const plum_scheme_t *scheme,
    const plum_str_t *text, plum_candidate_t *candidate);
static plum_credential_rc_t plum_signature_time(const plum_scheme_t *scheme,
    int64_t now, plum_credential_t *cred);
static int plum_signature_ambiguous(const plum_scheme_t *scheme,
    const plum_credential_t *cred);


plum_credential_rc_t
plum_signature_parse(const plum_scheme_t *scheme, plum_header_pt header,
    void *data, const plum_str_t *uri, int64_t now, plum_credential_t *cred)
{
    plum_credential_rc_t  rc;

    cred->timestamp.len = 0;
    cred->stamped = 0;
    cred->id.len = 0;
    cred->uri = *uri;
    cred->ncandidates = 0;

    rc = plum_signature_header(header, data, &scheme->header, &cred->value);

    if (rc != PLUM_CREDENTIAL_OK || scheme->kind == PLUM_SCHEME_API_KEY) {
        return rc;
    }

    rc = plum_signature_headers(scheme, header, data, cred);
    if (rc != PLUM_CREDENTIAL_OK) {
        return rc;
    }

    if (plum_signature_ambiguous(scheme, cred)) {
        return PLUM_CREDENTIAL_MALFORMED;
    }

    rc = scheme->list ? plum_signature_list(scheme, cred)
                      : plum_signature_plain(scheme, cred);
    if (rc != PLUM_CREDENTIAL_OK) {
        return rc;
    }

    return plum_signature_time(scheme, now, cred);
}


int
plum_signature_fresh(const plum_scheme_t *scheme,
    const plum_credential_t *cred, int64_t now)
{
    return scheme->tolerance == 0
           || !cred->stamped
           || plum_time_fresh(cred->stamp, now, scheme->tolerance);
}


/* one that comes twice could mean one thing here and another one upstream */

static plum_credential_rc_t
plum_signature_header(plum_header_pt header, void *data,
    const plum_str_t *name, plum_str_t *value)
{
    size_t  n;

    n = header(data, name, value);

    if (n > 1 || (n == 1 && value->len > PLUM_SCHEME_HEADER_MAX)) {
        return PLUM_CREDENTIAL_MALFORMED;
    }

    if (n == 0 || value->len == 0) {
        return PLUM_CREDENTIAL_MISSING;
    }

    return PLUM_CREDENTIAL_OK;
}


/* the other headers that the scheme needs */

static plum_credential_rc_t
plum_signature_headers(const plum_scheme_t *scheme, plum_header_pt header,
    void *data, plum_credential_t *cred)
{
    size_t                i;
    const plum_piece_t   *piece;
    plum_credential_rc_t  rc;

    if (scheme->stamp == PLUM_STAMP_HEADER) {
        rc = plum_signature_header(header, data, &scheme->timestamp,
                                   &cred->timestamp);
        if (rc != PLUM_CREDENTIAL_OK) {
            return rc;
        }
    }

    if (scheme->id.len != 0) {
        rc = plum_signature_header(header, data, &scheme->id, &cred->id);
        if (rc != PLUM_CREDENTIAL_OK) {
            return rc;
        }
    }

    for (i = 0; i < scheme->npieces; i++) {
        piece = &scheme->pieces[i];

        if (piece->kind == PLUM_PIECE_HEADER) {
            rc = plum_signature_header(header, data, &piece->text,
                                       &cred->headers[i]);
            if (rc != PLUM_CREDENTIAL_OK) {
                return rc;
            }
        }
    }

    return PLUM_CREDENTIAL_OK;
}


static plum_credential_rc_t
plum_signature_list(const plum_scheme_t *scheme, plum_credential_t *cred)
{
    size_t            items, known, publics, stamps;
    plum_str_t        rest, item, text;
    const char       *separators;
    plum_algorithm_t  algorithm;

    separators = (scheme->prefix.data[scheme->prefix.len - 1] == '=')
                 ? ",;" : " ";
    rest = cred->value;
    items = 0;
    known = 0;
    publics = 0;
    stamps = 0;

    while (plum_signature_next(&rest, separators, &item)) {

        if (items++ == PLUM_SCHEME_ITEMS) {
            return PLUM_CREDENTIAL_MALFORMED;
        }

        if (plum_signature_stamp(scheme, &item, cred)) {
            stamps++;
            continue;
        }

        if (!plum_signature_known(scheme, &item, &algorithm, &text)) {
            continue;
        }

        if (known++ == PLUM_SCHEME_CANDIDATES
            || (algorithm == PLUM_ALGORITHM_ED25519
                && publics++ == PLUM_SCHEME_PUBLIC))
        {
            return PLUM_CREDENTIAL_MALFORMED;
        }

        cred->candidates[cred->ncandidates].algorithm = algorithm;

        if (plum_signature_decode(scheme, &text,
                                  &cred->candidates[cred->ncandidates])
            == PLUM_OK)
        {
            cred->ncandidates++;
        }
    }

    if (cred->ncandidates == 0
        || stamps != (scheme->stamp == PLUM_STAMP_LIST))
    {
        return PLUM_CREDENTIAL_MALFORMED;
    }

    return PLUM_CREDENTIAL_OK;
}


static plum_credential_rc_t
plum_signature_plain(const plum_scheme_t *scheme, plum_credential_t *cred)
{
    plum_str_t         text;
    plum_candidate_t  *candidate;

    candidate = &cred->candidates[0];

    if (!plum_signature_known(scheme, &cred->value, &candidate->algorithm,
                              &text)
        || plum_signature_decode(scheme, &text, candidate) != PLUM_OK)
    {
        return PLUM_CREDENTIAL_MALFORMED;
    }

    cred->ncandidates = 1;

    return PLUM_CREDENTIAL_OK;
}


/*
 * Cuts the next item off rest: 0 if there is none left.  White space around
 * an item is no part of it.
 */

static int
plum_signature_next(plum_str_t *rest, const char *separators,
    plum_str_t *item)
{
    size_t  n;

    if (rest->len == 0) {
        return 0;
    }

    for (n = 0; n < rest->len; n++) {
        if (rest->data[n] == (uint8_t) separators[0]
            || rest->data[n] == (uint8_t) separators[1])
        {
            break;
        }
    }

    item->data = rest->data;
    item->len = n;

    n += (n < rest->len);
    rest->data += n;
    rest->len -= n;

    while (item->len && plum_signature_blank(item->data[0])) {
        item->data++;
        item->len--;
    }

    while (item->len && plum_signature_blank(item->data[item->len - 1])) {
        item->len--;
    }

    return 1;
}


static int
plum_signature_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t';
}


static int
plum_signature_stamp(const plum_scheme_t *scheme, const plum_str_t *item,
    plum_credential_t *cred)
{
    size_t  len;

    len = scheme->timestamp.len;

    if (scheme->stamp != PLUM_STAMP_LIST || item->len <= len
        || item->data[len] != '=' || !plum_str_starts(item, &scheme->timestamp))
    {
        return 0;
    }

    cred->timestamp.data = item->data + len + 1;
    cred->timestamp.len = item->len - len - 1;

    return 1;
}


/* 1 if the item has one of the scheme's prefixes: text is what follows */

static int
plum_signature_known(const plum_scheme_t *scheme, const plum_str_t *item,
    plum_algorithm_t *algorithm, plum_str_t *text)
{
    const plum_str_t  *prefix;

    if (scheme->prefix_public.len != 0
        && plum_str_starts(item, &scheme->prefix_public))
    {
        prefix = &scheme->prefix_public;
        *algorithm = PLUM_ALGORITHM_ED25519;

    } else if (plum_str_starts(item, &scheme->prefix)) {
        prefix = &scheme->prefix;
        *algorithm = scheme->algorithm;

    } else {
        return 0;
    }

    text->data = item->data + prefix->len;
    text->len = item->len - prefix->len;

    return 1;
}


/* a signature that is cut off must never be compared, however good it is */

static int
plum_signature_decode(const plum_scheme_t *scheme, const plum_str_t *text,
    plum_candidate_t *candidate)
{
    if (plum_decode(scheme->encoding, text, candidate->bytes, PLUM_MAC_MAX,
                    &candidate->len)
        != PLUM_OK
        || candidate->len != plum_algorithm_size(candidate->algorithm))
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


static plum_credential_rc_t
plum_signature_time(const plum_scheme_t *scheme, int64_t now,
    plum_credential_t *cred)
{
    if (scheme->stamp != PLUM_STAMP_HEADER
        && scheme->stamp != PLUM_STAMP_LIST)
    {
        return PLUM_CREDENTIAL_OK;
    }

    if ((scheme->dated ? plum_time_date_time(&cred->timestamp, &cred->stamp)
                       : plum_time_any(&cred->timestamp, &cred->stamp))
        != PLUM_OK)
    {
        return PLUM_CREDENTIAL_MALFORMED;
    }

    cred->stamped = 1;

    return plum_signature_fresh(scheme, cred, now) ? PLUM_CREDENTIAL_OK
                                                   : PLUM_CREDENTIAL_STALE;
}


/* one signature must not speak for two deliveries */

static int
plum_signature_ambiguous(const plum_scheme_t *scheme,
    const plum_credential_t *cred)
{
    size_t             i;
    const plum_str_t  *value;

    for (i = 0; i < scheme->npieces; i++) {

        switch (scheme->pieces[i].kind) {

        case PLUM_PIECE_ID:
            value = &cred->id;
            break;

        case PLUM_PIECE_HEADER:
            value = &cred->headers[i];
            break;

        case PLUM_PIECE_URI:
            value = &cred->uri;
            break;

        default:
            continue;
        }

        if (plum_content_ambiguous(scheme->pieces, scheme->npieces, i, value))
        {
            return 1;
        }
    }

    return 0;
}
