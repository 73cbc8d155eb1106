/*
 * Keys of plum_signature, on OpenSSL's EVP interface.
 */

#include <plum_key.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>


#define PLUM_KEY_ED25519_SIZE    32
#define PLUM_KEY_ED25519_SIG     64


struct plum_key_s {
    plum_algorithm_t     algorithm;
    EVP_MAC_CTX         *mac;            /* HMAC: keyed */
    EVP_PKEY            *public_key;     /* Ed25519, to verify */
    EVP_PKEY            *private_key;    /* Ed25519, to sign */
    EVP_MD              *sha256;         /* static key */
    EVP_MD_CTX          *md;             /* static key, Ed25519 */
    uint8_t              digest[PLUM_DIGEST_SIZE];
};


static int plum_key_init_static(plum_key_t *key, const uint8_t *bytes,
    size_t len);
static int plum_key_init_mac(plum_key_t *key, const uint8_t *bytes,
    size_t len);
static int plum_key_init_ed25519(plum_key_t *key, const uint8_t *bytes,
    size_t len);


plum_key_t *
plum_key_create(plum_algorithm_t algorithm, const uint8_t *bytes, size_t len)
{
    int          rc;
    plum_key_t  *key;

    if (len == 0) {
        return NULL;
    }

    key = calloc(1, sizeof(plum_key_t));
    if (key == NULL) {
        return NULL;
    }

    key->algorithm = algorithm;

    switch (algorithm) {

    case PLUM_ALGORITHM_NONE:
        rc = plum_key_init_static(key, bytes, len);
        break;

    case PLUM_ALGORITHM_SHA256:
    case PLUM_ALGORITHM_SHA384:
    case PLUM_ALGORITHM_SHA512:
        rc = plum_key_init_mac(key, bytes, len);
        break;

    case PLUM_ALGORITHM_ED25519:
    case PLUM_ALGORITHM_ED25519_SIGN:
        rc = plum_key_init_ed25519(key, bytes, len);
        break;

    default:
        rc = PLUM_ERROR;
    }

    if (rc != PLUM_OK) {
        plum_key_destroy(key);
        return NULL;
    }

    return key;
}


void
plum_key_destroy(plum_key_t *key)
{
    if (key == NULL) {
        return;
    }

    /* OpenSSL wipes what it copied of the secret */

    EVP_MAC_CTX_free(key->mac);
    EVP_PKEY_free(key->public_key);
    EVP_PKEY_free(key->private_key);
    EVP_MD_CTX_free(key->md);
    EVP_MD_free(key->sha256);

    OPENSSL_cleanse(key, sizeof(plum_key_t));
    free(key);
}


plum_algorithm_t
plum_key_algorithm(const plum_key_t *key)
{
    return key->algorithm;
}


size_t
plum_algorithm_size(plum_algorithm_t algorithm)
{
    switch (algorithm) {

    case PLUM_ALGORITHM_SHA256:
        return 32;

    case PLUM_ALGORITHM_SHA384:
        return 48;

    case PLUM_ALGORITHM_SHA512:
    case PLUM_ALGORITHM_ED25519:
    case PLUM_ALGORITHM_ED25519_SIGN:
        return 64;

    default:
        return 0;
    }
}


int
plum_key_mac(plum_key_t *key, const plum_str_t *pieces, size_t npieces,
    uint8_t *mac)
{
    size_t  i, len;

    if (key->mac == NULL || EVP_MAC_init(key->mac, NULL, 0, NULL) != 1) {
        return PLUM_ERROR;
    }

    for (i = 0; i < npieces; i++) {
        if (pieces[i].len != 0
            && EVP_MAC_update(key->mac, pieces[i].data, pieces[i].len) != 1)
        {
            return PLUM_ERROR;
        }
    }

    if (EVP_MAC_final(key->mac, mac, &len, PLUM_MAC_MAX) != 1
        || len != plum_algorithm_size(key->algorithm))
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


int
plum_key_verify(plum_key_t *key, const plum_str_t *content,
    const uint8_t *signature)
{
    int  rc;

    if (key->public_key == NULL) {
        return PLUM_ERROR;
    }

    if (EVP_DigestVerifyInit(key->md, NULL, NULL, NULL, key->public_key) != 1)
    {
        rc = PLUM_ERROR;

    } else {
        rc = EVP_DigestVerify(key->md, signature, PLUM_KEY_ED25519_SIG,
                              content->data, content->len)
             == 1;
    }

    EVP_MD_CTX_reset(key->md);

    return rc;
}


int
plum_key_sign(plum_key_t *key, const plum_str_t *content, uint8_t *signature)
{
    int     rc;
    size_t  len;

    if (key->private_key == NULL) {
        return PLUM_ERROR;
    }

    len = PLUM_KEY_ED25519_SIG;

    rc = (EVP_DigestSignInit(key->md, NULL, NULL, NULL, key->private_key) == 1
          && EVP_DigestSign(key->md, signature, &len, content->data,
                            content->len)
             == 1)
         ? PLUM_OK : PLUM_ERROR;

    EVP_MD_CTX_reset(key->md);

    return rc;
}


int
plum_key_digest(plum_key_t *key, const plum_str_t *value, uint8_t *digest)
{
    if (key->sha256 == NULL
        || EVP_DigestInit_ex(key->md, key->sha256, NULL) != 1
        || (value->len != 0
            && EVP_DigestUpdate(key->md, value->data, value->len) != 1)
        || EVP_DigestFinal_ex(key->md, digest, NULL) != 1)
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


int
plum_key_equals(const plum_key_t *key, const uint8_t *digest)
{
    if (key->sha256 == NULL) {
        return PLUM_ERROR;
    }

    return CRYPTO_memcmp(digest, key->digest, PLUM_DIGEST_SIZE) == 0;
}


static int
plum_key_init_static(plum_key_t *key, const uint8_t *bytes, size_t len)
{
    plum_str_t  secret;

    secret.data = bytes;
    secret.len = len;

    key->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    key->md = EVP_MD_CTX_new();

    if (key->sha256 == NULL || key->md == NULL) {
        return PLUM_ERROR;
    }

    return plum_key_digest(key, &secret, key->digest);
}


static int
plum_key_init_mac(plum_key_t *key, const uint8_t *bytes, size_t len)
{
    char        digest[sizeof("SHA2-256")];
    EVP_MAC    *mac;
    OSSL_PARAM  params[2];

    (void) memcpy(digest, (key->algorithm == PLUM_ALGORITHM_SHA256)
                          ? "SHA2-256"
                          : (key->algorithm == PLUM_ALGORITHM_SHA384)
                          ? "SHA2-384" : "SHA2-512",
                  sizeof(digest));

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL) {
        return PLUM_ERROR;
    }

    /* the context holds a reference of its own */

    key->mac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);

    if (key->mac == NULL || EVP_MAC_init(key->mac, bytes, len, params) != 1) {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


static int
plum_key_init_ed25519(plum_key_t *key, const uint8_t *bytes, size_t len)
{
    if (len != PLUM_KEY_ED25519_SIZE) {
        return PLUM_ERROR;
    }

    key->md = EVP_MD_CTX_new();

    if (key->algorithm == PLUM_ALGORITHM_ED25519_SIGN) {
        key->private_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519,
                                                        NULL, bytes, len);

        return (key->md && key->private_key) ? PLUM_OK : PLUM_ERROR;
    }

    key->public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                  bytes, len);

    return (key->md && key->public_key) ? PLUM_OK : PLUM_ERROR;
}
