/*
 * Settlements: writes to Redis that nobody waits for, and that are tried until
 * they have succeeded, or nobody needs them any more.
 *
 *   taken over --sent--> under way --end--> freed
 *                        under way --later--> waiting
 *   waiting --the timer, or all()--> sent again
 *   waiting --its time is up--> freed
 *
 * The timer runs as long as there is any settlement.  It is not cancelable
 * then, so that a worker that is told to quit stays for them.
 */

#ifndef _NGX_PLUM_SETTLE_H_INCLUDED_
#define _NGX_PLUM_SETTLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_PLUM_SETTLE_COUNTS   3


typedef struct ngx_plum_settler_s  ngx_plum_settler_t;


/* the first field of a block that ngx_free() frees */

typedef struct {
    ngx_queue_t                     queue;
    ngx_msec_t                      until;   /* it is tried till then */
} ngx_plum_settlement_t;


/*
 * send    NGX_OK: it is under way, and one of end() and later() follows, but
 *         never from inside.  Anything else: it waits.
 * lapsed  its time is up.  The number of a count, from 0: it is given up, and
 *         counted there.  NGX_DECLINED: it is tried on.
 * report  writes what was given up: NGX_PLUM_SETTLE_COUNTS counts
 */

typedef struct {
    ngx_int_t                     (*send)(ngx_plum_settler_t *settler,
                                          ngx_plum_settlement_t *settlement);
    ngx_int_t                     (*lapsed)(ngx_plum_settlement_t *settlement);
    void                          (*report)(ngx_plum_settler_t *settler,
                                            const ngx_uint_t *counts);
} ngx_plum_settle_kind_t;


/* the owner sets the first two, and zeros the rest */

struct ngx_plum_settler_s {
    const ngx_plum_settle_kind_t   *kind;
    void                           *data;

    ngx_queue_t                     waiting;
    ngx_uint_t                      unsettled;   /* these and those sent */
    ngx_event_t                     timer;
    ngx_connection_t                fake;    /* for the debug log of events */
};


/*
 * settle() takes a settlement over.  end() frees it, later() keeps it for the
 * next attempt.  all() makes that at once.  exit() frees what waits, and
 * returns how many settlements are given up: those under way are their
 * handlers' to free.
 */

void ngx_plum_settle(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement, ngx_log_t *log);
void ngx_plum_settle_end(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement);
void ngx_plum_settle_later(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement);
void ngx_plum_settle_all(ngx_plum_settler_t *settler);
ngx_uint_t ngx_plum_settle_exit(ngx_plum_settler_t *settler);


#endif /* _NGX_PLUM_SETTLE_H_INCLUDED_ */
