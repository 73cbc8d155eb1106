/*
 * Hexadecimal (RFC 4648, section 8) and base64 (RFC 4648, section 4), decoded
 * strictly: what is not the one canonical form is refused, save that hex may
 * be in either case.
 */

#ifndef _PLUM_ENCODING_H_INCLUDED_
#define _PLUM_ENCODING_H_INCLUDED_


#include <plum_types.h>


/*
 * Decodes text into at most size bytes and sets *len.  PLUM_ERROR if a
 * character is not of the alphabet, the length is odd (hex) or not padded to
 * a multiple of four (base64), unused bits are not zero, or size is too
 * small; what is then in buf means nothing.  White space is never skipped.
 * An empty text is 0 bytes.
 */

int plum_hex_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len);
int plum_base64_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len);

/* writes 2 * len lower-case digits, no NUL */

void plum_hex_encode(const uint8_t *data, size_t len, uint8_t *out);


#endif /* _PLUM_ENCODING_H_INCLUDED_ */
