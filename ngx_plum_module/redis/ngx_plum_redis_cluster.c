
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


#define NGX_PLUM_REDIS_NODES     1024
#define NGX_PLUM_REDIS_NO_NODE   0xffff
#define NGX_PLUM_REDIS_SLOTS     (4 * 1024 * 1024)
#define NGX_PLUM_REDIS_THROTTLE  100     /* ms between two questions */
#define NGX_PLUM_REDIS_REFRESH   250     /* while an owner is down, at most */
#define NGX_PLUM_REDIS_MIGRATION 1000    /* while slots migrate */
#define NGX_PLUM_REDIS_SPOKEN    5000    /* nodes that come and go are spoken
                                            of this often */


/*
 * The map of the slots, and the nodes it names.
 *
 * A node that owns slots is connected to when the first call is for it, and
 * kept connected.  The others are spare: configured ones are kept for the day
 * when no other is left, those that were learned go when nothing is pending on
 * them.  Nodes go only in a posted event, never while one of their handlers is
 * on the stack.
 *
 * The map is asked for (CLUSTER SLOTS, of any node that is ready) when there
 * is none, when a MOVED tells that it is old, when an owner is lost, and
 * again while one is away, with a back-off: until a replica has taken over;
 * and now and then while slots migrate, so that those who took them on the
 * way do not stay connected for ever.
 *
 * Before the first map calls wait for it: not every server that takes commands
 * is one of a cluster, and says MOVED.  Afterwards, for a slot without an owner
 * any node may be asked; it answers MOVED or CLUSTERDOWN.
 */

typedef struct {
    ngx_plum_redis_t       *client;
    ngx_plum_redis_conn_t  *nodes[NGX_PLUM_REDIS_NODES];
    uint16_t                slots[PLUM_SLOTS];   /* indexes of nodes */
    uint16_t                before[PLUM_SLOTS];  /* of the map before */

    ngx_plum_redis_call_t   query;
    ngx_event_t             refresh;     /* when to ask */
    ngx_event_t             sweep;       /* posted */
    ngx_connection_t        fake;
    ngx_uint_t              source;      /* index of the node asked last */
    ngx_uint_t              attempts;    /* since the map was good */
    ngx_msec_t              asked;
    ngx_msec_t              spoken;      /* of a node that went */

    unsigned                known:1;     /* there is a map */
    unsigned                good:1;      /* it holds, and all owners are up */
    unsigned                deaf:1;      /* no node could be asked */
    unsigned                asking:1;
} ngx_plum_redis_cluster_t;


static void *ngx_plum_redis_cluster_open(ngx_plum_redis_t *client);
static void ngx_plum_redis_cluster_close(void *data);
static ngx_int_t ngx_plum_redis_cluster_route(void *data,
    ngx_plum_redis_call_t *call, ngx_plum_redis_conn_t **conn);
static ngx_plum_redis_conn_t *ngx_plum_redis_cluster_any(
    ngx_plum_redis_cluster_t *cluster);
static ngx_int_t ngx_plum_redis_cluster_redirect(void *data,
    ngx_plum_redis_conn_t *from, ngx_plum_redis_call_t *call,
    const redisReply *reply, ngx_plum_redis_conn_t **conn);
static void ngx_plum_redis_cluster_changed(void *data);
static ngx_uint_t ngx_plum_redis_cluster_others(void *data);
static void ngx_plum_redis_cluster_ready(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_cluster_lost(ngx_plum_redis_conn_t *conn);
static ngx_int_t ngx_plum_redis_cluster_find(
    ngx_plum_redis_cluster_t *cluster, ngx_plum_redis_conn_t *from,
    const plum_host_t *node, ngx_uint_t spare);
static ngx_int_t ngx_plum_redis_cluster_add(
    ngx_plum_redis_cluster_t *cluster, ngx_uint_t i,
    ngx_plum_redis_host_t *host, ngx_pool_t *pool, ngx_uint_t spare);
static ngx_uint_t ngx_plum_redis_cluster_spoken(
    ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_arm(ngx_plum_redis_cluster_t *cluster,
    ngx_msec_t pause);
static void ngx_plum_redis_cluster_refresh(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_slots_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
static void ngx_plum_redis_cluster_apply(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const redisReply *reply);
static void ngx_plum_redis_cluster_assign(ngx_plum_redis_cluster_t *cluster,
    plum_slot_range_t *range, uint16_t node);
static void ngx_plum_redis_cluster_judge(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_wake(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_sweep(ngx_event_t *ev);


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


static const plum_str_t  ngx_plum_redis_slots_words[] = {
    PLUM_STR("CLUSTER"), PLUM_STR("SLOTS")
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
    conf = client->conf;

    ngx_memset(cluster->slots, 0xff, sizeof(cluster->slots));

    cluster->query.argv = ngx_plum_redis_slots_words;
    cluster->query.argc = 2;
    cluster->query.done = ngx_plum_redis_slots_done;
    cluster->query.max_reply = NGX_PLUM_REDIS_SLOTS;
    cluster->query.array = 1;
    cluster->query.urgent = 1;

    cluster->fake.fd = (ngx_socket_t) -1;
    cluster->fake.data = cluster;

    cluster->refresh.handler = ngx_plum_redis_cluster_refresh;
    cluster->refresh.data = &cluster->fake;
    cluster->refresh.log = &client->log;
    cluster->refresh.cancelable = 1;

    cluster->sweep.handler = ngx_plum_redis_cluster_sweep;
    cluster->sweep.data = &cluster->fake;
    cluster->sweep.log = &client->log;

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


/* one that is ready, or will be */

static ngx_plum_redis_conn_t *
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


/* the index of a node, which may be a new one */

static ngx_int_t
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


static ngx_int_t
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
    conn->reported = pool && ngx_plum_redis_cluster_spoken(cluster);

    ngx_plum_redis_conn_open(conn, cluster->client,
                             &ngx_plum_redis_cluster_news, host, 1);

    return NGX_OK;
}


/* a node that was down went just now: the next may be that one again */

static ngx_uint_t
ngx_plum_redis_cluster_spoken(ngx_plum_redis_cluster_t *cluster)
{
    return cluster->spoken
           && ngx_current_msec - cluster->spoken < NGX_PLUM_REDIS_SPOKEN;
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

        /* only for the next command, which must not fail for want of it */

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

        if (cluster->deaf) {

            /* here is somebody to ask */

            cluster->deaf = 0;
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


static void
ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster)
{
    ngx_msec_t  pause, max, since;

    pause = NGX_PLUM_REDIS_THROTTLE;

    if (cluster->attempts) {
        pause = plum_resp_backoff(cluster->attempts,
                                   (uint32_t) ngx_random());
        max = cluster->deaf ? NGX_PLUM_REDIS_PAUSE_MAX
                            : NGX_PLUM_REDIS_REFRESH;

        pause = ngx_min(pause, max);
    }

    since = ngx_current_msec - cluster->asked;

    ngx_plum_redis_cluster_arm(cluster, since < pause ? pause - since : 1);
}


/* the earlier time holds */

static void
ngx_plum_redis_cluster_arm(ngx_plum_redis_cluster_t *cluster,
    ngx_msec_t pause)
{
    ngx_event_t  *ev;

    ev = &cluster->refresh;

    if (cluster->asking
        || (ev->timer_set
            && (ngx_msec_int_t) (ev->timer.key - ngx_current_msec)
               <= (ngx_msec_int_t) pause))
    {
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, pause);
}


static void
ngx_plum_redis_cluster_refresh(ngx_event_t *ev)
{
    ngx_connection_t          *fake;
    ngx_plum_redis_conn_t     *conn;
    ngx_plum_redis_cluster_t  *cluster;

    fake = ev->data;
    cluster = fake->data;

    cluster->asked = ngx_current_msec;

    conn = ngx_plum_redis_cluster_any(cluster);

    cluster->query.limit = ngx_current_msec + cluster->client->conf->timeout;

    if (conn
        && conn->state == NGX_PLUM_REDIS_READY
        && ngx_plum_redis_conn_submit(conn, &cluster->query) == NGX_OK)
    {
        cluster->asking = 1;
        cluster->deaf = 0;
        return;
    }

    cluster->deaf = 1;
    cluster->attempts++;

    if (conn) {
        ngx_plum_redis_conn_wake(conn);
    }

    ngx_plum_redis_cluster_wake(cluster);
    ngx_plum_redis_cluster_later(cluster);
}


static ngx_int_t
ngx_plum_redis_slots_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    const char                *text;
    ngx_plum_redis_cluster_t  *cluster;

    cluster = conn->owner;

    if (status == NGX_PLUM_REDIS_CLOSED) {
        return NGX_OK;
    }

    text = NULL;

    if (status == NGX_PLUM_REDIS_OK) {

        if ((*reply)->type == REDIS_REPLY_ERROR) {
            text = (*reply)->str;

        } else if (plum_slots_check(*reply) != PLUM_OK) {
            return NGX_ERROR;

        } else if ((*reply)->elements == 0) {
            text = "no slots";

        } else {
            cluster->asking = 0;
            ngx_plum_redis_cluster_apply(cluster, conn, *reply);

            return NGX_OK;
        }
    }

    if (text) {
        ngx_plum_redis_report_refused(conn, ", CLUSTER SLOTS", text,
                                      ngx_strlen(text));
    }

    cluster->asking = 0;
    cluster->attempts++;

    ngx_plum_redis_cluster_later(cluster);

    return NGX_OK;
}


static void
ngx_plum_redis_cluster_apply(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const redisReply *reply)
{
    size_t             i;
    ngx_int_t          n;
    plum_slot_range_t  range;

    for (n = 0; n < NGX_PLUM_REDIS_NODES; n++) {
        if (cluster->nodes[n]) {
            cluster->nodes[n]->spare = 1;
        }
    }

    ngx_memcpy(cluster->before, cluster->slots, sizeof(cluster->slots));
    ngx_memset(cluster->slots, 0xff, sizeof(cluster->slots));

    for (i = 0; i < reply->elements; i++) {
        (void) plum_slots_range(reply, i, &range);

        n = ngx_plum_redis_cluster_find(cluster, from, &range.node, 0);

        ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &from->log, 0,
                       "plum redis slots %ud to %ud: node %i", range.first,
                       range.last, n);

        /* without memory there is no owner: a MOVED will tell again */

        if (n != NGX_ERROR) {
            ngx_plum_redis_cluster_assign(cluster, &range, (uint16_t) n);
        }
    }

    cluster->known = 1;

    ngx_plum_redis_cluster_judge(cluster);

    ngx_post_event(&cluster->sweep, &ngx_posted_events);
}


/*
 * The news of a failover reach the nodes one after the other.  One that still
 * names a master which is down is not believed where another owner is at
 * work; if it should be right, that one says MOVED.
 */

static void
ngx_plum_redis_cluster_assign(ngx_plum_redis_cluster_t *cluster,
    plum_slot_range_t *range, uint16_t node)
{
    uint16_t                before;
    ngx_uint_t              slot;
    ngx_plum_redis_conn_t  *conn;

    for (slot = range->first; slot <= range->last; slot++) {
        cluster->slots[slot] = node;

        before = cluster->before[slot];

        if (!cluster->nodes[node]->failing
            || before == NGX_PLUM_REDIS_NO_NODE)
        {
            continue;
        }

        conn = cluster->nodes[before];

        if (conn->state == NGX_PLUM_REDIS_READY) {
            conn->spare = 0;
            cluster->slots[slot] = before;
        }
    }
}


/* connects to the owners in use; while one is down, the map may change */

static void
ngx_plum_redis_cluster_judge(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t              i;
    ngx_plum_redis_conn_t  *conn;

    cluster->good = 1;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        conn = cluster->nodes[i];

        if (conn == NULL) {
            continue;
        }

        if (conn->spare) {
            conn->lazy = 1;
            continue;
        }

        if (conn->failing) {
            cluster->good = 0;

        } else if (conn->state == NGX_PLUM_REDIS_READY) {

            if (conn->reported) {
                ngx_plum_redis_report_available(conn);
            }

        } else if (!conn->lazy) {
            ngx_plum_redis_conn_wake(conn);
        }
    }

    if (cluster->good) {
        cluster->attempts = 0;
        return;
    }

    cluster->attempts++;

    ngx_plum_redis_cluster_later(cluster);
}


/* no node is ready: the configured ones may know better */

static void
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

        if (conn->reported && !ngx_plum_redis_cluster_spoken(cluster)) {
            ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0,
                          "plum: redis has no slots any more");

            cluster->spoken = ngx_current_msec;
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
