/*
 * The idempotency store on Redis: records of plum_record.h, by calls of
 * ngx_plum_redis.h.
 *
 * ngx_plum_redis_conf.c     addresses and parameters of plum_store
 * ngx_plum_store_redis.c    claim, renew, commit, release
 * ngx_plum_store_settle.c   commits and releases, until they are written
 * ngx_plum_store_op.c       an operation, as a call
 */

#ifndef _NGX_PLUM_STORE_REDIS_H_INCLUDED_
#define _NGX_PLUM_STORE_REDIS_H_INCLUDED_


#include <ngx_plum_redis.h>
#include <ngx_plum_settle.h>
#include <ngx_plum_store.h>
#include <plum_record.h>


/* a kept answer, and so nearly the largest reply; a longer one is not kept */

#define NGX_PLUM_STORE_ANSWER_MAX  (4 * 1024 * 1024)


typedef struct {
    ngx_plum_store_t           *store;
    ngx_plum_redis_conf_t       conf;
    ngx_plum_redis_t           *client;

    ngx_plum_settler_t          settler;
} ngx_plum_store_redis_t;


/* one operation: malloc()ed with all it needs, it survives its request */

typedef struct {
    ngx_plum_settlement_t       settlement;  /* of a commit or release */
    ngx_plum_redis_call_t       call;
    ngx_plum_store_redis_t     *store;
    ngx_plum_claim_t           *claim;   /* NULL: nobody waits for it */

    plum_record_kind_t          kind;
    plum_str_t                  key;     /* with the prefix */
    plum_str_t                  answer;  /* "d" and the answer, of a commit */
    u_char                      token[NGX_PLUM_TOKEN_LEN];
    ngx_msec_t                  lease;
    ngx_msec_t                  retention;
    uint64_t                    began;   /* as ngx_plum_metrics_clock(); 0:
                                            nothing is counted */
    plum_record_words_t         words;
    plum_record_result_t        result;

    unsigned                    again:1; /* sent before, no reply */
    unsigned                    alone:1; /* only the master has it */
    unsigned                    quiet:1; /* compensates for a claim */
} ngx_plum_store_op_t;


/*
 * configure() reads the address and the parameters, see ngx_plum_store.h.
 *
 * op() makes an operation, which ngx_free() frees; the answer, of a commit,
 * may be NULL.  NULL: no memory.  send() makes its call, and submits it: as
 * ngx_plum_redis_call().  In the call's handler op->result says what a reply
 * means.
 */

char *ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters);
ngx_plum_store_op_t *ngx_plum_store_op(ngx_plum_store_redis_t *redis,
    ngx_plum_claim_t *claim, plum_record_kind_t kind, ngx_str_t *answer);
ngx_int_t ngx_plum_store_op_send(ngx_plum_store_op_t *op);

/* counts how a call has ended, in its handler; nothing when CLOSED */

void ngx_plum_store_op_measure(ngx_plum_store_op_t *op,
    ngx_plum_redis_status_e status);

/*
 * settle() takes over a commit or release and sees it through, until the lease
 * has lapsed.  all() tries what could not be written, at once; exit() gives it
 * up.
 */

void ngx_plum_store_settle(ngx_plum_store_op_t *op);
void ngx_plum_store_settle_all(void *data);
void ngx_plum_store_settle_exit(void *data);


/* the kind of a store, as ngx_plum_store_memory() */

char *ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag);

/* how its Redis is spoken to: for other users of the same Redis */

const ngx_plum_redis_conf_t *ngx_plum_store_redis_conf(
    ngx_plum_store_t *store);


#endif /* _NGX_PLUM_STORE_REDIS_H_INCLUDED_ */
