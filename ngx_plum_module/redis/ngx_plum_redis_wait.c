
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * WAIT returns how many replicas have received everything that was written
 * over this connection so far.  It blocks the commands behind it.  So there is
 * one WAIT at a time, for all calls that were sent before it; the next one is
 * for the calls that were sent meanwhile.  A call waits for two WAIT at most,
 * and each of them may take a quarter of the timeout, so the deadline of the
 * call holds.
 * https://redis.io/docs/latest/commands/wait/
 */

#define NGX_PLUM_REDIS_WAIT_SHARE  4


static ngx_int_t ngx_plum_redis_wait_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *wait, ngx_plum_redis_status_e status,
    redisReply **reply);


void
ngx_plum_redis_wait_before(ngx_plum_redis_conn_t *conn)
{
    ngx_msec_t              timeout;
    plum_str_t             *word;
    ngx_plum_redis_call_t  *wait;
    const plum_str_t        name = PLUM_STR("WAIT");

    wait = &conn->wait;

    if (wait->conn) {
        return;
    }

    timeout = ngx_max(conn->conf->timeout / NGX_PLUM_REDIS_WAIT_SHARE, 1);

    word = conn->words;

    word[0] = name;
    word[1].data = conn->digits[0];
    word[1].len = plum_resp_number(conn->digits[0], conn->replicas)
                  - conn->digits[0];
    word[2].data = conn->digits[1];
    word[2].len = plum_resp_number(conn->digits[1], timeout)
                  - conn->digits[1];

    ngx_memzero(wait, sizeof(ngx_plum_redis_call_t));

    wait->argv = word;
    wait->argc = 3;
    wait->limit = ngx_current_msec;
    wait->done = ngx_plum_redis_wait_done;

    /* without memory the calls that are held end at their deadline */

    if (ngx_plum_redis_calls_put(conn, wait) == NGX_OK) {
        ngx_plum_redis_calls_given(conn, wait);
        conn->replicas = 0;
    }
}


void
ngx_plum_redis_wait_hold(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, redisReply **reply)
{
    /* the reader may have an integer reply on its stack */

    if ((*reply)->type == REDIS_REPLY_INTEGER) {
        call->integer = (*reply)->integer;

    } else {
        call->reply = *reply;
        *reply = NULL;
    }

    ngx_plum_redis_calls_hold(conn, &conn->held, call);
}


static ngx_int_t
ngx_plum_redis_wait_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *wait, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    ngx_uint_t              replicas;
    ngx_queue_t            *q;
    ngx_plum_redis_call_t  *call;

    if (status != NGX_PLUM_REDIS_OK) {
        return NGX_OK;
    }

    if ((*reply)->type == REDIS_REPLY_ERROR) {

        /* WAIT is forbidden or unknown: count no replica */

        ngx_plum_redis_report_refused(conn, "", (*reply)->str, (*reply)->len);
        replicas = 0;

    } else if ((*reply)->type == REDIS_REPLY_INTEGER
               && (*reply)->integer >= 0)
    {
        replicas = (ngx_uint_t) (*reply)->integer;

    } else {
        return NGX_ERROR;
    }

    while (!ngx_queue_empty(&conn->held)) {
        q = ngx_queue_head(&conn->held);
        call = ngx_queue_data(q, ngx_plum_redis_call_t, queue);

        if (call->end > wait->end) {
            break;
        }

        ngx_plum_redis_calls_taken(call);

        conn->client->replicated(conn, call, replicas);
    }

    if (conn->replicas) {
        ngx_post_event(&conn->io.flush, &ngx_posted_events);
    }

    return NGX_OK;
}
