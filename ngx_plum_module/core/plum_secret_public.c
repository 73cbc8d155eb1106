/*
 * Ed25519 public keys: which 32 bytes are one.  OpenSSL takes any, and fails
 * in each verification if they are not.
 */

#include <plum_secret.h>

#include <string.h>

#include <openssl/bn.h>


#define PLUM_PUBLIC_SIZE         32


/*
 * The curve of edwards25519 (RFC 7748, section 4.1), with x^2 written by y:
 *
 *     p = 2^255 - 19,  -x^2 + y^2 = 1 + d x^2 y^2,  d = -121665 / 121666
 *     x^2 = 121666 (y^2 - 1) / (121666 - 121665 y^2)
 *
 * The divisor is never zero, as d is no square.  The eight points of small
 * order are those that are doubled to one with x = 0 or y = 0: x = 0, y = 0, or
 * x^2 + y^2 = 0, the numerator of the doubled y.
 */

#define PLUM_PUBLIC_D1           121665
#define PLUM_PUBLIC_D2           121666


typedef struct {
    BIGNUM  *p;
    BIGNUM  *y;
    BIGNUM  *yy;
    BIGNUM  *xx;
    BIGNUM  *divisor;
} plum_public_t;


static const char *plum_public_point(plum_public_t *key,
    const uint8_t *bytes, BN_CTX *ctx);
static int plum_public_xx(plum_public_t *key, BN_CTX *ctx);


static const char  plum_public_failed[] =
    "it could not be checked, as memory is exhausted";


const char *
plum_secret_check_public(const uint8_t *bytes)
{
    BN_CTX         *ctx;
    const char     *text;
    plum_public_t   key;

    ctx = BN_CTX_new();
    if (ctx == NULL) {
        return plum_public_failed;
    }

    BN_CTX_start(ctx);

    key.p = BN_CTX_get(ctx);
    key.y = BN_CTX_get(ctx);
    key.yy = BN_CTX_get(ctx);
    key.xx = BN_CTX_get(ctx);
    key.divisor = BN_CTX_get(ctx);

    /* if one of them failed, the last one did */

    text = key.divisor ? plum_public_point(&key, bytes, ctx)
                       : plum_public_failed;

    BN_CTX_end(ctx);
    BN_CTX_free(ctx);

    return text;
}


static const char *
plum_public_point(plum_public_t *key, const uint8_t *bytes, BN_CTX *ctx)
{
    int      sign;
    uint8_t  y[PLUM_PUBLIC_SIZE];

    (void) memcpy(y, bytes, PLUM_PUBLIC_SIZE);

    sign = y[PLUM_PUBLIC_SIZE - 1] >> 7;
    y[PLUM_PUBLIC_SIZE - 1] &= 0x7f;

    if (BN_lebin2bn(y, PLUM_PUBLIC_SIZE, key->y) == NULL
        || !BN_one(key->p)
        || !BN_lshift(key->p, key->p, 255)
        || !BN_sub_word(key->p, 19))
    {
        return plum_public_failed;
    }

    if (BN_cmp(key->y, key->p) >= 0) {
        return "it is no canonical Ed25519 public key: ask for the key again";
    }

    if (plum_public_xx(key, ctx) != PLUM_OK) {
        return plum_public_failed;
    }

    if (BN_is_zero(key->xx)) {
        return sign ? "it is no canonical Ed25519 public key: ask for the key"
                      " again"
                    : "it is an Ed25519 public key of small order, for which"
                      " anybody can sign: ask for another key";
    }

    switch (BN_kronecker(key->xx, key->p, ctx)) {

    case 1:
        break;

    case -1:
        return "it is no point of the curve of Ed25519: ask for the key again";

    default:
        return plum_public_failed;
    }

    if (!BN_mod_add(key->xx, key->xx, key->yy, key->p, ctx)) {
        return plum_public_failed;
    }

    if (BN_is_zero(key->y) || BN_is_zero(key->xx)) {
        return "it is an Ed25519 public key of small order, for which anybody"
               " can sign: ask for another key";
    }

    return NULL;
}


/* yy and xx, of y */

static int
plum_public_xx(plum_public_t *key, BN_CTX *ctx)
{
    if (!BN_mod_sqr(key->yy, key->y, key->p, ctx)
        || BN_copy(key->divisor, key->yy) == NULL
        || !BN_mul_word(key->divisor, PLUM_PUBLIC_D1)
        || !BN_set_word(key->xx, PLUM_PUBLIC_D2)
        || !BN_mod_sub(key->divisor, key->xx, key->divisor, key->p, ctx)
        || BN_mod_inverse(key->divisor, key->divisor, key->p, ctx) == NULL
        || BN_copy(key->xx, key->yy) == NULL
        || !BN_sub_word(key->xx, 1)
        || !BN_mul_word(key->xx, PLUM_PUBLIC_D2)
        || !BN_mod_mul(key->xx, key->xx, key->divisor, key->p, ctx))
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}
