/*
 * The queue: one interface for every kind of queue.
 *
 * A queue has targets: consumers, to whom NGINX delivers, and published
 * streams, which others read.  An event is accepted for all targets that want
 * it in one step, together with the record that says so.  What waits for a
 * consumer is taken, and then settled: done, again, or dead.
 *
 *   absent --accept--> waiting --take(lease)--> leased --done--> gone
 *                                               leased --dead--> dead letter
 *   leased --again(wait)--> due --take(lease)--> leased
 *   leased --its lease lapses, take--> leased, or dead letter (poison)
 *
 * Every operation is atomic, across all workers (and, for a remote queue, all
 * hosts).  An entry that was taken carries a count, its fencing token: renew,
 * again and dead of a count that is not the entry's any more change nothing.
 * done is not fenced, as a consumer that has the event has it.
 */

#ifndef _NGX_PLUM_QUEUE_H_INCLUDED_
#define _NGX_PLUM_QUEUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <ngx_plum_metrics.h>
#include <plum_queue.h>


typedef struct ngx_plum_queue_s   ngx_plum_queue_t;
typedef struct ngx_plum_accept_s  ngx_plum_accept_t;
typedef struct ngx_plum_take_s    ngx_plum_take_t;


/*
 * What is counted of a consumer: cells of its set.  The first ones are what
 * one worker of the host has read from the queue, of all hosts.
 */

#define NGX_PLUM_DELIVERY_BUCKETS  13

enum {
    NGX_PLUM_QUEUE_READ = 0,             /* when, seconds; 0: never */
    NGX_PLUM_QUEUE_WAITING,
    NGX_PLUM_QUEUE_IN_FLIGHT,
    NGX_PLUM_QUEUE_DEAD,
    NGX_PLUM_QUEUE_OLDEST,               /* ms that the oldest has waited */
    NGX_PLUM_QUEUE_PAUSED,               /* shards that are */
    NGX_PLUM_QUEUE_DELIVERED,            /* attempts, by outcome */
    NGX_PLUM_QUEUE_AGAIN,
    NGX_PLUM_QUEUE_BURIED,
    NGX_PLUM_QUEUE_SECONDS,              /* a histogram, of attempts */
    NGX_PLUM_QUEUE_CELLS = NGX_PLUM_QUEUE_SECONDS
        + ngx_plum_metrics_cells(NGX_PLUM_DELIVERY_BUCKETS)
};

#define NGX_PLUM_QUEUE_STATE     6       /* cells that are read */


/* where an accepted event must be before accept() ends with OK */

typedef enum {
    NGX_PLUM_ACCEPTED_MEMORY = 0,
    NGX_PLUM_ACCEPTED_AOF,
    NGX_PLUM_ACCEPTED_FSYNC
} ngx_plum_accepted_e;


/* a consumer or a published stream; number n of queue->targets */

typedef struct {
    ngx_str_t                    name;       /* plum_queue_name() holds */
    ngx_uint_t                   published;  /* else it is a consumer */
    ngx_uint_t                   max;        /* entries that wait or are dead;
                                                of a consumer */
    ngx_uint_t                   drop;       /* full=drop, else full=refuse */
    ngx_msec_t                   keep;       /* of a published stream; 0: it
                                                is not trimmed */
    ngx_str_t                   *groups;     /* that must have acknowledged */
    ngx_uint_t                   ngroups;
    ngx_plum_metrics_set_t      *metrics;    /* NULL: nothing is counted */
} ngx_plum_target_t;


/* how accept() ended */

typedef enum {
    NGX_PLUM_ACCEPT_OK = 0,      /* appended for each target with a body that
                                    was not full, as durable as asked */
    NGX_PLUM_ACCEPT_BEFORE,      /* it was accepted before, as durable */
    NGX_PLUM_ACCEPT_FULL,        /* nothing was written: a target with
                                    full=refuse, accept->full, is full */
    NGX_PLUM_ACCEPT_NOT_SENT,    /* nothing was written: the queue could not
                                    be asked, or refuses */
    NGX_PLUM_ACCEPT_UNKNOWN      /* it may have been written, or was, but is
                                    not as durable as asked: nobody may be
                                    told that it was accepted.  The same event
                                    may be accepted again */
} ngx_plum_accept_e;


/*
 * An accept, owned by the request: allocated by it, in its pool.  The caller
 * sets the first group; the queue fills the second one.  Bodies, key and
 * record are copied by accept().
 */

struct ngx_plum_accept_s {
    ngx_str_t                    record;     /* the key, with its owner */
    ngx_str_t                    key;        /* as consumers see it */
    ngx_str_t                    event;      /* the event type, or empty */
    ngx_msec_t                   retention;  /* of the record */
    ngx_str_t                    bodies[PLUM_QUEUE_TARGETS];
    ngx_uint_t                   nbodies;
    u_char                       body[PLUM_QUEUE_TARGETS];   /* by target:
                                                number of its body, from 1; 0:
                                                the target does not want it */
    ngx_log_t                   *log;
    void                       (*handler)(ngx_plum_accept_t *accept);
    void                        *data;

    ngx_plum_accept_e            outcome;
    ngx_uint_t                   full;       /* FULL: the target */
    int64_t                      waiting[PLUM_QUEUE_TARGETS];    /* OK: by
                                                target, entries that wait or
                                                are dead (published: that are
                                                kept), with this one; -1: it
                                                was full (full=drop) */

    void                        *op;         /* the queue's own; NULL: nothing
                                                is under way */
};


/* how take() ended */

typedef enum {
    NGX_PLUM_TAKE_OK = 0,        /* reply is set */
    NGX_PLUM_TAKE_FAILED,        /* the queue could not be asked, refuses, or
                                    did not answer; what it may have given
                                    lapses with its lease */
    NGX_PLUM_TAKE_CLOSED         /* the process exits: the handler may free
                                    memory, and must call nothing */
} ngx_plum_take_e;


/* a take, owned by the caller until its handler is called */

struct ngx_plum_take_s {
    ngx_uint_t                   target;     /* number; a consumer */
    ngx_uint_t                   shard;
    ngx_msec_t                   lease;
    ngx_uint_t                   max;        /* 1 to PLUM_QUEUE_BATCH */
    void                       (*handler)(ngx_plum_take_t *take);
    void                        *data;

    ngx_plum_take_e              outcome;
    plum_queue_take_reply_t      reply;      /* OK: entries, or a pause; its
                                                strings live until the handler
                                                returns */
    void                        *op;         /* the queue's own */
};


/* an entry that was taken; everything is copied by those who are given it */

typedef struct {
    ngx_uint_t                   target;
    ngx_uint_t                   shard;
    ngx_str_t                    id;
    uint64_t                     count;
    ngx_msec_t                   lease;      /* as it was taken with */
} ngx_plum_entry_t;


/* what again() says besides; zeros: an attempt that failed */

typedef struct {
    ngx_msec_t                   wait;       /* until the next attempt */
    ngx_uint_t                   free;       /* it was no attempt: given back */
    ngx_msec_int_t               pause;      /* of the whole consumer; -1:
                                                until somebody resumes it */
    ngx_str_t                    by;         /* why it pauses: one word */
} ngx_plum_again_t;


typedef struct {
    uint64_t                     attempts;
    ngx_uint_t                   status;     /* of the last one; 0: none came */
    ngx_str_t                    reason;     /* one word */
} ngx_plum_dead_t;


/*
 * A kind of queue.  shard is 0 to queue->shards - 1: each holds a part of the
 * events, and is taken from by itself.
 *
 * accept   NGX_OK: outcome is set now.  NGX_AGAIN: handler is called later,
 *          never from inside accept().
 * cancel   the request goes away while accept() is under way: handler will
 *          not be called.  The event may be accepted all the same.  Only
 *          called while op is not NULL.
 * take     NGX_OK: handler is called later, exactly once, never from inside
 *          take().  NGX_DECLINED: FAILED at once, handler is not called.
 *          There may be more to take where as many entries came as were asked
 *          for, or where their bodies are more than PLUM_QUEUE_BYTES.
 * renew    extends the lease from now; is not tried again, the next one
 *          follows.
 * done     the consumer has it: leaves the queue.
 * again    to be taken again after a wait.
 * dead     becomes a dead letter.
 *
 * renew, done, again and dead copy what they need and return at once.  The
 * queue itself repeats done until it is acknowledged, and again and dead until
 * then or until the lease has lapsed (then the next take has the entry); it
 * logs what it could not do.  What is settled before a take of the same
 * process is settled when that take is executed, unless it failed.
 *
 * Housekeeping (entries that were lost by a clock, streams to be trimmed) is
 * the queue's own business: worker 0 of each host does it once a minute.
 */

typedef struct {
    ngx_int_t          (*accept)(ngx_plum_queue_t *queue,
                                 ngx_plum_accept_t *accept);
    void               (*cancel)(ngx_plum_queue_t *queue,
                                 ngx_plum_accept_t *accept);
    ngx_int_t          (*take)(ngx_plum_queue_t *queue,
                               ngx_plum_take_t *take);
    void               (*renew)(ngx_plum_queue_t *queue,
                                ngx_plum_entry_t *entry);
    void               (*done)(ngx_plum_queue_t *queue,
                               ngx_plum_entry_t *entry);
    void               (*again)(ngx_plum_queue_t *queue,
                                ngx_plum_entry_t *entry,
                                ngx_plum_again_t *again);
    void               (*dead)(ngx_plum_queue_t *queue,
                               ngx_plum_entry_t *entry,
                               ngx_plum_dead_t *dead);
} ngx_plum_queue_ops_t;


/*
 * Who delivers; set while the configuration is read, or NULL.
 *
 * appended  this worker has appended an entry for that consumer
 * ready     takes may work (again): the queue can be reached.  Also called
 *           when a worker has started and the queue is reached first
 *
 * Both may be called often; they may call take().
 */

typedef struct {
    void               (*appended)(ngx_plum_queue_t *queue, ngx_uint_t target,
                                   ngx_uint_t shard);
    void               (*ready)(ngx_plum_queue_t *queue);
} ngx_plum_queue_listener_t;


struct ngx_plum_queue_s {
    ngx_str_t                         name;      /* plum_queue_name() holds */
    const ngx_plum_queue_ops_t       *ops;
    void                             *data;      /* the kind's own */
    const ngx_plum_queue_listener_t  *listener;
    void                             *listener_data;
    ngx_plum_target_t                 targets[PLUM_QUEUE_TARGETS];
    ngx_uint_t                        ntargets;
    ngx_uint_t                        shards;
    ngx_plum_accepted_e               accepted;
    ngx_uint_t                        replicas;  /* accepted replicas=N */
    ngx_str_t                         file;      /* where it is configured */
    ngx_uint_t                        line;
};


#endif /* _NGX_PLUM_QUEUE_H_INCLUDED_ */
