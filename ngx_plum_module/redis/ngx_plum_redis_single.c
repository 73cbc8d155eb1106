
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/* One node; or several nodes, tried in turn until one is the master. */


static void *ngx_plum_redis_single_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_single_close(void *data);
static ngx_int_t ngx_plum_redis_single_route(void *data,
    ngx_plum_redis_call_t *call, ngx_plum_redis_conn_t **conn);
static ngx_uint_t ngx_plum_redis_single_others(void *data);
static void ngx_plum_redis_single_ready(ngx_plum_redis_conn_t *conn);


const ngx_plum_redis_topology_t  ngx_plum_redis_single = {
    ngx_plum_redis_single_open,
    ngx_plum_redis_single_close,
    ngx_plum_redis_single_route,
    NULL,
    NULL,
    ngx_plum_redis_single_others
};


static const ngx_plum_redis_news_t  ngx_plum_redis_single_news = {
    NULL,
    ngx_plum_redis_hello,
    ngx_plum_redis_single_ready,
    NULL,
    NULL,
    NULL
};


static void *
ngx_plum_redis_single_open(ngx_plum_redis_t *client)
{
    ngx_plum_redis_conn_t  *conn;

    conn = ngx_calloc(sizeof(ngx_plum_redis_conn_t), &client->log);

    if (conn) {
        conn->role = (client->conf->nhosts > 1);

        ngx_plum_redis_conn_open(conn, client, &ngx_plum_redis_single_news,
                                 client->conf->hosts, client->conf->nhosts);
    }

    return conn;
}


static void
ngx_plum_redis_single_close(void *data)
{
    ngx_plum_redis_conn_exit(data);

    ngx_free(data);
}


static ngx_int_t
ngx_plum_redis_single_route(void *data, ngx_plum_redis_call_t *call,
    ngx_plum_redis_conn_t **conn)
{
    *conn = data;

    return NGX_OK;
}


static ngx_uint_t
ngx_plum_redis_single_others(void *data)
{
    ngx_plum_redis_conn_t *conn = data;

    return conn->nhosts > 1;
}


static void
ngx_plum_redis_single_ready(ngx_plum_redis_conn_t *conn)
{
    conn->client->ready(conn->client);
}
