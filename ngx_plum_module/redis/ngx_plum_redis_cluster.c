
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_cluster.h>


/*
 * The topology of a Redis Cluster: routes calls by the map of the slots, and
 * follows MOVED and ASK.
 */


#define NGX_PLUM_REDIS_MIGRATION 1000    /* ms between two queries while slots
                                            migrate */


static void *ngx_plum_redis_cluster_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_cluster_close(void *data);
static ngx_int_t ngx_plum_redis_cluster_route(void *data,
    ngx_plum_redis_call_t *call, ngx_plum_redis_conn_t **conn);
static ngx_int_t ngx_plum_redis_cluster_redirect(void *data,
    ngx_plum_redis_conn_t *from, ngx_plum_redis_call_t *call,
    const redisReply *reply, ngx_plum_redis_conn_t **conn);
static void ngx_plum_redis_cluster_changed(void *data);
static ngx_uint_t ngx_plum_redis_cluster_others(void *data);
static void ngx_plum_redis_cluster_ready(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_cluster_lost(ngx_plum_redis_conn_t *conn);


const ngx_plum_redis_topology_t  ngx_plum_redis_cluster = {
    ngx_plum_redis_cluster_open,
    ngx_plum_redis_cluster_close,
    ngx_plum_redis_cluster_route,
    ngx_plum_redis_cluster_redirect,
    ngx_plum_redis_cluster_changed,
    ngx_plum_redis_cluster_others
};


static const ngx_plum_redis_news_t  ngx_plum_redis_cluster_news = {
    NULL,
    ngx_plum_redis_hello,
    ngx_plum_redis_cluster_ready,
    ngx_plum_redis_cluster_lost,
    NULL,
    NULL
};


static void *
ngx_plum_redis_cluster_open(ngx_plum_redis_t *client)
{
    ngx_uint_t                    i;
    ngx_plum_redis_cluster_t     *cluster;
    const ngx_plum_redis_conf_t  *conf;

    cluster = ngx_calloc(sizeof(ngx_plum_redis_cluster_t), &client->log);
    if (cluster == NULL) {
        return NULL;
    }

    cluster->client = client;
    cluster->news = &ngx_plum_redis_cluster_news;
    conf = client->conf;

    ngx_plum_redis_cluster_init(cluster);
    ngx_plum_redis_cluster_slots_init(cluster);

    for (i = 0; i < conf->nhosts && i < NGX_PLUM_REDIS_NODES; i++) {
        if (ngx_plum_redis_cluster_add(cluster, i, &conf->hosts[i], NULL, 0)
            != NGX_OK)
        {
            break;
        }
    }

    return cluster;
}


static void
ngx_plum_redis_cluster_close(void *data)
{
    ngx_plum_redis_cluster_t *cluster = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        if (cluster->nodes[i]) {
            ngx_plum_redis_conn_exit(cluster->nodes[i]);
            ngx_free(cluster->nodes[i]);
        }
    }

    if (cluster->refresh.timer_set) {
        ngx_del_timer(&cluster->refresh);
    }

    if (cluster->sweep.posted) {
        ngx_delete_posted_event(&cluster->sweep);
    }

    ngx_free(cluster);
}


static ngx_int_t
ngx_plum_redis_cluster_route(void *data, ngx_plum_redis_call_t *call,
    ngx_plum_redis_conn_t **conn)
{
    ngx_plum_redis_cluster_t *cluster = data;

    uint16_t  node;

    if (!cluster->known) {
        return cluster->attempts > 1 ? NGX_DECLINED : NGX_AGAIN;
    }

    node = call->key ? cluster->slots[plum_slot(call->key)]
                     : NGX_PLUM_REDIS_NO_NODE;

    if (node != NGX_PLUM_REDIS_NO_NODE) {
        *conn = cluster->nodes[node];
        (*conn)->lazy = 0;

        return NGX_OK;
    }

    *conn = ngx_plum_redis_cluster_any(cluster);

    return *conn ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_plum_redis_cluster_redirect(void *data, ngx_plum_redis_conn_t *from,
    ngx_plum_redis_call_t *call, const redisReply *reply,
    ngx_plum_redis_conn_t **conn)
{
    ngx_plum_redis_cluster_t *cluster = data;

    uint16_t     slot;
    ngx_int_t    i;
    plum_str_t   text;
    ngx_uint_t   ask;
    plum_host_t  node;

    text.data = (uint8_t *) reply->str;
    text.len = reply->len;

    if (call->key == NULL
        || plum_redirect_parse(&text, &slot, &node) != PLUM_OK
        || slot != plum_slot(call->key))
    {
        return NGX_DECLINED;
    }

    ask = (plum_resp_error(reply) == PLUM_RESP_ASK);

    i = ngx_plum_redis_cluster_find(cluster, from, &node, ask);
    if (i == NGX_ERROR) {
        return NGX_DECLINED;
    }

    *conn = cluster->nodes[i];

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &from->log, 0,
                   "plum redis slot %ud %s to %V", slot,
                   ask ? "migrates" : "moved", &(*conn)->hosts->text);

    if (ask) {

        /*
         * ASKING is for the next command only: EVAL, as after NOSCRIPT the
         * command would have to be sent again
         */

        call->asking = 1;
        call->eval = 1;

        ngx_plum_redis_cluster_arm(cluster, NGX_PLUM_REDIS_MIGRATION);

    } else {
        (*conn)->lazy = 0;
        cluster->slots[slot] = (uint16_t) i;
        ngx_plum_redis_cluster_changed(cluster);
    }

    return NGX_OK;
}


static void
ngx_plum_redis_cluster_changed(void *data)
{
    ngx_plum_redis_cluster_t *cluster = data;

    cluster->good = 0;

    ngx_plum_redis_cluster_later(cluster);
}


static ngx_uint_t
ngx_plum_redis_cluster_others(void *data)
{
    return 1;
}


static void
ngx_plum_redis_cluster_ready(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_cluster_t  *cluster;

    cluster = conn->owner;

    if (!cluster->good) {

        if (cluster->unreachable) {

            /* this node can be queried */

            cluster->unreachable = 0;
            cluster->attempts = 0;

            if (cluster->refresh.timer_set) {
                ngx_del_timer(&cluster->refresh);
            }
        }

        ngx_plum_redis_cluster_later(cluster);
    }

    conn->client->ready(conn->client);
}


static void
ngx_plum_redis_cluster_lost(ngx_plum_redis_conn_t *conn)
{
    if (!conn->spare) {
        ngx_plum_redis_cluster_changed(conn->owner);
    }
}
