/*
 * Media types, as the Content-Type header has them: RFC 9110, sections 8.3
 * and 5.6.
 */

#ifndef _PLUM_MEDIA_H_INCLUDED_
#define _PLUM_MEDIA_H_INCLUDED_


#include <plum_types.h>


/* what a media type says of its charset */

typedef enum {
    PLUM_CHARSET_NONE = 0,
    PLUM_CHARSET_UTF_8,
    PLUM_CHARSET_OTHER
} plum_charset_t;


typedef struct {
    plum_str_t      type;        /* "type/subtype" within the text, as spelt */
    plum_charset_t  charset;
} plum_media_t;


/*
 * PLUM_OK if text is one media type and nothing else:
 *
 *     token "/" token *( OWS ";" OWS [ token "=" ( token / quoted-string ) ] )
 *
 * with white space (space, tab) around it or not.  PLUM_ERROR if it is not,
 * or if it has more than one charset: then *media means nothing.
 *
 * Names of parameters and values of charset are compared without case, quoted
 * values after unescaping.  "utf-8" is the only spelling of that charset.  A
 * name that begins with "charset*" (RFC 8187, RFC 2231) is another charset,
 * whatever its value.  All other parameters are checked and skipped.
 */

int plum_media_parse(const plum_str_t *text, plum_media_t *media);

/*
 * 1 if the type is JSON by its name: application/json, or application/ and a
 * subtype with the suffix +json (RFC 6839, section 3.1).  Else 0.
 */

int plum_media_json(const plum_str_t *type);


#endif /* _PLUM_MEDIA_H_INCLUDED_ */
