
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis.h>


#define NGX_PLUM_REDIS_READ      16384
#define NGX_PLUM_REDIS_OUT_MIN   4096
#define NGX_PLUM_REDIS_OUT_KEEP  65536
#define NGX_PLUM_REDIS_OUT_MAX   (64 * 1024 * 1024)
#define NGX_PLUM_REDIS_REPLY_MAX (4 * 1024 * 1024)
#define NGX_PLUM_REDIS_STABLE    1000    /* ms ready before a loss: a good
                                            connection, tried again at once */


/*
 * The life of the connection: conn->step is a row of the table below.
 *
 *   none --connect--> tcp -> tls -> auth -> select -> policy --> ready
 *    ^                 |                                           |
 *    +----pause--------+-------------------- lost -----------------+
 *
 * none     step is NULL.  The pause of the back-off runs (the connect timer),
 *          or a posted event (flush) is about to connect
 * tcp ...  under way.  The connect timer bounds each step
 * ready    operations are written; replies are matched by their order
 *
 * start()  of a step: NGX_OK, go on with the next one; NGX_AGAIN, wait for an
 *          event or a reply; NGX_DONE, the last step; NGX_ERROR, the
 *          connection is lost, ngx_plum_redis_conn_lost() has been called
 * reply()  NGX_OK or NGX_ERROR, as above
 *
 * failing  operations are declined: an attempt to connect failed, or the node
 *          did not answer in time.  Else, while there is no connection, they
 *          wait for it, at most until their deadline
 *
 * An operation belongs to the connection from submit() until op_reply() or
 * op_failed().  Those may run requests, and so call submit() from inside, but
 * nothing that is called from requests closes the connection: submit() only
 * writes to memory and posts an event.
 */

struct ngx_plum_redis_step_s {
    char                     *action;    /* of the log: "while ..." */
    ngx_int_t               (*start)(ngx_plum_redis_conn_t *conn);
    ngx_int_t               (*reply)(ngx_plum_redis_conn_t *conn,
                                     redisReply *reply);
};


static ngx_int_t ngx_plum_redis_start_tcp(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_tls(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_auth(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_select(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_policy(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_ready(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_reply_ok(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_policy(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_op(ngx_plum_redis_conn_t *conn,
    redisReply *reply);

static void ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_advance(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_conn_connected(ngx_connection_t *c,
    ngx_err_t *err);
static void ngx_plum_redis_conn_handshaked(ngx_connection_t *c);
static ngx_int_t ngx_plum_redis_conn_verify(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_read(ngx_event_t *rev);
static void ngx_plum_redis_conn_write(ngx_event_t *wev);
static ngx_int_t ngx_plum_redis_conn_replies(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_flush(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_flush_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_connect_handler(ngx_event_t *ev);
static void ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_conn_append(ngx_plum_redis_conn_t *conn,
    char *data, size_t len);
static ngx_int_t ngx_plum_redis_conn_words(ngx_plum_redis_conn_t *conn,
    plum_str_t *word, size_t n);
static ngx_int_t ngx_plum_redis_conn_put(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
static void ngx_plum_redis_conn_taken(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
static void ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn,
    ngx_err_t err, const char *text);
static void ngx_plum_redis_conn_fail(ngx_plum_redis_conn_t *conn,
    ngx_queue_t *ops, uint64_t tried);
static void ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_conn_unused(ngx_plum_redis_conn_t *conn);
static u_char *ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf,
    size_t len);


enum {
    NGX_PLUM_REDIS_TCP = 0,
    NGX_PLUM_REDIS_TLS,
    NGX_PLUM_REDIS_AUTH,
    NGX_PLUM_REDIS_SELECT,
    NGX_PLUM_REDIS_POLICY,
    NGX_PLUM_REDIS_READY
};


static const ngx_plum_redis_step_t  ngx_plum_redis_steps[] = {
    { "connecting", ngx_plum_redis_start_tcp, NULL },
    { "TLS handshaking", ngx_plum_redis_start_tls, NULL },
    { "authenticating", ngx_plum_redis_start_auth, ngx_plum_redis_reply_ok },
    { "selecting the database", ngx_plum_redis_start_select,
      ngx_plum_redis_reply_ok },
    { "asking for maxmemory-policy", ngx_plum_redis_start_policy,
      ngx_plum_redis_reply_policy },
    { "talking", ngx_plum_redis_start_ready, ngx_plum_redis_reply_op }
};


#define ngx_plum_redis_at(conn, n)                                            \
    ((conn)->step == &ngx_plum_redis_steps[NGX_PLUM_REDIS_##n])


void
ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn)
{
    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_plum_redis_conn_log;
    conn->log.data = conn;
    conn->log.action = "starting";

    conn->mute = conn->log;
    conn->mute.log_level = NGX_LOG_ALERT;
    conn->mute.next = NULL;

    ngx_queue_init(&conn->waiting);
    ngx_queue_init(&conn->sent);

    conn->fake.fd = (ngx_socket_t) -1;
    conn->fake.data = conn;

    conn->flush.handler = ngx_plum_redis_conn_flush_handler;
    conn->flush.data = &conn->fake;
    conn->flush.log = &conn->log;

    conn->connect.handler = ngx_plum_redis_conn_connect_handler;
    conn->connect.data = &conn->fake;
    conn->connect.log = &conn->log;
    conn->connect.cancelable = 1;

    /* somebody waits for it: an exiting worker does, too */

    conn->deadline.handler = ngx_plum_redis_conn_deadline_handler;
    conn->deadline.data = &conn->fake;
    conn->deadline.log = &conn->log;

    conn->opened = 1;

    /* a new worker looks at posted events only after its first other event */

    ngx_add_timer(&conn->connect, 1);
}


void
ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t            i;
    ngx_queue_t          *q, *queues[2];
    ngx_plum_redis_op_t  *op;

    if (!conn->opened) {
        return;
    }

    conn->opened = 0;
    conn->closed = 1;

    ngx_plum_redis_conn_close(conn);

    queues[0] = &conn->sent;
    queues[1] = &conn->waiting;

    for (i = 0; i < 2; i++) {
        while (!ngx_queue_empty(queues[i])) {
            q = ngx_queue_head(queues[i]);
            op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

            ngx_queue_remove(q);
            ngx_plum_redis_op_free(op);
        }
    }

    conn->pending = 0;

    if (conn->deadline.timer_set) {
        ngx_del_timer(&conn->deadline);
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->out) {
        ngx_free(conn->out);
        conn->out = NULL;
        conn->out_size = 0;
    }
}


ngx_int_t
ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    if (!conn->opened && !conn->closed) {

        /* after a reload without a master process */

        ngx_plum_redis_conn_open(conn);
    }

    if (!conn->opened
        || conn->failing
        || (conn->pending >= conn->redis->max_pending && !op->settlement))
    {
        return NGX_DECLINED;
    }

    if (ngx_plum_redis_at(conn, READY)) {
        if (ngx_plum_redis_conn_put(conn, op) != NGX_OK) {
            return NGX_DECLINED;
        }

    } else {
        op->end = (uint64_t) -1;
        op->deadline = ngx_current_msec + conn->redis->timeout;

        ngx_queue_insert_tail(&conn->waiting, &op->queue);

        if (conn->step == NULL) {
            ngx_post_event(&conn->flush, &ngx_posted_events);
        }
    }

    conn->pending++;

    if (!conn->deadline.timer_set) {
        ngx_add_timer(&conn->deadline, conn->redis->timeout);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn)
{
    conn->step = &ngx_plum_redis_steps[0];

    ngx_plum_redis_conn_advance(conn);
}


static void
ngx_plum_redis_conn_advance(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t  rc;

    for ( ;; ) {
        conn->log.action = conn->step->action;
        conn->mute.action = conn->step->action;

        rc = conn->step->start(conn);

        if (rc != NGX_OK) {
            break;
        }

        conn->step++;
    }

    if (rc == NGX_AGAIN) {

        /* a set timer would not be moved by a little */

        if (conn->connect.timer_set) {
            ngx_del_timer(&conn->connect);
        }

        ngx_add_timer(&conn->connect, conn->redis->timeout);
    }
}


static ngx_int_t
ngx_plum_redis_start_tcp(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t                rc;
    ngx_log_t               *log;
    ngx_addr_t              *addr;
    ngx_connection_t        *c;
    ngx_peer_connection_t   *peer;

    log = conn->reported ? &conn->mute : &conn->log;
    addr = &conn->redis->addrs[conn->address];
    peer = &conn->peer;

    conn->written = 0;
    conn->tried = 0;
    conn->scripts = 0;

    conn->reader = redisReaderCreate();
    if (conn->reader == NULL) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    ngx_memzero(peer, sizeof(ngx_peer_connection_t));

    peer->sockaddr = addr->sockaddr;
    peer->socklen = addr->socklen;
    peer->name = &addr->name;
    peer->get = ngx_event_get_peer;
    peer->log = log;
    peer->log_error = NGX_ERROR_ERR;
    peer->so_keepalive = !conn->redis->local;

    rc = ngx_event_connect_peer(peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_plum_redis_conn_lost(conn, 0, "connect() failed");
        return NGX_ERROR;
    }

    c = peer->connection;

    c->data = conn;
    c->log = log;
    c->read->handler = ngx_plum_redis_conn_read;
    c->write->handler = ngx_plum_redis_conn_write;

    conn->connection = c;

    c->pool = ngx_create_pool(512, log);
    if (c->pool == NULL) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_plum_redis_start_tls(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;
    ngx_plum_redis_t  *redis;

    c = conn->connection;
    redis = conn->redis;

    if (!redis->local && ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "setsockopt() failed");
        return NGX_ERROR;
    }

    if (redis->ssl == NULL) {
        return NGX_OK;
    }

    if (ngx_ssl_create_connection(redis->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "TLS could not be started");
        return NGX_ERROR;
    }

    /* the output buffer grows, and so moves, between two attempts to write */

    (void) SSL_set_mode(c->ssl->connection,
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (!redis->ip
        && SSL_set_tlsext_host_name(c->ssl->connection,
                                    (char *) redis->host.data)
           == 0)
    {
        ngx_plum_redis_conn_lost(conn, 0, "TLS could not be started");
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_plum_redis_conn_handshaked;
        return NGX_AGAIN;
    }

    return ngx_plum_redis_conn_verify(conn);
}


static void
ngx_plum_redis_conn_handshaked(ngx_connection_t *c)
{
    ngx_plum_redis_conn_t  *conn;

    conn = c->data;

    if (ngx_plum_redis_conn_verify(conn) == NGX_OK) {
        conn->step++;
        ngx_plum_redis_conn_advance(conn);
    }
}


static ngx_int_t
ngx_plum_redis_conn_verify(ngx_plum_redis_conn_t *conn)
{
    long               rc;
    X509              *cert;
    u_char             text[256];
    ngx_int_t          match;
    ngx_connection_t  *c;
    ngx_plum_redis_t  *redis;

    c = conn->connection;
    redis = conn->redis;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_snprintf(text, sizeof(text), "its certificate is not trusted "
                     "(%l: %s)%Z", rc, X509_verify_cert_error_string(rc));
        text[sizeof(text) - 1] = '\0';

        ngx_plum_redis_conn_lost(conn, 0, (char *) text);
        return NGX_ERROR;
    }

    if (!c->ssl->handshaked) {
        ngx_plum_redis_conn_lost(conn, 0, "TLS handshake failed");
        return NGX_ERROR;
    }

    c->read->handler = ngx_plum_redis_conn_read;
    c->write->handler = ngx_plum_redis_conn_write;

    if (redis->ip) {
        match = NGX_ERROR;
        cert = SSL_get_peer_certificate(c->ssl->connection);

        if (cert) {
            if (X509_check_ip_asc(cert, (char *) redis->host.data, 0) == 1) {
                match = NGX_OK;
            }

            X509_free(cert);
        }

    } else {
        match = ngx_ssl_check_host(c, &redis->host);
    }

    if (match != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0,
                                 "its certificate has another name");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_start_auth(ngx_plum_redis_conn_t *conn)
{
    size_t             n;
    plum_str_t         word[3] = { PLUM_STR("AUTH") };
    ngx_plum_redis_t  *redis;

    redis = conn->redis;

    if (redis->password.len == 0) {
        return NGX_OK;
    }

    n = 1;

    if (redis->user.len) {
        word[n].data = redis->user.data;
        word[n].len = redis->user.len;
        n++;
    }

    word[n].data = redis->password.data;
    word[n].len = redis->password.len;
    n++;

    return ngx_plum_redis_conn_words(conn, word, n);
}


static ngx_int_t
ngx_plum_redis_start_select(ngx_plum_redis_conn_t *conn)
{
    plum_str_t  word[2] = { PLUM_STR("SELECT") };

    if (conn->redis->database.len == 0) {
        return NGX_OK;
    }

    word[1].data = conn->redis->database.data;
    word[1].len = conn->redis->database.len;

    return ngx_plum_redis_conn_words(conn, word, 2);
}


static ngx_int_t
ngx_plum_redis_start_policy(ngx_plum_redis_conn_t *conn)
{
    plum_str_t  word[3] = { PLUM_STR("CONFIG"), PLUM_STR("GET"),
                            PLUM_STR("maxmemory-policy") };

    return ngx_plum_redis_conn_words(conn, word, 3);
}


static ngx_int_t
ngx_plum_redis_start_ready(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t            level;
    ngx_queue_t          *q, ops;
    ngx_connection_t     *c;
    ngx_plum_redis_op_t  *op;

    c = conn->connection;

    if (conn->connect.timer_set) {
        ngx_del_timer(&conn->connect);
    }

    conn->since = ngx_current_msec;
    conn->failing = 0;

    c->log = &conn->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->pool->log = c->log;

    level = conn->reported ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, c->log, 0, "plum: redis is available%s",
                  conn->reported ? " again" : "");

    conn->reported = 0;

    /* an exiting worker has closed its idle connections already */

    c->idle = !ngx_exiting;

    ngx_queue_init(&ops);

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);

        /* a claim that nobody waits for any more need not be made */

        if ((op->command.kind == PLUM_REDIS_CLAIM && op->claim == NULL)
            || ngx_plum_redis_conn_put(conn, op) != NGX_OK)
        {
            ngx_queue_insert_tail(&ops, q);
        }
    }

    ngx_plum_redis_conn_fail(conn, &ops, 0);

    ngx_plum_redis_ready(conn->redis);

    return NGX_DONE;
}


static ngx_int_t
ngx_plum_redis_reply_ok(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    u_char  text[256];

    if (reply->type == REDIS_REPLY_STATUS) {
        return NGX_OK;
    }

    ngx_snprintf(text, sizeof(text), "it refuses: %*s%Z",
                 reply->type == REDIS_REPLY_ERROR ? (size_t) reply->len : 0,
                 reply->str);
    text[sizeof(text) - 1] = '\0';

    ngx_plum_redis_conn_lost(conn, 0, (char *) text);

    return NGX_ERROR;
}


/* what cannot be asked does not matter: ACLs and services forbid CONFIG */

static ngx_int_t
ngx_plum_redis_reply_policy(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    redisReply  *value;

    if (reply->type == REDIS_REPLY_ERROR
        && ngx_strncmp(reply->str, "NOAUTH", 6) == 0)
    {
        return ngx_plum_redis_reply_ok(conn, reply);
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return NGX_OK;
    }

    value = reply->element[1];

    if (value->type != REDIS_REPLY_STRING
        || ngx_strcmp(value->str, "noeviction") == 0)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                  "plum: maxmemory-policy is \"%*s\": redis may drop records "
                  "before their time and so let a copy through, use "
                  "\"noeviction\"", ngx_min((size_t) value->len, 32),
                  value->str);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_reply_op(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    ngx_int_t             rc;
    ngx_queue_t          *q, ops;
    ngx_plum_redis_op_t  *op;

    if (ngx_queue_empty(&conn->sent)) {
        ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
        return NGX_ERROR;
    }

    q = ngx_queue_head(&conn->sent);
    op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

    ngx_plum_redis_conn_taken(conn, op);

    rc = ngx_plum_redis_op_reply(conn->redis, op, reply);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    conn->pending++;

    if (rc == NGX_ERROR) {
        ngx_queue_insert_head(&conn->sent, q);
        ngx_plum_redis_conn_lost(conn, 0, "an unexpected reply");
        return NGX_ERROR;
    }

    /* NGX_AGAIN: the scripts are gone */

    conn->scripts = 0;

    if (ngx_plum_redis_conn_put(conn, op) != NGX_OK) {
        ngx_queue_init(&ops);
        ngx_queue_insert_head(&ops, q);
        ngx_plum_redis_conn_fail(conn, &ops, 0);

    } else if (!conn->deadline.timer_set) {
        ngx_add_timer(&conn->deadline, conn->redis->timeout);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_conn_read(ngx_event_t *rev)
{
    u_char                  buf[NGX_PLUM_REDIS_READ];
    ssize_t                 n;
    ngx_connection_t       *c;
    ngx_plum_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close && ngx_plum_redis_conn_unused(conn)) {
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

        if (redisReaderFeed(conn->reader, (char *) buf, n) != REDIS_OK) {
            ngx_plum_redis_conn_lost(conn, 0, "no memory");
            return;
        }

        if (ngx_plum_redis_conn_replies(conn) != NGX_OK) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "events failed");
        return;
    }

    if (c->close && ngx_plum_redis_conn_unused(conn)) {
        ngx_plum_redis_conn_close(conn);
    }
}


static ngx_int_t
ngx_plum_redis_conn_replies(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t    rc;
    ngx_uint_t   ready;
    const char  *text;
    redisReply  *reply;

    for ( ;; ) {
        if (plum_redis_next(conn->reader, ngx_plum_redis_at(conn, POLICY),
                            NGX_PLUM_REDIS_REPLY_MAX, &reply, &text)
            != PLUM_OK)
        {
            ngx_plum_redis_conn_lost(conn, 0, text);
            return NGX_ERROR;
        }

        if (reply == NULL) {
            return NGX_OK;
        }

        if (conn->step->reply == NULL) {
            freeReplyObject(reply);
            ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
            return NGX_ERROR;
        }

        ready = ngx_plum_redis_at(conn, READY);

        rc = conn->step->reply(conn, reply);

        freeReplyObject(reply);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ready) {
            conn->step++;
            ngx_plum_redis_conn_advance(conn);
        }

        if (conn->connection == NULL) {
            return NGX_ERROR;
        }
    }
}


static void
ngx_plum_redis_conn_write(ngx_event_t *wev)
{
    ngx_err_t               err;
    ngx_connection_t       *c;
    ngx_plum_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (c->close && ngx_plum_redis_conn_unused(conn)) {
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


static void
ngx_plum_redis_conn_flush(ngx_plum_redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->connection;

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

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "events failed");
    }
}


static void
ngx_plum_redis_conn_flush_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->step == NULL) {
        if (!conn->connect.timer_set
            && (!ngx_exiting || !ngx_plum_redis_conn_unused(conn)))
        {
            ngx_plum_redis_conn_begin(conn);
        }

        return;
    }

    if (!ngx_plum_redis_at(conn, TCP) && !ngx_plum_redis_at(conn, TLS)) {
        ngx_plum_redis_conn_flush(conn);
    }
}


static void
ngx_plum_redis_conn_connect_handler(ngx_event_t *ev)
{
    ngx_connection_t       *fake;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (conn->step) {
        ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT, "it is too slow");
        return;
    }

    if (!ngx_exiting || !ngx_plum_redis_conn_unused(conn)) {
        ngx_plum_redis_conn_begin(conn);
    }
}


static void
ngx_plum_redis_conn_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q, ops;
    ngx_msec_int_t          left;
    ngx_connection_t       *fake;
    ngx_plum_redis_op_t    *op;
    ngx_plum_redis_conn_t  *conn;

    fake = ev->data;
    conn = fake->data;

    if (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_head(&conn->sent);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        if (left > 0) {
            ngx_add_timer(ev, left);
            return;
        }

        conn->failing = 1;
        ngx_plum_redis_conn_lost(conn, NGX_ETIMEDOUT, "it did not answer");

        /* then there may be some that wait, from inside of the call */
    }

    ngx_queue_init(&ops);
    left = 0;

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        if (left > 0) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ops, q);
    }

    if (!ngx_queue_empty(&conn->waiting) && !ev->timer_set) {
        ngx_add_timer(ev, left);
    }

    ngx_plum_redis_conn_fail(conn, &ops, 0);
}


static ngx_int_t
ngx_plum_redis_conn_append(ngx_plum_redis_conn_t *conn, char *data,
    size_t len)
{
    size_t   used, size;
    u_char  *out;

    used = conn->out_len - conn->out_pos;

    if (len > NGX_PLUM_REDIS_OUT_MAX - ngx_min(used, NGX_PLUM_REDIS_OUT_MAX)) {
        return NGX_DECLINED;
    }

    if (conn->out_size - conn->out_len < len) {

        if (conn->out_size >= used + len) {
            ngx_memmove(conn->out, conn->out + conn->out_pos, used);

        } else {
            size = ngx_max(conn->out_size * 2, NGX_PLUM_REDIS_OUT_MIN);
            size = ngx_max(size, used + len);

            out = ngx_alloc(size, &conn->log);
            if (out == NULL) {
                return NGX_ERROR;
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
    }

    ngx_memcpy(conn->out + conn->out_len, data, len);

    conn->out_len += len;
    conn->written += len;

    ngx_post_event(&conn->flush, &ngx_posted_events);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_conn_words(ngx_plum_redis_conn_t *conn, plum_str_t *word,
    size_t n)
{
    char       *command;
    size_t      len;
    ngx_int_t   rc;

    if (plum_redis_words(word, n, &command, &len) != PLUM_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    rc = ngx_plum_redis_conn_append(conn, command, len);

    plum_redis_free(command, len);

    if (rc != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "no memory");
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_plum_redis_conn_put(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op)
{
    int          eval;
    char        *command;
    size_t       len;
    ngx_int_t    rc;
    ngx_uint_t   bit;

    /*
     * the first command of a kind brings its script along: a miss would be
     * answered by sending it again, behind what has been sent meanwhile
     */

    bit = (ngx_uint_t) 1 << op->command.kind;
    eval = op->eval || !(conn->scripts & bit);

    if (plum_redis_command(&op->command, eval, &command, &len) != PLUM_OK) {
        return NGX_ERROR;
    }

    rc = ngx_plum_redis_conn_append(conn, command, len);

    plum_redis_free(command, len);

    if (rc != NGX_OK) {
        return rc;
    }

    conn->scripts |= bit;

    op->end = conn->written;
    op->deadline = ngx_current_msec + conn->redis->timeout;

    ngx_queue_insert_tail(&conn->sent, &op->queue);

    return NGX_OK;
}


/* the operation leaves its queue */

static void
ngx_plum_redis_conn_taken(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    ngx_queue_remove(&op->queue);

    conn->pending--;

    if (conn->pending == 0 && conn->deadline.timer_set) {
        ngx_del_timer(&conn->deadline);
    }
}


static void
ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    uint64_t     tried;
    ngx_uint_t   ready, stable, pause;
    ngx_queue_t  ops;

    pause = 0;
    ready = ngx_plum_redis_at(conn, READY);
    stable = ready && (ngx_msec_int_t) (ngx_current_msec - conn->since)
                      >= NGX_PLUM_REDIS_STABLE;

    if (stable) {
        conn->attempts = 0;
        conn->address = 0;

    } else if (!ready && conn->address + 1 < conn->redis->naddrs) {
        conn->address++;

    } else {
        conn->address = 0;
        conn->attempts++;
        conn->failing = 1;

        pause = plum_redis_backoff(conn->attempts, (uint32_t) ngx_random());
    }

    /* once per change of state; a loss that nobody noticed is none */

    if (conn->reported) {
        ngx_log_debug1(NGX_LOG_DEBUG_CORE, &conn->log, err,
                       "plum: redis is unavailable: %s", text);

    } else if (conn->failing || (ready && conn->pending)) {
        ngx_log_error(NGX_LOG_ERR, &conn->log, err,
                      "plum: redis is unavailable: %s", text);
        conn->reported = 1;

    } else {
        ngx_log_error(NGX_LOG_INFO, &conn->log, err,
                      "plum: the connection to redis ended: %s", text);
    }

    tried = conn->tried;

    ngx_plum_redis_conn_close(conn);

    if (pause) {
        ngx_add_timer(&conn->connect, pause);

    } else {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    ngx_queue_init(&ops);

    if (!ngx_queue_empty(&conn->sent)) {
        ngx_queue_add(&ops, &conn->sent);
        ngx_queue_init(&conn->sent);
    }

    if (conn->failing && !ngx_queue_empty(&conn->waiting)) {
        ngx_queue_add(&ops, &conn->waiting);
        ngx_queue_init(&conn->waiting);
    }

    ngx_plum_redis_conn_fail(conn, &ops, tried);
}


static void
ngx_plum_redis_conn_fail(ngx_plum_redis_conn_t *conn, ngx_queue_t *ops,
    uint64_t tried)
{
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    while (!ngx_queue_empty(ops)) {
        q = ngx_queue_head(ops);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_plum_redis_conn_taken(conn, op);

        /* without TLS, a command of which the last byte is missing is none */

        ngx_plum_redis_op_failed(conn->redis, op,
                                 op->end <= tried ? NGX_PLUM_OP_UNKNOWN
                                                  : NGX_PLUM_OP_NOT_SENT);
    }
}


static void
ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = conn->connection;

    conn->connection = NULL;
    conn->step = NULL;

    if (conn->connect.timer_set) {
        ngx_del_timer(&conn->connect);
    }

    if (conn->out) {
        ngx_explicit_memzero(conn->out, conn->out_len);
    }

    conn->out_pos = 0;
    conn->out_len = 0;

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
    }

    if (c == NULL) {
        return;
    }

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static ngx_uint_t
ngx_plum_redis_conn_unused(ngx_plum_redis_conn_t *conn)
{
    return conn->pending == 0 && conn->redis->unsettled == 0;
}


static u_char *
ngx_plum_redis_conn_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                 *p;
    ngx_plum_redis_conn_t  *conn;

    conn = log->data;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    return ngx_snprintf(p, len, ", plum store: \"%V\", redis: \"%V\"",
                        &conn->redis->name, &conn->redis->url);
}
