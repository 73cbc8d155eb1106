/*
 * Secrets, checked against what their scheme can ever receive.
 */

#include <plum_secret.h>
#include <plum_encoding.h>
#include <plum_scan.h>
#include <plum_str.h>

#include <openssl/crypto.h>


#define PLUM_SECRET_PUBLIC       32      /* bytes of a public key */


static const char *plum_secret_header(const plum_str_t *secret);
static const char *plum_secret_token(const plum_str_t *secret);
static int plum_secret_utf8(const plum_str_t *secret);
static int plum_secret_utf16(const plum_str_t *secret);
static int plum_secret_marked(const plum_str_t *secret);
static int plum_secret_text(const plum_str_t *secret);
static int plum_secret_is_public(const plum_str_t *secret);
static int plum_secret_blank(uint8_t ch);


const char *
plum_secret_check(const plum_scheme_t *scheme, const plum_str_t *secret)
{
    switch (scheme->kind) {

    case PLUM_SCHEME_API_KEY:
        return plum_secret_header(secret);

    case PLUM_SCHEME_BODY_TOKEN:
        return plum_secret_token(secret);

    default: /* PLUM_SCHEME_MAC */
        return plum_secret_is_public(secret)
               ? "it is a public key, which is no secret: ask for the secret,"
                 " or write \"encoding=whpk\" where the scheme knows \"v1a\""
               : NULL;
    }
}


const char *
plum_secret_doubt(const plum_scheme_t *scheme, const plum_str_t *secret)
{
    size_t                   i;
    static const plum_str_t  whsec = PLUM_STR("whsec_");

    if (plum_secret_utf16(secret)) {
        return "it looks like UTF-16, and all of its bytes are the secret:"
               " save the file as ASCII or UTF-8";
    }

    if (plum_secret_marked(secret)) {
        return "it begins with a byte order mark, which is part of the secret:"
               " save the file without one";
    }

    if (scheme->prefix_public.len != 0 && plum_str_starts(secret, &whsec)) {
        return "it begins with \"whsec_\": write \"encoding=whsec\"";
    }

    if (!plum_secret_text(secret)) {
        return NULL;
    }

    if (plum_secret_blank(secret->data[0])
        || plum_secret_blank(secret->data[secret->len - 1]))
    {
        return "it begins or ends with white space, which is part of the"
               " secret; only one newline at the end of the file is not:"
               " remove it";
    }

    if (scheme->kind != PLUM_SCHEME_API_KEY) {
        return NULL;
    }

    for (i = 0; i < secret->len; i++) {
        if (secret->data[i] >= 0x80) {
            return "it is not ASCII, and senders put other characters into"
                   " headers in different ways: use another secret";
        }
    }

    return NULL;
}


static const char *
plum_secret_header(const plum_str_t *secret)
{
    size_t   i;
    uint8_t  ch;

    if (plum_secret_utf16(secret)) {
        return "it is UTF-16, which no header can hold: save the file as ASCII";
    }

    if (plum_secret_marked(secret)) {
        return "it begins with a byte order mark: save the file without one";
    }

    if (secret->len > PLUM_SCHEME_HEADER_MAX) {
        return "it has more than 8192 bytes, and longer headers are refused:"
               " use a shorter one";
    }

    for (i = 0; i < secret->len; i++) {
        ch = secret->data[i];

        if (ch == '\r' || ch == '\n') {
            return "it has a line end in it, which no header can hold: the file"
                   " must have one line, with at most one newline behind it";
        }

        if ((ch < 0x20 && ch != '\t') || ch == 0x7f) {
            return "it has a control character in it, which no header can hold:"
                   " use another secret, or \"encoding=raw\" if the file holds"
                   " what is sent";
        }
    }

    if (plum_secret_blank(secret->data[0])
        || plum_secret_blank(secret->data[secret->len - 1]))
    {
        return "it begins or ends with a space or a tab, which is no part of a"
               " header's value: remove it";
    }

    return NULL;
}


static const char *
plum_secret_token(const plum_str_t *secret)
{
    if (secret->len > PLUM_SCHEME_TOKEN_MAX) {
        return "it has more than 512 bytes, and longer strings of a body are"
               " not compared: use a shorter one";
    }

    if (!plum_secret_utf8(secret)) {
        return "it is not UTF-8, which a JSON string always is: save the file"
               " as UTF-8, or use another secret";
    }

    return NULL;
}


/*
 * The judge is the one that bodies have, so that both mean the same.  What is
 * ASCII may be written in a string in one way or another.
 */

static int
plum_secret_utf8(const plum_str_t *secret)
{
    size_t          i;
    uint8_t         string[PLUM_SCHEME_TOKEN_MAX + 1];
    unsigned        escaped;
    const uint8_t  *end;

    for (i = 0; i < secret->len; i++) {
        string[i] = (secret->data[i] < 0x80) ? 'x' : secret->data[i];
    }

    string[i] = '"';
    escaped = 0;

    end = plum_scan_string(string, string + i + 1, &escaped);

    OPENSSL_cleanse(string, sizeof(string));

    return end == string + i;
}


/*
 * A byte order mark, or text with a NUL in each pair of bytes; of a newline at
 * the end, one of the two bytes may have been taken off
 */

static int
plum_secret_utf16(const plum_str_t *secret)
{
    size_t          i;
    const uint8_t  *p;

    p = secret->data;

    if (secret->len < 4) {
        return 0;
    }

    if ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)) {
        return 1;
    }

    for (i = 0; i + 1 < secret->len; i += 2) {
        if ((p[i] == '\0') == (p[i + 1] == '\0')
            || (p[i] == '\0') != (p[0] == '\0'))
        {
            return 0;
        }
    }

    return 1;
}


static int
plum_secret_marked(const plum_str_t *secret)
{
    static const plum_str_t  mark = PLUM_STR("\xef\xbb\xbf");

    return plum_str_starts(secret, &mark);
}


/* 1 if no byte of the secret is a control character that text does not have */

static int
plum_secret_text(const plum_str_t *secret)
{
    size_t   i;
    uint8_t  ch;

    for (i = 0; i < secret->len; i++) {
        ch = secret->data[i];

        if ((ch < 0x20 && !plum_secret_blank(ch)) || ch == 0x7f) {
            return 0;
        }
    }

    return secret->len <= PLUM_SCHEME_TOKEN_MAX && plum_secret_utf8(secret);
}


static int
plum_secret_is_public(const plum_str_t *secret)
{
    size_t                   len;
    uint8_t                  bytes[PLUM_SECRET_PUBLIC];
    plum_str_t               text;
    static const plum_str_t  whpk = PLUM_STR("whpk_");

    if (!plum_str_starts(secret, &whpk)) {
        return 0;
    }

    text.data = secret->data + whpk.len;
    text.len = secret->len - whpk.len;

    return plum_base64_decode(&text, bytes, sizeof(bytes), &len) == PLUM_OK
           && len == PLUM_SECRET_PUBLIC;
}


static int
plum_secret_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}
