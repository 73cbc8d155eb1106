/*
 * Secrets, checked against what their scheme can ever receive: a secret that
 * no request can fit refuses every delivery, and nothing else would say why.
 * No text here holds a byte of a secret.
 */

#ifndef _PLUM_SECRET_H_INCLUDED_
#define _PLUM_SECRET_H_INCLUDED_


#include <plum_scheme.h>


/*
 * Returns what is wrong, as a sentence that begins with "it" and says what to
 * do, or NULL.
 *
 *  api-key      must be a value that a header can have (RFC 9110, section
 *               5.5): no control characters but a tab inside, no white space at
 *               either end, at most PLUM_SCHEME_HEADER_MAX bytes; also no byte
 *               order mark, which an editor writes and no sender sends
 *  body-token   must be a value that a JSON string can have, and that is
 *               compared: UTF-8, at most PLUM_SCHEME_TOKEN_MAX bytes
 *  MAC          any bytes, but not the text of a public key ("whpk_..."), which
 *               everybody may know
 */

const char *plum_secret_check(const plum_scheme_t *scheme,
    const plum_str_t *secret);

/*
 * The same for the 32 bytes of an Ed25519 public key (RFC 8032, section
 * 5.1.3): they must be the canonical form of a point of the curve, and not one
 * of the eight points of small order, for which anybody can sign.
 */

const char *plum_secret_check_public(const uint8_t *bytes);

/*
 * What may be wrong with a secret that was read as it stands in its file
 * (encoding=raw), or NULL.  Only said of text: random bytes may end with any.
 */

const char *plum_secret_doubt(const plum_scheme_t *scheme,
    const plum_str_t *secret);


#endif /* _PLUM_SECRET_H_INCLUDED_ */
