/*
 * The context of a request that is bound to a location with "plum on": what
 * the stages have found out about it, and how far it has come.
 */

#ifndef _NGX_HTTP_PLUM_CTX_H_INCLUDED_
#define _NGX_HTTP_PLUM_CTX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_loc_conf.h>
#include <ngx_http_plum_outcome.h>


typedef enum {
    NGX_HTTP_PLUM_UNJUDGED = 0,
    NGX_HTTP_PLUM_ACCEPTED,
    NGX_HTTP_PLUM_DUPLICATE,
    NGX_HTTP_PLUM_REFUSED,
    NGX_HTTP_PLUM_DROPPED
} ngx_http_plum_verdict_e;


typedef enum {
    NGX_HTTP_PLUM_DEDUPE_NONE = 0,           /* no store was used */
    NGX_HTTP_PLUM_DEDUPE_NEW,
    NGX_HTTP_PLUM_DEDUPE_DUPLICATE,
    NGX_HTTP_PLUM_DEDUPE_IN_FLIGHT,
    NGX_HTTP_PLUM_DEDUPE_UNAVAILABLE,
    NGX_HTTP_PLUM_DEDUPE_OFF
} ngx_http_plum_dedupe_e;


/* the state of a line of plum_signature, see ngx_http_plum_proof.c */

typedef struct {
    plum_credential_t               *credential; /* of its headers */
    const ngx_plum_secret_t         *secret; /* that fitted */
    plum_reason_t                    reason; /* why the line fails */
} ngx_http_plum_proof_t;


/* what is removed from a refused request, see ngx_http_plum_aside.c */

typedef struct {
    ngx_http_headers_in_t            headers_in;
    ngx_uint_t                       method;
    ngx_str_t                        method_name;
    ngx_str_t                        args;
    ngx_str_t                        unparsed_uri;
} ngx_http_plum_aside_t;


struct ngx_http_plum_ctx_s {
    ngx_http_request_t              *request;
    const ngx_http_plum_loc_conf_t  *plcf;   /* the rules it is judged by;
                                                NULL: "rewrite" has moved it
                                                out of them */
    ngx_uint_t                       stage;  /* index of the stage table */

    ngx_http_plum_verdict_e          verdict;
    plum_reason_t                    reason;
    ngx_http_plum_dedupe_e           dedupe;

    ngx_str_t                        tls_version;
    const ngx_str_t                 *content_type;   /* as forwarded */
    ngx_http_plum_proof_t           *proofs; /* by signature */

    ngx_http_plum_body_t             body;   /* its memory */
    ngx_str_t                        raw;    /* body as received */
    ngx_str_t                        clean;  /* body as forwarded */
    off_t                            received;
    plum_value_t                    *probes;
    ngx_str_t                        event_type; /* if it is not in the body;
                                                    empty until the sender is
                                                    known */
    const ngx_http_plum_ack_rule_t  *ack;    /* NULL: that of plcf */
    size_t                           dropped;
    ngx_str_t                        key;

    ngx_plum_claim_t                 claim;
    ngx_plum_accept_t               *accept; /* NULL: not begun */
    ngx_event_t                      retry;  /* timer: the claim is tried again
                                                while a copy is in flight */
    ngx_msec_t                       pause;  /* before the next retry */
    ngx_msec_t                       wait_until; /* the end of in_flight=wait */
    ngx_event_t                      renewal;    /* timer while the claim is
                                                held */
    ngx_msec_t                       renew_at;

    ngx_http_plum_aside_t           *aside;  /* NULL: not refused, or no
                                                error page is made */
    ngx_http_plum_clock_t            clock;  /* see ngx_http_plum_measure.c */

    ngx_http_handler_pt              content_handler;    /* wrapped */
    ngx_event_handler_pt             read_handler;   /* of HTTP/3, wrapped */
    ngx_uint_t                       attempts;   /* at upstreams, before it
                                                    passed */
    ngx_http_plum_hop_t              hop;    /* the last one, once passed */

    ngx_http_plum_answer_e           answer;
    ngx_buf_t                       *collected;  /* body, to be kept */
    ngx_http_plum_kept_e             kept;

    unsigned                         started:1;  /* stages have been called */
    unsigned                         passed:1;   /* all stages */
    unsigned                         reading:1;  /* body is being read */
    unsigned                         read:1;     /* body is complete */
    unsigned                         waiting:1;  /* for the store's reply */
    unsigned                         resumed:1;  /* the stage is called again */
    unsigned                         held:1;     /* it has the claim */
    unsigned                         page:1;     /* an error page of a request
                                                    that has not passed */
    unsigned                         answered:1; /* the header filter has run */
    unsigned                         gone:1;     /* the connection over HTTP/3
                                                    has ended */
};


/*
 * get_ctx() returns the context of the main request, also after an internal
 * redirect, which clears the contexts of modules.  The context exists as soon
 * as the request is bound to a location with "plum on"; its verdict tells
 * whether the request has been judged.  NULL: the request is not bound, or
 * "rewrite" has moved it out of its rules before any stage.
 */

ngx_http_plum_ctx_t *ngx_http_plum_get_ctx(ngx_http_request_t *r);
ngx_http_plum_ctx_t *ngx_http_plum_create_ctx(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf);


#endif /* _NGX_HTTP_PLUM_CTX_H_INCLUDED_ */
