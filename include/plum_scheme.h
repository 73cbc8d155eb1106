/*
 * Signature schemes.  A preset is one row of a table; plum_signature's
 * parameters change a copy of a row.
 *
 *  preset             header                 format, prefix  encoding  content
 *  api-key            x-api-key              plain           -         -
 *  body-token         (path=)                -               -         -
 *  hmac               (header=)              plain           hex       {body}
 *  standard-webhooks  webhook-signature      list  v1,       base64
 *                                            {id}.{timestamp}.{body}
 *  svix               svix-signature         likewise, with svix- headers
 *  stripe             stripe-signature       list  v1=       hex
 *                                            {timestamp}.{body}, t= in the list
 *  github             x-hub-signature-256    plain sha256=   hex       {body}
 *  shopify            x-shopify-hmac-sha256  plain           base64    {body}
 *  slack              x-slack-signature      plain v0=       hex
 *                                            v0:{timestamp}:{body}
 *  twitch             twitch-eventsub-message-signature
 *                                            plain sha256=   hex
 *                                            {id}{timestamp}{body}
 *  hubspot            x-hubspot-signature-v3 plain           base64
 *                     POSThttps://{header:Host}{uri}{body}{timestamp}
 *  zendesk            x-zendesk-webhook-signature
 *                                            plain           base64
 *                                            {timestamp}{body}
 *  paddle             paddle-signature       list  h1=       hex
 *                                            {timestamp}:{body}, ts= in the
 *                                            list
 *  zoom               x-zm-signature         plain v0=       hex
 *                                            v0:{timestamp}:{body}
 *  meta               x-hub-signature-256    plain sha256=   hex       {body}
 *  pagerduty          x-pagerduty-signature  list  v1=       hex       {body}
 *  linear             linear-signature       plain           hex       {body}
 *                                            webhookTimestamp in the body
 *
 * A list is items with a prefix: if the prefix ends with "=", items are
 * separated by commas or semicolons, with or without white space around them
 * ("t=1,v1=ab", "ts=1; h1=ab"); if with ",", by spaces ("v1,ab v1,cd").
 * Items of other prefixes are passed over.
 *
 * Which pieces of a content may stand side by side, and what they may hold, is
 * said in plum_content.h: {id}{timestamp} needs a "dated" timestamp.
 *
 * Sources: the Standard Webhooks specification (standard-webhooks.com);
 * docs.svix.com, docs.stripe.com/webhooks, docs.github.com (webhooks),
 * shopify.dev (webhooks), api.slack.com (verifying requests),
 * dev.twitch.tv/docs/eventsub (verifying the event message; a message is
 * good for 10 minutes), developers.hubspot.com (request validation, v3),
 * developer.zendesk.com (webhooks, verifying), developer.paddle.com
 * (signature verification), developers.zoom.us/docs/api/webhooks,
 * developers.facebook.com (webhooks, validating payloads),
 * developer.pagerduty.com (webhooks, signatures), linear.app/developers
 * (webhooks).  The vectors that HubSpot and Paddle publish verify with these
 * rows (t/unit/test_senders.c).
 */

#ifndef _PLUM_SCHEME_H_INCLUDED_
#define _PLUM_SCHEME_H_INCLUDED_


#include <plum_types.h>
#include <plum_encoding.h>
#include <plum_key.h>


#define PLUM_SCHEME_PIECES       16      /* pieces of a content template */
#define PLUM_SCHEME_CANDIDATES   16      /* signatures tried in one request */
#define PLUM_SCHEME_PUBLIC       2       /* of these: of Ed25519 */
#define PLUM_SCHEME_ITEMS        64      /* of a list, whatever they are */
#define PLUM_SCHEME_HEADER_MAX   8192    /* bytes of a credential header */
#define PLUM_SCHEME_TOKEN_MAX    512     /* bytes of a body token */

#define PLUM_TOLERANCE_DEFAULT   300     /* seconds, where there is a stamp */
#define PLUM_GIVEN_TOLERANCE     1u      /* the bit in plum_scheme_t.given */


typedef enum {
    PLUM_SCHEME_API_KEY,         /* a header equals the secret */
    PLUM_SCHEME_BODY_TOKEN,      /* a string in the body equals it */
    PLUM_SCHEME_MAC              /* HMAC or public-key signature */
} plum_scheme_kind_t;

typedef enum {
    PLUM_STAMP_NONE = 0,
    PLUM_STAMP_HEADER,           /* timestamp=Name */
    PLUM_STAMP_LIST,             /* timestamp=list:t, an item of the list */
    PLUM_STAMP_JSON              /* timestamp=json:path, seen after parsing */
} plum_stamp_t;

typedef enum {
    PLUM_PIECE_TEXT,             /* as it stands in the template */
    PLUM_PIECE_TIMESTAMP,        /* {timestamp}: as the sender spelt it */
    PLUM_PIECE_ID,               /* {id} */
    PLUM_PIECE_BODY,             /* {body}: exactly once */
    PLUM_PIECE_HEADER,           /* {header:Name} */
    PLUM_PIECE_URI               /* {uri}: as in the request line */
} plum_piece_kind_t;

typedef struct {
    plum_piece_kind_t    kind;
    plum_str_t           text;           /* TEXT: bytes; HEADER: the name */
} plum_piece_t;


typedef struct {
    plum_str_t           name;           /* of the preset */
    plum_scheme_kind_t   kind;
    plum_algorithm_t     algorithm;
    plum_str_t           header;         /* with the key or signature */
    unsigned             list:1;
    unsigned             dated:1;        /* the timestamp is no number, but
                                            a date and time */
    plum_encoding_t      encoding;       /* of a signature */
    plum_str_t           prefix;         /* of a symmetric signature */
    plum_str_t           prefix_public;  /* of an Ed25519 one; empty: none */
    plum_str_t           content;        /* the template */
    plum_stamp_t         stamp;
    plum_str_t           timestamp;      /* header, item or path; per stamp */
    plum_str_t           id;             /* header; empty: none */
    plum_str_t           path;           /* body-token: the place */
    int64_t              tolerance;      /* seconds; 0: off; in a row: 300
                                            where there is a timestamp */
    unsigned             given;          /* bits of the parameters set */

    /* set by plum_scheme_finish() */

    plum_piece_t         pieces[PLUM_SCHEME_PIECES];
    size_t               npieces;
} plum_scheme_t;


/* the row of that name, or NULL; rows are not finished */

const plum_scheme_t *plum_scheme_find(const plum_str_t *name);

/*
 * Changes one parameter of a copy of a row: header, path, algorithm, format,
 * prefix, encoding, content, timestamp, id, tolerance.  The strings must
 * outlive the scheme.  PLUM_ERROR for an unknown name, one that does not suit
 * the scheme's kind (an API key has a header, a body token a path, a MAC all
 * but a path), one that was given before, or a bad value.  tolerance is "off"
 * or a time in seconds with an optional unit s, m, h (zero is an error).
 * Header names must be RFC 9110 tokens and not one of those that NGINX itself
 * lives by (Host, Content-Length, Content-Type, Content-Encoding,
 * Transfer-Encoding, Connection, Expect, Cookie, X-Forwarded-For and the
 * like); {header:Name} in a content, which is only read, may name any.
 */

int plum_scheme_set(plum_scheme_t *scheme, const plum_str_t *parameter,
    const plum_str_t *value, plum_error_t *err);

/*
 * Checks the whole and parses the content template.  The order of the
 * parameters does not matter; a timestamp without tolerance= gets the row's,
 * or 300 seconds.  Errors: no header; a header named twice; a template without
 * or with two {body}, with an unknown or unclosed token, with {timestamp} or
 * {id} that nothing provides, {timestamp} from the body; a timestamp header
 * or item, or an id, that the content does not sign; pieces of the content
 * that cannot be told apart; a list without a prefix that ends with "=" or
 * ","; timestamp=list: without a "k=v" list; a tolerance without a timestamp;
 * body-token without path.
 */

int plum_scheme_finish(plum_scheme_t *scheme, plum_error_t *err);

/*
 * 1 if the signature of a finished scheme covers the header of that name, or
 * the request line: neither can be changed in a recorded request.  An API key
 * or a body token covers nothing, not even the body.
 */

int plum_scheme_covers(const plum_scheme_t *scheme, const plum_str_t *header);
int plum_scheme_covers_uri(const plum_scheme_t *scheme);

/*
 * The names of the headers that a finished scheme reads (signature or key,
 * timestamp, id, signed headers), one after another: n counts from 0, NULL is
 * the end.
 */

const plum_str_t *plum_scheme_reads(const plum_scheme_t *scheme, size_t n);

/* the path that the scheme looks at in the body, or NULL */

const plum_str_t *plum_scheme_place(const plum_scheme_t *scheme);

/*
 * 1 if the scheme lets a recorded request pass again later: no timestamp, or
 * tolerance off.
 */

int plum_scheme_replayable(const plum_scheme_t *scheme);


#endif /* _PLUM_SCHEME_H_INCLUDED_ */
