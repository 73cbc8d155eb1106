
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_READ      16384
#define NGX_PLUM_REDIS_OUT_MIN   4096
#define NGX_PLUM_REDIS_OUT_KEEP  65536
#define NGX_PLUM_REDIS_OUT_MAX   (64 * 1024 * 1024)


static void ngx_plum_redis_io_read(ngx_event_t *rev);
static ngx_int_t ngx_plum_redis_io_input(ngx_plum_redis_io_t *io, u_char *p,
    size_t len);
static ssize_t ngx_plum_redis_io_replies(ngx_plum_redis_io_t *io, u_char *p,
    size_t len);
static ssize_t ngx_plum_redis_io_reply(ngx_plum_redis_io_t *io, u_char *p,
    size_t len);
static ngx_int_t ngx_plum_redis_io_keep(ngx_plum_redis_io_t *io, u_char *p,
    size_t len);
static void ngx_plum_redis_io_write(ngx_event_t *wev);
static void ngx_plum_redis_io_flush_handler(ngx_event_t *ev);
static void ngx_plum_redis_io_flush(ngx_plum_redis_io_t *io);
static void ngx_plum_redis_io_flushed(ngx_plum_redis_io_t *io);
static ngx_int_t ngx_plum_redis_io_watch(ngx_plum_redis_io_t *io);


void
ngx_plum_redis_io_init(ngx_plum_redis_io_t *io,
    const ngx_plum_redis_io_news_t *news, ngx_log_t *log)
{
    io->news = news;
    io->log = log;

    io->fake.fd = (ngx_socket_t) -1;
    io->fake.data = io;

    io->flush.handler = ngx_plum_redis_io_flush_handler;
    io->flush.data = &io->fake;
    io->flush.log = log;
}


ngx_int_t
ngx_plum_redis_io_start(ngx_plum_redis_io_t *io, ngx_connection_t *c)
{
    io->written = 0;
    io->tried = 0;

    ngx_memzero(&io->walk, sizeof(plum_resp_walk_t));

    io->reader = redisReaderCreate();
    if (io->reader == NULL) {
        return NGX_ERROR;
    }

    io->connection = c;

    c->data = io;
    c->read->handler = ngx_plum_redis_io_read;
    c->write->handler = ngx_plum_redis_io_write;

    return NGX_OK;
}


void
ngx_plum_redis_io_stop(ngx_plum_redis_io_t *io)
{
    io->connection = NULL;

    if (io->flush.posted) {
        ngx_delete_posted_event(&io->flush);
    }

    if (io->out) {
        ngx_explicit_memzero(io->out, io->out_len);
    }

    io->out_pos = 0;
    io->out_len = 0;

    if (io->in) {
        ngx_free(io->in);
        io->in = NULL;
    }

    io->in_size = 0;
    io->in_len = 0;

    if (io->reader) {
        redisReaderFree(io->reader);
        io->reader = NULL;
    }
}


void
ngx_plum_redis_io_free(ngx_plum_redis_io_t *io)
{
    if (io->out) {
        ngx_free(io->out);
        io->out = NULL;
        io->out_size = 0;
    }
}


static void
ngx_plum_redis_io_read(ngx_event_t *rev)
{
    u_char                buf[NGX_PLUM_REDIS_READ];
    ssize_t               n;
    ngx_connection_t     *c;
    ngx_plum_redis_io_t  *io;

    c = rev->data;
    io = c->data;

    if (c->close && io->news->quit(io)) {
        return;
    }

    for ( ;; ) {
        n = c->recv(c, buf, NGX_PLUM_REDIS_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            io->news->lost(io, "it closed the connection");
            return;
        }

        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, io->log, 0,
                       "plum redis recv: %z", n);

        if (ngx_plum_redis_io_input(io, buf, n) != NGX_OK) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        io->news->lost(io, "events failed");
        return;
    }

    if (c->close) {
        (void) io->news->quit(io);
    }
}


/* bytes that have been read; NGX_ERROR: the connection is gone */

static ngx_int_t
ngx_plum_redis_io_input(ngx_plum_redis_io_t *io, u_char *p, size_t len)
{
    ssize_t  n;

    if (io->in_len == 0) {
        n = ngx_plum_redis_io_replies(io, p, len);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        return ngx_plum_redis_io_keep(io, p + n, len - n);
    }

    if (ngx_plum_redis_io_keep(io, p, len) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ngx_plum_redis_io_replies(io, io->in, io->in_len);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    io->in_len -= n;

    if (io->in_len == 0) {
        ngx_free(io->in);
        io->in = NULL;
        io->in_size = 0;

    } else if (n) {
        ngx_memmove(io->in, io->in + n, io->in_len);
    }

    return NGX_OK;
}


/* returns how many bytes are used up; NGX_ERROR: the connection is gone */

static ssize_t
ngx_plum_redis_io_replies(ngx_plum_redis_io_t *io, u_char *p, size_t len)
{
    ssize_t      n, used;
    redisReply   integer, *reply;

    used = 0;

    while ((size_t) used < len) {

        if (!io->walk.begun) {
            n = plum_resp_integer((char *) p + used, len - used, &integer);

            if (n) {
                reply = &integer;

                if (io->news->reply(io, &reply) != NGX_OK) {
                    return NGX_ERROR;
                }

                used += n;
                continue;
            }
        }

        n = ngx_plum_redis_io_reply(io, p + used, len - used);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        used += n;

        if (io->walk.begun) {
            break;
        }
    }

    return used;
}


static ssize_t
ngx_plum_redis_io_reply(ngx_plum_redis_io_t *io, u_char *p, size_t len)
{
    int          rc;
    size_t       max, skip, used;
    ngx_int_t    gone;
    ngx_uint_t   array;
    const char  *text;
    redisReply  *reply;

    io->news->expect(io, &array, &max, &skip);

    rc = plum_resp_walk(&io->walk, (char *) p, len, array, max, skip, &text);

    if (rc == PLUM_ERROR) {
        io->news->lost(io, text);
        return NGX_ERROR;
    }

    used = io->walk.used;
    reply = NULL;

    if (rc == PLUM_RESP_MORE) {
        return used;
    }

    if (rc == PLUM_RESP_WHOLE) {
        reply = plum_resp_build(io->reader, (char *) p, used, &text);

        if (reply == NULL) {
            io->news->lost(io, text);
            return NGX_ERROR;
        }
    }

    gone = io->news->reply(io, &reply);

    if (reply) {
        freeReplyObject(reply);
    }

    return (gone == NGX_OK) ? (ssize_t) used : NGX_ERROR;
}


/* the beginning of a reply, until the rest of it comes */

static ngx_int_t
ngx_plum_redis_io_keep(ngx_plum_redis_io_t *io, u_char *p, size_t len)
{
    size_t   size;
    u_char  *in;

    if (len == 0) {
        return NGX_OK;
    }

    if (io->in_size - io->in_len < len) {
        size = ngx_max(io->in_size * 2, io->in_len + len);

        in = ngx_alloc(size, io->log);
        if (in == NULL) {
            io->news->lost(io, "no memory");
            return NGX_ERROR;
        }

        if (io->in) {
            ngx_memcpy(in, io->in, io->in_len);
            ngx_free(io->in);
        }

        io->in = in;
        io->in_size = size;
    }

    ngx_memcpy(io->in + io->in_len, p, len);
    io->in_len += len;

    return NGX_OK;
}


static void
ngx_plum_redis_io_write(ngx_event_t *wev)
{
    ngx_connection_t     *c;
    ngx_plum_redis_io_t  *io;

    c = wev->data;
    io = c->data;

    if (c->close && io->news->quit(io)) {
        return;
    }

    ngx_plum_redis_io_flush(io);
}


static void
ngx_plum_redis_io_flush_handler(ngx_event_t *ev)
{
    ngx_connection_t  *fake;

    fake = ev->data;

    ngx_plum_redis_io_flush(fake->data);
}


static void
ngx_plum_redis_io_flush(ngx_plum_redis_io_t *io)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = io->connection;

    io->news->before(io);

    while (io->out_pos < io->out_len && c->write->ready) {

        /* TLS may have sent pieces of what it could not send as a whole */

        if (c->ssl) {
            io->tried = io->written;
        }

        n = c->send(c, io->out + io->out_pos, io->out_len - io->out_pos);

        ngx_log_debug2(NGX_LOG_DEBUG_EVENT, io->log, 0,
                       "plum redis send: %z of %uz", n,
                       io->out_len - io->out_pos);

        if (n == NGX_ERROR) {
            io->news->lost(io, "writing failed");
            return;
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        io->out_pos += n;

        if (c->ssl == NULL) {
            io->tried += n;
        }
    }

    if (io->out_pos == io->out_len) {
        ngx_plum_redis_io_flushed(io);
    }

    if (ngx_plum_redis_io_watch(io) != NGX_OK) {
        io->news->lost(io, "events failed");
    }
}


static void
ngx_plum_redis_io_flushed(ngx_plum_redis_io_t *io)
{
    if (io->secret) {
        ngx_explicit_memzero(io->out, io->out_len);
        io->secret = 0;
    }

    io->out_pos = 0;
    io->out_len = 0;

    if (io->out_size > NGX_PLUM_REDIS_OUT_KEEP) {
        ngx_plum_redis_io_free(io);
    }
}


/*
 * Whether more can be written matters only where something is left.  Linux
 * tells it of a unix socket each time that the peer takes something.
 */

static ngx_int_t
ngx_plum_redis_io_watch(ngx_plum_redis_io_t *io)
{
    ngx_event_t  *wev;

    wev = io->connection->write;

    if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) && wev->active && wev->ready) {

        /* the flag is of the read event, which stays */

        return ngx_del_event(wev, NGX_WRITE_EVENT, NGX_CLEAR_EVENT);
    }

    return ngx_handle_write_event(wev, 0);
}


u_char *
ngx_plum_redis_io_room(ngx_plum_redis_io_t *io, size_t len)
{
    size_t   used, size;
    u_char  *out;

    used = io->out_len - io->out_pos;

    if (len > NGX_PLUM_REDIS_OUT_MAX - ngx_min(used, NGX_PLUM_REDIS_OUT_MAX)) {
        return NULL;
    }

    if (io->out_size - io->out_len >= len) {
        return io->out + io->out_len;
    }

    if (io->out_size >= used + len) {
        ngx_memmove(io->out, io->out + io->out_pos, used);

    } else {
        size = ngx_max(io->out_size * 2, NGX_PLUM_REDIS_OUT_MIN);
        size = ngx_max(size, used + len);

        out = ngx_alloc(size, io->log);
        if (out == NULL) {
            return NULL;
        }

        if (io->out) {
            ngx_memcpy(out, io->out + io->out_pos, used);
            ngx_explicit_memzero(io->out, io->out_len);
            ngx_free(io->out);
        }

        io->out = out;
        io->out_size = size;
    }

    io->out_pos = 0;
    io->out_len = used;

    return io->out + used;
}


void
ngx_plum_redis_io_wrote(ngx_plum_redis_io_t *io, size_t len)
{
    io->out_len += len;
    io->written += len;

    ngx_post_event(&io->flush, &ngx_posted_events);
}
