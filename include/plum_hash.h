/*
 * SipHash-1-3 (Aumasson and Bernstein): a hash for tables whose names are
 * chosen by strangers.  Who does not know the key cannot make names that
 * meet in one place of a table.
 */

#ifndef _PLUM_HASH_H_INCLUDED_
#define _PLUM_HASH_H_INCLUDED_


#include <plum_types.h>


/*
 * The key is random bytes.  The value depends on the order of bytes of the
 * machine: it is for tables in memory, not for what others read.
 */

uint64_t plum_hash(const uint64_t key[2], const uint8_t *data, size_t len);


#endif /* _PLUM_HASH_H_INCLUDED_ */
