
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_compat.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_made.h>


/*
 * What NGINX does with the connection of a client, and how a made request
 * copes with that:
 *
 *   adds events          the events are marked as active, reading as not ready
 *                        and writing as ready, so NGINX adds none
 *   checks the socket    with recv(MSG_PEEK) or SO_ERROR, to find out whether
 *                        the client has gone: the socket is one end of a pair
 *                        whose other end stays open and sends nothing
 *   keeps it alive,      the end of file has been read, so the request is
 *   or lingers           closed as soon as it is finalized
 *   sends the answer     through send_chain, which discards it
 *   closes it            the flag "shared" keeps the descriptor open
 */


#define NGX_HTTP_PLUM_MADE_POOL  1024
#define NGX_HTTP_PLUM_MADE_LEFT  8       /* 1/8 of the connections */


static u_char *ngx_http_plum_made_log(ngx_log_t *log, u_char *buf,
    size_t len);
static void ngx_http_plum_made_events(ngx_connection_t *c);
static void ngx_http_plum_made_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_plum_made_fill(ngx_http_request_t *r,
    ngx_http_plum_made_t *made);
static ngx_int_t ngx_http_plum_made_head(ngx_http_request_t *r,
    ngx_http_plum_made_t *made);
static ngx_table_elt_t *ngx_http_plum_made_header(ngx_http_request_t *r,
    const ngx_http_plum_made_header_t *header);
static ngx_int_t ngx_http_plum_made_body(ngx_http_request_t *r,
    ngx_http_plum_made_t *made);
static ssize_t ngx_http_plum_made_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_http_plum_made_recv_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ssize_t ngx_http_plum_made_send(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_chain_t *ngx_http_plum_made_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);


/* of the worker: the first one is that of the connections */

static ngx_socket_t  ngx_http_plum_made_pair[2] = {
    (ngx_socket_t) -1, (ngx_socket_t) -1
};


static struct sockaddr  ngx_http_plum_made_sockaddr = { AF_UNIX, { 0 } };
static ngx_str_t        ngx_http_plum_made_addr = ngx_string("unix:");


ngx_int_t
ngx_http_plum_made_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ngx_http_plum_made_pair) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_socket_errno,
                      "plum: socketpair() failed");
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {

        if (ngx_nonblocking(ngx_http_plum_made_pair[i]) == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_socket_errno,
                          "plum: " ngx_nonblocking_n " failed");
            return NGX_ERROR;
        }

        if (fcntl(ngx_http_plum_made_pair[i], F_SETFD, FD_CLOEXEC) == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "plum: fcntl(FD_CLOEXEC) failed");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_plum_made_exit_process(void)
{
    ngx_uint_t  i;

    for (i = 0; i < 2; i++) {

        if (ngx_http_plum_made_pair[i] != (ngx_socket_t) -1) {
            (void) ngx_close_socket(ngx_http_plum_made_pair[i]);
            ngx_http_plum_made_pair[i] = (ngx_socket_t) -1;
        }
    }
}


ngx_uint_t
ngx_http_plum_made_room(void)
{
    ngx_uint_t  left;

    left = ngx_cycle->connection_n / NGX_HTTP_PLUM_MADE_LEFT;

    if (ngx_cycle->free_connection_n <= left) {
        return 0;
    }

    return (ngx_cycle->free_connection_n - left) / 2;
}


ngx_http_plum_made_t *
ngx_http_plum_made(ngx_http_request_t *r)
{
    if (r->connection->send_chain != ngx_http_plum_made_send_chain) {
        return NULL;
    }

    return (ngx_http_plum_made_t *) r->http_connection;
}


ngx_http_plum_made_t *
ngx_http_plum_made_create(ngx_http_core_srv_conf_t *cscf, size_t size)
{
    ngx_log_t             *log;
    ngx_pool_t            *pool;
    ngx_connection_t      *c;
    ngx_http_plum_made_t  *made;

    pool = ngx_create_pool(NGX_HTTP_PLUM_MADE_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    made = ngx_pcalloc(pool, size);
    if (made == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    c = ngx_get_connection(ngx_http_plum_made_pair[0], ngx_cycle->log);
    if (c == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    log = &made->log;
    *log = *ngx_cycle->log;

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->shared = 1;
    c->pool = pool;
    c->log = log;
    c->log_error = NGX_ERROR_INFO;
    pool->log = log;

    log->connection = c->number;
    log->handler = ngx_http_plum_made_log;
    log->data = &made->log_ctx;
    log->action = "making a request";

    made->connection = c;
    made->log_ctx.connection = c;
    made->http.conf_ctx = cscf->ctx;

    c->buffer = ngx_calloc_buf(pool);
    if (c->buffer == NULL) {
        ngx_http_close_connection(c);
        return NULL;
    }

    c->data = &made->http;

    ngx_http_plum_made_events(c);

    return made;
}


static void
ngx_http_plum_made_events(ngx_connection_t *c)
{
    c->recv = ngx_http_plum_made_recv;
    c->send = ngx_http_plum_made_send;
    c->recv_chain = ngx_http_plum_made_recv_chain;
    c->send_chain = ngx_http_plum_made_send_chain;

    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;

    c->sockaddr = &ngx_http_plum_made_sockaddr;
    c->socklen = sizeof(ngx_http_plum_made_sockaddr);
    c->local_sockaddr = c->sockaddr;
    c->local_socklen = c->socklen;
    c->addr_text = ngx_http_plum_made_addr;

    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_plum_made_handler;
    c->write->handler = ngx_http_plum_made_handler;

    c->read->eof = 1;
    c->read->active = 1;
    c->write->ready = 1;

    /* a level-triggered event that is ready and active would be removed */

    c->write->active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
}


/* as the handler of NGINX does, which is static */

static void
ngx_http_plum_made_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    ngx_http_set_log_request(c->log, r);

    if (c->close) {

        /* the cleanup of its upstream takes one away */

        r->main->count++;

        c->error = 1;
        ngx_http_finalize_request(r->main, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (ev->delayed && ev->timedout) {
        ev->delayed = 0;
        ev->timedout = 0;
    }

    if (ev->write) {
        r->write_event_handler(r);

    } else {
        r->read_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_plum_made_request(ngx_http_plum_made_t *made,
    const ngx_http_plum_made_header_t *headers, ngx_uint_t nheaders)
{
    ngx_uint_t           i;
    ngx_connection_t    *c;
    ngx_http_cleanup_t  *cln;
    ngx_http_request_t  *r;

    c = made->connection;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        ngx_http_close_connection(c);
        return NGX_ERROR;
    }

    c->data = r;
    made->request = r;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_reading, -1);
    r->stat_reading = 0;
    (void) ngx_atomic_fetch_add(ngx_stat_writing, 1);
    r->stat_writing = 1;
#endif

    if (ngx_http_plum_made_fill(r, made) != NGX_OK) {
        goto failed;
    }

    for (i = 0; i < nheaders; i++) {

        if (ngx_http_plum_made_header(r, &headers[i]) == NULL) {
            goto failed;
        }
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = made->end;
    cln->data = made->data;

    return NGX_OK;

failed:

    /* there was no request, so it is not logged as one */

    r->logged = 1;

    ngx_http_free_request(r, 0);
    ngx_http_close_connection(c);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_plum_made_fill(ngx_http_request_t *r, ngx_http_plum_made_t *made)
{
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->internal = 1;
    r->valid_unparsed_uri = 1;

    r->method = NGX_HTTP_POST;
    ngx_str_set(&r->method_name, "POST");
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->http_version = NGX_HTTP_VERSION_11;
    r->http_major = 1;
    r->http_minor = 1;

    r->request_line = made->line;
    r->uri = made->uri;
    r->unparsed_uri = made->uri;
    r->request_length = (off_t) made->body.len;

    ngx_http_set_exten(r);

    if (ngx_http_plum_made_head(r, made) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_plum_made_body(r, made);
}


static ngx_int_t
ngx_http_plum_made_head(ngx_http_request_t *r, ngx_http_plum_made_t *made)
{
    u_char                       *p;
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_plum_made_header_t   header;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 8,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    r->headers_in.server = cscf->server_name;

    ngx_str_set(&header.name, "Host");
    header.lowcase = (u_char *) "host";
    header.value = cscf->server_name;

    if (header.value.len == 0) {
        ngx_str_set(&header.value, "localhost");
    }

    r->headers_in.host = ngx_http_plum_made_header(r, &header);

    ngx_str_set(&header.name, "Content-Type");
    header.lowcase = (u_char *) "content-type";
    ngx_str_set(&header.value, "application/json");

    r->headers_in.content_type = ngx_http_plum_made_header(r, &header);

    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&header.name, "Content-Length");
    header.lowcase = (u_char *) "content-length";
    header.value.data = p;
    header.value.len = ngx_sprintf(p, "%uz", made->body.len) - p;

    r->headers_in.content_length = ngx_http_plum_made_header(r, &header);
    r->headers_in.content_length_n = (off_t) made->body.len;

    return (r->headers_in.host && r->headers_in.content_type
            && r->headers_in.content_length)
           ? NGX_OK : NGX_ERROR;
}


static ngx_table_elt_t *
ngx_http_plum_made_header(ngx_http_request_t *r,
    const ngx_http_plum_made_header_t *header)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    h->key = header->name;
    h->value = header->value;
    h->lowcase_key = header->lowcase;
    h->hash = ngx_hash_key(header->lowcase, header->name.len);
    ngx_http_plum_header_next(h, NULL);

    return h;
}


static ngx_int_t
ngx_http_plum_made_body(ngx_http_request_t *r, ngx_http_plum_made_t *made)
{
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (rb == NULL) {
        return NGX_ERROR;
    }

    rb->bufs = ngx_http_plum_body_chain(r->pool, &made->body);
    if (rb->bufs == NULL) {
        return NGX_ERROR;
    }

    rb->received = (off_t) made->body.len;

    r->request_body = rb;

    return NGX_OK;
}


void
ngx_http_plum_made_run(ngx_http_plum_made_t *made)
{
    ngx_connection_t  *c;

    c = made->connection;

    ngx_http_handler(made->request);
    ngx_http_run_posted_requests(c);
}


/* as worker_shutdown_timeout does */

void
ngx_http_plum_made_abort(ngx_http_plum_made_t *made)
{
    ngx_connection_t  *c;

    c = made->connection;

    c->close = 1;

    ngx_post_event(c->read, &ngx_posted_events);
}


static u_char *
ngx_http_plum_made_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                *p;
    ngx_http_log_ctx_t    *ctx;
    ngx_http_request_t    *r;
    ngx_http_plum_made_t  *made;

    ctx = log->data;

    made = (ngx_http_plum_made_t *)
               ((u_char *) ctx - offsetof(ngx_http_plum_made_t, log_ctx));

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    p = ngx_snprintf(buf, len, ", consumer: %V", &made->consumer);
    len -= p - buf;
    buf = p;

    r = ctx->request;

    return r ? r->log_handler(r, ctx->current_request, buf, len) : buf;
}


static ssize_t
ngx_http_plum_made_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_http_plum_made_recv_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_http_plum_made_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->sent += (off_t) size;

    return (ssize_t) size;
}


static ngx_chain_t *
ngx_http_plum_made_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = in; cl; cl = cl->next) {

        if (!ngx_buf_special(cl->buf)) {
            size += ngx_buf_size(cl->buf);
        }
    }

    c->sent += size;

    return ngx_chain_update_sent(in, size);
}
