
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * The master is found by queries to the Sentinels, one after the other, until
 * one of them names a node.  That node is connected to, and ROLE confirms that
 * it is the master.  If that fails, the next Sentinel is queried, until all of
 * them have been.
 *
 *   the node's connection     LOCATE -------------------> CONNECT ... READY
 *                               |                            ^
 *   connection to a Sentinel    +--> CONNECT, query --reply--+
 *                                      |    ^
 *                                      +lost+ (the next Sentinel; if none is
 *                                              left, the node's connection is
 *                                              lost)
 */

typedef struct {
    ngx_plum_redis_conn_t    node;
    ngx_plum_redis_conn_t    sentinel;
    ngx_plum_redis_call_t    query;
    plum_str_t               words[3];
    ngx_plum_redis_host_t    nowhere;    /* the host of node, until a master
                                            is known; its text is for logs */
    ngx_uint_t               from;   /* the Sentinel that was queried first
                                        for the present attempt */
    ngx_uint_t               authed; /* AUTH has been sent to it */
    ngx_uint_t               round;  /* the Sentinel that was queried first
                                        since the master was last ready */
} ngx_plum_redis_sentinel_t;


static void *ngx_plum_redis_sentinel_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_sentinel_close(void *data);
static ngx_int_t ngx_plum_redis_sentinel_route(void *data,
    ngx_plum_redis_call_t *call, ngx_plum_redis_conn_t **conn);
static ngx_uint_t ngx_plum_redis_sentinel_others(void *data);
static ngx_int_t ngx_plum_redis_sentinel_locate(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_sentinel_ready(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_sentinel_left(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_sentinel_report(ngx_plum_redis_conn_t *conn,
    ngx_err_t err, const char *text);
static void ngx_plum_redis_sentinel_hello(ngx_plum_redis_conn_t *sentinel);
static void ngx_plum_redis_sentinel_query(ngx_plum_redis_conn_t *sentinel);
static void ngx_plum_redis_sentinel_auth(ngx_plum_redis_conn_t *sentinel);
static ngx_int_t ngx_plum_redis_sentinel_authed(
    ngx_plum_redis_conn_t *sentinel, ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, redisReply **reply);
static ngx_int_t ngx_plum_redis_sentinel_done(ngx_plum_redis_conn_t *sentinel,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
static const char *ngx_plum_redis_sentinel_answer(
    ngx_plum_redis_sentinel_t *s, const redisReply *reply);
static void ngx_plum_redis_sentinel_lost(ngx_plum_redis_conn_t *sentinel);
static ngx_uint_t ngx_plum_redis_sentinel_next(
    ngx_plum_redis_conn_t *sentinel);
static void ngx_plum_redis_sentinel_useless(ngx_plum_redis_conn_t *sentinel,
    ngx_err_t err, const char *text);


const ngx_plum_redis_topology_t  ngx_plum_redis_sentinel = {
    ngx_plum_redis_sentinel_open,
    ngx_plum_redis_sentinel_close,
    ngx_plum_redis_sentinel_route,
    NULL,
    NULL,
    ngx_plum_redis_sentinel_others
};


static const ngx_plum_redis_news_t  ngx_plum_redis_sentinel_node_news = {
    ngx_plum_redis_sentinel_locate,
    ngx_plum_redis_hello,
    ngx_plum_redis_sentinel_ready,
    NULL,
    ngx_plum_redis_sentinel_left,
    ngx_plum_redis_sentinel_report
};


static const ngx_plum_redis_news_t  ngx_plum_redis_sentinel_news = {
    NULL,
    ngx_plum_redis_sentinel_hello,
    NULL,
    ngx_plum_redis_sentinel_lost,
    ngx_plum_redis_sentinel_next,
    ngx_plum_redis_sentinel_useless
};


static void *
ngx_plum_redis_sentinel_open(ngx_plum_redis_t *client)
{
    ngx_plum_redis_sentinel_t  *s;

    s = ngx_calloc(sizeof(ngx_plum_redis_sentinel_t), &client->log);
    if (s == NULL) {
        return NULL;
    }

    s->nowhere.text = client->conf->master;

    s->sentinel.owner = s;
    s->sentinel.lazy = 1;

    s->node.owner = s;
    s->node.role = 1;
    s->node.pause_max = NGX_PLUM_REDIS_PAUSE_MAX;

    ngx_plum_redis_conn_open(&s->sentinel, client,
                             &ngx_plum_redis_sentinel_news,
                             client->conf->hosts, client->conf->nhosts);
    ngx_plum_redis_conn_open(&s->node, client,
                             &ngx_plum_redis_sentinel_node_news,
                             &s->nowhere, 1);

    return s;
}


static void
ngx_plum_redis_sentinel_close(void *data)
{
    ngx_plum_redis_sentinel_t *s = data;

    ngx_plum_redis_conn_exit(&s->node);
    ngx_plum_redis_conn_exit(&s->sentinel);

    ngx_free(s);
}


static ngx_int_t
ngx_plum_redis_sentinel_route(void *data, ngx_plum_redis_call_t *call,
    ngx_plum_redis_conn_t **conn)
{
    ngx_plum_redis_sentinel_t *s = data;

    *conn = &s->node;

    return NGX_OK;
}


static ngx_uint_t
ngx_plum_redis_sentinel_others(void *data)
{
    return 1;
}


/* --- callbacks of the node's connection */

static ngx_int_t
ngx_plum_redis_sentinel_locate(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_conn_t      *sentinel;
    ngx_plum_redis_sentinel_t  *s;

    s = conn->owner;
    sentinel = &s->sentinel;

    if (conn->peer.address) {

        /* another address of the node that the Sentinel has named */

        return NGX_OK;
    }

    s->from = sentinel->host;

    sentinel->peer.address = 0;
    sentinel->reported = conn->reported;
    sentinel->wanted = 1;

    ngx_plum_redis_conn_wake(sentinel);

    return NGX_AGAIN;
}


static void
ngx_plum_redis_sentinel_ready(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_sentinel_t  *s;

    s = conn->owner;
    s->round = s->sentinel.host;

    conn->client->ready(conn->client);
}


/* 1: there are Sentinels that have not been queried in this round */

static ngx_uint_t
ngx_plum_redis_sentinel_left(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_sentinel_t  *s;

    s = conn->owner;

    if (conn->state == NGX_PLUM_REDIS_LOCATE) {

        /* no Sentinel knows the master: the next round begins here */

        s->round = s->sentinel.host;
    }

    return s->sentinel.host != s->round;
}


static void
ngx_plum_redis_sentinel_report(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    if (conn->reported
        || conn->failing
        || conn->state == NGX_PLUM_REDIS_READY)
    {
        ngx_plum_redis_report_lost(conn, err, text);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, &conn->log, err,
                  "plum: a sentinel names a node that is of no use: %s", text);
}


/* --- callbacks of the connection to a Sentinel */

static void
ngx_plum_redis_sentinel_hello(ngx_plum_redis_conn_t *sentinel)
{
    ngx_plum_redis_sentinel_t  *s;

    s = sentinel->owner;
    s->authed = 0;

    ngx_plum_redis_sentinel_query(sentinel);
}


static void
ngx_plum_redis_sentinel_query(ngx_plum_redis_conn_t *sentinel)
{
    ngx_plum_redis_sentinel_t  *s;
    const plum_str_t            command = PLUM_STR("SENTINEL");
    const plum_str_t            name = PLUM_STR("GET-MASTER-ADDR-BY-NAME");

    s = sentinel->owner;

    ngx_memzero(&s->query, sizeof(ngx_plum_redis_call_t));

    s->words[0] = command;
    s->words[1] = name;
    s->words[2].data = sentinel->conf->master.data;
    s->words[2].len = sentinel->conf->master.len;

    s->query.argv = s->words;
    s->query.argc = 3;
    s->query.array = 1;
    s->query.done = ngx_plum_redis_sentinel_done;

    (void) ngx_plum_redis_conn_query(sentinel, &s->query,
                                     "asking the sentinel");
}


/* most Sentinels need no password, so AUTH is sent only after NOAUTH */

static void
ngx_plum_redis_sentinel_auth(ngx_plum_redis_conn_t *sentinel)
{
    ngx_plum_redis_sentinel_t  *s;

    s = sentinel->owner;
    s->authed = 1;

    s->query.argc = ngx_plum_redis_auth(sentinel, s->words);
    s->query.done = ngx_plum_redis_sentinel_authed;

    sentinel->io.secret = 1;

    (void) ngx_plum_redis_conn_query(sentinel, &s->query, "authenticating");
}


static ngx_int_t
ngx_plum_redis_sentinel_authed(ngx_plum_redis_conn_t *sentinel,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    /* if AUTH was refused, the query is refused again, and that is reported */

    if (status == NGX_PLUM_REDIS_OK) {
        ngx_plum_redis_sentinel_query(sentinel);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_sentinel_done(ngx_plum_redis_conn_t *sentinel,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    const char                 *text;
    ngx_plum_redis_sentinel_t  *s;

    if (status != NGX_PLUM_REDIS_OK) {
        return NGX_OK;
    }

    s = sentinel->owner;

    if (plum_resp_says(*reply, "NOAUTH", 0)
        && sentinel->conf->password.len
        && !s->authed)
    {
        ngx_plum_redis_sentinel_auth(sentinel);
        return NGX_OK;
    }

    text = ngx_plum_redis_sentinel_answer(s, *reply);

    if (text) {
        ngx_plum_redis_conn_lost(sentinel, 0, text);
        return NGX_OK;
    }

    /* if that node is not the master, the next Sentinel is to be queried */

    (void) ngx_plum_redis_sentinel_next(sentinel);

    sentinel->peer.address = 0;

    ngx_plum_redis_conn_close(sentinel);

    ngx_plum_redis_conn_go(&s->node);

    return NGX_OK;
}


/* NULL: the host of the node is set; else what is wrong with the reply */

static const char *
ngx_plum_redis_sentinel_answer(ngx_plum_redis_sentinel_t *s,
    const redisReply *reply)
{
    ngx_pool_t             *pool;
    plum_host_t             node;
    ngx_plum_redis_host_t  *host;

    if (plum_resp_says(reply, "NOAUTH", 0)) {
        return s->authed ? "it does not take the password"
                         : "it wants a password";
    }

    if (plum_sentinel_master(reply, &node) != PLUM_OK) {
        return "it gives no answer";
    }

    if (node.host.len == 0) {
        return "it does not know the master";
    }

    host = ngx_plum_redis_learn(s->node.conf, &node,
                                &s->sentinel.hosts[s->sentinel.host], &pool);
    if (host == NULL) {
        return "no memory";
    }

    if (s->node.pool) {
        ngx_destroy_pool(s->node.pool);
    }

    s->node.pool = pool;
    s->node.hosts = host;

    return NULL;
}


static void
ngx_plum_redis_sentinel_lost(ngx_plum_redis_conn_t *sentinel)
{
    ngx_plum_redis_sentinel_t  *s;

    s = sentinel->owner;

    if (sentinel->peer.address || sentinel->host != s->from) {
        sentinel->wanted = 1;
        ngx_plum_redis_conn_wake(sentinel);
        return;
    }

    ngx_plum_redis_conn_lost(&s->node, 0, "no sentinel knows the master");
}


static ngx_uint_t
ngx_plum_redis_sentinel_next(ngx_plum_redis_conn_t *sentinel)
{
    ngx_plum_redis_sentinel_t  *s;

    s = sentinel->owner;

    sentinel->host = (sentinel->host + 1) % sentinel->nhosts;

    return sentinel->host != s->from;
}


static void
ngx_plum_redis_sentinel_useless(ngx_plum_redis_conn_t *sentinel,
    ngx_err_t err, const char *text)
{
    ngx_uint_t  level;

    level = sentinel->reported ? NGX_LOG_INFO : NGX_LOG_WARN;

    ngx_log_error(level, &sentinel->log, err,
                  "plum: a sentinel is of no use: %s", text);
}
