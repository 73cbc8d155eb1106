/*
 * Templates of what is signed: text and tokens in braces, {timestamp} {id}
 * {body} {header:Name} {uri}.  A brace stands for nothing else.
 */

#ifndef _PLUM_CONTENT_H_INCLUDED_
#define _PLUM_CONTENT_H_INCLUDED_


#include <plum_scheme.h>


/*
 * Cuts a template into at most PLUM_SCHEME_PIECES pieces, which point into
 * it.  PLUM_ERROR for an unknown or unclosed token, a stray "}", a header
 * name that is no RFC 9110 token, too many pieces, no {body} or two.
 */

int plum_content_parse(const plum_str_t *content, plum_piece_t *pieces,
    size_t *npieces, plum_error_t *err);

/* 1 if name is an RFC 9110 token */

int plum_content_token(const plum_str_t *name);


#endif /* _PLUM_CONTENT_H_INCLUDED_ */
