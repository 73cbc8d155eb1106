/*
 * Hexadecimal and base64: the vectors of RFC 4648 and what must be refused.
 */

#include "unit.h"

#include <plum_encoding.h>

#include <openssl/evp.h>
#include <openssl/rand.h>


static void
test_hex(void **state)
{
    size_t      len;
    uint8_t     buf[8];
    plum_str_t  text;

    (void) state;

    text = unit_str("00fFA09e");
    assert_int_equal(plum_hex_decode(&text, buf, 4, &len), PLUM_OK);
    assert_int_equal(len, 4);
    assert_memory_equal(buf, "\x00\xff\xa0\x9e", 4);

    assert_int_equal(plum_hex_decode(&text, buf, 3, &len), PLUM_ERROR);

    text = unit_str("");
    assert_int_equal(plum_hex_decode(&text, buf, 0, &len), PLUM_OK);
    assert_int_equal(len, 0);
}


static void
test_hex_refused(void **state)
{
    size_t              i, len;
    uint8_t             buf[8];
    plum_str_t          text;
    static const char  *bad[] = {
        "0", "abc", "0x12", "g0", "0g", " 00", "00 ", "00\n0", "0:", "/0",
        "@0", "`0", "-1", "+1", "\xb0" "0", "\x10" "0"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);
        assert_int_equal(plum_hex_decode(&text, buf, 8, &len), PLUM_ERROR);
    }

    text.data = (const uint8_t *) "\0\0";
    text.len = 2;
    assert_int_equal(plum_hex_decode(&text, buf, 8, &len), PLUM_ERROR);
}


static void
test_hex_encode(void **state)
{
    uint8_t  out[9] = "12345678";

    (void) state;

    plum_hex_encode((const uint8_t *) "\x00\xff\xa0", 3, out);
    assert_memory_equal(out, "00ffa078", 8);
}


static void
test_base64(void **state)
{
    size_t              i, len;
    uint8_t             buf[8];
    plum_str_t          text;
    static const char  *good[][2] = {
        { "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" }, { "++//", "\xfb\xef\xff" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(good); i++) {
        text = unit_str(good[i][0]);
        assert_int_equal(plum_base64_decode(&text, buf, strlen(good[i][1]),
                                            &len),
                         PLUM_OK);
        assert_int_equal(len, strlen(good[i][1]));
        assert_memory_equal(buf, good[i][1], len);

        if (len != 0) {
            assert_int_equal(plum_base64_decode(&text, buf, len - 1, &len),
                             PLUM_ERROR);
        }
    }
}


static void
test_base64_refused(void **state)
{
    size_t              i, len;
    uint8_t             buf[16];
    plum_str_t          text;
    static const char  *bad[] = {
        "Zg", "Zg=", "Zm8", "Z", "Zm9vYg", "Zg===", "Zh==", "Zm9=", "Zn==",
        "====", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Zm=v", "=g==", "-_-_",
        " Zg=", "Zm9v\n", "Zm9v YmF", "Zm\n9vYg=", "Zg==\n", "Z*==", "Zm8\0",
        "Zm9v====", "Zm9v=", "Zg=A", "\xc3\xa9Zm9"
    };

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        text = unit_str(bad[i]);
        assert_int_equal(plum_base64_decode(&text, buf, 16, &len),
                         PLUM_ERROR);
    }
}


/* a text, and the encodings (bits) in which it is right */

static void
test_variants(void **state)
{
    size_t                i, len;
    uint8_t               buf[16];
    unsigned              e;
    plum_str_t            text;
    static const struct {
        const char  *text;
        unsigned     encodings;
        const char  *bytes;
    } tests[] = {
#define PADDED    (1u << PLUM_ENCODING_BASE64)
#define UNPADDED  (1u << PLUM_ENCODING_BASE64_UNPADDED)
#define URL       (1u << PLUM_ENCODING_BASE64URL)
        { "", 1u | PADDED | UNPADDED | URL, "" },
        { "Zg==", PADDED | URL, "f" },
        { "Zg", UNPADDED | URL, "f" },
        { "Zm8=", PADDED | URL, "fo" },
        { "Zm8", UNPADDED | URL, "fo" },
        { "Zm9v", PADDED | UNPADDED | URL, "foo" },
        { "Zm9vYg", UNPADDED | URL, "foob" },
        { "Zm9vYmE", UNPADDED | URL, "fooba" },
        { "++//", PADDED | UNPADDED, "\xfb\xef\xff" },
        { "--__", URL, "\xfb\xef\xff" },
        { "+-/_", 0, "" },
        { "+_", 0, "" },
        { "-w", URL, "\xfb" },
        { "+w", UNPADDED, "\xfb" },
        { "Zg=", 0, "" },
        { "Zg===", 0, "" },
        { "Zm8==", 0, "" },
        { "Zm9v=", 0, "" },
        { "Zm9v====", 0, "" },
        { "====", 0, "" },
        { "Z", 0, "" },
        { "Zm9vY", 0, "" },
        { "Zh", 0, "" },                 /* unused bits */
        { "Zm9", 0, "" },
        { "Zg\n", 0, "" },
        { " Zg", 0, "" },
        { "Zm9v Zg", 0, "" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        text = unit_str(tests[i].text);

        for (e = PLUM_ENCODING_HEX; e <= PLUM_ENCODING_BASE64URL; e++) {

            if (plum_decode((plum_encoding_t) e, &text, buf, sizeof(buf),
                            &len)
                != ((tests[i].encodings >> e & 1) ? PLUM_OK : PLUM_ERROR))
            {
                fail_msg("\"%s\", encoding %u", tests[i].text, e);
            }

            if (tests[i].encodings >> e & 1) {
                assert_int_equal(len, strlen(tests[i].bytes));
                assert_memory_equal(buf, tests[i].bytes, len);
            }

            if ((tests[i].encodings >> e & 1) && len) {
                assert_int_equal(plum_decode((plum_encoding_t) e, &text, buf,
                                             len - 1, &len),
                                 PLUM_ERROR);
            }
        }
    }
}


/* what OpenSSL encodes is decoded, and with one byte changed it is not it */

static void
test_base64_random(void **state)
{
    int         n, round;
    size_t      len;
    uint8_t     data[64], out[128], buf[64];
    plum_str_t  text;

    (void) state;

    for (round = 0; round < 2000; round++) {
        n = 1 + round % 64;
        assert_int_equal(RAND_bytes(data, n), 1);

        text.data = out;
        text.len = (size_t) EVP_EncodeBlock(out, data, n);

        assert_int_equal(plum_base64_decode(&text, buf, 64, &len), PLUM_OK);
        assert_int_equal(len, n);
        assert_memory_equal(buf, data, len);

        out[(size_t) round % text.len] ^= 1;

        if (plum_base64_decode(&text, buf, 64, &len) == PLUM_OK) {
            assert_true(len != (size_t) n || memcmp(buf, data, len) != 0);
        }
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_refused),
        cmocka_unit_test(test_hex_encode),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_refused),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_base64_random)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
