/*
 * Keys of plum_signature: a secret prepared for one algorithm.  All
 * cryptography is OpenSSL's (EVP).
 */

#ifndef _PLUM_KEY_H_INCLUDED_
#define _PLUM_KEY_H_INCLUDED_


#include <plum_types.h>


typedef enum {
    PLUM_ALGORITHM_NONE = 0,     /* static key: compared, not computed */
    PLUM_ALGORITHM_SHA256,       /* HMAC (RFC 2104) with that digest */
    PLUM_ALGORITHM_SHA384,
    PLUM_ALGORITHM_SHA512,
    PLUM_ALGORITHM_ED25519,      /* RFC 8032; the secret is a public key */
    PLUM_ALGORITHM_ED25519_SIGN  /* the same; the secret is a private key */
} plum_algorithm_t;

#define PLUM_MAC_MAX             64      /* bytes of the longest signature */
#define PLUM_DIGEST_SIZE         32      /* of SHA-256 */


typedef struct plum_key_s  plum_key_t;

/*
 * Makes a key.  The bytes are copied where they are needed and wiped by
 * plum_key_destroy().  NULL if out of memory, or if the length does not suit
 * the algorithm (Ed25519: 32; others: at least 1).  A key may be used by one
 * thread at a time; a forked child may use its copy.
 */

plum_key_t *plum_key_create(plum_algorithm_t algorithm, const uint8_t *bytes,
    size_t len);
void plum_key_destroy(plum_key_t *key);

plum_algorithm_t plum_key_algorithm(const plum_key_t *key);

/* bytes of a MAC or signature of that algorithm: 32, 48, 64, 64, 64; NONE: 0 */

size_t plum_algorithm_size(plum_algorithm_t algorithm);

/*
 * HMAC over the pieces in order into mac, which holds PLUM_MAC_MAX bytes.
 * Each key has one keyed context, which is restarted; nothing is allocated.
 * PLUM_ERROR if the key is of another kind, or OpenSSL fails.
 */

int plum_key_mac(plum_key_t *key, const plum_str_t *pieces, size_t npieces,
    uint8_t *mac);

/*
 * Ed25519: 1 if signature (64 bytes) is valid for the content, else 0;
 * PLUM_ERROR if the key is of another kind, or out of memory.  The content is
 * hashed as a whole for each call, behind the signature and the key: the
 * work for several signatures cannot be shared.
 */

int plum_key_verify(plum_key_t *key, const plum_str_t *content,
    const uint8_t *signature);

/*
 * Ed25519: signs the content with a private key; signature holds 64 bytes.
 * PLUM_ERROR if the key is of another kind, or out of memory.
 */

int plum_key_sign(plum_key_t *key, const plum_str_t *content,
    uint8_t *signature);

/*
 * Static keys: a value is digested once, with any of the keys, and its digest
 * is compared with each of them, in constant time whatever the lengths.
 * plum_key_digest() writes PLUM_DIGEST_SIZE bytes, which are the caller's to
 * wipe: PLUM_OK, or PLUM_ERROR if the key is of another kind or OpenSSL
 * fails.  plum_key_equals() is 1 if the value equals the secret, else 0;
 * PLUM_ERROR if the key is of another kind.
 */

int plum_key_digest(plum_key_t *key, const plum_str_t *value,
    uint8_t *digest);
int plum_key_equals(const plum_key_t *key, const uint8_t *digest);


#endif /* _PLUM_KEY_H_INCLUDED_ */
