/*
 * The request side of ngx_http_plum_module: configuration (constant once it
 * is read), the context of a request, and what the files of request/ offer
 * each other.
 */

#ifndef _NGX_HTTP_PLUM_H_INCLUDED_
#define _NGX_HTTP_PLUM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/sha.h>

#include <ngx_http_plum_budget.h>
#include <ngx_http_plum_compat.h>
#include <ngx_http_plum_outcome.h>
#include <ngx_plum_secret.h>
#include <ngx_plum_store.h>
#include <plum_idempotency.h>
#include <plum_project.h>
#include <plum_reason.h>
#include <plum_signature.h>


/* bytes of a captured value; tokens of a body are read as captures are */

#define NGX_HTTP_PLUM_CAPTURE_MAX    PLUM_SCHEME_TOKEN_MAX

#define NGX_HTTP_PLUM_MAX_BODY       (256 * 1024)    /* plum_max_body */

#define NGX_HTTP_PLUM_STALE          5       /* variables of what is replaced */

#define NGX_HTTP_PLUM_ENFORCE        0
#define NGX_HTTP_PLUM_OBSERVE        1

#define NGX_HTTP_PLUM_ACK_OFF        0       /* of plcf->ack; else a code */

#define NGX_HTTP_PLUM_SATISFY_ALL    0       /* each line must hold */
#define NGX_HTTP_PLUM_SATISFY_ANY    1       /* one line is enough */


/* two names (ngx_str_t *) are the same; case counts */

#define ngx_http_plum_same(a, b)                                              \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)


/* where a directive stands, for errors that are found later */

typedef struct {
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_plum_where_t;


/* plum_tls */

typedef struct {
    int                          minimum;    /* TLS1_2_VERSION, 0: off */
    ngx_http_complex_value_t    *version;    /* NULL: the connection's */
    ngx_uint_t                   certificate;
    ngx_uint_t                   connection; /* the certificate is that of the
                                                connection */
    ngx_http_complex_value_t    *verify;     /* NULL: no variable was given */
} ngx_http_plum_tls_t;


/* who verifies the client certificate of a connection, and by what */

typedef struct {
    SSL_CTX                     *ssl_ctx;    /* NULL: nobody */
    u_char                       trust[SHA256_DIGEST_LENGTH];
} ngx_http_plum_certificate_t;


/* a line of plum_signature; keys and secrets are parallel */

typedef struct {
    ngx_http_plum_where_t        where;
    plum_scheme_t                scheme;
    ngx_str_t                    secret;
    ngx_uint_t                   resolved;
    plum_key_t                 **keys;
    ngx_plum_secret_t          **secrets;
    ngx_uint_t                   nkeys;
} ngx_http_plum_signature_t;


/* a type of plum_types, in lower case, and the Content-Type forwarded for it */

typedef struct {
    plum_str_t                   name;
    ngx_str_t                    forwarded[2];   /* [1]: with the charset */
} ngx_http_plum_type_t;


/* a line of plum_allowlist: allow, with its events */

typedef struct {
    plum_str_t                   path;
    plum_str_t                  *events;
    ngx_uint_t                   nevents;
} ngx_http_plum_allow_rule_t;


/* where an allowlist finds the type of an event */

typedef enum {
    NGX_HTTP_PLUM_EVENT_NONE = 0,
    NGX_HTTP_PLUM_EVENT_PATH,
    NGX_HTTP_PLUM_EVENT_HEADER,
    NGX_HTTP_PLUM_EVENT_VARIABLE
} ngx_http_plum_event_e;


typedef struct {
    ngx_str_t                    name;
    ngx_http_plum_where_t        where;
    ngx_http_plum_event_e        event;
    plum_str_t                   event_type; /* path, name of the header, or
                                                the variable as written */
    ngx_http_complex_value_t    *event_value;    /* of the variable */
    ngx_array_t                  rules;      /* ngx_http_plum_allow_rule_t */
    ngx_uint_t                   acknowledge;    /* unlisted acknowledge */
    ngx_uint_t                   unlisted;       /* unlisted was said */
} ngx_http_plum_allowlist_t;


/* a line of plum_ack with for= */

typedef struct {
    ngx_http_plum_where_t        where;
    ngx_uint_t                   ack;        /* NGX_HTTP_PLUM_ACK_OFF, a code */
    plum_str_t                  *events;
    ngx_uint_t                   nevents;
} ngx_http_plum_ack_rule_t;


typedef struct {
    ngx_http_plum_where_t        where;
    ngx_str_t                    name;       /* of the variable, with "$" */
    ngx_int_t                    index;      /* of the variable */
    plum_str_t                   path;
} ngx_http_plum_capture_t;


typedef struct {
    ngx_str_t                    name;       /* of the store */
    ngx_http_plum_where_t        where;
    ngx_plum_store_t            *store;
    ngx_msec_t                   retention;
    ngx_msec_t                   lease;
    ngx_msec_t                   wait;       /* 0: in_flight=refuse */
    ngx_uint_t                   forward;    /* unavailable=forward */
    ngx_uint_t                   hold;       /* in_doubt=hold */
    plum_success_t               success;
    size_t                       answer;     /* 0: off */
    ngx_http_plum_kept_e        *kept;       /* the worker's: of the last one */
    ngx_uint_t                   replicas;   /* wait_replicas= */
    ngx_str_t                    scope;      /* empty: the gate's own */
} ngx_http_plum_idempotency_t;


typedef struct ngx_http_plum_queue_s  ngx_http_plum_queue_t;
typedef struct ngx_http_plum_view_s   ngx_http_plum_view_t;


/* plum_accept */

typedef struct {
    ngx_str_t                    name;       /* of the queue */
    ngx_http_plum_where_t        where;
    ngx_http_plum_queue_t       *queue;
    ngx_msec_t                   retention;
    ngx_uint_t                   forward;    /* unavailable=forward */
} ngx_http_plum_accept_t;


/* plum_deliver and plum_sign, see ngx_http_plum_delivery.h */

typedef struct ngx_http_plum_deliver_s  ngx_http_plum_deliver_t;
typedef struct ngx_http_plum_sign_s  ngx_http_plum_sign_t;


typedef struct {
    ngx_array_t                  secrets;    /* ngx_plum_secret_t * */
    ngx_array_t                  allowlists; /* ngx_http_plum_allowlist_t * */
    ngx_array_t                  stores;     /* ngx_plum_store_t * */
    ngx_array_t                  queues;     /* ngx_http_plum_queue_t * */
    ngx_array_t                  delivers;   /* ngx_http_plum_deliver_t * */
    ngx_array_t                  takers;     /* ngx_http_plum_taker_t * */
    ngx_array_t                  locations;  /* ngx_http_plum_location_t */
    size_t                       body_budget;
    ngx_http_plum_where_t        budget_where;
    ngx_array_t                  off;        /* ngx_http_plum_loc_conf_t *:
                                                where plum off is said */
    ngx_array_t                  rules;      /* ngx_http_plum_rule_t */
    ngx_array_t                  warnings;   /* ngx_str_t: those written */
    ngx_http_plum_allowlist_t    all;        /* built in */
    ngx_int_t                    stale[NGX_HTTP_PLUM_STALE];
} ngx_http_plum_main_conf_t;


/* a directive where plum is not on: it is there for locations inside */

typedef struct {
    ngx_http_plum_where_t       *where;
    const char                  *name;
    void                        *value;      /* as in the configuration */
} ngx_http_plum_rule_t;


/* names of headers, and a bit for each length (modulo 64) that they have */

typedef struct {
    ngx_array_t                  names;      /* plum_str_t */
    uint64_t                     lengths;
} ngx_http_plum_names_t;


typedef struct {
    ngx_flag_t                   enable;
    ngx_http_plum_where_t        where;      /* of plum on */
    ngx_http_core_loc_conf_t    *gate;       /* the location of plum on */
    ngx_uint_t                   mode;
    ngx_http_plum_tls_t         *tls;
    size_t                       max_body;
    off_t                        body_limit; /* with client_max_body_size */
    off_t                        client_limit;   /* that alone, 0: none */
    ngx_uint_t                   internal;   /* as the core directive says */
    ngx_array_t                 *types;      /* ngx_http_plum_type_t */
    ngx_array_t                 *signatures; /* ngx_http_plum_signature_t * */
    ngx_uint_t                   satisfy;    /* NGX_HTTP_PLUM_SATISFY_* */
    ngx_uint_t                   satisfy_outer;  /* "any" was said outside
                                                    of where the lines are */
    ngx_str_t                    allow;      /* name; empty: none */
    ngx_http_plum_where_t        allow_where;
    ngx_array_t                 *captures;   /* ngx_http_plum_capture_t */
    ngx_http_plum_idempotency_t *idempotency;    /* NULL: off */
    ngx_http_plum_accept_t      *accept;     /* NULL: off */
    ngx_array_t                 *key;        /* ngx_http_complex_value_t */
    ngx_uint_t                   ack;        /* of all other types */
    ngx_array_t                 *acks;       /* ngx_http_plum_ack_rule_t */
    ngx_http_plum_deliver_t     *deliver;    /* not inherited; or NULL */
    ngx_http_plum_sign_t        *sign;       /* likewise */
    ngx_uint_t                   log_level;
    ngx_uint_t                   refuse[PLUM_REASON_MAX];    /* codes */

    /* made of these where plum is on */

    ngx_http_plum_allowlist_t   *allowlist;
    plum_plan_t                 *plan;
    plum_scratch_t              *scratch;    /* the worker's */
    unsigned                    *capture_slots;
    unsigned                    *signature_slots;    /* token or timestamp */
    unsigned                     event_slot;
    u_char                       owner[PLUM_OWNER_LEN];  /* of its records */
    ngx_http_plum_names_t        stale;      /* headers not forwarded */
    ngx_http_plum_certificate_t *certificate;    /* NULL: the connection's
                                                    does not matter */
    ngx_http_plum_view_t        *views;      /* of accept, by consumer */
} ngx_http_plum_loc_conf_t;


/* copies are known: the location has an idempotency key */

#define ngx_http_plum_dedupes(plcf)  ((plcf)->idempotency || (plcf)->accept)


/*
 * 1 if a request that was judged by the rules of one location needs no other
 * judgement to be forwarded by the other one, see ngx_http_plum_rules.c.
 */

ngx_uint_t ngx_http_plum_same_rules(const ngx_http_plum_loc_conf_t *one,
    const ngx_http_plum_loc_conf_t *two);


/* a location where plum is on, for the checks after all is merged */

typedef struct {
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_core_srv_conf_t    *cscf;
    ngx_http_core_loc_conf_t    *clcf;
} ngx_http_plum_location_t;


typedef enum {
    NGX_HTTP_PLUM_UNJUDGED = 0,
    NGX_HTTP_PLUM_ACCEPTED,
    NGX_HTTP_PLUM_DUPLICATE,
    NGX_HTTP_PLUM_REFUSED,
    NGX_HTTP_PLUM_DROPPED
} ngx_http_plum_verdict_e;


typedef enum {
    NGX_HTTP_PLUM_DEDUPE_NONE = 0,           /* not asked */
    NGX_HTTP_PLUM_DEDUPE_NEW,
    NGX_HTTP_PLUM_DEDUPE_DUPLICATE,
    NGX_HTTP_PLUM_DEDUPE_IN_FLIGHT,
    NGX_HTTP_PLUM_DEDUPE_UNAVAILABLE,
    NGX_HTTP_PLUM_DEDUPE_OFF
} ngx_http_plum_dedupe_e;


/* how the answer is made, see ngx_http_plum_answer.c */

typedef enum {
    NGX_HTTP_PLUM_ANSWER_PASS = 0,           /* untouched */
    NGX_HTTP_PLUM_ANSWER_BARE,               /* header sent, body swallowed */
    NGX_HTTP_PLUM_ANSWER_COLLECT             /* header held, body collected */
} ngx_http_plum_answer_e;


/* what is known of a line of plum_signature, see ngx_http_plum_proof.c */

typedef struct {
    plum_credential_t               *credential; /* of its headers */
    const ngx_plum_secret_t         *secret; /* that fitted */
    plum_reason_t                    reason; /* why it does not hold */
} ngx_http_plum_proof_t;


/* what a refused request had */

typedef struct {
    ngx_http_headers_in_t            headers_in;
    ngx_uint_t                       method;
    ngx_str_t                        method_name;
    ngx_str_t                        args;
    ngx_str_t                        unparsed_uri;
} ngx_http_plum_aside_t;


typedef struct {
    ngx_http_request_t              *request;
    const ngx_http_plum_loc_conf_t  *plcf;   /* the rules it is judged by,
                                                NULL: rewritten out of them */
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
    ngx_str_t                        event_type; /* from outside of the body;
                                                    empty until the sender is
                                                    known */
    const ngx_http_plum_ack_rule_t  *ack;    /* NULL: that of plcf */
    size_t                           dropped;
    ngx_str_t                        key;

    ngx_plum_claim_t                 claim;
    ngx_plum_accept_t               *accept; /* NULL: not begun */
    ngx_event_t                      timer;  /* wait for a copy, then renew */
    ngx_msec_t                       deadline;   /* of the wait, then when
                                                    to renew */
    ngx_msec_t                       pause;      /* before the next look */

    ngx_http_plum_aside_t           *aside;  /* NULL: it is not refused, or
                                                without an error page */

    ngx_http_handler_pt              content_handler;    /* wrapped */
    ngx_event_handler_pt             read_handler;   /* of HTTP/3, wrapped */
    ngx_uint_t                       attempts;   /* at upstreams, before it
                                                    passed */
    ngx_http_plum_hop_t              hop;    /* the last one, once passed */

    ngx_http_plum_answer_e           answer;
    ngx_buf_t                       *collected;  /* body, to be kept */
    ngx_http_plum_kept_e             kept;

    unsigned                         started:1;  /* walks the stages */
    unsigned                         passed:1;   /* through all stages */
    unsigned                         reading:1;  /* body is being read */
    unsigned                         read:1;     /* body is complete */
    unsigned                         waiting:1;  /* for the store's reply */
    unsigned                         resumed:1;  /* comes back to its stage */
    unsigned                         held:1;     /* the claim is ours */
    unsigned                         page:1;     /* an error page of a request
                                                    that has not passed */
    unsigned                         answered:1; /* header filter ran */
    unsigned                         gone:1;     /* the connection over HTTP/3
                                                    has ended */
} ngx_http_plum_ctx_t;


/*
 * A stage.  Called first when the stage before it said NGX_OK, and again
 * whenever the request is resumed while it waits.
 *
 * NGX_OK        go on to the next stage
 * NGX_AGAIN     wait: the stage has arranged to be resumed
 * NGX_DECLINED  refuse: ctx->reason is set
 * NGX_DONE      answered from what is known: a duplicate, a dropped event
 * NGX_ERROR     500
 * >= 300        a status of NGINX's own (reading the body failed)
 */

typedef ngx_int_t (*ngx_http_plum_stage_pt)(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


/* the stages, one file each */

ngx_int_t ngx_http_plum_tls(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_head(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_credential(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_spelling(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_verify(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_project(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_claim(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_accept(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/* accept: the request goes away */

void ngx_http_plum_accept_cancel(ngx_http_plum_ctx_t *ctx);

/*
 * key: makes the idempotency key, ctx->key, and the name of its record, which
 * begins with the owner.  NGX_DECLINED with key_missing.
 */

ngx_int_t ngx_http_plum_key(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_str_t *record);

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

/*
 * proof: line n of plum_signature does not hold.  NGX_DECLINED, with the
 * reason in ctx->reason, if that refuses the request: with "all" always, with
 * "any" if no line is left.  Else NGX_OK.
 */

ngx_int_t ngx_http_plum_proof_fails(ngx_http_plum_ctx_t *ctx, ngx_uint_t n,
    plum_reason_t reason);

/*
 * The secret that fitted: of the first line that holds, in the order of the
 * stages; else of the first one that fitted and was refused for its
 * timestamp.  NULL if there is none.
 */

const ngx_plum_secret_t *ngx_http_plum_proof_secret(ngx_http_plum_ctx_t *ctx);

/*
 * credential: judges the timestamps that are known by now, at the current
 * second.  NGX_OK, or NGX_DECLINED with timestamp_stale.
 */

ngx_int_t ngx_http_plum_fresh(ngx_http_plum_ctx_t *ctx);

/*
 * gate: the handlers of the SERVER_REWRITE, the REWRITE and the PRECONTENT
 * phase.  Each must be the first of its phase.
 */

ngx_int_t ngx_http_plum_bind_server(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_bind(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_handler(ngx_http_request_t *r);

/*
 * wait: a stage that waits suspends the request: nobody reads or writes, and
 * a hang-up of the sender ends it.  NGX_AGAIN, or NGX_ERROR.
 *
 * resume lets it go on, from an event that is not its own.  The request may
 * be gone afterwards.
 */

ngx_int_t ngx_http_plum_suspend(ngx_http_request_t *r);
void ngx_http_plum_resume(ngx_http_plum_ctx_t *ctx);

/*
 * refuse: refuses for ctx->reason, with the line in the log and the headers of
 * the answer.  Returns its status, or NGX_DECLINED where the request is only
 * observed.
 *
 * end is for any other status: puts the request aside if there may be an error
 * page, and returns the status to be answered.
 *
 * error_page and subrequest are what the PRECONTENT handler returns for a page
 * of a refused request, and for subrequests.
 */

ngx_int_t ngx_http_plum_refuse(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_end(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_int_t status);
ngx_int_t ngx_http_plum_error_page(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, const ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_subrequest(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf);

/* writes the one line that a refusal has in the error log */

void ngx_http_plum_log_refusal(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf, plum_reason_t reason,
    const char *detail);

/* the headers that belong to the answer of a refusal: Allow, Retry-After */

ngx_int_t ngx_http_plum_refuse_headers(ngx_http_request_t *r,
    plum_reason_t reason);

/*
 * aside: of a request that has not passed.  put_aside takes body, method,
 * arguments and headers out of it, once, before an error page is made;
 * NGX_ERROR if there is no memory for that: then no page may be made.
 * put_back undoes that, but for the body, before the request is logged.
 * forgo_body: nobody asks for a body that the sender holds back until it is
 * asked.
 */

ngx_int_t ngx_http_plum_put_aside(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_put_back(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_forgo_body(ngx_http_request_t *r);

/*
 * ctx: that of the main request, found again after internal redirects, which
 * wipe the contexts of modules.  It is there as soon as the request is bound
 * to a location with "plum on", judged or not: see its verdict.  NULL: it is
 * not bound, or "rewrite" has moved it out of its rules before any stage.
 */

ngx_http_plum_ctx_t *ngx_http_plum_get_ctx(ngx_http_request_t *r);
ngx_http_plum_ctx_t *ngx_http_plum_create_ctx(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf);

/*
 * certificate: the client certificate of the connection, as the server of the
 * location sees it, see ngx_http_plum_certificate.c.
 *
 * create is called when the configuration is read, with the TLS context of
 * the server, or with NULL where the server verifies no client certificate:
 * then every request is declined.  It prepares the context, which must have
 * got its authorities and revocation lists before.  NULL if it fails.
 *
 * The other says NGX_OK if the server has verified the certificate,
 * NGX_DECLINED if not, and NGX_ERROR (500).  Without "required" it is NGX_OK,
 * too, where the connection has no certificate that anybody has found good.
 */

ngx_http_plum_certificate_t *ngx_http_plum_certificate_create(ngx_conf_t *cf,
    SSL_CTX *ssl_ctx);
ngx_int_t ngx_http_plum_certificate(ngx_http_request_t *r,
    const ngx_http_plum_certificate_t *certificate, ngx_uint_t required);

/*
 * body: asks for the memory of a body, before its first byte is read; NGX_OK,
 * or NGX_DECLINED with ctx->reason set
 */

ngx_int_t ngx_http_plum_body_begin(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/* gather: the request body filter */

void ngx_http_plum_gather_init(void);

/*
 * budget, see ngx_http_plum_budget.h.  Where memory is asked for, NGX_DECLINED
 * says that there is none: ctx->reason is set.
 *
 * fits     true if that many bytes could be had now
 * charge   the body's memory is so many bytes from now on; to more by giving
 *          up other bodies, to less always
 * copy     so many bytes more, for the clean copy or a collected answer
 * grow     charges for a piece of that size and what is outside, allocates it
 *          (NGX_ERROR: there is no memory), and moves the body to it
 * drop     frees a buffer of NGINX's that is no longer used
 * expose   the body may be given up for another one from now on; first: before
 *          all others
 * protect  it may not any more
 * free     its memory is freed and the request has no body any more; a reader
 *          that is still active gets a buffer of one byte
 * release  when the request is freed
 */

ngx_uint_t ngx_http_plum_budget_fits(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_charge(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_copy(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_grow(ngx_http_plum_ctx_t *ctx, size_t room);
void ngx_http_plum_budget_drop(ngx_http_plum_ctx_t *ctx, u_char *p);
void ngx_http_plum_budget_expose(ngx_http_plum_ctx_t *ctx, ngx_uint_t first);
void ngx_http_plum_budget_protect(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_budget_free(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_budget_release(ngx_http_plum_ctx_t *ctx);

/* replace: what is forwarded, in place of what was received */

ngx_int_t ngx_http_plum_replace_init(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);
ngx_int_t ngx_http_plum_replace_conf(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_replace_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/*
 * headers: find, set and remove those of the request, add to the response.
 * Names are compared by plum_header_same(); find_header is a plum_header_pt
 * of an ngx_http_request_t.  set_header gives another value to a header that
 * is there, in each of its spellings; the value must end with a NUL.
 */

size_t ngx_http_plum_find_header(void *data, const plum_str_t *name,
    plum_str_t *value);
void ngx_http_plum_set_header(ngx_http_request_t *r, const plum_str_t *name,
    const ngx_str_t *value);
ngx_int_t ngx_http_plum_remove_headers(ngx_http_request_t *r,
    const ngx_http_plum_names_t *names);
ngx_uint_t ngx_http_plum_has_name(const ngx_http_plum_names_t *names,
    const ngx_str_t *key);
ngx_int_t ngx_http_plum_add_header(ngx_http_request_t *r, const char *name,
    const char *value);

/*
 * outcome: what became of a request that has passed the gate.  passed marks it
 * so and begins its first hop.  hop begins the next one: call it in the first
 * phase of an internal redirect.  hop_location is for a hop that goes on in
 * another location, by "rewrite ... last" or "if".  judge tells the outcome
 * when the answer is about to be sent, or when there will be none.
 */

void ngx_http_plum_passed(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_hop(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_hop_location(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
plum_outcome_t ngx_http_plum_judge(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/*
 * settle: ends the claim by the outcome, once, whoever calls first.  answer,
 * or NULL, is kept with the record of a success.
 *
 * hold: the claim is ours from now on, and is renewed until it is settled.
 */

void ngx_http_plum_settle(ngx_http_plum_ctx_t *ctx, plum_outcome_t outcome,
    ngx_str_t *answer);
void ngx_http_plum_hold(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);

/*
 * hangup: watch wraps the content handler of a request that has passed, so
 * that a forward goes on when the sender leaves, over HTTP/3 also when its
 * connection ends.  To be called again after a redirect, which chooses another
 * handler.  Does nothing without a content handler, and where a request is
 * only observed and no claim is held.
 */

void ngx_http_plum_watch(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);

/*
 * ack: chooses the line of plum_ack that is about this type of event, and
 * tells what it says: a code, or NGX_HTTP_PLUM_ACK_OFF.  Before the type is
 * known it is the line without for=.
 */

ngx_int_t ngx_http_plum_ack_choose(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_uint_t ngx_http_plum_ack(const ngx_http_plum_ctx_t *ctx);

/*
 * answer: filters.  send_known answers a request that is not forwarded, as its
 * answer is known: a duplicate, by the kept answer or the code of plum_ack, or
 * a dropped event, by the code.  It finalizes the request and returns NGX_DONE.
 */

ngx_int_t ngx_http_plum_answer_init(void);
ngx_int_t ngx_http_plum_send_known(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/*
 * kept: an answer that is kept for duplicates.  collect looks at the header:
 * NGX_OK holds it back, NGX_DECLINED says that the answer cannot be kept.
 * collect_answer takes the body in: NGX_AGAIN until it has come, then NGX_OK,
 * or NGX_DECLINED where it has broken off.  not_kept commits without the
 * answer.  send_kept returns NGX_DECLINED where there is nothing that can be
 * read, and nothing has been sent.
 */

ngx_int_t ngx_http_plum_collect(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_collect_answer(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
void ngx_http_plum_not_kept(ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_kept_e kept);
ngx_int_t ngx_http_plum_send_kept(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/* variables */

ngx_int_t ngx_http_plum_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_plum_capture_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* the index of a variable that a plum_capture sets, or NGX_DECLINED */

ngx_int_t ngx_http_plum_find_capture(ngx_conf_t *cf, ngx_str_t *name);

/* the value a probe found, decoded; empty (and NGX_DECLINED) if none */

ngx_int_t ngx_http_plum_probe(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    unsigned slot, ngx_str_t *value);


extern ngx_module_t  ngx_http_plum_module;


#endif /* _NGX_HTTP_PLUM_H_INCLUDED_ */
