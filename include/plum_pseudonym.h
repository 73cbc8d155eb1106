/*
 * Pseudonyms: a value that names a person is replaced by one that only who has
 * the secret can make from it.  It is the first 16 bytes of HMAC-SHA256
 * (RFC 2104, FIPS 180-4) of the value, in base64url without padding (RFC 4648,
 * section 5): the same value has the same pseudonym in each text and on each
 * host.  The value is the decoded text of a JSON string in UTF-8, or the
 * spelling of a number.
 */

#ifndef _PLUM_PSEUDONYM_H_INCLUDED_
#define _PLUM_PSEUDONYM_H_INCLUDED_


#include <plum_key.h>
#include <plum_project.h>


#define PLUM_PSEUDONYM_LENGTH    22


/*
 * Writes the pseudonym of a value, PLUM_PSEUDONYM_LENGTH bytes.  The key is of
 * PLUM_ALGORITHM_SHA256.  PLUM_ERROR: it is not, or OpenSSL fails.
 */

int plum_pseudonym(plum_key_t *key, const plum_str_t *value, uint8_t *out);

/*
 * After plum_project() or plum_project_typed() with a result->pseudonyms that
 * is not 0, and before the next text of the scratch: what the output needs at
 * most with pseudonyms in the place of the values.
 */

size_t plum_pseudonyms_room(const plum_projection_t *result);

/*
 * Writes that output to "to", which does not overlap in, the projected text;
 * keys[n] is the key of secret n.  A pseudonym is a JSON string.  A string
 * that has no UTF-8 form (a lone surrogate) becomes null.  Returns the length,
 * or 0: no memory, or OpenSSL fails; then what is in "to" means nothing.
 */

size_t plum_pseudonyms_write(const plum_scratch_t *scratch,
    const plum_projection_t *result, plum_key_t *const *keys,
    const uint8_t *in, uint8_t *to);


#endif /* _PLUM_PSEUDONYM_H_INCLUDED_ */
