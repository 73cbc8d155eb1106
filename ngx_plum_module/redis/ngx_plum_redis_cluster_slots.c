
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_cluster.h>


/*
 * The map of the slots: queries CLUSTER SLOTS when the map may be out of date,
 * and applies the reply.
 */


#define NGX_PLUM_REDIS_SLOTS     (4 * 1024 * 1024)   /* bytes of a reply */
#define NGX_PLUM_REDIS_THROTTLE  100     /* ms between two queries, at least */
#define NGX_PLUM_REDIS_REFRESH   250     /* ms, at most, while an owner is
                                            down */


static void ngx_plum_redis_cluster_refresh(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_cluster_slots_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
static void ngx_plum_redis_cluster_apply(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const redisReply *reply);
static void ngx_plum_redis_cluster_assign(ngx_plum_redis_cluster_t *cluster,
    plum_slot_range_t *range, uint16_t node);
static void ngx_plum_redis_cluster_judge(ngx_plum_redis_cluster_t *cluster);


static const plum_str_t  ngx_plum_redis_cluster_slots[] = {
    PLUM_STR("CLUSTER"), PLUM_STR("SLOTS")
};


void
ngx_plum_redis_cluster_slots_init(ngx_plum_redis_cluster_t *cluster)
{
    ngx_memset(cluster->slots, 0xff, sizeof(cluster->slots));

    cluster->query.argv = ngx_plum_redis_cluster_slots;
    cluster->query.argc = 2;
    cluster->query.done = ngx_plum_redis_cluster_slots_done;
    cluster->query.max_reply = NGX_PLUM_REDIS_SLOTS;
    cluster->query.array = 1;
    cluster->query.urgent = 1;

    cluster->refresh.handler = ngx_plum_redis_cluster_refresh;
    cluster->refresh.data = &cluster->fake;
    cluster->refresh.log = &cluster->client->log;
    cluster->refresh.cancelable = 1;
}


void
ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster)
{
    ngx_msec_t  pause, max, since;

    pause = NGX_PLUM_REDIS_THROTTLE;

    if (cluster->attempts) {
        pause = plum_resp_backoff(cluster->attempts, (uint32_t) ngx_random());
        max = cluster->unreachable ? NGX_PLUM_REDIS_PAUSE_MAX
                                   : NGX_PLUM_REDIS_REFRESH;

        pause = ngx_min(pause, max);
    }

    since = ngx_current_msec - cluster->queried;

    ngx_plum_redis_cluster_arm(cluster, since < pause ? pause - since : 1);
}


void
ngx_plum_redis_cluster_arm(ngx_plum_redis_cluster_t *cluster,
    ngx_msec_t pause)
{
    ngx_event_t  *ev;

    ev = &cluster->refresh;

    if (cluster->querying
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

    cluster->queried = ngx_current_msec;

    conn = ngx_plum_redis_cluster_any(cluster);

    cluster->query.limit = ngx_current_msec + cluster->client->conf->timeout;

    if (conn
        && conn->state == NGX_PLUM_REDIS_READY
        && ngx_plum_redis_conn_submit(conn, &cluster->query) == NGX_OK)
    {
        cluster->querying = 1;
        cluster->unreachable = 0;
        return;
    }

    cluster->unreachable = 1;
    cluster->attempts++;

    if (conn) {
        ngx_plum_redis_conn_wake(conn);
    }

    ngx_plum_redis_cluster_wake(cluster);
    ngx_plum_redis_cluster_later(cluster);
}


static ngx_int_t
ngx_plum_redis_cluster_slots_done(ngx_plum_redis_conn_t *conn,
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
            cluster->querying = 0;
            ngx_plum_redis_cluster_apply(cluster, conn, *reply);

            return NGX_OK;
        }
    }

    if (text) {
        ngx_plum_redis_report_refused(conn, ", CLUSTER SLOTS", text,
                                      ngx_strlen(text));
    }

    cluster->querying = 0;
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

        /* no memory: the slots stay without an owner, and MOVED follows */

        if (n != NGX_ERROR) {
            ngx_plum_redis_cluster_assign(cluster, &range, (uint16_t) n);
        }
    }

    cluster->known = 1;

    ngx_plum_redis_cluster_judge(cluster);

    ngx_post_event(&cluster->sweep, &ngx_posted_events);
}


/*
 * Nodes learn of a failover one after the other.  If the node that was queried
 * still names an owner that is down, while the owner of the map before is
 * connected, the latter is kept.  If that is wrong, it answers MOVED.
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


/*
 * Connects to the owners of slots that calls need.  The map is good if none of
 * the owners is down.
 */

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
