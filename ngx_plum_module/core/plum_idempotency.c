/*
 * Idempotency keys, and what an upstream's attempts mean.
 */

#include <plum_idempotency.h>
#include <plum_encoding.h>
#include <plum_str.h>

#include <string.h>

#include <openssl/evp.h>


#define PLUM_KEY_HASHED          "%sha256:"
#define PLUM_KEY_DIGEST_SIZE     32
#define PLUM_KEY_CHUNK           64      /* bytes escaped at once, to hash */

#define PLUM_OWNER_MARK          "%o"
#define PLUM_OWNER_BYTES         8       /* of the digest */


static size_t plum_key_escape(const uint8_t *data, size_t len, uint8_t *out,
    size_t size);
static int plum_key_hash(const plum_str_t *parts, size_t nparts,
    uint8_t *digest);
static int plum_key_hash_part(EVP_MD_CTX *md, const plum_str_t *part);
static int plum_owner_part(EVP_MD_CTX *md, const plum_str_t *part);
static int plum_success_code(const plum_str_t *item, unsigned *code);


int
plum_key_join(const plum_str_t *parts, size_t nparts, uint8_t *key,
    size_t *len)
{
    size_t   i, n;
    uint8_t  digest[PLUM_KEY_DIGEST_SIZE];

    if (nparts == 0) {
        return PLUM_ERROR;
    }

    for (i = 0; i < nparts; i++) {
        if (parts[i].len == 0) {
            return PLUM_ERROR;
        }
    }

    n = 0;

    for (i = 0; i < nparts && n <= PLUM_KEY_MAX; i++) {
        if (i != 0 && n != PLUM_KEY_MAX) {
            key[n++] = ':';
        }

        n += plum_key_escape(parts[i].data, parts[i].len, key + n,
                             PLUM_KEY_MAX - n);
    }

    if (n > PLUM_KEY_MAX) {
        if (plum_key_hash(parts, nparts, digest) != PLUM_OK) {
            return PLUM_ERROR;
        }

        n = sizeof(PLUM_KEY_HASHED) - 1;
        (void) memcpy(key, PLUM_KEY_HASHED, n);
        plum_hex_encode(digest, sizeof(digest), key + n);
        n += 2 * sizeof(digest);
    }

    *len = n;

    return PLUM_OK;
}


int
plum_owner(const plum_str_t *parts, size_t nparts, uint8_t *owner)
{
    int          rc;
    size_t       i, n;
    uint8_t      digest[PLUM_KEY_DIGEST_SIZE];
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return PLUM_ERROR;
    }

    rc = (EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);

    for (i = 0; i < nparts && rc; i++) {
        rc = (plum_owner_part(md, &parts[i]) == PLUM_OK);
    }

    rc = rc && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);

    if (!rc) {
        return PLUM_ERROR;
    }

    n = sizeof(PLUM_OWNER_MARK) - 1;

    (void) memcpy(owner, PLUM_OWNER_MARK, n);
    plum_hex_encode(digest, PLUM_OWNER_BYTES, owner + n);
    owner[PLUM_OWNER_LEN - 1] = ':';

    return PLUM_OK;
}


int
plum_success_parse(const plum_str_t *text, plum_success_t *success,
    plum_error_t *err)
{
    unsigned                 code;
    plum_str_t               item, rest;
    const uint8_t           *comma;
    static const plum_str_t  class_2xx = PLUM_STR("2xx");

    success->class_2xx = 0;
    success->ncodes = 0;

    if (text->len == 0) {
        return plum_error(err, "invalid success code", text);
    }

    rest = *text;

    do {
        item = rest;
        comma = memchr(rest.data, ',', rest.len);

        if (comma != NULL) {
            item.len = (size_t) (comma - rest.data);
            rest.data = comma + 1;
            rest.len -= item.len + 1;
        }

        if (plum_str_equal(&item, &class_2xx)) {
            success->class_2xx = 1;

        } else if (plum_success_code(&item, &code) != PLUM_OK) {
            return plum_error(err, "invalid success code", &item);

        } else if (success->ncodes == PLUM_SUCCESS_CODES) {
            return plum_error(err, "too many success codes", text);

        } else {
            success->codes[success->ncodes++] = code;
        }

    } while (comma != NULL);

    return PLUM_OK;
}


int
plum_success_match(const plum_success_t *success, unsigned status)
{
    size_t  i;

    if (success->class_2xx && status >= 200 && status < 300) {
        return 1;
    }

    for (i = 0; i < success->ncodes; i++) {
        if (success->codes[i] == status) {
            return 1;
        }
    }

    return 0;
}


plum_outcome_t
plum_attempts_judge(const plum_attempt_t *attempts, size_t nattempts,
    const plum_success_t *success)
{
    size_t                 i;
    const plum_attempt_t  *last;

    if (nattempts != 0) {
        last = &attempts[nattempts - 1];

        if (last->answered
            && last->whole
            && plum_success_match(success, last->status))
        {
            return PLUM_OUTCOME_SUCCESS;
        }
    }

    for (i = 0; i < nattempts; i++) {
        if (attempts[i].sent && !attempts[i].answered) {
            return PLUM_OUTCOME_IN_DOUBT;
        }
    }

    return PLUM_OUTCOME_FAILURE;
}


/* the length of the escaped bytes, or size + 1 if they do not fit */

static size_t
plum_key_escape(const uint8_t *data, size_t len, uint8_t *out, size_t size)
{
    size_t             i, n;
    uint8_t            ch;
    static const char  digits[] = "0123456789ABCDEF";

    n = 0;

    for (i = 0; i < len; i++) {
        ch = data[i];

        if (ch >= 0x21 && ch < 0x7f && ch != '%' && ch != ':') {
            if (n == size) {
                return size + 1;
            }

            out[n++] = ch;
            continue;
        }

        if (size - n < 3) {
            return size + 1;
        }

        out[n++] = '%';
        out[n++] = (uint8_t) digits[ch >> 4];
        out[n++] = (uint8_t) digits[ch & 0x0f];
    }

    return n;
}


static int
plum_key_hash(const plum_str_t *parts, size_t nparts, uint8_t *digest)
{
    int          rc;
    size_t       i;
    EVP_MD_CTX  *md;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return PLUM_ERROR;
    }

    rc = (EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);

    for (i = 0; i < nparts && rc; i++) {
        rc = (i == 0 || EVP_DigestUpdate(md, ":", 1) == 1)
             && plum_key_hash_part(md, &parts[i]) == PLUM_OK;
    }

    rc = rc && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);

    return rc ? PLUM_OK : PLUM_ERROR;
}


static int
plum_key_hash_part(EVP_MD_CTX *md, const plum_str_t *part)
{
    size_t   i, n;
    uint8_t  chunk[3 * PLUM_KEY_CHUNK];

    for (i = 0; i < part->len; i += n) {
        n = part->len - i;

        if (n > PLUM_KEY_CHUNK) {
            n = PLUM_KEY_CHUNK;
        }

        if (EVP_DigestUpdate(md, chunk,
                             plum_key_escape(part->data + i, n, chunk,
                                             sizeof(chunk)))
            != 1)
        {
            return PLUM_ERROR;
        }
    }

    return PLUM_OK;
}


static int
plum_owner_part(EVP_MD_CTX *md, const plum_str_t *part)
{
    size_t    i;
    uint8_t   len[8];
    uint64_t  n;

    n = part->len;

    for (i = sizeof(len); i > 0; i--) {
        len[i - 1] = (uint8_t) (n & 0xff);
        n >>= 8;
    }

    if (EVP_DigestUpdate(md, len, sizeof(len)) != 1
        || (part->len != 0
            && EVP_DigestUpdate(md, part->data, part->len) != 1))
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


static int
plum_success_code(const plum_str_t *item, unsigned *code)
{
    int64_t  number;

    if (item->len != 3
        || plum_str_number(item, &number) != item->len
        || number < 100 || number > 599)
    {
        return PLUM_ERROR;
    }

    *code = (unsigned) number;

    return PLUM_OK;
}
