
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


/*
 * WAIT answers how many replicas have all that this connection has written.
 * It blocks what is behind it, so there is one at a time, which speaks for
 * all that was sent before it; the next one speaks for what came meanwhile.
 * An operation waits for two of them at most, and they for a quarter of the
 * timeout each: so its deadline, which is that of the connection, holds.
 */

#define NGX_PLUM_REDIS_WAIT_SHARE  4


static ngx_int_t ngx_plum_redis_wait_encode(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
static ngx_int_t ngx_plum_redis_wait_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, const redisReply *reply);
static void ngx_plum_redis_wait_failed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome);
static void ngx_plum_redis_wait_dropped(ngx_plum_redis_op_t *op);


static const ngx_plum_redis_op_type_t  ngx_plum_redis_wait_type = {
    0,
    ngx_plum_redis_wait_encode,
    ngx_plum_redis_wait_reply,
    NULL,
    ngx_plum_redis_wait_failed,
    ngx_plum_redis_wait_dropped
};


void
ngx_plum_redis_conn_hold(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    ngx_queue_insert_tail(&conn->held, &op->queue);

    ngx_plum_redis_conn_given(conn);
}


void
ngx_plum_redis_conn_ask(ngx_plum_redis_conn_t *conn)
{
    if (conn->replicas == 0
        || conn->wait.type
        || !ngx_plum_redis_at(conn, READY))
    {
        return;
    }

    conn->wait.type = &ngx_plum_redis_wait_type;
    conn->wait.replicas = conn->replicas;

    if (ngx_plum_redis_conn_put(conn, &conn->wait) != NGX_OK) {

        /* the operations end with their deadline */

        conn->wait.type = NULL;
        return;
    }

    ngx_plum_redis_conn_given(conn);

    conn->replicas = 0;
}


static ngx_int_t
ngx_plum_redis_wait_encode(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    char       *command;
    size_t      len;
    u_char      replicas[NGX_INT_T_LEN], msec[NGX_INT_T_LEN];
    plum_str_t  word[3] = { PLUM_STR("WAIT") };
    ngx_msec_t  timeout;

    timeout = ngx_max(conn->redis->timeout / NGX_PLUM_REDIS_WAIT_SHARE, 1);

    word[1].data = replicas;
    word[1].len = ngx_sprintf(replicas, "%ui", op->replicas) - replicas;
    word[2].data = msec;
    word[2].len = ngx_sprintf(msec, "%M", timeout) - msec;

    if (plum_redis_words(word, 3, &command, &len) != PLUM_OK) {
        return NGX_ERROR;
    }

    return ngx_plum_redis_conn_append(conn, command, len);
}


static ngx_int_t
ngx_plum_redis_wait_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, const redisReply *reply)
{
    uint64_t              replicas;
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *held;

    if (plum_redis_wait(reply, &replicas) != PLUM_OK) {

        /* forbidden, or not known: none is known to have it */

        if (reply->type != REDIS_REPLY_ERROR) {
            return NGX_ERROR;
        }

        ngx_plum_redis_refused(conn, "", (u_char *) reply->str, reply->len);
        replicas = 0;
    }

    op->type = NULL;

    while (!ngx_queue_empty(&conn->held)) {
        q = ngx_queue_head(&conn->held);
        held = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        if (held->end > op->end) {
            break;
        }

        ngx_plum_redis_conn_taken(conn, held);

        held->type->waited(conn, held, (ngx_uint_t) replicas);
    }

    if (conn->replicas) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_wait_failed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome)
{
    op->type = NULL;
}


static void
ngx_plum_redis_wait_dropped(ngx_plum_redis_op_t *op)
{
    op->type = NULL;
}
