/*
 * The hash of the tables: OpenSSL's SipHash says the same.
 */

#include "unit.h"

#include <plum_hash.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>


#define LONGEST   300


static uint64_t
openssl_hash(const uint64_t key[2], const uint8_t *data, size_t len)
{
    size_t        size, written;
    uint64_t      value;
    unsigned      c, d;
    EVP_MAC      *mac;
    EVP_MAC_CTX  *ctx;
    OSSL_PARAM    params[4];

    c = 1;
    d = 3;
    size = sizeof(value);

    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c);
    params[2] = OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d);
    params[3] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ctx = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);

    assert_non_null(ctx);
    assert_int_equal(EVP_MAC_init(ctx, (const unsigned char *) key, 16,
                                  params),
                     1);
    assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, (unsigned char *) &value, &written,
                                   sizeof(value)),
                     1);
    assert_int_equal(written, sizeof(value));

    EVP_MAC_CTX_free(ctx);

    return value;
}


/* every length, wherever it stands in memory */

static void
test_openssl(void **state)
{
    size_t    len;
    uint8_t   data[LONGEST + 8];
    uint64_t  key[2];

    (void) state;

    for (len = 0; len <= LONGEST; len++) {
        assert_int_equal(RAND_bytes((unsigned char *) key, sizeof(key)), 1);
        assert_int_equal(RAND_bytes(data, sizeof(data)), 1);

        assert_true(plum_hash(key, data + len % 8, len)
                    == openssl_hash(key, data + len % 8, len));
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_openssl)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
