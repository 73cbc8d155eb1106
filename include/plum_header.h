/*
 * Names of headers: the one comparison that finds, counts and removes them.
 *
 * Case does not tell header names apart (RFC 9110, section 5.1).  Neither do
 * "-" and "_": $http_name variables of NGINX and all upstreams that follow
 * RFC 3875 (CGI, FastCGI, uwsgi, SCGI, WSGI, Rack) read X-Api-Key and
 * X_Api_Key under one name.
 */

#ifndef _PLUM_HEADER_H_INCLUDED_
#define _PLUM_HEADER_H_INCLUDED_


#include <plum_types.h>


/*
 * 1 if both are spellings of one name, else 0.  The comparison begins at the
 * end, because names like "X-..." and "Content-..." begin alike.  Not constant
 * time.
 */

static inline int
plum_header_same(const plum_str_t *a, const plum_str_t *b)
{
    size_t    i;
    unsigned  ch, differs;

    if (a->len != b->len) {
        return 0;
    }

    for (i = a->len; i != 0; i--) {
        ch = a->data[i - 1];
        differs = ch ^ b->data[i - 1];

        if (differs == 0
            || (differs == ('-' ^ '_') && (ch == '-' || ch == '_')))
        {
            continue;
        }

        ch |= 0x20;

        if (differs != 0x20 || ch < 'a' || ch > 'z') {
            return 0;
        }
    }

    return 1;
}


#endif /* _PLUM_HEADER_H_INCLUDED_ */
