/*
 * Secrets that cannot work with their scheme, and those that look wrong.
 */

#include "unit.h"

#include <plum_secret.h>

#include <openssl/evp.h>


#define LONG  9000


typedef struct {
    const char  *bytes;
    size_t       len;                    /* 0: of the string */
    const char  *says;                   /* a part of it; NULL: nothing */
} case_t;


static plum_scheme_t
scheme_of(const char *preset)
{
    plum_str_t            name;
    const plum_scheme_t  *scheme;

    name = unit_str(preset);
    scheme = plum_scheme_find(&name);
    assert_non_null(scheme);

    return *scheme;
}


static void
said(const char *preset, const case_t *c, const char *text)
{
    if (c->says == NULL && text == NULL) {
        return;
    }

    if (c->says == NULL || text == NULL || strstr(text, c->says) == NULL) {
        fail_msg("%s, \"%s\": \"%s\" instead of \"%s\"", preset, c->bytes,
                 text ? text : "", c->says ? c->says : "");
    }

    assert_memory_equal(text, "it ", 3);
}


static plum_str_t
bytes_of(const case_t *c)
{
    plum_str_t  secret;

    secret = unit_str(c->bytes);
    secret.len = c->len ? c->len : secret.len;

    return secret;
}


static void
test_api_key(void **state)
{
    size_t               i;
    char                 text[3] = "axb";
    plum_str_t           secret;
    plum_scheme_t        scheme;
    static char          bytes[LONG];
    static const case_t  tests[] = {
        { "a", 0, NULL },
        { "correct horse\tbattery", 0, NULL },
        { "~!@#$%^&*()_+{}|:\"<>?`-=[]\\;',./", 0, NULL },
        { "p\xc3\xa4ss", 0, NULL },
        { "p\xe4ss", 0, NULL },
        { " key", 0, "space or a tab" },
        { "key ", 0, "space or a tab" },
        { "\tkey", 0, "space or a tab" },
        { "key\t", 0, "space or a tab" },
        { " ", 0, "space or a tab" },
        { "key\r", 0, "line end" },
        { "key\n", 0, "line end" },
        { "one\ntwo", 0, "line end" },
        { "\r\nkey", 0, "line end" },
        { "a\0b", 3, "control character" },
        { "key\0", 4, "control character" },
        { "k\x01", 0, "control character" },
        { "k\x1b[0m", 0, "control character" },
        { "k\x7f", 0, "control character" },
        { "\xef\xbb\xbfkey", 0, "byte order mark" },
        { "\xff\xfek\0e\0y\0", 8, "UTF-16" },
        { "\xfe\xff\0k\0e\0y", 8, "UTF-16" },
        { "k\0e\0y\0", 6, "UTF-16" },
        { "\0k\0e\0y", 6, "UTF-16" },
        { "\0k\0e\0y\0", 7, "UTF-16" }
    };

    (void) state;

    scheme = scheme_of("api-key");

    for (i = 0; i < unit_nelts(tests); i++) {
        secret = bytes_of(&tests[i]);
        said("api-key", &tests[i], plum_secret_check(&scheme, &secret));
    }

    /* any byte, inside of others */

    secret.data = (const uint8_t *) text;
    secret.len = 3;

    for (i = 0; i < 256; i++) {
        text[1] = (char) i;
        assert_int_equal(plum_secret_check(&scheme, &secret) == NULL,
                         (i >= 0x20 || i == '\t') && i != 0x7f);
    }

    memset(bytes, 'x', LONG);
    secret.data = (const uint8_t *) bytes;
    secret.len = PLUM_SCHEME_HEADER_MAX;
    assert_null(plum_secret_check(&scheme, &secret));
    secret.len++;
    assert_non_null(strstr(plum_secret_check(&scheme, &secret), "8192"));
}


static void
test_body_token(void **state)
{
    size_t               i;
    plum_str_t           secret;
    plum_scheme_t        scheme;
    static char          bytes[LONG];
    static const case_t  tests[] = {
        { "a", 0, NULL },
        { " \t\r\n\"\\/\x01\x7f", 0, NULL },
        { "a\0b", 3, NULL },
        { "p\xc3\xa4ss \xe2\x82\xac \xf0\x9f\x98\x80", 0, NULL },
        { "p\xe4ss", 0, "UTF-8" },
        { "\xc3", 0, "UTF-8" },
        { "\xc0\xaf", 0, "UTF-8" },
        { "\xed\xa0\x80", 0, "UTF-8" },             /* a surrogate */
        { "\xf4\x90\x80\x80", 0, "UTF-8" },
        { "\xff\xfek\0e\0y\0", 8, "UTF-8" }
    };

    (void) state;

    scheme = scheme_of("body-token");

    for (i = 0; i < unit_nelts(tests); i++) {
        secret = bytes_of(&tests[i]);
        said("body-token", &tests[i], plum_secret_check(&scheme, &secret));
    }

    memset(bytes, 'x', LONG);
    secret.data = (const uint8_t *) bytes;
    secret.len = PLUM_SCHEME_TOKEN_MAX;
    assert_null(plum_secret_check(&scheme, &secret));
    secret.len++;
    assert_non_null(strstr(plum_secret_check(&scheme, &secret), "512"));
}


static void
test_mac(void **state)
{
    size_t               i;
    plum_str_t           secret;
    plum_scheme_t        scheme;
    static const case_t  tests[] = {
        { "a", 0, NULL },
        { " \xff\0\n", 4, NULL },
        { "whpk_", 0, NULL },
        { "whpk_of many words and no base64", 0, NULL },
        { "whpk_QUFBQQ==", 0, NULL },
        { "whpk_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", 0,
          "public key" },
        { "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", 0, NULL }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        secret = bytes_of(&tests[i]);
        scheme = scheme_of("hmac");
        said("hmac", &tests[i], plum_secret_check(&scheme, &secret));
        scheme = scheme_of("svix");
        said("svix", &tests[i], plum_secret_check(&scheme, &secret));
    }
}


static void
test_doubt(void **state)
{
    size_t         i;
    plum_str_t     secret;
    plum_scheme_t  scheme;
    static const struct {
        const char  *preset;
        case_t       c;
    } tests[] = {
        { "hmac", { "correct horse battery", 0, NULL } },
        { "hmac", { "p\xc3\xa4ss", 0, NULL } },
        { "hmac", { "key ", 0, "white space" } },
        { "hmac", { " key", 0, "white space" } },
        { "hmac", { "key\n", 0, "white space" } },
        { "hmac", { "key\r", 0, "white space" } },
        { "hmac", { "\tkey", 0, "white space" } },
        { "hmac", { "p\xc3\xa4ss\n", 0, "white space" } },
        { "hmac", { "\x81\x02random\n", 0, NULL } },
        { "hmac", { "\xffrandom ", 0, NULL } },
        { "hmac", { "\xef\xbb\xbfkey", 0, "byte order mark" } },
        { "hmac", { "\xff\xfek\0e\0y\0", 8, "UTF-16" } },
        { "hmac", { "k\0e\0y\0", 6, "UTF-16" } },
        { "hmac", { "whsec_abc", 0, NULL } },
        { "stripe", { "whsec_abc", 0, NULL } },
        { "standard-webhooks", { "whsec_abc", 0, "encoding=whsec" } },
        { "svix", { "whsec_abc", 0, "encoding=whsec" } },
        { "body-token", { "key\n", 0, "white space" } },
        { "body-token", { "\xef\xbb\xbfkey", 0, "byte order mark" } },
        { "body-token", { "p\xc3\xa4ss", 0, NULL } },
        { "api-key", { "key", 0, NULL } },
        { "api-key", { "p\xc3\xa4ss", 0, "not ASCII" } }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        scheme = scheme_of(tests[i].preset);
        secret = bytes_of(&tests[i].c);
        said(tests[i].preset, &tests[i].c,
             plum_secret_doubt(&scheme, &secret));
    }
}


static void
unhex(const char *text, uint8_t *bytes)
{
    unsigned  byte;
    size_t    i;

    for (i = 0; i < 32; i++) {
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t) byte;
    }
}


/* points of small order, and bytes that are none or not in their form */

static void
test_public(void **state)
{
    size_t      i, len;
    uint8_t     bytes[32];
    EVP_PKEY   *pkey;
    const char *text;
    static const struct {
        const char  *hex;
        const char  *says;
    } tests[] = {
        /* RFC 8032, section 7.1 */
        { "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          NULL },
        { "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
          NULL },
        { "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
          NULL },
        { "0500000000000000000000000000000000000000000000000000000000000000",
          NULL },
        { "0100000000000000000000000000000000000000000000000000000000000000",
          "small order" },
        { "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "small order" },
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "small order" },
        { "0000000000000000000000000000000000000000000000000000000000000080",
          "small order" },
        { "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
          "small order" },
        { "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
          "small order" },
        { "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
          "small order" },
        { "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
          "small order" },
        { "0100000000000000000000000000000000000000000000000000000000000080",
          "canonical" },
        { "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "canonical" },
        { "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "canonical" },
        { "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "canonical" },
        { "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "canonical" },
        { "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "canonical" },
        { "0200000000000000000000000000000000000000000000000000000000000000",
          "no point" },
        { "4141414141414141414141414141414141414141414141414141414141414141",
          "no point" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        unhex(tests[i].hex, bytes);
        text = plum_secret_check_public(bytes);

        if (tests[i].says == NULL) {
            assert_null(text);
            continue;
        }

        assert_non_null(text);
        assert_non_null(strstr(text, tests[i].says));
    }

    /* keys as they are made */

    for (i = 0; i < 100; i++) {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        len = sizeof(bytes);
        assert_non_null(pkey);
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, bytes, &len), 1);
        assert_null(plum_secret_check_public(bytes));
        EVP_PKEY_free(pkey);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_api_key),
        cmocka_unit_test(test_body_token),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_public)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
