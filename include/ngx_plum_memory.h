/*
 * The shared zone of a memory store: its records, how they are found, how
 * they lapse, and what is forgotten when it is full.
 *
 * Records are found by a table of buckets, which is laid out once, for the
 * records that the zone can have; its hash is keyed, as senders choose keys.
 *
 * A record is in its bucket, and, from attach() to detach(), in the queue of
 * its state and duration: leases and retentions are a few values of the
 * configuration, and the zone's clock never goes back, so that each queue is
 * in the order in which its records lapse, and what is next to lapse is at
 * the head of one of them.  A detached record can be neither expired nor
 * forgotten: this is how an operation keeps its record while it makes room.
 * Whoever detaches attaches again, or removes, under the same lock.
 *
 * Only a done record has an answer.  All but init(), begin() and report() are
 * called between lock() and unlock(), and nothing here logs there: what is
 * worth saying is noted in the operation, for report() after the unlock.
 */

#ifndef _NGX_PLUM_MEMORY_H_INCLUDED_
#define _NGX_PLUM_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_plum_store.h>


#define NGX_PLUM_MEMORY_PENDING  0
#define NGX_PLUM_MEMORY_DONE     1

/* queues that take no room of the records: a lease and some retentions */
#define NGX_PLUM_MEMORY_QUEUES   4


/* in shared memory: changes need a new NGX_PLUM_MEMORY_LAYOUT */

typedef struct ngx_plum_memory_record_s  ngx_plum_memory_record_t;
typedef struct ngx_plum_memory_queue_s   ngx_plum_memory_queue_t;


/* the slab allocator has powers of two: 72 bytes, 128 with a usual key */

struct ngx_plum_memory_record_s {
    ngx_plum_memory_record_t *next;      /* of the bucket */
    uint32_t                  hash;
    uint16_t                  len;       /* of the key */
    u_char                    state;
    uint64_t                  expires;   /* milliseconds, see now() */
    ngx_queue_t               queue;
    ngx_str_t                 answer;
    u_char                    token[NGX_PLUM_TOKEN_LEN];
    u_char                    key[1];
};


/* the records of one state and duration, the first to lapse at the head */

struct ngx_plum_memory_queue_s {
    ngx_plum_memory_queue_t  *next;
    ngx_queue_t               records;
    ngx_msec_t                duration;
    ngx_uint_t                state;
};


typedef struct {
    uint32_t                  magic;
    uint32_t                  layout;
    size_t                    size;      /* of the zone */
    size_t                    record;    /* of a record without its key */
    uint64_t                  key[2];    /* of the hash */
    uint64_t                  now;       /* the latest of any worker */
    uint64_t                  forgot;    /* when to warn again */
    uint64_t                  bare;
    ngx_plum_memory_queue_t  *queues;
    ngx_plum_memory_queue_t   few[NGX_PLUM_MEMORY_QUEUES];
    size_t                    nbuckets;
    ngx_plum_memory_record_t *buckets[1];
} ngx_plum_memory_shared_t;


/* of one configuration */

typedef struct {
    ngx_plum_memory_shared_t *shared;
    ngx_slab_pool_t          *shpool;
    ngx_str_t                 store;     /* name */
    uint64_t                  key[2];    /* of the hash: begin() has no lock */
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

/* lock() also moves op->now to the zone's clock, or that to op->now */

void ngx_plum_memory_lock(ngx_plum_memory_op_t *op);
void ngx_plum_memory_unlock(ngx_plum_memory_op_t *op);

/* removes at most n lapsed records of each queue */

void ngx_plum_memory_expire(ngx_plum_memory_op_t *op, ngx_uint_t n);

/*
 * The queue of a state and a duration, for attach().  May make room for it,
 * as create() does, so it is asked for before the record is looked up.  NULL:
 * there is no room.
 */

ngx_plum_memory_queue_t *ngx_plum_memory_queue(ngx_plum_memory_op_t *op,
    ngx_uint_t state, ngx_msec_t duration);

/* the record of the key, lapsed or not, or NULL */

ngx_plum_memory_record_t *ngx_plum_memory_lookup(ngx_plum_memory_op_t *op);

/*
 * A new record of the key, detached.  Makes room as it can: by lapsed records
 * first, then by done ones, the nearest to their expiry first, never by a
 * pending one.  NULL: there is no room.
 */

ngx_plum_memory_record_t *ngx_plum_memory_create(ngx_plum_memory_op_t *op);

/* from now on for the duration of the queue */

void ngx_plum_memory_attach(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_plum_memory_queue_t *queue);
void ngx_plum_memory_detach(ngx_plum_memory_record_t *record);

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
