/*
 * The shared zone of a memory store: lookup of records, their expiry, and the
 * eviction of records when the zone is full.
 *
 * Lookup.  A hash table of buckets, sized once for the number of records that
 * the zone can hold.  The hash is keyed, because senders choose the keys.
 *
 * Expiry.  Between attach() and detach() a record is in a queue, one for each
 * pair of state and duration.  The configuration has only a few leases and
 * retentions, and the zone's clock never goes back, so each queue is ordered
 * by expiry, and the record that expires next is at the head of a queue.  A
 * detached record is neither expired nor evicted: an operation detaches its
 * record before it makes room, and attaches or removes it under the same lock.
 *
 * Only a done record has an answer.  All functions except init(), begin() and
 * report() are called between lock() and unlock().  None of them logs while
 * the lock is held: messages are noted in the operation, for report().
 */

#ifndef _NGX_PLUM_MEMORY_H_INCLUDED_
#define _NGX_PLUM_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_plum_store.h>


#define NGX_PLUM_MEMORY_PENDING  0
#define NGX_PLUM_MEMORY_DONE     1

/* queues that are preallocated: a lease and some retentions */
#define NGX_PLUM_MEMORY_QUEUES   4


/* in shared memory: changes need a new NGX_PLUM_MEMORY_LAYOUT */

typedef struct ngx_plum_memory_record_s  ngx_plum_memory_record_t;
typedef struct ngx_plum_memory_queue_s   ngx_plum_memory_queue_t;


/* 72 bytes without the key; the slab allocator rounds up to powers of two */

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


/* the records of one state and duration; the head expires first */

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
    uint64_t                  now;       /* latest time seen by a worker */
    uint64_t                  forgot;    /* when to warn again */
    uint64_t                  bare;
    uint64_t                  records;   /* that there are */
    uint64_t                  evictions;     /* that were forgotten early */
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


/* what the zone holds; takes the lock itself */

void ngx_plum_memory_usage(ngx_plum_store_t *store,
    ngx_plum_store_usage_t *usage);

/* of the zone: finds the records of the previous configuration, or none */

ngx_int_t ngx_plum_memory_init(ngx_shm_zone_t *shm_zone, void *data);

/* begin() before lock() reads the clock and hashes; report() logs after it */

void ngx_plum_memory_begin(ngx_plum_memory_op_t *op, ngx_plum_memory_t *memory,
    ngx_str_t *key);
void ngx_plum_memory_report(ngx_plum_memory_op_t *op, ngx_log_t *log);

/* lock() also sets op->now and the zone's clock to the later of the two */

void ngx_plum_memory_lock(ngx_plum_memory_op_t *op);
void ngx_plum_memory_unlock(ngx_plum_memory_op_t *op);

/* removes at most n expired records from each queue */

void ngx_plum_memory_expire(ngx_plum_memory_op_t *op, ngx_uint_t n);

/*
 * The queue of a state and a duration, for attach().  It may evict records, as
 * create() does, so it must be called before the record is looked up.  NULL:
 * there is no room.
 */

ngx_plum_memory_queue_t *ngx_plum_memory_queue(ngx_plum_memory_op_t *op,
    ngx_uint_t state, ngx_msec_t duration);

/* the record of the key, expired or not; NULL: none */

ngx_plum_memory_record_t *ngx_plum_memory_lookup(ngx_plum_memory_op_t *op);

/*
 * A new, detached record of the key.  Where there is no room it evicts expired
 * records, then done records in the order of their expiry.  It never evicts a
 * pending record.  NULL: there is no room.
 */

ngx_plum_memory_record_t *ngx_plum_memory_create(ngx_plum_memory_op_t *op);

/* the record expires when the duration of the queue has passed from now */

void ngx_plum_memory_attach(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_plum_memory_queue_t *queue);
void ngx_plum_memory_detach(ngx_plum_memory_record_t *record);

/* of an attached record */

void ngx_plum_memory_remove(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record);

/*
 * Replaces the answer of a detached record; an empty answer, or NULL, removes
 * it.  Where there is no room the record has no answer afterwards.
 */

void ngx_plum_memory_answer(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_str_t *answer);


#endif /* _NGX_PLUM_MEMORY_H_INCLUDED_ */
