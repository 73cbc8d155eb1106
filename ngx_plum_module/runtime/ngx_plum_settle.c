
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_settle.h>


#define NGX_PLUM_SETTLE_TIME     200     /* ms between attempts */


static void ngx_plum_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement);
static void ngx_plum_settle_handler(ngx_event_t *ev);
static void ngx_plum_settle_lapsed(ngx_plum_settler_t *settler);


void
ngx_plum_settle(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement, ngx_log_t *log)
{
    if (settler->waiting.next == NULL) {
        ngx_queue_init(&settler->waiting);

        settler->fake.fd = (ngx_socket_t) -1;
        settler->fake.data = settler;

        settler->timer.handler = ngx_plum_settle_handler;
        settler->timer.data = &settler->fake;
        settler->timer.log = log;
    }

    settler->unsettled++;
    settler->timer.cancelable = 0;

    ngx_plum_settle_send(settler, settlement);

    if (!settler->timer.timer_set) {
        ngx_add_timer(&settler->timer, NGX_PLUM_SETTLE_TIME);
    }
}


static void
ngx_plum_settle_send(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement)
{
    if (settler->kind->send(settler, settlement) != NGX_OK) {
        ngx_plum_settle_later(settler, settlement);
    }
}


void
ngx_plum_settle_end(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement)
{
    ngx_free(settlement);

    settler->unsettled--;

    settler->timer.cancelable = (settler->unsettled == 0);
}


void
ngx_plum_settle_later(ngx_plum_settler_t *settler,
    ngx_plum_settlement_t *settlement)
{
    ngx_queue_insert_tail(&settler->waiting, &settlement->queue);
}


static void
ngx_plum_settle_handler(ngx_event_t *ev)
{
    ngx_connection_t    *fake;
    ngx_plum_settler_t  *settler;

    fake = ev->data;
    settler = fake->data;

    ngx_plum_settle_lapsed(settler);
    ngx_plum_settle_all(settler);

    if (settler->unsettled && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PLUM_SETTLE_TIME);
    }
}


void
ngx_plum_settle_all(ngx_plum_settler_t *settler)
{
    ngx_queue_t  *q, waiting;

    if (settler->waiting.next == NULL || ngx_queue_empty(&settler->waiting)) {
        return;
    }

    /* those that cannot be sent wait again */

    ngx_queue_init(&waiting);
    ngx_queue_add(&waiting, &settler->waiting);
    ngx_queue_init(&settler->waiting);

    while (!ngx_queue_empty(&waiting)) {
        q = ngx_queue_head(&waiting);

        ngx_queue_remove(q);

        ngx_plum_settle_send(settler, ngx_queue_data(q, ngx_plum_settlement_t,
                                                     queue));
    }
}


static void
ngx_plum_settle_lapsed(ngx_plum_settler_t *settler)
{
    ngx_int_t               n;
    ngx_uint_t              counts[NGX_PLUM_SETTLE_COUNTS];
    ngx_queue_t            *q, *next;
    ngx_plum_settlement_t  *settlement;

    ngx_memzero(counts, sizeof(counts));

    for (q = ngx_queue_head(&settler->waiting);
         q != ngx_queue_sentinel(&settler->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        settlement = ngx_queue_data(q, ngx_plum_settlement_t, queue);

        if ((ngx_msec_int_t) (settlement->until - ngx_current_msec) > 0) {
            continue;
        }

        n = settler->kind->lapsed(settlement);

        if (n != NGX_DECLINED) {
            counts[n]++;

            ngx_queue_remove(q);
            ngx_plum_settle_end(settler, settlement);
        }
    }

    settler->kind->report(settler, counts);
}


ngx_uint_t
ngx_plum_settle_exit(ngx_plum_settler_t *settler)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    n = settler->unsettled;

    if (n == 0) {
        return 0;
    }

    while (!ngx_queue_empty(&settler->waiting)) {
        q = ngx_queue_head(&settler->waiting);

        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_plum_settlement_t, queue));
    }

    settler->unsettled = 0;

    if (settler->timer.timer_set) {
        ngx_del_timer(&settler->timer);
    }

    return n;
}
