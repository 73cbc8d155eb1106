/*
 * Types that every unit of the core shares.  The core knows no NGINX: bytes
 * in, verdicts out; no logging, no clock, no globals.
 */

#ifndef _PLUM_TYPES_H_INCLUDED_
#define _PLUM_TYPES_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* a run of bytes: not owned, not terminated by a NUL */

typedef struct {
    const uint8_t  *data;
    size_t          len;
} plum_str_t;


#define PLUM_STR(text)                                                        \
    { (const uint8_t *) (text), sizeof(text) - 1 }


/*
 * What is wrong with a piece of configuration, as one sentence without a
 * final stop: noun first, the value quoted, never a secret.
 */

typedef struct {
    char            text[256];
} plum_error_t;


/* PLUM_OK or PLUM_ERROR: what configuration-time functions return */

#define PLUM_OK      0
#define PLUM_ERROR  -1


#endif /* _PLUM_TYPES_H_INCLUDED_ */
