/*
 * SipHash-1-3 (Aumasson and Bernstein): a keyed hash for tables whose names
 * are chosen by strangers.  Without the key nobody can construct names that
 * collide.
 */

#ifndef _PLUM_HASH_H_INCLUDED_
#define _PLUM_HASH_H_INCLUDED_


#include <plum_types.h>


/*
 * The key is random bytes.  The value depends on the byte order of the machine,
 * so it is for tables in memory, not for data that is stored or sent.
 */

uint64_t plum_hash(const uint64_t key[2], const uint8_t *data, size_t len);


#endif /* _PLUM_HASH_H_INCLUDED_ */
