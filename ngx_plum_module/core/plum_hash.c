/*
 * SipHash-1-3.
 */

#include <string.h>

#include <plum_hash.h>


#define plum_hash_rotate(x, n)   ((x) << (n) | (x) >> (64 - (n)))


static void plum_hash_block(uint64_t v[4], uint64_t block);
static void plum_hash_round(uint64_t v[4]);


uint64_t
plum_hash(const uint64_t key[2], const uint8_t *data, size_t len)
{
    size_t    i, shift;
    uint64_t  v[4], block;

    v[0] = key[0] ^ 0x736f6d6570736575u;
    v[1] = key[1] ^ 0x646f72616e646f6du;
    v[2] = key[0] ^ 0x6c7967656e657261u;
    v[3] = key[1] ^ 0x7465646279746573u;

    for (i = 0; len - i >= 8; i += 8) {
        memcpy(&block, data + i, 8);
        plum_hash_block(v, block);
    }

    /* the remaining bytes, with the length in the highest byte */

    block = (uint64_t) len << 56;

    for (shift = 0; i < len; i++, shift += 8) {
        block |= (uint64_t) data[i] << shift;
    }

    plum_hash_block(v, block);

    v[2] ^= 0xff;

    plum_hash_round(v);
    plum_hash_round(v);
    plum_hash_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


static void
plum_hash_block(uint64_t v[4], uint64_t block)
{
    v[3] ^= block;

    plum_hash_round(v);

    v[0] ^= block;
}


static void
plum_hash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = plum_hash_rotate(v[1], 13) ^ v[0];
    v[0] = plum_hash_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = plum_hash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = plum_hash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = plum_hash_rotate(v[1], 17) ^ v[2];
    v[2] = plum_hash_rotate(v[2], 32);
}
