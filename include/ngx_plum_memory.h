/*
 * The shared zone of a memory store: its records, how they are found, how
 * they lapse, and what is forgotten when it is full.
 *
 * A record is in the tree "records", and in one of the trees "lapse", by its
 * state, from attach() to detach().  A detached record can be neither expired
 * nor forgotten: this is how an operation keeps its record while it makes
 * room.  Whoever detaches attaches again, or removes, under the same lock.
 *
 * Only a done record has an answer.  All but init(), begin() and report() are
 * called with the mutex of the zone held, and nothing here logs under it:
 * what is worth saying is noted in the operation, for report() after the
 * unlock.
 */

#ifndef _NGX_PLUM_MEMORY_H_INCLUDED_
#define _NGX_PLUM_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_plum_store.h>


#define NGX_PLUM_MEMORY_PENDING  0
#define NGX_PLUM_MEMORY_DONE     1


/* in shared memory: changes need a new NGX_PLUM_MEMORY_LAYOUT */

typedef struct {
    ngx_rbtree_node_t         node;      /* by hash and key */
    ngx_rbtree_node_t         lapse;     /* by expires */
    uint64_t                  expires;   /* milliseconds, see now() */
    ngx_str_t                 answer;
    u_char                    token[NGX_PLUM_TOKEN_LEN];
    uint32_t                  len;
    u_char                    state;
    u_char                    key[1];
} ngx_plum_memory_record_t;


typedef struct {
    uint32_t                  magic;
    uint32_t                  layout;
    size_t                    size;      /* of the zone */
    size_t                    record;    /* of a record without its key */
    ngx_rbtree_t              records;
    ngx_rbtree_t              lapse[2];  /* by state */
    ngx_rbtree_node_t         sentinels[3];
    uint64_t                  forgot;    /* when to warn again */
    uint64_t                  bare;
} ngx_plum_memory_shared_t;


/* of one configuration */

typedef struct {
    ngx_plum_memory_shared_t *shared;
    ngx_slab_pool_t          *shpool;
    ngx_str_t                 store;     /* name */
} ngx_plum_memory_t;


/* one operation, on the stack of its caller */

typedef struct {
    ngx_plum_memory_t        *memory;
    ngx_str_t                *key;
    uint64_t                  now;
    uint32_t                  hash;

    unsigned                  forgot:1;  /* notes for report() */
    unsigned                  bare:1;
    unsigned                  full:1;
    unsigned                  pending:1;
} ngx_plum_memory_op_t;


/* of the zone: finds the records of the previous configuration, or none */

ngx_int_t ngx_plum_memory_init(ngx_shm_zone_t *shm_zone, void *data);

/* before the lock: the clock and the hash; after it: the notes */

void ngx_plum_memory_begin(ngx_plum_memory_op_t *op, ngx_plum_memory_t *memory,
    ngx_str_t *key);
void ngx_plum_memory_report(ngx_plum_memory_op_t *op, ngx_log_t *log);

/* removes at most n lapsed records of each state */

void ngx_plum_memory_expire(ngx_plum_memory_op_t *op, ngx_uint_t n);

/* the record of the key, lapsed or not, or NULL */

ngx_plum_memory_record_t *ngx_plum_memory_lookup(ngx_plum_memory_op_t *op);

/*
 * A new record of the key, detached.  Makes room as it can: by lapsed records
 * first, then by done ones, the nearest to their expiry first, never by a
 * pending one.  NULL: there is no room.
 */

ngx_plum_memory_record_t *ngx_plum_memory_create(ngx_plum_memory_op_t *op);

void ngx_plum_memory_attach(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record, ngx_uint_t state, uint64_t expires);
void ngx_plum_memory_detach(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record);

/* of an attached record */

void ngx_plum_memory_remove(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record);

/*
 * Replaces the answer of a detached record; an empty one, or NULL, removes
 * it.  Where there is no room the record is left without.
 */

void ngx_plum_memory_answer(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_str_t *answer);


#endif /* _NGX_PLUM_MEMORY_H_INCLUDED_ */
