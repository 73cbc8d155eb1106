/*
 * Keys: the values of RFC 4231 (HMAC) and RFC 8032 (Ed25519), restarts,
 * pieces, and keys of the wrong kind.
 */

#include "unit.h"

#include <plum_encoding.h>
#include <plum_key.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>


typedef struct {
    const char  *key;                    /* hex; both repeated */
    size_t       nkey;
    const char  *data;
    size_t       ndata;
    const char  *sha256;
    const char  *sha384;
    const char  *sha512;
} rfc4231_t;


static const rfc4231_t  rfc4231[] = {

    { "0b", 20, "4869205468657265", 1,
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
      "faea9ea9076ede7f4af152e8b2fa9cb6",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },

    { "4a656665", 1,
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
      "8e2240ca5e69e2c78b3239ecfab21649",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },

    { "aa", 20, "dd", 50,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
      "2a5ab39dc13814b94e3ab6e101a34f27",
      "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
      "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb" },

    { "aa", 131,
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
      "65204b6579202d2048617368204b6579204669727374", 1,
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
      "0c2ef6ab4030fe8296248df163f44952",
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" }
};


static size_t
unhex(const char *hex, size_t times, uint8_t *out, size_t size)
{
    size_t      len, total;
    plum_str_t  text;

    text = unit_str(hex);
    total = 0;

    while (times--) {
        assert_int_equal(plum_hex_decode(&text, out + total, size - total,
                                         &len),
                         PLUM_OK);
        total += len;
    }

    return total;
}


static void
test_rfc4231(void **state)
{
    size_t                         i, k, len, nkey;
    uint8_t                        key[256], data[256], mac[PLUM_MAC_MAX];
    uint8_t                        want[PLUM_MAC_MAX];
    plum_key_t                    *made;
    plum_str_t                     pieces[2];
    const char                    *wanted[3];
    static const plum_algorithm_t  algorithms[] = {
        PLUM_ALGORITHM_SHA256, PLUM_ALGORITHM_SHA384, PLUM_ALGORITHM_SHA512
    };

    (void) state;

    for (i = 0; i < unit_nelts(rfc4231); i++) {
        nkey = unhex(rfc4231[i].key, rfc4231[i].nkey, key, sizeof(key));
        pieces[0].data = data;
        pieces[0].len = unhex(rfc4231[i].data, rfc4231[i].ndata, data,
                              sizeof(data));
        wanted[0] = rfc4231[i].sha256;
        wanted[1] = rfc4231[i].sha384;
        wanted[2] = rfc4231[i].sha512;

        for (k = 0; k < 3; k++) {
            len = unhex(wanted[k], 1, want, sizeof(want));
            made = plum_key_create(algorithms[k], key, nkey);

            assert_non_null(made);
            assert_int_equal(plum_key_algorithm(made), algorithms[k]);
            assert_int_equal(plum_algorithm_size(algorithms[k]), len);

            assert_int_equal(plum_key_mac(made, pieces, 1, mac), PLUM_OK);
            assert_memory_equal(mac, want, len);

            /* a second time, after another message, gives the same */

            assert_int_equal(plum_key_mac(made, NULL, 0, mac), PLUM_OK);
            assert_memory_not_equal(mac, want, len);
            assert_int_equal(plum_key_mac(made, pieces, 1, mac), PLUM_OK);
            assert_memory_equal(mac, want, len);

            plum_key_destroy(made);
        }
    }
}


/* pieces are joined; keys and messages of every length around a block */

static void
test_mac_random(void **state)
{
    size_t       i, cut;
    uint8_t      key[200], data[300], mac[PLUM_MAC_MAX], want[PLUM_MAC_MAX];
    unsigned     len;
    plum_key_t  *made;
    plum_str_t   pieces[3];

    (void) state;

    for (i = 1; i <= sizeof(key); i++) {
        assert_int_equal(RAND_bytes(key, (int) i), 1);
        assert_int_equal(RAND_bytes(data, sizeof(data)), 1);
        assert_non_null(HMAC(EVP_sha512(), key, (int) i, data, sizeof(data),
                             want, &len));

        cut = i % 150;
        pieces[0].data = data;
        pieces[0].len = cut;
        pieces[1].data = NULL;
        pieces[1].len = 0;
        pieces[2].data = data + cut;
        pieces[2].len = sizeof(data) - cut;

        made = plum_key_create(PLUM_ALGORITHM_SHA512, key, i);
        assert_non_null(made);
        assert_int_equal(plum_key_mac(made, pieces, 3, mac), PLUM_OK);
        assert_memory_equal(mac, want, len);
        plum_key_destroy(made);
    }
}


static void
test_static(void **state)
{
    size_t             i;
    uint8_t            digest[PLUM_DIGEST_SIZE];
    plum_key_t        *key, *other;
    plum_str_t         value;
    static const char *const  wrong[] = {
        "s3creT", "s3cret ", "s3cre", "", "S3CRET", "s3crets3cret"
    };

    (void) state;

    key = plum_key_create(PLUM_ALGORITHM_NONE, (const uint8_t *) "s3cret", 6);
    other = plum_key_create(PLUM_ALGORITHM_NONE, (const uint8_t *) "x", 1);
    assert_true(key && other);

    value = unit_str("s3cret");
    assert_int_equal(plum_key_digest(key, &value, digest), PLUM_OK);
    assert_int_equal(plum_key_equals(key, digest), 1);
    assert_int_equal(plum_key_equals(other, digest), 0);

    /* a digest made with another key is the same */

    assert_int_equal(plum_key_digest(other, &value, digest), PLUM_OK);
    assert_int_equal(plum_key_equals(key, digest), 1);

    for (i = 0; i < unit_nelts(wrong); i++) {
        value = unit_str(wrong[i]);
        assert_int_equal(plum_key_digest(key, &value, digest), PLUM_OK);
        assert_int_equal(plum_key_equals(key, digest), 0);
    }

    /* with the NUL behind it */

    value.data = (const uint8_t *) "s3cret";
    value.len = 7;
    assert_int_equal(plum_key_digest(key, &value, digest), PLUM_OK);
    assert_int_equal(plum_key_equals(key, digest), 0);

    plum_key_destroy(key);
    plum_key_destroy(other);
}


/* RFC 8032, section 7.1, tests 1 to 3 */

static void
test_ed25519(void **state)
{
    size_t                i, k, len;
    uint8_t               public_key[32], data[8], signature[64];
    plum_key_t           *key;
    plum_str_t            content;
    static const struct {
        const char  *key;
        const char  *data;
        const char  *signature;
    } tests[] = {
        { "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        },
        { "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
          "72",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        },
        { "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
          "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        (void) unhex(tests[i].key, 1, public_key, 32);
        (void) unhex(tests[i].signature, 1, signature, 64);
        len = unhex(tests[i].data, 1, data, sizeof(data));

        content.data = data;
        content.len = len;

        key = plum_key_create(PLUM_ALGORITHM_ED25519, public_key, 32);
        assert_non_null(key);
        assert_int_equal(plum_key_verify(key, &content, signature), 1);
        assert_int_equal(plum_key_verify(key, &content, signature), 1);

        for (k = 0; k < 64; k++) {
            signature[k] ^= 0x10;
            assert_int_equal(plum_key_verify(key, &content, signature), 0);
            signature[k] ^= 0x10;
        }

        data[len] = 0;
        content.len++;
        assert_int_equal(plum_key_verify(key, &content, signature), 0);

        plum_key_destroy(key);
    }
}


/* the private keys of the same tests: each signature is the one there */

static void
test_ed25519_sign(void **state)
{
    size_t                i;
    uint8_t               seed[32], data[8], expected[64], signature[64];
    plum_key_t           *key;
    plum_str_t            content;
    static const struct {
        const char  *seed;
        const char  *data;
        const char  *signature;
    } tests[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        (void) unhex(tests[i].seed, 1, seed, 32);
        (void) unhex(tests[i].signature, 1, expected, 64);

        content.data = data;
        content.len = unhex(tests[i].data, 1, data, sizeof(data));

        key = plum_key_create(PLUM_ALGORITHM_ED25519_SIGN, seed, 32);
        assert_non_null(key);

        assert_int_equal(plum_key_sign(key, &content, signature), PLUM_OK);
        assert_memory_equal(signature, expected, 64);
        assert_int_equal(plum_key_sign(key, &content, signature), PLUM_OK);
        assert_memory_equal(signature, expected, 64);
        assert_int_equal(plum_key_verify(key, &content, signature),
                         PLUM_ERROR);

        plum_key_destroy(key);
    }

    assert_null(plum_key_create(PLUM_ALGORITHM_ED25519_SIGN, seed, 31));
    assert_int_equal(plum_algorithm_size(PLUM_ALGORITHM_ED25519_SIGN), 64);
}


static void
test_wrong_kind(void **state)
{
    uint8_t      bytes[33] = { 1 }, out[PLUM_MAC_MAX] = { 0 };
    plum_key_t  *mac, *secret, *public_key;
    plum_str_t   text;

    (void) state;

    assert_null(plum_key_create(PLUM_ALGORITHM_NONE, bytes, 0));
    assert_null(plum_key_create(PLUM_ALGORITHM_SHA256, bytes, 0));
    assert_null(plum_key_create(PLUM_ALGORITHM_ED25519, bytes, 31));
    assert_null(plum_key_create(PLUM_ALGORITHM_ED25519, bytes, 33));
    assert_null(plum_key_create((plum_algorithm_t) 99, bytes, 32));

    mac = plum_key_create(PLUM_ALGORITHM_SHA256, bytes, 1);
    secret = plum_key_create(PLUM_ALGORITHM_NONE, bytes, 1);
    public_key = plum_key_create(PLUM_ALGORITHM_ED25519, bytes, 32);
    assert_true(mac && secret && public_key);

    text = unit_str("\x01");
    assert_int_equal(plum_key_mac(secret, &text, 1, out), PLUM_ERROR);
    assert_int_equal(plum_key_mac(public_key, &text, 1, out), PLUM_ERROR);
    assert_int_equal(plum_key_verify(mac, &text, out), PLUM_ERROR);
    assert_int_equal(plum_key_verify(secret, &text, out), PLUM_ERROR);
    assert_int_equal(plum_key_digest(mac, &text, out), PLUM_ERROR);
    assert_int_equal(plum_key_digest(public_key, &text, out), PLUM_ERROR);
    assert_int_equal(plum_key_equals(mac, out), PLUM_ERROR);
    assert_int_equal(plum_key_equals(public_key, out), PLUM_ERROR);
    assert_int_equal(plum_key_sign(mac, &text, out), PLUM_ERROR);
    assert_int_equal(plum_key_sign(public_key, &text, out), PLUM_ERROR);

    assert_int_equal(plum_algorithm_size(PLUM_ALGORITHM_NONE), 0);
    assert_int_equal(plum_algorithm_size(PLUM_ALGORITHM_ED25519), 64);

    plum_key_destroy(mac);
    plum_key_destroy(secret);
    plum_key_destroy(public_key);
    plum_key_destroy(NULL);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_rfc4231),
        cmocka_unit_test(test_mac_random),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_ed25519_sign),
        cmocka_unit_test(test_wrong_kind)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
