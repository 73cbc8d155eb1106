
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


static ngx_int_t ngx_plum_redis_start_locate(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_tcp(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_ask(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_auth(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_select(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_role(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_policy(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_start_ready(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_reply_ask(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_ok(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_role(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_policy(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_plum_redis_reply_op(ngx_plum_redis_conn_t *conn,
    redisReply *reply);
static void ngx_plum_redis_again(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);


const ngx_plum_redis_step_t  ngx_plum_redis_steps[] = {
    { "looking for the master", 0, ngx_plum_redis_start_locate, NULL },
    { "resolving", 0, ngx_plum_redis_start_resolve, NULL },
    { "connecting", 0, ngx_plum_redis_start_tcp, NULL },
    { "TLS handshaking", 0, ngx_plum_redis_start_tls, NULL },
    { "asking the sentinel", 1, ngx_plum_redis_start_ask,
      ngx_plum_redis_reply_ask },
    { "authenticating", 0, ngx_plum_redis_start_auth,
      ngx_plum_redis_reply_ok },
    { "selecting the database", 0, ngx_plum_redis_start_select,
      ngx_plum_redis_reply_ok },
    { "asking for the role", 1, ngx_plum_redis_start_role,
      ngx_plum_redis_reply_role },
    { "asking for maxmemory-policy", 1, ngx_plum_redis_start_policy,
      ngx_plum_redis_reply_policy },
    { NULL, 0, ngx_plum_redis_start_ready, ngx_plum_redis_reply_op }
};


static ngx_int_t
ngx_plum_redis_start_locate(ngx_plum_redis_conn_t *conn)
{
    if (conn->sentinel
        || conn->redis->mode != NGX_PLUM_REDIS_SENTINEL
        || conn->address)
    {
        return NGX_OK;
    }

    return ngx_plum_redis_sentinel_locate(conn);
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
    addr = &conn->addrs[conn->address];
    peer = &conn->peer;

    conn->written = 0;
    conn->tried = 0;
    conn->scripts = 0;

    ngx_memzero(&conn->walk, sizeof(plum_redis_walk_t));

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
    peer->so_keepalive = !conn->hosts[conn->host].local;

    rc = ngx_event_connect_peer(peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_plum_redis_conn_lost(conn, 0, "connect() failed");
        return NGX_ERROR;
    }

    c = peer->connection;

    c->data = conn;
    c->log = log;
    /* its end is reported once; each recv() that says so would be a line */
    c->log_error = NGX_ERROR_INFO;
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
ngx_plum_redis_start_ask(ngx_plum_redis_conn_t *conn)
{
    plum_str_t  word[3] = { PLUM_STR("SENTINEL"),
                            PLUM_STR("GET-MASTER-ADDR-BY-NAME") };

    if (!conn->sentinel) {
        return NGX_OK;
    }

    word[2].data = conn->redis->master.data;
    word[2].len = conn->redis->master.len;

    return ngx_plum_redis_conn_words(conn, word, 3);
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


/* where one of several must be the master, or a Sentinel's word be checked */

static ngx_int_t
ngx_plum_redis_start_role(ngx_plum_redis_conn_t *conn)
{
    plum_str_t  word[1] = { PLUM_STR("ROLE") };

    if (conn->redis->mode != NGX_PLUM_REDIS_SENTINEL
        && conn->nhosts == 1
        && !conn->demoted)
    {
        return NGX_OK;
    }

    return ngx_plum_redis_conn_words(conn, word, 1);
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
    ngx_queue_t          *q, ops;
    ngx_connection_t     *c;
    ngx_plum_redis_op_t  *op;

    c = conn->connection;

    if (conn->connect.timer_set) {
        ngx_del_timer(&conn->connect);
    }

    conn->since = ngx_current_msec;
    conn->failing = 0;

    if (conn->redis->mode == NGX_PLUM_REDIS_SENTINEL) {
        ngx_plum_redis_sentinel_round(conn);

    } else {
        conn->first = conn->host;
    }

    c->log = &conn->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->pool->log = c->log;

    /* one that is lazy may go with the next operation again */

    if (!conn->lazy) {
        ngx_plum_redis_conn_available(conn);
    }

    /* an exiting worker has closed its idle connections already */

    c->idle = !ngx_exiting;

    ngx_queue_init(&ops);

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

        ngx_queue_remove(q);

        if (op->unwanted || ngx_plum_redis_conn_put(conn, op) != NGX_OK) {
            ngx_queue_insert_tail(&ops, q);
        }
    }

    ngx_plum_redis_conn_fail(conn, &ops, 0);

    ngx_plum_redis_ready(conn);

    return NGX_DONE;
}


static ngx_int_t
ngx_plum_redis_reply_ask(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    ngx_plum_redis_sentinel_answer(conn, reply);

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


static ngx_int_t
ngx_plum_redis_reply_role(ngx_plum_redis_conn_t *conn, redisReply *reply)
{
    switch (plum_role_master(reply)) {

    case 1:
        return NGX_OK;

    case 0:
        ngx_plum_redis_conn_lost(conn, 0, "it is no master");
        return NGX_ERROR;

    default:

        /* a rule that forbids it must not keep the only node away for ever */

        return conn->nhosts == 1 && conn->pool == NULL
               ? NGX_OK : ngx_plum_redis_reply_ok(conn, reply);
    }
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

    if (conn->warned) {
        return NGX_OK;
    }

    conn->warned = 1;

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
    ngx_queue_t          *q;
    ngx_plum_redis_op_t  *op;

    if (ngx_queue_empty(&conn->sent)) {
        ngx_plum_redis_conn_lost(conn, 0, "a reply nobody asked for");
        return NGX_ERROR;
    }

    q = ngx_queue_head(&conn->sent);
    op = ngx_queue_data(q, ngx_plum_redis_op_t, queue);

    if (op->asking) {

        /* of ASKING itself: if it was refused, the command will be, too */

        op->asking = 0;
        return NGX_OK;
    }

    ngx_plum_redis_conn_taken(conn, op);

    rc = op->type->reply(conn, op, reply);

    switch (rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        ngx_plum_redis_again(conn, op);
        return NGX_OK;

    case NGX_DONE:
        ngx_plum_redis_conn_hold(conn, op);
        return NGX_OK;

    case NGX_ABORT:
        conn->demoted = 1;
        ngx_plum_redis_conn_lost(conn, 0, "it is no master any more");
        return NGX_ERROR;

    default: /* NGX_ERROR */
        conn->pending++;
        ngx_queue_insert_head(&conn->sent, q);
        ngx_plum_redis_conn_lost(conn, 0, "an unexpected reply");
        return NGX_ERROR;
    }
}


/* the scripts are gone */

static void
ngx_plum_redis_again(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op)
{
    ngx_queue_t  ops;

    conn->scripts = 0;

    ngx_plum_redis_conn_given(conn);

    if (ngx_plum_redis_conn_put(conn, op) != NGX_OK) {
        ngx_queue_init(&ops);
        ngx_queue_insert_head(&ops, &op->queue);
        ngx_plum_redis_conn_fail(conn, &ops, 0);
    }
}
