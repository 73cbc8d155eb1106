/*
 * Reviews of the configuration: checks of a location where plum is on that
 * need everything merged (listens, variables, content handlers, directives of
 * other modules).  A review is a function in ngx_http_plum_conf_review_*.c and
 * a row of the table in ngx_http_plum_conf_review.c.  Reviews run once, when
 * the configuration is read; what they find is either a [warn] (the
 * configuration works, but weakly) or an [emerg] (it cannot work).
 */

#ifndef _NGX_HTTP_PLUM_REVIEW_H_INCLUDED_
#define _NGX_HTTP_PLUM_REVIEW_H_INCLUDED_


#include <ngx_http_plum_conf.h>


/*
 * NGX_OK, warned or not; NGX_ERROR after an [emerg], written by
 * ngx_http_plum_conf_error().  "if" and "limit_except" blocks inside of a
 * location are locations, too: each is reviewed with the rules that it has.
 */

typedef ngx_int_t (*ngx_http_plum_review_pt)(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);


/*
 * Writes "text in file:line" as a [warn].  A text that has been written for
 * the same place is not written again, so that a review need not care about
 * blocks inside of a location, and about locations that inherit a directive.
 */

void ngx_http_plum_conf_warn(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const char *fmt, ...);


/*
 * Remembers what a level of the configuration says itself, before anything is
 * inherited, where plum is not on: ngx_http_plum_review_unused() warns of
 * those directives that no location with "plum on" has inherited.
 */

ngx_int_t ngx_http_plum_review_level(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_review_unused(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/*
 * The allow line, a capture, or the token's or timestamp's place, that leads
 * into the value at a path of names: then the path's value is an object or an
 * array.  NULL: none.
 */

const plum_str_t *ngx_http_plum_review_inside(ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *path);

/*
 * Calls handler for each address that the server of the location listens on,
 * and returns the bits of all that it has returned.
 */

typedef ngx_uint_t (*ngx_http_plum_review_address_pt)(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_http_conf_addr_t *addr);

ngx_uint_t ngx_http_plum_review_addresses(ngx_conf_t *cf,
    ngx_http_plum_location_t *location,
    ngx_http_plum_review_address_pt handler);


/* the reviews, one row each of the table */

/* does a content handler stand behind "plum on" */

ngx_int_t ngx_http_plum_review_handler(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* plum_max_body against client_max_body_size */

ngx_int_t ngx_http_plum_review_body(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* lines of plum_signature that no delivery can satisfy together */

ngx_int_t ngx_http_plum_review_signatures(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* places that cannot hold a string, rules that say nothing */

ngx_int_t ngx_http_plum_review_allowlist(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* success= and retention= */

ngx_int_t ngx_http_plum_review_idempotency(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* does the key tell events apart, attempts not, and is it signed */

ngx_int_t ngx_http_plum_review_key(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* plum_satisfy, and lines of plum_signature that make others void */

ngx_int_t ngx_http_plum_review_satisfy(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* an event type that does not stand in the body, against the signatures */

ngx_int_t ngx_http_plum_review_event(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* header names with "_" that NGINX is told to let in, or not to */

ngx_int_t ngx_http_plum_review_headers(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/* the listens of the server against plum_tls */

ngx_int_t ngx_http_plum_review_tls(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);

/*
 * Secrets of signatures: those that no request can fit, those that look wrong,
 * and so many that bodies of strangers are costly
 */

ngx_int_t ngx_http_plum_review_secrets(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);


#endif /* _NGX_HTTP_PLUM_REVIEW_H_INCLUDED_ */
