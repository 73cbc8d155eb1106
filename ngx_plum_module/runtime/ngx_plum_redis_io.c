
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_READ      16384
#define NGX_PLUM_REDIS_OUT_MIN   4096
#define NGX_PLUM_REDIS_OUT_KEEP  65536
#define NGX_PLUM_REDIS_OUT_MAX   (64 * 1024 * 1024)
#define NGX_PLUM_REDIS_REPLY_MAX (NGX_PLUM_REDIS_ANSWER_MAX + 65536)


static ngx_int_t ngx_plum_redis_conn_input(ngx_plum_redis_conn_t *conn,
    u_char *p, u_char *last);
static ngx_int_t ngx_plum_redis_conn_replies(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_conn_reply(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_conn_connected(ngx_connection_t *c,
    ngx_err_t *err);
static ngx_uint_t ngx_plum_redis_conn_array(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_conn_watch(ngx_plum_redis_conn_t *conn);


void
ngx_plum_redis_conn_read(ngx_event_t *rev)
{
    u_char                  buf[NGX_PLUM_REDIS_READ];
    ssize_t                 n;
    ngx_connection_t       *c;
    ngx_plum_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close && ngx_plum_redis_unused(conn->redis)) {
        ngx_plum_redis_conn_close(conn);
        return;
    }

    if (ngx_plum_redis_at(conn, TCP)) {
        return;
    }

    for ( ;; ) {
        n = c->recv(c, buf, NGX_PLUM_REDIS_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_plum_redis_conn_lost(conn, 0, "it closed the connection");
            return;
        }

        if (ngx_plum_redis_conn_input(conn, buf, buf + n) != NGX_OK) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "events failed");
        return;
    }

    if (c->close && ngx_plum_redis_unused(conn->redis)) {
        ngx_plum_redis_conn_close(conn);
    }
}


/* bytes that have been read; NGX_ERROR: the connection is gone */

static ngx_int_t
ngx_plum_redis_conn_input(ngx_plum_redis_conn_t *conn, u_char *p, u_char *last)
{
    size_t      len;
    redisReply  reply;

    if (conn->reader->pos == conn->reader->len) {

        for ( ;; ) {
            len = plum_redis_integer((char *) p, last - p, &reply);

            if (len == 0) {
                break;
            }

            if (ngx_plum_redis_conn_reply(conn, &reply) != NGX_OK) {
                return NGX_ERROR;
            }

            p += len;
        }

        if (p == last) {
            return NGX_OK;
        }
    }

    if (redisReaderFeed(conn->reader, (char *) p, last - p) != REDIS_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    return ngx_plum_redis_conn_replies(conn);
}


static ngx_int_t
ngx_plum_redis_conn_replies(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t    rc;
    const char  *text;
    redisReply  *reply;

    for ( ;; ) {
        if (plum_redis_next(conn->reader, &conn->walk,
                            ngx_plum_redis_conn_array(conn),
                            NGX_PLUM_REDIS_REPLY_MAX, &reply, &text)
            != PLUM_OK)
        {
            ngx_plum_redis_conn_lost(conn, 0, text);
            return NGX_ERROR;
        }

        if (reply == NULL) {
            return NGX_OK;
        }

        rc = ngx_plum_redis_conn_reply(conn, reply);

        freeReplyObject(reply);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_plum_redis_conn_reply(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    ngx_uint_t  ready;

    if (conn->step->reply == NULL) {
        ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
        return NGX_ERROR;
    }

    ready = ngx_plum_redis_at(conn, READY);

    if (conn->step->reply(conn, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ready) {
        conn->step++;
        ngx_plum_redis_conn_advance(conn);
    }

    return conn->connection ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_plum_redis_conn_array(ngx_plum_redis_conn_t *conn)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    if (!ngx_plum_redis_at(conn, READY)) {
        return conn->step->array;
    }

    if (ngx_queue_empty(&conn->sent)) {
        return 0;
    }

    q = ngx_queue_head(&conn->sent);
    op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

    return op->type->array;
}


void
ngx_plum_redis_conn_write(ngx_event_t *wev)
{
    ngx_err_t               err;
    ngx_connection_t       *c;
    ngx_plum_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (c->close && ngx_plum_redis_unused(conn->redis)) {
        ngx_plum_redis_conn_close(conn);
        return;
    }

    if (!ngx_plum_redis_at(conn, TCP)) {
        ngx_plum_redis_conn_flush(conn);
        return;
    }

    if (ngx_plum_redis_conn_connected(c, &err) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, err, "connect() failed");
        return;
    }

    conn->step++;
    ngx_plum_redis_conn_advance(conn);
}


static ngx_int_t
ngx_plum_redis_conn_connected(ngx_connection_t *c, ngx_err_t *err)
{
    int        value;
    socklen_t  len;

#if (NGX_HAVE_KQUEUE)

    if (ngx_event_flags & NGX_USE_KQUEUE_EVENT)  {
        if (c->write->pending_eof || c->read->pending_eof) {
            *err = c->write->pending_eof ? c->write->kq_errno
                                         : c->read->kq_errno;
            return NGX_ERROR;
        }

        return NGX_OK;
    }

#endif

    value = 0;
    len = sizeof(int);

    /* Solaris returns the error itself, others put it into value */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &value, &len) == -1) {
        value = ngx_socket_errno;
    }

    *err = value;

    return value ? NGX_ERROR : NGX_OK;
}


void
ngx_plum_redis_conn_flush(ngx_plum_redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->connection;

    ngx_plum_redis_conn_ask(conn);

    while (conn->out_pos < conn->out_len && c->write->ready) {

        /* TLS may have sent pieces of what it could not send as a whole */

        if (c->ssl) {
            conn->tried = conn->written;
        }

        n = c->send(c, conn->out + conn->out_pos,
                    conn->out_len - conn->out_pos);

        if (n == NGX_ERROR) {
            ngx_plum_redis_conn_lost(conn, 0, "writing failed");
            return;
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        conn->out_pos += n;

        if (c->ssl == NULL) {
            conn->tried += n;
        }
    }

    if (conn->out_pos == conn->out_len) {

        if (conn->out_len && !ngx_plum_redis_at(conn, READY)) {
            ngx_explicit_memzero(conn->out, conn->out_len);
        }

        conn->out_pos = 0;
        conn->out_len = 0;

        if (conn->out_size > NGX_PLUM_REDIS_OUT_KEEP) {
            ngx_free(conn->out);
            conn->out = NULL;
            conn->out_size = 0;
        }
    }

    if (ngx_plum_redis_conn_watch(conn) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "events failed");
    }
}


/*
 * Whether more can be written matters only where something is left.  Linux
 * tells it of a unix socket each time that the peer takes something.
 */

static ngx_int_t
ngx_plum_redis_conn_watch(ngx_plum_redis_conn_t *conn)
{
    ngx_event_t  *wev;

    wev = conn->connection->write;

    if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) && wev->active && wev->ready) {

        /* the flag is of the read event, which stays */

        return ngx_del_event(wev, NGX_WRITE_EVENT, NGX_CLEAR_EVENT);
    }

    return ngx_handle_write_event(wev, 0);
}


u_char *
ngx_plum_redis_conn_room(ngx_plum_redis_conn_t *conn, size_t len)
{
    size_t   used, size;
    u_char  *out;

    used = conn->out_len - conn->out_pos;

    if (len > NGX_PLUM_REDIS_OUT_MAX - ngx_min(used, NGX_PLUM_REDIS_OUT_MAX)) {
        return NULL;
    }

    if (conn->out_size - conn->out_len >= len) {
        return conn->out + conn->out_len;
    }

    if (conn->out_size >= used + len) {
        ngx_memmove(conn->out, conn->out + conn->out_pos, used);

    } else {
        size = ngx_max(conn->out_size * 2, NGX_PLUM_REDIS_OUT_MIN);
        size = ngx_max(size, used + len);

        out = ngx_alloc(size, &conn->log);
        if (out == NULL) {
            return NULL;
        }

        if (conn->out) {
            ngx_memcpy(out, conn->out + conn->out_pos, used);
            ngx_free(conn->out);
        }

        conn->out = out;
        conn->out_size = size;
    }

    conn->out_pos = 0;
    conn->out_len = used;

    return conn->out + used;
}


void
ngx_plum_redis_conn_wrote(ngx_plum_redis_conn_t *conn, size_t len)
{
    conn->out_len += len;
    conn->written += len;

    ngx_post_event(&conn->flush, &ngx_posted_events);
}


ngx_int_t
ngx_plum_redis_conn_append(ngx_plum_redis_conn_t *conn, char *command,
    size_t len)
{
    u_char  *out;

    out = ngx_plum_redis_conn_room(conn, len);

    if (out) {
        ngx_memcpy(out, command, len);
        ngx_plum_redis_conn_wrote(conn, len);
    }

    plum_redis_free(command, len);

    return out ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_plum_redis_conn_words(ngx_plum_redis_conn_t *conn, plum_str_t *word,
    size_t n)
{
    char    *command;
    size_t   len;

    if (plum_redis_words(word, n, &command, &len) != PLUM_OK
        || ngx_plum_redis_conn_append(conn, command, len) != NGX_OK)
    {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_plum_redis_conn_put(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op)
{
    size_t             added;
    u_char            *out;
    uint64_t           written;
    static const char  asking[] = "*1\r\n$6\r\nASKING\r\n";

    written = conn->written;

    if (op->asking) {
        out = ngx_plum_redis_conn_room(conn, sizeof(asking) - 1);
        if (out == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(out, asking, sizeof(asking) - 1);
        ngx_plum_redis_conn_wrote(conn, sizeof(asking) - 1);
    }

    if (op->type->encode(conn, op) != NGX_OK) {

        /* an ASKING would be taken for that of another command */

        added = (size_t) (conn->written - written);

        conn->out_len -= added;
        conn->written = written;

        return NGX_ERROR;
    }

    op->end = conn->written;
    op->deadline = ngx_current_msec + conn->redis->timeout;

    ngx_queue_insert_tail(&conn->sent, &op->queue);

    conn->replicas = ngx_max(conn->replicas, op->replicas);

    return NGX_OK;
}
