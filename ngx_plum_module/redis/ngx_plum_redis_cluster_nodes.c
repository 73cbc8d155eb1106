
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_cluster.h>


/*
 * The nodes of a cluster: a connection to each of them, found by name and
 * port, added when another node names it, and removed when it has no slots.
 */


#define NGX_PLUM_REDIS_LOGGED    5000    /* ms between two messages about nodes
                                            that come and go */


static ngx_uint_t ngx_plum_redis_cluster_logged(
    ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_sweep(ngx_event_t *ev);


void
ngx_plum_redis_cluster_init(ngx_plum_redis_cluster_t *cluster)
{
    cluster->fake.fd = (ngx_socket_t) -1;
    cluster->fake.data = cluster;

    cluster->sweep.handler = ngx_plum_redis_cluster_sweep;
    cluster->sweep.data = &cluster->fake;
    cluster->sweep.log = &cluster->client->log;
}


ngx_int_t
ngx_plum_redis_cluster_find(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const plum_host_t *node, ngx_uint_t spare)
{
    ngx_int_t               i, vacant;
    ngx_pool_t             *pool;
    ngx_plum_redis_host_t  *host;
    ngx_plum_redis_conn_t  *conn;

    vacant = NGX_ERROR;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        conn = cluster->nodes[i];

        if (conn == NULL) {
            if (vacant == NGX_ERROR) {
                vacant = i;
            }

            continue;
        }

        if (ngx_plum_redis_same(conn->hosts, node, from->hosts)) {
            conn->spare &= spare;
            return i;
        }
    }

    if (vacant == NGX_ERROR) {
        return NGX_ERROR;
    }

    host = ngx_plum_redis_learn(from->conf, node, from->hosts, &pool);
    if (host == NULL) {
        return NGX_ERROR;
    }

    if (ngx_plum_redis_cluster_add(cluster, vacant, host, pool, spare)
        != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    return vacant;
}


ngx_int_t
ngx_plum_redis_cluster_add(ngx_plum_redis_cluster_t *cluster, ngx_uint_t i,
    ngx_plum_redis_host_t *host, ngx_pool_t *pool, ngx_uint_t spare)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_calloc(sizeof(ngx_plum_redis_conn_t), &cluster->client->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    cluster->nodes[i] = conn;

    conn->owner = cluster;
    conn->pool = pool;
    conn->spare = spare;
    conn->lazy = (pool != NULL);
    conn->pause_max = NGX_PLUM_REDIS_PAUSE_MAX;
    conn->reported = pool && ngx_plum_redis_cluster_logged(cluster);

    ngx_plum_redis_conn_open(conn, cluster->client, cluster->news, host, 1);

    return NGX_OK;
}


ngx_plum_redis_conn_t *
ngx_plum_redis_cluster_any(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t              i, n, next;
    ngx_plum_redis_conn_t  *conn, *found;

    found = NULL;
    next = 0;

    for (n = 1; n <= NGX_PLUM_REDIS_NODES; n++) {
        i = (cluster->source + n) % NGX_PLUM_REDIS_NODES;
        conn = cluster->nodes[i];

        if (conn == NULL || conn->failing) {
            continue;
        }

        if (conn->state == NGX_PLUM_REDIS_READY) {
            cluster->source = i;
            return conn;
        }

        if (found == NULL) {
            found = conn;
            next = i;
        }
    }

    if (found) {
        cluster->source = next;
    }

    return found;
}


void
ngx_plum_redis_cluster_wake(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t              i;
    ngx_plum_redis_conn_t  *conn;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        conn = cluster->nodes[i];

        if (conn && conn->lazy && conn->pool == NULL) {
            ngx_plum_redis_conn_wake(conn);
        }
    }
}


/* 1: the removal of a node that was down has been logged a moment ago */

static ngx_uint_t
ngx_plum_redis_cluster_logged(ngx_plum_redis_cluster_t *cluster)
{
    return cluster->logged
           && ngx_current_msec - cluster->logged < NGX_PLUM_REDIS_LOGGED;
}


static void
ngx_plum_redis_cluster_sweep(ngx_event_t *ev)
{
    ngx_uint_t                 i;
    ngx_connection_t          *fake;
    ngx_plum_redis_conn_t     *conn;
    ngx_plum_redis_cluster_t  *cluster;

    fake = ev->data;
    cluster = fake->data;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        conn = cluster->nodes[i];

        if (conn == NULL || !conn->spare || conn->pending) {
            continue;
        }

        if (conn->reported && !ngx_plum_redis_cluster_logged(cluster)) {
            ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0,
                          "plum: redis has no slots any more");

            cluster->logged = ngx_current_msec;
        }

        if (conn->pool) {
            ngx_plum_redis_conn_exit(conn);
            ngx_free(conn);

            cluster->nodes[i] = NULL;
            continue;
        }

        ngx_plum_redis_conn_close(conn);

        conn->attempts = 0;
        conn->failing = 0;
        conn->reported = 0;
    }
}
