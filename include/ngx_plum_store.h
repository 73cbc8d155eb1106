/*
 * The idempotency store: one interface for every kind of store.
 *
 *   absent --claim(token, lease)--> pending --commit(token, retention)--> done
 *   pending --release(token), or the lease lapses--> absent
 *   done --retention runs out--> absent
 *
 * Every operation is atomic, across all workers (and, for a remote store,
 * all hosts), and carries the random token of the claim, so that a late
 * worker cannot touch another's claim.
 */

#ifndef _NGX_PLUM_STORE_H_INCLUDED_
#define _NGX_PLUM_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_plum_metrics.h>
#include <ngx_plum_queue.h>


#define NGX_PLUM_TOKEN_LEN       16


/* what became of an operation: one of six, never two */

typedef enum {
    NGX_PLUM_OP_OK = 0,          /* claim: new, the token holds the record;
                                    others: done as asked */
    NGX_PLUM_OP_BUSY,            /* claim: another token's claim is pending */
    NGX_PLUM_OP_DONE,            /* claim: forwarded before; answer is set */
    NGX_PLUM_OP_LOST,            /* renew, commit, release: the record is not
                                    held by this token (any more) */
    NGX_PLUM_OP_NOT_SENT,        /* the store could not be asked */
    NGX_PLUM_OP_UNKNOWN          /* asked, no answer: it may have happened */
} ngx_plum_outcome_e;


typedef struct ngx_plum_store_s  ngx_plum_store_t;
typedef struct ngx_plum_claim_s  ngx_plum_claim_t;

typedef void (*ngx_plum_claim_pt)(ngx_plum_claim_t *claim);


/*
 * A claim, owned by the request: allocated by it, in its pool.  The caller
 * sets the first group before claim(); the store fills the second group.
 */

struct ngx_plum_claim_s {
    ngx_str_t            key;            /* with its owner: at most
                                            PLUM_RECORD_MAX bytes */
    u_char               token[NGX_PLUM_TOKEN_LEN];
    ngx_msec_t           lease;
    ngx_uint_t           replicas;       /* that must have a claim or commit
                                            before it counts */
    ngx_pool_t          *pool;           /* for answer */
    ngx_log_t           *log;
    ngx_plum_claim_pt    handler;        /* when claim() returned NGX_AGAIN */
    void                *data;

    ngx_plum_outcome_e   outcome;        /* of claim() */
    ngx_msec_t           left;           /* BUSY: of the other's lease */
    ngx_str_t            answer;         /* DONE: kept with the commit, in
                                            pool; empty: none was kept */
    unsigned             no_room:1;      /* commit() knows at once that the
                                            answer cannot be kept */

    void                *op;             /* the store's own; NULL: nothing is
                                            under way */
};


/*
 * A kind of store.
 *
 * claim    NGX_OK: outcome is set now.  NGX_AGAIN: handler is called later,
 *          never from inside claim().  One that was BUSY may be tried again;
 *          one that was UNKNOWN may not, as the store releases it.
 * cancel   the request goes away while claim() is under way: handler will not
 *          be called; if the claim turns out to have been made, the store
 *          releases it.  Only called while op is not NULL.
 * renew    extends the lease from now.
 * commit   pending -> done, kept for retention milliseconds, with the answer
 *          (may be empty).
 * release  pending -> absent.
 *
 * renew, commit and release copy what they need and return at once: NGX_OK
 * (with OK or LOST known at once, or written later).  The store itself
 * retries commit and release until they are acknowledged or the lease has
 * lapsed, and logs what it could not do.  If the return value is NGX_ERROR
 * the outcome is NOT_SENT, and the record lapses with its lease.
 */

typedef struct {
    ngx_int_t          (*claim)(ngx_plum_store_t *store,
                                ngx_plum_claim_t *claim);
    void               (*cancel)(ngx_plum_store_t *store,
                                 ngx_plum_claim_t *claim);
    ngx_int_t          (*renew)(ngx_plum_store_t *store,
                                ngx_plum_claim_t *claim);
    ngx_int_t          (*commit)(ngx_plum_store_t *store,
                                 ngx_plum_claim_t *claim,
                                 ngx_msec_t retention, ngx_str_t *answer);
    ngx_int_t          (*release)(ngx_plum_store_t *store,
                                  ngx_plum_claim_t *claim);
} ngx_plum_store_ops_t;


/* what a zone holds; of a store that has one */

typedef struct {
    uint64_t             records;
    uint64_t             bytes;          /* of the pages in use */
    uint64_t             evictions;      /* records that were forgotten before
                                            their time */
} ngx_plum_store_usage_t;


/*
 * What is counted of a store: cells of its set.  Operations by outcome are a
 * table, in the order of ngx_plum_operation_e and ngx_plum_outcome_e.
 */

typedef enum {
    NGX_PLUM_CLAIM = 0,
    NGX_PLUM_RENEW,
    NGX_PLUM_COMMIT,
    NGX_PLUM_RELEASE,
    NGX_PLUM_OPERATIONS
} ngx_plum_operation_e;

#define NGX_PLUM_OUTCOMES        (NGX_PLUM_OP_UNKNOWN + 1)
#define NGX_PLUM_STORE_BUCKETS   14

enum {
    NGX_PLUM_STORE_OPERATION = 0,
    NGX_PLUM_STORE_UP = NGX_PLUM_OPERATIONS * NGX_PLUM_OUTCOMES,
                                         /* of a worker: one of the two below;
                                            for records */
    NGX_PLUM_STORE_QUEUE_UP,             /* the same, for queues */
    NGX_PLUM_STORE_SECONDS,              /* a histogram for each operation */
    NGX_PLUM_STORE_CELLS = NGX_PLUM_STORE_SECONDS
        + NGX_PLUM_OPERATIONS * ngx_plum_metrics_cells(NGX_PLUM_STORE_BUCKETS)
};

#define NGX_PLUM_STORE_IS_DOWN   1
#define NGX_PLUM_STORE_IS_UP     2

extern const ngx_plum_metrics_histogram_t  ngx_plum_store_histogram;

#define ngx_plum_store_count(store, operation, outcome)                       \
    if ((store)->metrics) {                                                   \
        ngx_plum_metrics_count((store)->metrics, NGX_PLUM_STORE_OPERATION     \
                               + (operation) * NGX_PLUM_OUTCOMES              \
                               + (outcome), 1);                               \
    }

#define ngx_plum_store_state(store, cell, state)                              \
    if ((store)->metrics) {                                                   \
        ngx_plum_metrics_store((store)->metrics, cell, state);                \
    }


struct ngx_plum_store_s {
    ngx_str_t                    name;
    ngx_str_t                    node;   /* where it is, for people */
    ngx_plum_metrics_set_t      *metrics;    /* NULL: nothing is counted */
    const ngx_plum_store_ops_t  *ops;
    void                        *data;   /* the kind's own */
    ngx_str_t                    file;   /* where it is configured */
    ngx_uint_t                   line;
    unsigned                     replicates:1;   /* claim.replicas works */

    /* of a zone; or NULL */

    void                       (*usage)(ngx_plum_store_t *store,
                                        ngx_plum_store_usage_t *usage);

    /* when the configuration is complete; or NULL.  resolver may be NULL */

    char                      *(*finish)(ngx_conf_t *cf,
                                         ngx_plum_store_t *store,
                                         ngx_resolver_t *resolver);

    /* makes a queue beside the records, after finish(); NULL: it cannot */

    char                      *(*queue)(ngx_conf_t *cf,
                                        ngx_plum_store_t *store,
                                        ngx_plum_queue_t *queue);
};


/*
 * Configuration of a store: called by plum_store with its scheme, the address
 * behind it ("memory:" and "16m" of "memory:16m") and the other parameters.
 * NGX_CONF_OK or NGX_CONF_ERROR (logged).  tag is the address of the module,
 * for ngx_shared_memory_add().
 */

char *ngx_plum_store_memory(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag);


#endif /* _NGX_PLUM_STORE_H_INCLUDED_ */
