/*
 * The credential of one request: found and parsed from headers (before the
 * body is read), checked against the live secrets (after).
 */

#ifndef _PLUM_SIGNATURE_H_INCLUDED_
#define _PLUM_SIGNATURE_H_INCLUDED_


#include <plum_scheme.h>

#include <stddef.h>


/*
 * Looks a request header up by plum_header_same(): returns how many there are
 * of that name and sets *value to the first.  A header that is not spelt as
 * the name is, but for case, counts as two, so that it is never taken for the
 * header that is looked for.
 */

typedef size_t (*plum_header_pt)(void *data, const plum_str_t *name,
    plum_str_t *value);


typedef enum {
    PLUM_CREDENTIAL_OK = 0,
    PLUM_CREDENTIAL_MISSING,     /* no header of that name, or it is empty;
                                    also a timestamp, id or signed header that
                                    must be there */
    PLUM_CREDENTIAL_MALFORMED,   /* header twice or in another spelling,
                                    wrong prefix, not decodable,
                                    wrong length, over 16 candidates, over
                                    2 of Ed25519, over 64 items, a
                                    timestamp that is none, a header, an id
                                    or a URI that the content does not tell
                                    from its neighbours (plum_content.h) */
    PLUM_CREDENTIAL_MISMATCH,
    PLUM_CREDENTIAL_STALE,
    PLUM_CREDENTIAL_NOMEM
} plum_credential_rc_t;


typedef struct {
    plum_algorithm_t     algorithm;      /* ED25519, or the scheme's own */
    uint8_t              bytes[PLUM_MAC_MAX];
    size_t               len;
} plum_candidate_t;


/*
 * Filled by plum_signature_parse(); points into the headers and the URI, so
 * lives as long as these.  Only what the scheme asks for is set.  Candidates
 * come last: a copy of plum_credential_size() bytes holds all there is.
 */

typedef struct {
    plum_str_t           value;          /* the credential header */
    plum_str_t           timestamp;      /* as spelt; empty: none */
    int64_t              stamp;          /* the same in unix seconds; of a
                                            body: set by the caller */
    unsigned             stamped:1;      /* stamp is set */
    plum_str_t           id;
    plum_str_t           uri;
    plum_str_t           headers[PLUM_SCHEME_PIECES];   /* by piece index */
    size_t               ncandidates;
    plum_candidate_t     candidates[PLUM_SCHEME_CANDIDATES];
} plum_credential_t;


#define plum_credential_size(cred)                                            \
    (offsetof(plum_credential_t, candidates)                                  \
     + (cred)->ncandidates * sizeof(plum_candidate_t))


/*
 * What a stranger can make us spend.  Whoever sends a request chooses the
 * headers and the body, so the work for it must not depend on how many
 * signatures it carries:
 *
 *  HMAC       one MAC of the content for each live secret; each is compared
 *             with all candidates, which costs nothing beside it
 *  Ed25519    the content is hashed for each pair of a candidate and a public
 *             key; at most PLUM_SCHEME_PUBLIC candidates, as an honest sender
 *             sends during a rotation
 *  api-key,   one digest of the value, compared with that of each live secret
 *  body-token
 *
 * Before that: a header of at most PLUM_SCHEME_HEADER_MAX bytes is cut into at
 * most PLUM_SCHEME_ITEMS items, once.
 *
 * Parses what a MAC or api-key scheme needs from the headers and checks a
 * header's or list item's timestamp against now.  Not for body tokens.
 * In a list, items with the right prefix that cannot be decoded or have the
 * wrong length are passed over as long as one remains; if none remains, the
 * credential is malformed.  They count as candidates, though: the limit is
 * one on work.  A list with no item of a known prefix is malformed.  k=v
 * lists need exactly one timestamp item.
 */

plum_credential_rc_t plum_signature_parse(const plum_scheme_t *scheme,
    plum_header_pt header, void *data, const plum_str_t *uri, int64_t now,
    plum_credential_t *cred);

/*
 * 1 if the credential is within the tolerance of the scheme at the second
 * now, or if nothing can be said: the scheme has no timestamp, its tolerance
 * is off, or the timestamp stands in the body and is not known yet.  Must be
 * asked again after every wait: time goes on while a sender holds back the
 * end of a body.
 */

int plum_signature_fresh(const plum_scheme_t *scheme,
    const plum_credential_t *cred, int64_t now);

/*
 * Checks every candidate against every key of a matching algorithm, without
 * early exit.  api-key: the header's value against every key.  Returns OK
 * (and *matched: the index of the first key that fits), MISMATCH or NOMEM.
 * Keys that do not suit (an Ed25519 key and no candidate of that kind, an
 * HMAC with another digest) do not match; that is no error.
 */

plum_credential_rc_t plum_signature_verify(const plum_scheme_t *scheme,
    const plum_credential_t *cred, plum_key_t *const *keys, size_t nkeys,
    const plum_str_t *body, size_t *matched);

/* the same for a body token */

plum_credential_rc_t plum_token_verify(const plum_str_t *token,
    plum_key_t *const *keys, size_t nkeys, size_t *matched);


#endif /* _PLUM_SIGNATURE_H_INCLUDED_ */
