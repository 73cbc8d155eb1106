/*
 * Credentials of every preset, and their encodings.  Input: a byte that
 * chooses the preset, then lines: the credential header, the timestamp, the
 * id; the rest is the body.  A forged credential must never pass.
 */

#include <stdlib.h>
#include <string.h>

#include <plum_encoding.h>
#include <plum_header.h>
#include <plum_signature.h>

#include <openssl/evp.h>


#define PRESETS   17
#define NOW       1614265330


typedef struct {
    const plum_scheme_t  *scheme;
    plum_str_t            lines[3];
} request_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
find_header(void *data, const plum_str_t *name, plum_str_t *value)
{
    request_t  *r;

    r = data;

    *value = plum_header_same(name, &r->scheme->header) ? r->lines[0]
             : plum_header_same(name, &r->scheme->timestamp) ? r->lines[1]
             : r->lines[2];

    return 1;
}


static plum_str_t
cut_line(plum_str_t *rest)
{
    plum_str_t      line;
    const uint8_t  *end;

    line = *rest;
    end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

    if (end == NULL) {
        rest->len = 0;
        return line;
    }

    line.len = (size_t) (end - rest->data);
    rest->data = end + 1;
    rest->len -= line.len + 1;

    return line;
}


static void
make_scheme(unsigned which, plum_scheme_t *scheme)
{
    size_t                    i;
    plum_str_t                name;
    plum_error_t              err;
    static const char        *names[PRESETS] = {
        "api-key", "standard-webhooks", "svix", "stripe", "github",
        "shopify", "slack", "hmac", "hmac", "twitch", "hubspot", "zendesk",
        "paddle", "zoom", "meta", "pagerduty", "linear"
    };
    static const plum_str_t   words[] = {
        PLUM_STR("header"), PLUM_STR("x-sig"),
        PLUM_STR("prefix"), PLUM_STR("s="),
        PLUM_STR("algorithm"), PLUM_STR("sha512"),
        PLUM_STR("format"), PLUM_STR("list"),
        PLUM_STR("id"), PLUM_STR("x-id"),
        PLUM_STR("content"), PLUM_STR("{id}--{header:x-a}--{uri}--{body}")
    };

    which %= PRESETS;
    name.data = (const uint8_t *) names[which];
    name.len = strlen(names[which]);
    *scheme = *plum_scheme_find(&name);

    if (which == 7 && plum_scheme_set(scheme, &words[0], &words[1], &err)
                      != PLUM_OK)
    {
        abort();
    }

    for (i = 0; which == 8 && i < sizeof(words) / sizeof(words[0]); i += 2) {
        if (plum_scheme_set(scheme, &words[i], &words[i + 1], &err)
            != PLUM_OK)
        {
            abort();
        }
    }

    if (plum_scheme_finish(scheme, &err) != PLUM_OK) {
        abort();
    }
}


/*
 * A text without padding, or with the digits of URLs, is right if and only if
 * the padded text with the usual digits is, and says the same.
 */

static void
check_variants(const plum_str_t *text)
{
    int         plain, url, rc;
    size_t      i, len, want;
    uint8_t     copy[128], buf[64], other[64];
    plum_str_t  padded;

    if (text->len > sizeof(copy) - 2) {
        return;
    }

    plain = 1;
    url = 1;

    for (i = 0; i < text->len; i++) {
        copy[i] = text->data[i];
        plain &= (copy[i] != '=');
        url &= (copy[i] != '+' && copy[i] != '/');
    }

    while (plain && i % 4 != 0 && i % 4 != 1) {
        copy[i++] = '=';
    }

    padded.data = copy;
    padded.len = i;
    rc = plum_base64_decode(&padded, buf, sizeof(buf), &want);

    if (plum_decode(PLUM_ENCODING_BASE64_UNPADDED, text, other,
                    sizeof(other), &len)
        != (plain ? rc : PLUM_ERROR)
        || (plain && rc == PLUM_OK
            && (len != want || memcmp(buf, other, len) != 0)))
    {
        abort();
    }

    for (i = 0; i < text->len; i++) {
        copy[i] = (copy[i] == '-') ? '+' : (copy[i] == '_') ? '/' : copy[i];
    }

    rc = plum_base64_decode(&padded, buf, sizeof(buf), &want);

    if (plum_decode(PLUM_ENCODING_BASE64URL, text, other, sizeof(other),
                    &len)
        != (url ? rc : PLUM_ERROR)
        || (url && rc == PLUM_OK
            && (len != want || memcmp(buf, other, len) != 0)))
    {
        abort();
    }
}


/* no text but the one that OpenSSL writes decodes to these bytes */

static void
check_encodings(const plum_str_t *text)
{
    size_t   i, len;
    uint8_t  buf[64], again[129];

    if (plum_base64_decode(text, buf, sizeof(buf), &len) == PLUM_OK
        && ((size_t) EVP_EncodeBlock(again, buf, (int) len) != text->len
            || (text->len && memcmp(again, text->data, text->len) != 0)))
    {
        abort();
    }

    check_variants(text);

    if (plum_hex_decode(text, buf, sizeof(buf), &len) == PLUM_OK) {
        plum_hex_encode(buf, len, again);

        for (i = 0; i < text->len; i++) {
            if (again[i] != text->data[i]
                && again[i] != (text->data[i] | 0x20))
            {
                abort();
            }
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                i, matched;
    plum_key_t           *keys[2];
    plum_str_t            body;
    request_t             request;
    plum_scheme_t         scheme;
    plum_credential_t     cred;
    plum_credential_rc_t  rc;
    static const uint8_t  secret[32] = { 0x3d, 0x40, 0x17, 0xc3, 0xe8 };

    if (size == 0) {
        return 0;
    }

    make_scheme(data[0], &scheme);
    body.data = data + 1;
    body.len = size - 1;
    request.scheme = &scheme;

    for (i = 0; i < 3; i++) {
        request.lines[i] = cut_line(&body);
        check_encodings(&request.lines[i]);
    }

    rc = plum_signature_parse(&scheme, find_header, &request, &body, NOW,
                              &cred);

    if (rc != PLUM_CREDENTIAL_OK) {
        return 0;
    }

    for (i = 0; i < cred.ncandidates; i++) {
        if (cred.candidates[i].len
            != plum_algorithm_size(cred.candidates[i].algorithm))
        {
            abort();
        }
    }

    if (cred.ncandidates > PLUM_SCHEME_CANDIDATES
        || (cred.ncandidates == 0) != (scheme.kind == PLUM_SCHEME_API_KEY))
    {
        abort();
    }

    keys[0] = plum_key_create(scheme.algorithm, secret, sizeof(secret));
    keys[1] = plum_key_create(PLUM_ALGORITHM_ED25519, secret, 32);

    if (keys[0] && keys[1]
        && plum_signature_verify(&scheme, &cred, keys, 2, &body, &matched)
           != PLUM_CREDENTIAL_MISMATCH)
    {
        abort();
    }

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);

    return 0;
}
