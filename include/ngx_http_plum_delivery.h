/*
 * Delivery: what was accepted for a consumer is taken from the queue, and made
 * into requests that run through the consumer's deliver location.
 *
 *   taker     of a consumer, in each worker: takes entries, while there are
 *             places, and makes an attempt of each
 *   places    what the workers of a host share of a consumer: how many
 *             attempts are under way, its breaker, when to look next
 *   attempt   an entry that is a made request: renews the lease while it
 *             lives, and settles the entry by what the consumer answered
 */

#ifndef _NGX_HTTP_PLUM_DELIVERY_H_INCLUDED_
#define _NGX_HTTP_PLUM_DELIVERY_H_INCLUDED_


#include <ngx_http_plum_made.h>
#include <ngx_http_plum_queue.h>
#include <plum_delivery.h>


#define NGX_HTTP_PLUM_PLACES     1024    /* concurrency=, at most */
#define NGX_HTTP_PLUM_LEASE      30000   /* ms, of an entry */
#define NGX_HTTP_PLUM_LOOK       1000    /* ms between two looks at a queue */

/* bounds of a consumer's answer, which is read only to keep its connection */

#define NGX_HTTP_PLUM_ANSWER_SIZE  (1024 * 1024)
#define NGX_HTTP_PLUM_ANSWER_TIME  10000     /* ms */


/* plum_deliver of a location; plum_sign stands beside it */

struct ngx_http_plum_deliver_s {
    ngx_http_plum_where_t         where;
    ngx_uint_t                    concurrency;
    plum_schedule_t               schedule;
    ngx_uint_t                    failures;  /* breaker=; 0: off */
    ngx_msec_t                    pause;
    plum_success_t                success;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_plum_loc_conf_t     *plcf;
    ngx_uint_t                    used;      /* a queue delivers there */
};


/* plum_sign of a deliver location: a key for each live secret */

struct ngx_http_plum_sign_s {
    ngx_http_plum_where_t         where;
    ngx_str_t                     secret;    /* name */
    plum_key_t                  **keys;
    ngx_uint_t                    nkeys;
};


/*
 * What workers share of a consumer, in a zone of its own, which survives
 * reloads.  Only touched with the mutex of the zone.  Times are as
 * ngx_current_msec, which all processes of a host read from one clock.
 */

typedef struct {
    uint32_t                      magic;
    uint32_t                      layout;
    plum_breaker_t                breaker;
    ngx_uint_t                    busy;      /* places that are taken */
    uint64_t                      more;      /* shards that have more entries
                                                than there were places */
    ngx_msec_t                    look;      /* when a worker looks next */
    ngx_uint_t                    failing;   /* the last attempt failed ... */
    ngx_uint_t                    status;    /* ... with it; 0: no answer */
    ngx_pid_t                     places[NGX_HTTP_PLUM_PLACES];
} ngx_http_plum_shared_t;


/*
 * Delivery to a consumer.  What is configured is constant; the rest is the
 * worker's own.
 */

typedef struct {
    ngx_http_plum_queue_t        *queue;
    ngx_uint_t                    target;    /* its number */
    ngx_http_plum_consumer_t     *consumer;
    ngx_http_plum_deliver_t      *deliver;
    ngx_str_t                     line;      /* "POST <uri> HTTP/1.1" */
    ngx_shm_zone_t               *zone;

    ngx_event_t                   wake;      /* posted: there may be something
                                                to take */
    ngx_event_t                   timer;     /* of the looks */
    ngx_connection_t              fake;      /* data of the events */
    ngx_plum_take_t               take;
    uint64_t                      todo;      /* shards to take from */
    ngx_uint_t                    next;      /* shard */
    ngx_uint_t                    taking;
    ngx_uint_t                    places[PLUM_QUEUE_BATCH];  /* of the take */
    ngx_uint_t                    nplaces;
} ngx_http_plum_taker_t;


/* how an attempt ended; see ngx_http_plum_attempt_outcome.c */

typedef struct {
    plum_attempt_result_t         result;
    ngx_uint_t                    status;    /* 0: the consumer did not answer
                                                with a status */
    ngx_uint_t                    cut;       /* answered before it had all of
                                                the event: no success */
    uint64_t                      retry_after;   /* ms */
} ngx_http_plum_outcome_t;


/* what the end of an attempt has changed for the consumer */

typedef struct {
    uint64_t                      more;      /* shards that have more */
    ngx_uint_t                    failures;  /* in a row */
    unsigned                      recovered:1;
    unsigned                      fails:1;   /* now, or now in another way */
    unsigned                      opened:1;  /* the breaker */
} ngx_http_plum_change_t;


/* what $plum_delivery says */

typedef enum {
    NGX_HTTP_PLUM_DELIVERY_NONE = 0,         /* under way */
    NGX_HTTP_PLUM_DELIVERED,
    NGX_HTTP_PLUM_AGAIN,
    NGX_HTTP_PLUM_DEAD
} ngx_http_plum_delivery_e;


typedef struct {
    ngx_http_plum_made_t          made;      /* must be the first */
    ngx_http_plum_taker_t        *taker;
    ngx_plum_entry_t              entry;
    ngx_uint_t                    place;
    ngx_str_t                     key;
    ngx_str_t                     event;
    uint64_t                      attempt;   /* from 1 */
    ngx_msec_t                    age;       /* ms since it was accepted, when
                                                it was taken */
    ngx_msec_t                    renew;     /* when to */
    ngx_event_t                   timer;
    ngx_msec_t                    answered;  /* when the answer began */
    off_t                         answer;    /* bytes of it so far */
    ngx_http_plum_delivery_e      delivery;
    uint64_t                      began;     /* as ngx_plum_metrics_clock() */
    unsigned                      answers:1; /* the answer has begun */
    unsigned                      ended:1;   /* the entry is settled */
} ngx_http_plum_attempt_t;


/*
 * places
 *
 * zone     configuration time: the zone of a consumer
 * reset    a worker starts: gives back the places of processes that are gone,
 *          as each look does
 * take     up to n places into taker->places; returns how many.  *wait is the
 *          time in ms until a breaker lets more pass; 0: when a place becomes
 *          free, or there are none for other reasons.  With 0 places the
 *          shards of todo are put down as those that have more
 * give     places number first and following back
 * more     puts down, or takes away, that a shard has more entries
 * due      1 for one worker of the host at most: the time to look has come.
 *          The next one is after NGX_HTTP_PLUM_LOOK, with a jitter
 * look     the next look is in so many ms, or earlier, by this worker if no
 *          other one comes first
 * broken   1 while the breaker is open
 * timer    this worker's timer runs out in so many ms, or earlier
 * end      an attempt has ended: its place is free, and the breaker knows how,
 *          unless outcome is NULL: it was given back
 */

char *ngx_http_plum_places_zone(ngx_conf_t *cf, ngx_http_plum_taker_t *taker);
void ngx_http_plum_places_reset(ngx_http_plum_taker_t *taker);
ngx_uint_t ngx_http_plum_places_take(ngx_http_plum_taker_t *taker,
    ngx_uint_t n, ngx_msec_t *wait);
void ngx_http_plum_places_give(ngx_http_plum_taker_t *taker,
    ngx_uint_t first);
void ngx_http_plum_places_more(ngx_http_plum_taker_t *taker,
    ngx_uint_t shard, ngx_uint_t more);
ngx_uint_t ngx_http_plum_places_due(ngx_http_plum_taker_t *taker);
void ngx_http_plum_places_look(ngx_http_plum_taker_t *taker, ngx_msec_t ms);
ngx_uint_t ngx_http_plum_places_broken(ngx_http_plum_taker_t *taker);
void ngx_http_plum_places_timer(ngx_http_plum_taker_t *taker, ngx_msec_t ms);
void ngx_http_plum_places_end(ngx_http_plum_taker_t *taker, ngx_uint_t place,
    const ngx_http_plum_outcome_t *outcome, ngx_http_plum_change_t *change);

/* outcome: of a made request, when its upstream has ended */

void ngx_http_plum_outcome(ngx_http_request_t *r,
    const ngx_http_plum_deliver_t *deliver,
    ngx_http_plum_outcome_t *outcome);

/*
 * attempt: start makes one of an entry that was taken; the place is the
 * attempt's from here on.  What cannot be begun is given back.  back gives an
 * entry back to the queue, as no attempt, to be taken again after a wait.
 * attempt() is that of a request, or of a subrequest of it, or NULL.
 */

void ngx_http_plum_attempt_start(ngx_http_plum_taker_t *taker,
    ngx_plum_entry_t *entry, const plum_queue_entry_t *taken,
    ngx_uint_t place);
void ngx_http_plum_attempt_back(ngx_http_plum_taker_t *taker,
    ngx_plum_entry_t *entry, ngx_msec_t wait);
ngx_http_plum_attempt_t *ngx_http_plum_attempt(ngx_http_request_t *r);
void ngx_http_plum_attempt_init(void);

/* the bounds of the time that an attempt takes, for plum_status */

extern const ngx_plum_metrics_histogram_t  ngx_http_plum_delivery_histogram;

/*
 * sign: the headers of plum_sign, NGX_HTTP_PLUM_SIGN_HEADERS of them, in the
 * pool of the connection.  NGX_ERROR: no memory, or OpenSSL fails.
 */

#define NGX_HTTP_PLUM_SIGN_HEADERS  3

ngx_int_t ngx_http_plum_attempt_sign(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_sign_t *sign, ngx_http_plum_made_header_t *headers);

/* taker: hooks of the module; bind makes the queue tell its takers */

void ngx_http_plum_taker_bind(ngx_http_plum_queue_t *queue,
    ngx_http_plum_taker_t **takers);
void ngx_http_plum_takers_start(ngx_http_plum_main_conf_t *pmcf);
void ngx_http_plum_takers_stop(ngx_http_plum_main_conf_t *pmcf);

/* the process hooks of the whole folder */

ngx_int_t ngx_http_plum_delivery_init_process(ngx_cycle_t *cycle);
void ngx_http_plum_delivery_exit_process(ngx_cycle_t *cycle);

/* variables of a deliver location */

ngx_int_t ngx_http_plum_delivery_variables(ngx_conf_t *cf);

/* configuration: see ngx_http_plum_conf_deliver.c */

char *ngx_http_plum_conf_deliver_at(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_plum_conf_sign(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_plum_conf_sign_keys(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_sign_t *sign);

/* when all queues and locations are known: makes the takers */

ngx_int_t ngx_http_plum_conf_delivery(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);


#endif /* _NGX_HTTP_PLUM_DELIVERY_H_INCLUDED_ */
