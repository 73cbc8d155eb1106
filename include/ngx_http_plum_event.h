/*
 * What is known of an event: its type, the values that probes have found in
 * its body, its idempotency key, and its line of plum_ack.
 */

#ifndef _NGX_HTTP_PLUM_EVENT_H_INCLUDED_
#define _NGX_HTTP_PLUM_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum_loc_conf.h>
#include <plum_str.h>


/* bytes of a captured value; tokens of a body are read as captures are */

#define NGX_HTTP_PLUM_CAPTURE_MAX    PLUM_SCHEME_TOKEN_MAX


/*
 * event: the type of the event, once the body has been projected; empty: none.
 * outside finds the one that a list looks for outside of the body.  matches
 * says whether a type is among those of a "for=": "offer.*" stands for every
 * type that begins so; no type is no match.
 */

ngx_int_t ngx_http_plum_event_type(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *type);
ngx_int_t ngx_http_plum_event_outside(ngx_http_request_t *r,
    const ngx_http_plum_allowlist_t *list, ngx_str_t *type);
ngx_uint_t ngx_http_plum_event_matches(const plum_str_t *events,
    ngx_uint_t nevents, const ngx_str_t *type);

/* the value a probe found, decoded; empty (and NGX_DECLINED) if none */

ngx_int_t ngx_http_plum_probe(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    unsigned slot, ngx_str_t *value);

/*
 * key: makes the idempotency key, ctx->key, and the name of its record, which
 * begins with the owner.  NGX_DECLINED with key_missing.
 */

ngx_int_t ngx_http_plum_key(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *record);

/*
 * ack: chooses the line of plum_ack that is about this type of event, and
 * tells what it says: a code, or NGX_HTTP_PLUM_ACK_OFF.  Before the type is
 * known it is the line without for=.
 */

ngx_int_t ngx_http_plum_ack_choose(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_uint_t ngx_http_plum_ack(const ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_EVENT_H_INCLUDED_ */
