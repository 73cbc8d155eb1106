/*
 * The queue on Redis Streams: keys and scripts of plum_queue.h, by calls of
 * ngx_plum_redis.h.
 *
 * ngx_plum_queue_redis.c    the kind of queue: its clients, its keys
 * ngx_plum_queue_accept.c   accept, and how full a consumer's queue is
 * ngx_plum_queue_take.c     take
 * ngx_plum_queue_settle.c   renew, done, again, dead: until they are written
 * ngx_plum_queue_keep.c     once a minute: sweep and trim
 * ngx_plum_queue_watch.c    once a second: what waits, for plum_status
 * ngx_plum_queue_op.c       what the operations share
 * ngx_plum_queue_check.c    whether Redis keeps what accepted= promises
 *
 * A queue has two clients, and so two connections per worker and node: what
 * is taken is large, and must not stand in the way of the replies that senders
 * wait for; what WAIT delays must not delay deliveries.
 */

#ifndef _NGX_PLUM_QUEUE_REDIS_H_INCLUDED_
#define _NGX_PLUM_QUEUE_REDIS_H_INCLUDED_


#include <ngx_plum_queue.h>
#include <ngx_plum_store_redis.h>


typedef struct ngx_plum_queue_redis_s  ngx_plum_queue_redis_t;


/* the keys of a target in a shard, with the prefix */

typedef struct {
    plum_str_t                   stream;
    plum_str_t                   lease;
    plum_str_t                   due;
    plum_str_t                   ctl;
    plum_str_t                   dead;
} ngx_plum_queue_keys_t;


/* how full a consumer's queue was when this worker last said so */

typedef enum {
    NGX_PLUM_QUEUE_UNSEEN = 0,
    NGX_PLUM_QUEUE_BELOW,
    NGX_PLUM_QUEUE_HALF,
    NGX_PLUM_QUEUE_NEARLY,
    NGX_PLUM_QUEUE_FULL
} ngx_plum_queue_level_e;


/* a round of reading what waits for a consumer */

typedef struct {
    ngx_plum_queue_redis_t      *redis;
    ngx_uint_t                   target;
    ngx_uint_t                   pending;    /* shards that have not replied */
    ngx_uint_t                   failed;
    uint64_t                     cells[NGX_PLUM_QUEUE_STATE];
} ngx_plum_queue_round_t;


struct ngx_plum_queue_redis_s {
    ngx_plum_queue_t            *queue;
    ngx_plum_store_t            *store;
    const ngx_plum_redis_conf_t *conf;
    ngx_plum_redis_t            *accepts;
    ngx_plum_redis_t            *takes;      /* and settles */
    plum_str_t                  *records;    /* by shard: before a record */
    ngx_plum_queue_keys_t       *keys;       /* by target, by shard */
    ngx_uint_t                   max[PLUM_QUEUE_TARGETS];    /* of a shard */

    /* the worker's */

    u_char                      *levels;     /* as keys: ..._level_e */
    ngx_plum_settler_t           settler;
    ngx_event_t                  keep;
    ngx_event_t                  watch;
    ngx_plum_queue_round_t      *rounds;     /* by target */
    ngx_connection_t             fake;       /* for the debug log of events */
};


#define ngx_plum_queue_key(redis, target, shard)                              \
    (&(redis)->keys[(target) * (redis)->queue->shards + (shard)])


/* a number as a word of a call; text lives as long as the call */

#define NGX_PLUM_QUEUE_NUMBER    (PLUM_RESP_NUMBER_MAX + 1)  /* with "-" */

void ngx_plum_queue_number(plum_str_t *word, u_char *text, int64_t n);

/*
 * Starts a timer of the queue in worker 0, unless it runs or the worker is to
 * exit.  ev->data is a connection whose data is redis.
 */

void ngx_plum_queue_timer(ngx_plum_queue_redis_t *redis, ngx_event_t *ev,
    ngx_event_handler_pt handler, ngx_msec_t delay);

/*
 * The kind of a queue, for store->queue: called when the store is complete.
 * NGX_CONF_OK or NGX_CONF_ERROR (logged).
 */

char *ngx_plum_queue_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_plum_queue_t *queue);


/* the operations, see ngx_plum_queue.h */

ngx_int_t ngx_plum_queue_accept(ngx_plum_queue_t *queue,
    ngx_plum_accept_t *accept);
void ngx_plum_queue_cancel(ngx_plum_queue_t *queue,
    ngx_plum_accept_t *accept);
ngx_int_t ngx_plum_queue_take(ngx_plum_queue_t *queue, ngx_plum_take_t *take);
void ngx_plum_queue_renew(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry);
void ngx_plum_queue_done(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry);
void ngx_plum_queue_again(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry,
    ngx_plum_again_t *again);
void ngx_plum_queue_dead(ngx_plum_queue_t *queue, ngx_plum_entry_t *entry,
    ngx_plum_dead_t *dead);

/*
 * settle: gives up what could not be written.  keep: whenever the queue can be
 * reached, starts the housekeeping, which is done by worker 0.
 */

void ngx_plum_queue_settle_exit(ngx_plum_queue_redis_t *redis);
void ngx_plum_queue_keep_start(ngx_plum_queue_redis_t *redis);

/* watch: likewise, and only where something is counted */

void ngx_plum_queue_watch_start(ngx_plum_queue_redis_t *redis);

/*
 * A judge of replies to the scripts: of an error that speaks of the keys, not
 * of the node.  NGX_DECLINED (logged), or NGX_OK.
 */

ngx_int_t ngx_plum_queue_judge_error(ngx_plum_redis_call_t *call,
    const redisReply *reply);


/* what is asked of each connection that is to carry accepts; data is redis */

extern const ngx_plum_redis_check_t  ngx_plum_queue_checks[];
extern const ngx_uint_t              ngx_plum_queue_nchecks;


#endif /* _NGX_PLUM_QUEUE_REDIS_H_INCLUDED_ */
