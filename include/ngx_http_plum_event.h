/*
 * Properties of an event: its type, the values found in its body, its
 * idempotency key, and the line of plum_ack that applies to it.
 */

#ifndef _NGX_HTTP_PLUM_EVENT_H_INCLUDED_
#define _NGX_HTTP_PLUM_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum_loc_conf.h>
#include <plum_str.h>


/* bytes of a captured value, and of a token in the body */

#define NGX_HTTP_PLUM_CAPTURE_MAX    PLUM_SCHEME_TOKEN_MAX


/*
 * event_type()     sets the type of the event, after the body has been
 *                  projected; empty: it has none
 * event_outside()  the same if the list finds the type in a header or variable
 * event_matches()  1: the type is among those of for=, where "offer.*" matches
 *                  each type that begins with "offer."; an empty type never
 *                  matches
 */

ngx_int_t ngx_http_plum_event_type(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_str_t *type);
ngx_int_t ngx_http_plum_event_outside(ngx_http_request_t *r,
    const ngx_http_plum_allowlist_t *list, ngx_str_t *type);
ngx_uint_t ngx_http_plum_event_matches(const plum_str_t *events,
    ngx_uint_t nevents, const ngx_str_t *type);

/* sets the decoded value that a probe has found; NGX_DECLINED: empty, none */

ngx_int_t ngx_http_plum_probe(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    unsigned slot, ngx_str_t *value);

/*
 * Makes the idempotency key (ctx->key) and the name of its record, which is the
 * owner and the key.  NGX_DECLINED: ctx->reason is key_missing.
 */

ngx_int_t ngx_http_plum_key(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *record);

/*
 * ack_choose() selects the line of plum_ack for the type of the event.  ack()
 * returns its value, a status or NGX_HTTP_PLUM_ACK_OFF; before a line is
 * selected, that of the line without for=.
 */

ngx_int_t ngx_http_plum_ack_choose(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_uint_t ngx_http_plum_ack(const ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_EVENT_H_INCLUDED_ */
