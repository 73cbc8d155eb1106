
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


/*
 * Where the master is: one Sentinel after the other is asked, each over a
 * connection of its own, until one names a node.  What it says is checked by
 * ROLE when the node is connected to; if that fails, the next Sentinel is
 * asked, until each has had its say: conn->first is whose was the first word.
 *
 *   the node's connection    locate ------------------> resolve, tcp ...
 *                              |                          ^
 *   redis->sentinel            +--> tcp .. ask --answer---+
 *                                    |    ^
 *                                    +lost+ (the next one; none left: the
 *                                            node's connection is lost)
 */


static void ngx_plum_redis_sentinel_next(ngx_plum_redis_conn_t *sentinel);


ngx_int_t
ngx_plum_redis_sentinel_locate(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_conn_t  *sentinel;

    sentinel = &conn->redis->sentinel;

    sentinel->first = sentinel->host;
    sentinel->address = 0;
    sentinel->reported = conn->reported;

    /* not from inside of this step: it may fail at once */

    ngx_plum_redis_conn_wake(sentinel);

    return NGX_BUSY;
}


void
ngx_plum_redis_sentinel_answer(ngx_plum_redis_conn_t *sentinel,
    const redisReply *reply)
{
    plum_node_t             node;
    ngx_plum_redis_t       *redis;
    ngx_plum_redis_conn_t  *conn;

    redis = sentinel->redis;
    conn = &redis->conn;

    if (plum_sentinel_master(reply, &node) != PLUM_OK) {
        ngx_plum_redis_sentinel_lost(sentinel, 0, "it gives no answer");
        return;
    }

    if (node.host.len == 0) {
        ngx_plum_redis_sentinel_lost(sentinel, 0,
                                     "it does not know the master");
        return;
    }

    if (ngx_plum_redis_learn(conn, sentinel, &node) != NGX_OK) {
        ngx_plum_redis_sentinel_lost(sentinel, 0, "no memory");
        return;
    }

    /* if nothing comes of it, another may know better */

    ngx_plum_redis_sentinel_next(sentinel);

    ngx_plum_redis_conn_close(sentinel);

    conn->step++;
    ngx_plum_redis_conn_advance(conn);
}


void
ngx_plum_redis_sentinel_lost(ngx_plum_redis_conn_t *sentinel, ngx_err_t err,
    const char *text)
{
    ngx_uint_t              level;
    ngx_plum_redis_conn_t  *conn;

    conn = &sentinel->redis->conn;

    level = sentinel->reported ? NGX_LOG_INFO : NGX_LOG_WARN;

    ngx_log_error(level, &sentinel->log, err,
                  "plum: a sentinel is of no use: %s", text);

    if (sentinel->address + 1 < sentinel->naddrs
        && sentinel->step > &ngx_plum_redis_steps[NGX_PLUM_REDIS_RESOLVE])
    {
        sentinel->address++;

    } else {
        ngx_plum_redis_sentinel_next(sentinel);
    }

    ngx_plum_redis_conn_close(sentinel);

    if (sentinel->address || sentinel->host != sentinel->first) {
        ngx_plum_redis_conn_wake(sentinel);
        return;
    }

    ngx_plum_redis_conn_lost(conn, 0, "no sentinel knows the master");
}


ngx_uint_t
ngx_plum_redis_sentinel_left(ngx_plum_redis_conn_t *conn)
{
    if (ngx_plum_redis_at(conn, LOCATE)) {

        /* all have been asked, and none knew: the next round begins there */

        ngx_plum_redis_sentinel_round(conn);
    }

    return conn->redis->sentinel.host != conn->first;
}


void
ngx_plum_redis_sentinel_round(ngx_plum_redis_conn_t *conn)
{
    conn->first = conn->redis->sentinel.host;
}


static void
ngx_plum_redis_sentinel_next(ngx_plum_redis_conn_t *sentinel)
{
    sentinel->address = 0;
    sentinel->host = (sentinel->host + 1) % sentinel->nhosts;
}
