/*
 * The credential of one request, checked against the live secrets.
 */

#include <plum_signature.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>


typedef struct {
    const plum_credential_t  *cred;
    plum_str_t                pieces[PLUM_SCHEME_PIECES];
    size_t                    npieces;
    plum_str_t                content;   /* the pieces joined, for Ed25519 */
    uint8_t                  *joined;    /* what to free */
    unsigned                  fits:1;
    unsigned                  failed:1;
} plum_check_t;


static void plum_verify_content(const plum_scheme_t *scheme,
    const plum_credential_t *cred, const plum_str_t *body,
    plum_check_t *check);
static void plum_verify_mac(plum_check_t *check, plum_key_t *key);
static void plum_verify_public(plum_check_t *check, plum_key_t *key);
static int plum_verify_join(plum_check_t *check);


plum_credential_rc_t
plum_signature_verify(const plum_scheme_t *scheme,
    const plum_credential_t *cred, plum_key_t *const *keys, size_t nkeys,
    const plum_str_t *body, size_t *matched)
{
    size_t            i, found;
    plum_check_t      check;
    plum_algorithm_t  algorithm;

    if (scheme->kind != PLUM_SCHEME_MAC) {
        return plum_token_verify(&cred->value, keys, nkeys, matched);
    }

    plum_verify_content(scheme, cred, body, &check);

    check.joined = NULL;
    check.failed = 0;
    found = nkeys;

    for (i = 0; i < nkeys; i++) {
        check.fits = 0;
        algorithm = plum_key_algorithm(keys[i]);

        if (algorithm == PLUM_ALGORITHM_ED25519) {
            plum_verify_public(&check, keys[i]);

        } else if (algorithm == scheme->algorithm) {
            plum_verify_mac(&check, keys[i]);
        }

        if (check.fits && found == nkeys) {
            found = i;
        }
    }

    free(check.joined);

    if (found == nkeys) {
        return check.failed ? PLUM_CREDENTIAL_NOMEM
                            : PLUM_CREDENTIAL_MISMATCH;
    }

    *matched = found;

    return PLUM_CREDENTIAL_OK;
}


plum_credential_rc_t
plum_token_verify(const plum_str_t *token, plum_key_t *const *keys,
    size_t nkeys, size_t *matched)
{
    size_t   i, found;
    uint8_t  digest[PLUM_DIGEST_SIZE];

    /* any static key can digest; keys of other kinds fit no token */

    for (i = 0; i < nkeys; i++) {
        if (plum_key_algorithm(keys[i]) == PLUM_ALGORITHM_NONE) {
            break;
        }
    }

    if (i == nkeys) {
        return PLUM_CREDENTIAL_MISMATCH;
    }

    if (plum_key_digest(keys[i], token, digest) != PLUM_OK) {
        return PLUM_CREDENTIAL_NOMEM;
    }

    found = nkeys;

    for ( /* void */ ; i < nkeys; i++) {
        if (plum_key_equals(keys[i], digest) == 1 && found == nkeys) {
            found = i;
        }
    }

    OPENSSL_cleanse(digest, sizeof(digest));

    if (found == nkeys) {
        return PLUM_CREDENTIAL_MISMATCH;
    }

    *matched = found;

    return PLUM_CREDENTIAL_OK;
}


static void
plum_verify_content(const plum_scheme_t *scheme,
    const plum_credential_t *cred, const plum_str_t *body,
    plum_check_t *check)
{
    size_t       i;
    plum_str_t  *part;

    for (i = 0; i < scheme->npieces; i++) {
        part = &check->pieces[i];

        switch (scheme->pieces[i].kind) {

        case PLUM_PIECE_TIMESTAMP:
            *part = cred->timestamp;
            break;

        case PLUM_PIECE_ID:
            *part = cred->id;
            break;

        case PLUM_PIECE_BODY:
            *part = *body;
            break;

        case PLUM_PIECE_HEADER:
            *part = cred->headers[i];
            break;

        case PLUM_PIECE_URI:
            *part = cred->uri;
            break;

        default:
            *part = scheme->pieces[i].text;
        }
    }

    check->npieces = scheme->npieces;
    check->cred = cred;
}


static void
plum_verify_mac(plum_check_t *check, plum_key_t *key)
{
    size_t                   i, len;
    uint8_t                  mac[PLUM_MAC_MAX];
    const plum_candidate_t  *candidate;

    if (plum_key_mac(key, check->pieces, check->npieces, mac) != PLUM_OK) {
        check->failed = 1;
        return;
    }

    len = plum_algorithm_size(plum_key_algorithm(key));

    for (i = 0; i < check->cred->ncandidates; i++) {
        candidate = &check->cred->candidates[i];

        if (candidate->algorithm == plum_key_algorithm(key)
            && candidate->len == len)
        {
            check->fits |= CRYPTO_memcmp(candidate->bytes, mac, len) == 0;
        }
    }

    /* the right signature of what a forger sent is a secret, too */

    OPENSSL_cleanse(mac, sizeof(mac));
}


static void
plum_verify_public(plum_check_t *check, plum_key_t *key)
{
    int                      rc;
    size_t                   i;
    const plum_candidate_t  *candidate;

    for (i = 0; i < check->cred->ncandidates; i++) {
        candidate = &check->cred->candidates[i];

        if (candidate->algorithm != PLUM_ALGORITHM_ED25519) {
            continue;
        }

        if (check->joined == NULL && plum_verify_join(check) != PLUM_OK) {
            check->failed = 1;
            return;
        }

        rc = plum_key_verify(key, &check->content, candidate->bytes);

        check->fits |= (rc == 1);
        check->failed |= (rc == PLUM_ERROR);
    }
}


/* Ed25519 reads its message twice, so it has to be in one piece */

static int
plum_verify_join(plum_check_t *check)
{
    size_t    i, len;
    uint8_t  *p;

    len = 0;

    for (i = 0; i < check->npieces; i++) {
        if (check->pieces[i].len >= SIZE_MAX - len) {
            return PLUM_ERROR;
        }

        len += check->pieces[i].len;
    }

    p = malloc(len + 1);
    if (p == NULL) {
        return PLUM_ERROR;
    }

    check->joined = p;
    check->content.data = p;
    check->content.len = len;

    for (i = 0; i < check->npieces; i++) {
        if (check->pieces[i].len != 0) {
            (void) memcpy(p, check->pieces[i].data, check->pieces[i].len);
            p += check->pieces[i].len;
        }
    }

    return PLUM_OK;
}
