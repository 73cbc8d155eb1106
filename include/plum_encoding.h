/*
 * Hexadecimal (RFC 4648, section 8), base64 (section 4) and base64url
 * (section 5), decoded strictly: a form that is not canonical is
 * refused, except that hex digits may be in either case.
 */

#ifndef _PLUM_ENCODING_H_INCLUDED_
#define _PLUM_ENCODING_H_INCLUDED_


#include <plum_types.h>


typedef enum {
    PLUM_ENCODING_HEX = 0,
    PLUM_ENCODING_BASE64,            /* padded with "=" */
    PLUM_ENCODING_BASE64_UNPADDED,   /* never padded */
    PLUM_ENCODING_BASE64URL          /* "-" and "_"; padded or not */
} plum_encoding_t;


/*
 * Decodes text into at most size bytes and sets *len.  PLUM_ERROR if a
 * character is not of the alphabet, the length is one that no bytes have, the
 * padding is not what the encoding demands, unused bits are not zero, or size
 * is too small; what is then in buf means nothing.  White space is never
 * skipped.  An empty text is 0 bytes.
 */

int plum_decode(plum_encoding_t encoding, const plum_str_t *text,
    uint8_t *buf, size_t size, size_t *len);

/* the same for PLUM_ENCODING_HEX and PLUM_ENCODING_BASE64 */

int plum_hex_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len);
int plum_base64_decode(const plum_str_t *text, uint8_t *buf, size_t size,
    size_t *len);

/* writes 2 * len lower-case digits, no NUL */

void plum_hex_encode(const uint8_t *data, size_t len, uint8_t *out);


#endif /* _PLUM_ENCODING_H_INCLUDED_ */
