/*
 * Templates of what is signed: text and tokens in braces, {timestamp} {id}
 * {body} {header:Name} {uri}.  A brace stands for nothing else.
 *
 * A signature covers bytes, not values: with "{header:A}.{header:B}.{body}"
 * the values "refund.created" and "77" are signed as "refund" and
 * "created.77" are.  Who has recorded one delivery could send the other.  So
 * one content must not be that of two requests which are accepted:
 *
 *  (1) Between two pieces stands text (plum_content_check), save where one of
 *      them shows by its form where it begins or ends: a body is a JSON object
 *      or array (anything else is refused later); a URI begins with "/", which
 *      a timestamp and the name of a host do not hold; and a timestamp that is
 *      always a date and time has ten characters in front of its only "T" or
 *      space, while digits of an id could be those of a number.
 *  (2) A header, an id or a URI must not hold the text between pieces that
 *      stands in front of it or behind it, nor the bytes by which a body or a
 *      URI directly beside it is known (plum_content_ambiguous).
 *
 * Why that is enough: a template is read from its left end to the body, and
 * from its right end to the body.  From the left a value ends where the text
 * behind it occurs for the first time, because the value does not hold it, and
 * ends no sooner by an overlap of the two; from the right likewise.  What is
 * left over is the body.  A timestamp may hold the text beside it ("." of a
 * fraction, ":" of an hour): what is cut off from a date and time is no body,
 * and a piece that got it would hold the text, which (2) forbids.  That (2)
 * looks at both sides keeps a value out that the sender has not meant to be
 * one: "created.77" above, where the text behind it is another one.
 *
 * A piece is never empty: a header that is missing or empty is refused.
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

/*
 * PLUM_ERROR if two neighbours of a finished template cannot be told apart
 * (1).  dated: the timestamp is always a date and time.
 */

int plum_content_check(const plum_str_t *content, const plum_piece_t *pieces,
    size_t npieces, unsigned dated, plum_error_t *err);

/*
 * 1 if the request could be read in another way, because piece n of a checked
 * template, a header, an id or a URI, has this value (2); 0 for other pieces.
 */

int plum_content_ambiguous(const plum_piece_t *pieces, size_t npieces,
    size_t n, const plum_str_t *value);

/* 1 if name is an RFC 9110 token */

int plum_content_token(const plum_str_t *name);


#endif /* _PLUM_CONTENT_H_INCLUDED_ */
