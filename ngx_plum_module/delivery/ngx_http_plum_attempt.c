
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


/*
 * The states of an attempt:
 *
 *   start --> under way --end--> settled, its place is free
 *
 * under way  this worker has the lease of the entry, and renews it each time
 *            that a third of it is over.  The timer is not cancelable: a worker
 *            that is told to quit waits until its attempts have ended
 * end        a cleanup of the request, called once when the upstream has been
 *            finalized for whatever reason.  It settles the entry as done,
 *            again or dead; or gives it back if worker_shutdown_timeout has
 *            ended the attempt
 *
 * Only the status of the answer is used.  The body is read to its end, so that
 * the connection to the consumer can be used again, up to a maximum of bytes
 * and of time.
 */


#define NGX_HTTP_PLUM_TICK       1000    /* ms between two checks, at most */
#define NGX_HTTP_PLUM_GIVE_BACK  1000    /* ms before it may be taken again */


static ngx_http_plum_attempt_t *ngx_http_plum_attempt_create(
    ngx_http_plum_taker_t *taker, ngx_plum_entry_t *entry,
    const plum_queue_entry_t *taken);
static ngx_int_t ngx_http_plum_attempt_copy(ngx_pool_t *pool, ngx_str_t *to,
    const plum_str_t *from);
static ngx_int_t ngx_http_plum_attempt_request(
    ngx_http_plum_attempt_t *attempt);
static void ngx_http_plum_attempt_tick(ngx_event_t *ev);
static void ngx_http_plum_attempt_end(void *data);
static void ngx_http_plum_attempt_measure(ngx_http_plum_attempt_t *attempt);
static void ngx_http_plum_attempt_settle(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome);
static void ngx_http_plum_attempt_failed(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome);
static void ngx_http_plum_attempt_report(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome,
    const ngx_http_plum_change_t *change);
static ngx_int_t ngx_http_plum_attempt_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_attempt_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static const ngx_plum_metrics_bucket_t
    ngx_http_plum_delivery_buckets[NGX_PLUM_DELIVERY_BUCKETS] =
{
    { 1000000, "0.001" }, { 2500000, "0.0025" }, { 5000000, "0.005" },
    { 10000000, "0.01" }, { 25000000, "0.025" }, { 50000000, "0.05" },
    { 100000000, "0.1" }, { 250000000, "0.25" }, { 500000000, "0.5" },
    { 1000000000, "1" }, { 5000000000, "5" }, { 30000000000, "30" },
    { 60000000000, "60" }
};


const ngx_plum_metrics_histogram_t  ngx_http_plum_delivery_histogram = {
    ngx_http_plum_delivery_buckets, NGX_PLUM_DELIVERY_BUCKETS
};


void
ngx_http_plum_attempt_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_plum_attempt_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_plum_attempt_body_filter;
}


ngx_http_plum_attempt_t *
ngx_http_plum_attempt(ngx_http_request_t *r)
{
    ngx_http_plum_made_t  *made;

    made = ngx_http_plum_made(r);

    return made ? made->data : NULL;
}


void
ngx_http_plum_attempt_start(ngx_http_plum_taker_t *taker,
    ngx_plum_entry_t *entry, const plum_queue_entry_t *taken,
    ngx_uint_t place)
{
    ngx_http_plum_change_t    change;
    ngx_http_plum_attempt_t  *attempt;

    attempt = ngx_http_plum_attempt_create(taker, entry, taken);

    if (attempt == NULL) {
        ngx_http_plum_attempt_back(taker, entry, NGX_HTTP_PLUM_GIVE_BACK);
        ngx_http_plum_places_end(taker, place, NULL, &change);
        return;
    }

    attempt->place = place;
    attempt->renew = ngx_current_msec + entry->lease / 3;

    ngx_add_timer(&attempt->timer,
                  ngx_min(entry->lease / 3, NGX_HTTP_PLUM_TICK));

    if (taker->consumer->target->metrics) {
        attempt->began = ngx_plum_metrics_clock();
    }

    ngx_http_plum_made_run(&attempt->made);
}


static ngx_http_plum_attempt_t *
ngx_http_plum_attempt_create(ngx_http_plum_taker_t *taker,
    ngx_plum_entry_t *entry, const plum_queue_entry_t *taken)
{
    ngx_pool_t               *pool;
    ngx_http_plum_made_t     *made;
    ngx_http_plum_attempt_t  *attempt;

    made = ngx_http_plum_made_create(taker->deliver->cscf,
                                     sizeof(ngx_http_plum_attempt_t));
    if (made == NULL) {
        return NULL;
    }

    attempt = (ngx_http_plum_attempt_t *) made;
    pool = made->connection->pool;

    made->uri = taker->consumer->uri;
    made->line = taker->line;
    made->consumer = taker->consumer->target->name;
    made->end = ngx_http_plum_attempt_end;
    made->data = attempt;

    attempt->taker = taker;
    attempt->entry = *entry;
    attempt->attempt = taken->attempt;
    attempt->age = (ngx_msec_t) taken->age;

    attempt->timer.handler = ngx_http_plum_attempt_tick;
    attempt->timer.data = made->connection;
    attempt->timer.log = made->connection->log;

    if (ngx_http_plum_attempt_copy(pool, &attempt->entry.id, &taken->id)
        != NGX_OK
        || ngx_http_plum_attempt_copy(pool, &attempt->key, &taken->key)
           != NGX_OK
        || ngx_http_plum_attempt_copy(pool, &attempt->event, &taken->event)
           != NGX_OK
        || ngx_http_plum_attempt_copy(pool, &made->body, &taken->body)
           != NGX_OK)
    {
        ngx_http_close_connection(made->connection);
        return NULL;
    }

    return (ngx_http_plum_attempt_request(attempt) == NGX_OK) ? attempt : NULL;
}


static ngx_int_t
ngx_http_plum_attempt_copy(ngx_pool_t *pool, ngx_str_t *to,
    const plum_str_t *from)
{
    to->len = from->len;
    to->data = ngx_pnalloc(pool, from->len + 1);

    if (to->data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(to->data, from->data, from->len) = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_attempt_request(ngx_http_plum_attempt_t *attempt)
{
    ngx_uint_t                    n;
    const ngx_http_plum_sign_t   *sign;
    ngx_http_plum_made_header_t   headers[1 + NGX_HTTP_PLUM_SIGN_HEADERS];

    ngx_str_set(&headers[0].name, "Idempotency-Key");
    headers[0].lowcase = (u_char *) "idempotency-key";
    headers[0].value = attempt->key;
    n = 1;

    sign = attempt->taker->deliver->plcf->sign;

    if (sign) {

        if (ngx_http_plum_attempt_sign(attempt, sign, &headers[1]) != NGX_OK) {
            ngx_http_close_connection(attempt->made.connection);
            return NGX_ERROR;
        }

        n += NGX_HTTP_PLUM_SIGN_HEADERS;
    }

    return ngx_http_plum_made_request(&attempt->made, headers, n);
}


void
ngx_http_plum_attempt_back(ngx_http_plum_taker_t *taker,
    ngx_plum_entry_t *entry, ngx_msec_t wait)
{
    ngx_plum_queue_t  *queue;
    ngx_plum_again_t   again;

    ngx_memzero(&again, sizeof(ngx_plum_again_t));

    again.wait = wait;
    again.free = 1;

    queue = &taker->queue->queue;
    queue->ops->again(queue, entry, &again);
}


static void
ngx_http_plum_attempt_tick(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_plum_queue_t         *queue;
    ngx_http_request_t       *r;
    ngx_http_plum_attempt_t  *attempt;

    c = ev->data;
    r = c->data;
    attempt = ngx_http_plum_attempt(r);

    if (attempt->answers
        && ngx_current_msec - attempt->answered > NGX_HTTP_PLUM_ANSWER_TIME)
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "plum: the consumer's answer takes longer than %Mms, "
                      "its connection is closed",
                      (ngx_msec_t) NGX_HTTP_PLUM_ANSWER_TIME);

        ngx_http_plum_made_abort(&attempt->made);
        return;
    }

    if ((ngx_msec_int_t) (attempt->renew - ngx_current_msec) <= 0) {
        queue = &attempt->taker->queue->queue;
        queue->ops->renew(queue, &attempt->entry);

        attempt->renew = ngx_current_msec + attempt->entry.lease / 3;
    }

    ngx_add_timer(ev, ngx_min(attempt->entry.lease / 3, NGX_HTTP_PLUM_TICK));
}


static void
ngx_http_plum_attempt_end(void *data)
{
    ngx_http_plum_attempt_t *attempt = data;

    ngx_http_plum_taker_t    *taker;
    ngx_http_plum_change_t    change;
    ngx_http_plum_outcome_t   outcome;

    taker = attempt->taker;

    if (attempt->timer.timer_set) {
        ngx_del_timer(&attempt->timer);
    }

    ngx_http_plum_outcome(attempt->made.request, taker->deliver, &outcome);

    if (ngx_exiting && attempt->made.connection->close
        && outcome.status == 0)
    {
        attempt->delivery = NGX_HTTP_PLUM_AGAIN;

        ngx_http_plum_attempt_back(taker, &attempt->entry, 0);
        ngx_http_plum_places_end(taker, attempt->place, NULL, &change);
        return;
    }

    ngx_http_plum_attempt_settle(attempt, &outcome);
    ngx_http_plum_attempt_measure(attempt);
    ngx_http_plum_places_end(taker, attempt->place, &outcome, &change);
    ngx_http_plum_attempt_report(attempt, &outcome, &change);

    taker->todo |= change.more;

    if (taker->todo) {
        ngx_post_event(&taker->wake, &ngx_posted_events);
    }
}


static void
ngx_http_plum_attempt_measure(ngx_http_plum_attempt_t *attempt)
{
    ngx_plum_metrics_set_t  *set;

    set = attempt->taker->consumer->target->metrics;

    if (set == NULL) {
        return;
    }

    ngx_plum_metrics_count(set, NGX_PLUM_QUEUE_DELIVERED + attempt->delivery
                                - NGX_HTTP_PLUM_DELIVERED, 1);

    ngx_plum_metrics_observe(set, NGX_PLUM_QUEUE_SECONDS,
                             &ngx_http_plum_delivery_histogram,
                             ngx_plum_metrics_clock() - attempt->began);
}


static void
ngx_http_plum_attempt_settle(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome)
{
    ngx_plum_queue_t  *queue;

    if (outcome->result == PLUM_ATTEMPT_DELIVERED) {
        attempt->delivery = NGX_HTTP_PLUM_DELIVERED;

        queue = &attempt->taker->queue->queue;
        queue->ops->done(queue, &attempt->entry);

        return;
    }

    ngx_http_plum_attempt_failed(attempt, outcome);
}


/*
 * A consumer that answers 410 (Gone) is paused.  The event and those behind it
 * wait, even if this was the last attempt, so nothing is lost.
 */

static void
ngx_http_plum_attempt_failed(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome)
{
    ngx_plum_dead_t           dead;
    ngx_plum_again_t          again;
    ngx_plum_queue_t         *queue;
    const plum_schedule_t    *schedule;

    queue = &attempt->taker->queue->queue;
    schedule = &attempt->taker->deliver->schedule;

    ngx_memzero(&again, sizeof(ngx_plum_again_t));

    again.wait = plum_schedule_wait(schedule, attempt->attempt,
                                    (uint32_t) ngx_random());

    if (outcome->result == PLUM_ATTEMPT_GONE) {
        again.pause = -1;
        ngx_str_set(&again.by, "410");

        if (again.wait == 0) {
            again.wait = schedule->waits[schedule->nwaits - 1];
        }

    } else if (outcome->result == PLUM_ATTEMPT_PAUSE) {
        again.pause = (ngx_msec_int_t) outcome->retry_after;
        ngx_str_set(&again.by, "retry-after");
    }

    if (again.wait) {
        attempt->delivery = NGX_HTTP_PLUM_AGAIN;
        queue->ops->again(queue, &attempt->entry, &again);

        if (again.wait < NGX_HTTP_PLUM_LOOK) {
            ngx_http_plum_places_look(attempt->taker, again.wait);
        }

        return;
    }

    attempt->delivery = NGX_HTTP_PLUM_DEAD;

    dead.attempts = attempt->attempt;
    dead.status = outcome->status;
    ngx_str_set(&dead.reason, "attempts");

    queue->ops->dead(queue, &attempt->entry, &dead);
}


static void
ngx_http_plum_attempt_report(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_outcome_t *outcome,
    const ngx_http_plum_change_t *change)
{
    u_char                   *p, text[sizeof("status ") + NGX_INT_T_LEN + 64];
    ngx_log_t                *log;
    ngx_str_t                *name, *queue, what;
    ngx_http_plum_deliver_t  *deliver;

    log = attempt->made.connection->log;
    name = &attempt->taker->consumer->target->name;
    queue = &attempt->taker->queue->queue.name;
    deliver = attempt->taker->deliver;

    if (change->recovered) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "plum: consumer \"%V\" of queue \"%V\" accepts events "
                      "again", name, queue);
    }

    if (outcome->result == PLUM_ATTEMPT_DELIVERED) {
        return;
    }

    p = outcome->status ? ngx_sprintf(text, "status %ui%s", outcome->status,
                                      outcome->cut ? " before it had the "
                                                     "whole event" : "")
                        : ngx_sprintf(text, "no answer");
    what.data = text;
    what.len = p - text;

    if (change->fails) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: consumer \"%V\" of queue \"%V\" does not accept "
                      "events: %V; what waits is tried again", name, queue,
                      &what);
    }

    if (outcome->result == PLUM_ATTEMPT_GONE) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: consumer \"%V\" of queue \"%V\" says that it is "
                      "gone: it is paused, resume it with \"plum-queue resume "
                      "%V\"", name, queue, name);

    } else if (outcome->result == PLUM_ATTEMPT_PAUSE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "plum: consumer \"%V\" of queue \"%V\" is paused for "
                      "%ui s, as its Retry-After asks", name, queue,
                      (ngx_uint_t) (outcome->retry_after / 1000));
    }

    if (change->opened) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum: consumer \"%V\" of queue \"%V\" has failed %ui "
                      "times in a row: it is paused for %Mms, then tried with "
                      "one event", name, queue, change->failures,
                      deliver->pause);
    }

    if (attempt->delivery == NGX_HTTP_PLUM_DEAD) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum: an event for consumer \"%V\" of queue \"%V\" is a "
                      "dead letter after %uL attempts, the last with %V; key "
                      "\"%V\"", name, queue, attempt->attempt, &what,
                      &attempt->key);
    }
}


static ngx_int_t
ngx_http_plum_attempt_header_filter(ngx_http_request_t *r)
{
    ngx_http_plum_attempt_t  *attempt;

    attempt = ngx_http_plum_attempt(r);

    if (attempt && r == r->main && !attempt->answers) {
        attempt->answers = 1;
        attempt->answered = ngx_current_msec;

        if (r->upstream && r->upstream->upgrade) {

            /* there is no client for an upgraded connection */

            r->upstream->upgrade = 0;
            r->header_only = 1;
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_plum_attempt_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t              *cl;
    ngx_http_plum_attempt_t  *attempt;

    attempt = ngx_http_plum_attempt(r);

    if (attempt == NULL || r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {

        if (!ngx_buf_special(cl->buf)) {
            attempt->answer += ngx_buf_size(cl->buf);
        }
    }

    if (attempt->answer > NGX_HTTP_PLUM_ANSWER_SIZE) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "plum: the consumer's answer is larger than %uz bytes, "
                      "its connection is closed",
                      (size_t) NGX_HTTP_PLUM_ANSWER_SIZE);
        return NGX_ERROR;
    }

    return ngx_http_next_body_filter(r, in);
}
