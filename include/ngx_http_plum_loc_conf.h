/*
 * The configuration of ngx_http_plum_module: of http{} and of a location, and
 * the structures that they consist of.  It is constant at request time, except
 * for fields that are marked as the worker's.
 */

#ifndef _NGX_HTTP_PLUM_LOC_CONF_H_INCLUDED_
#define _NGX_HTTP_PLUM_LOC_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <ngx_http_plum_answer.h>
#include <ngx_http_plum_certificate.h>
#include <ngx_http_plum_measure.h>
#include <ngx_plum_secret.h>
#include <ngx_plum_store.h>
#include <plum_idempotency.h>
#include <plum_project.h>
#include <plum_reason.h>
#include <plum_signature.h>


#define NGX_HTTP_PLUM_MAX_BODY       (256 * 1024)    /* plum_max_body */

#define NGX_HTTP_PLUM_STALE          5       /* variables of what is replaced */

#define NGX_HTTP_PLUM_ENFORCE        0
#define NGX_HTTP_PLUM_OBSERVE        1

#define NGX_HTTP_PLUM_ACK_OFF        0       /* of plcf->ack; else a code */

#define NGX_HTTP_PLUM_SATISFY_ALL    0       /* each line must hold */
#define NGX_HTTP_PLUM_SATISFY_ANY    1       /* one line is enough */


/*
 * Directives of a location that have no structure of their own with a place:
 * where the one in force stands, for a report of the policy.
 */

typedef enum {
    NGX_HTTP_PLUM_SAID_MODE = 0,
    NGX_HTTP_PLUM_SAID_TLS,
    NGX_HTTP_PLUM_SAID_TYPES,
    NGX_HTTP_PLUM_SAID_MAX_BODY,
    NGX_HTTP_PLUM_SAID_SATISFY,
    NGX_HTTP_PLUM_SAID_IDEMPOTENCY,
    NGX_HTTP_PLUM_SAID_ACCEPT,
    NGX_HTTP_PLUM_SAID_KEY,
    NGX_HTTP_PLUM_SAID_ACK,
    NGX_HTTP_PLUM_SAID_MAX
} ngx_http_plum_said_e;


/* a [warn] of a review that was written */

typedef struct {
    ngx_http_plum_where_t        where;
    ngx_str_t                    text;
} ngx_http_plum_warning_t;


/* plum_tls */

typedef struct {
    int                          minimum;    /* TLS1_2_VERSION, 0: off */
    ngx_http_complex_value_t    *version;    /* NULL: the connection's */
    ngx_uint_t                   certificate;
    ngx_uint_t                   connection; /* the certificate is that of the
                                                connection */
    ngx_http_complex_value_t    *verify;     /* NULL: no variable was given */
} ngx_http_plum_tls_t;


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


/* a path of a line of plum_allowlist, with its events */

typedef struct {
    ngx_http_plum_where_t        where;      /* line 0: it is built in */
    plum_str_t                   path;
    plum_str_t                  *events;
    ngx_uint_t                   nevents;
    ngx_uint_t                   pseudonym;  /* 1: it is one, by the secret */
    ngx_uint_t                   secret;     /* of that number in the list */
} ngx_http_plum_allow_rule_t;


/* a secret that an allowlist makes pseudonyms with */

typedef struct {
    ngx_http_plum_where_t        where;
    ngx_str_t                    name;
} ngx_http_plum_list_secret_t;


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
    ngx_http_plum_list_secret_t  secrets[PLUM_PLAN_SECRETS];
    ngx_uint_t                   nsecrets;
    plum_key_t                  *keys[PLUM_PLAN_SECRETS];
    ngx_uint_t                   acknowledge;    /* unlisted acknowledge */
    ngx_uint_t                   unlisted;       /* "unlisted" was given */
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


/* plum_accept */

typedef struct {
    ngx_str_t                    name;       /* of the queue */
    ngx_http_plum_where_t        where;
    ngx_http_plum_queue_t       *queue;
    ngx_msec_t                   retention;
    ngx_uint_t                   forward;    /* unavailable=forward */
} ngx_http_plum_accept_t;


struct ngx_http_plum_main_conf_s {
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
                                                those with plum off */
    ngx_array_t                  rules;      /* ngx_http_plum_rule_t */
    ngx_array_t                  warnings;   /* ngx_http_plum_warning_t */
    ngx_http_plum_policy_t      *policy;     /* NULL: nobody asks for it */
    ngx_http_plum_allowlist_t    all;        /* built in */
    ngx_uint_t                   status;     /* there is a plum_status */
    ngx_plum_metrics_t          *metrics;    /* NULL: nothing is counted */
    ngx_array_t                  measured;   /* ngx_http_plum_measured_t * */
    time_t                       loaded;     /* when this was read */
    ngx_int_t                    stale[NGX_HTTP_PLUM_STALE];
};


/* a directive at a level without plum on; inner locations may inherit it */

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


struct ngx_http_plum_loc_conf_s {
    ngx_flag_t                   enable;
    ngx_http_plum_where_t        block;      /* where the location begins */
    ngx_http_plum_where_t        said[NGX_HTTP_PLUM_SAID_MAX];
    ngx_http_plum_where_t        where;      /* of plum on */
    ngx_http_core_loc_conf_t    *gate;       /* the location of plum on */
    ngx_str_t                    gate_name;  /* name=; empty: not given */
    ngx_uint_t                   mode;
    ngx_http_plum_tls_t         *tls;
    size_t                       max_body;
    off_t                        body_limit; /* with client_max_body_size */
    off_t                        client_limit;   /* that alone, 0: none */
    ngx_uint_t                   internal;   /* as the core directive says */
    ngx_array_t                 *types;      /* ngx_http_plum_type_t */
    ngx_array_t                 *signatures; /* ngx_http_plum_signature_t * */
    ngx_uint_t                   satisfy;    /* NGX_HTTP_PLUM_SATISFY_* */
    ngx_uint_t                   satisfy_outer;  /* "any" was set at a level
                                                    above that of the lines */
    ngx_str_t                    allow;      /* name; empty: none */
    ngx_http_plum_where_t        allow_where;
    ngx_array_t                 *captures;   /* ngx_http_plum_capture_t */
    ngx_http_plum_idempotency_t *idempotency;    /* NULL: off */
    ngx_http_plum_accept_t      *accept;     /* NULL: off */
    ngx_array_t                 *key;        /* ngx_http_complex_value_t */
    ngx_uint_t                   ack;        /* for all other types */
    ngx_array_t                 *acks;       /* ngx_http_plum_ack_rule_t */
    ngx_http_plum_deliver_t     *deliver;    /* or NULL; not inherited */
    ngx_http_plum_sign_t        *sign;       /* likewise */
    ngx_uint_t                   log_level;
    ngx_uint_t                   refuse[PLUM_REASON_MAX];    /* codes */

    /* derived from these in a location with plum on */

    ngx_http_plum_allowlist_t   *allowlist;
    plum_plan_t                 *plan;
    plum_scratch_t              *scratch;    /* the worker's */
    unsigned                    *capture_slots;
    unsigned                    *signature_slots;    /* token or timestamp */
    unsigned                     event_slot;
    u_char                       owner[PLUM_OWNER_LEN];  /* of its records */
    ngx_http_plum_names_t        stale;      /* headers not forwarded */
    ngx_http_plum_certificate_t *certificate;    /* NULL: that of the
                                                    connection is not used */
    ngx_http_plum_view_t        *views;      /* of accept, by consumer */
    ngx_http_plum_measured_t    *measured;   /* NULL: nothing is counted */
};


/* 1: the location has an idempotency key, so copies are recognized */

#define ngx_http_plum_dedupes(plcf)  ((plcf)->idempotency || (plcf)->accept)


/* a location with plum on, for the checks after the merge */

typedef struct {
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_core_srv_conf_t    *cscf;
    ngx_http_core_loc_conf_t    *clcf;
} ngx_http_plum_location_t;


/*
 * 1: both locations have the same rules, so a request that was judged in one of
 * them may be forwarded by the other one; see ngx_http_plum_rules.c.
 */

ngx_uint_t ngx_http_plum_same_rules(const ngx_http_plum_loc_conf_t *one,
    const ngx_http_plum_loc_conf_t *two);


#endif /* _NGX_HTTP_PLUM_LOC_CONF_H_INCLUDED_ */
