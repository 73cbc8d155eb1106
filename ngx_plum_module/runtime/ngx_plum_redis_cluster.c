
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_NODES     1024
#define NGX_PLUM_REDIS_NO_NODE   0xffff
#define NGX_PLUM_REDIS_THROTTLE  100     /* ms between two questions */
#define NGX_PLUM_REDIS_REFRESH   250     /* while an owner is down, at most */
#define NGX_PLUM_REDIS_MIGRATION 1000    /* while slots migrate */
#define NGX_PLUM_REDIS_SPOKEN    5000    /* nodes that come and go are spoken
                                            of this often */


/*
 * The map of the slots, and the nodes it names.
 *
 * A node that owns slots is kept connected.  The others are lazy: configured
 * ones are kept for the day when no other is left, those that were learned go
 * when nothing is pending on them.  Nodes go only in a posted event, never
 * while one of their handlers is on the stack.
 *
 * The map is asked for (CLUSTER SLOTS, of any node that is ready) when there
 * is none, when a MOVED tells that it is old, when an owner is lost, and
 * again while one is away, with a back-off: until a replica has taken over;
 * and now and then while slots migrate, so that those who took them on the
 * way do not stay connected for ever.
 *
 * Before the first map operations wait for it: not every server that takes
 * commands is one of a cluster, and says MOVED.  Afterwards a slot without an
 * owner is anyone's affair, who then says MOVED or CLUSTERDOWN.
 */

struct ngx_plum_redis_cluster_s {
    ngx_plum_redis_t       *redis;
    ngx_plum_redis_conn_t  *nodes[NGX_PLUM_REDIS_NODES];
    uint16_t                slots[PLUM_SLOTS];   /* indexes of nodes */
    uint16_t                before[PLUM_SLOTS];  /* of the map before */

    ngx_plum_redis_op_t     query;
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
};


static ngx_int_t ngx_plum_redis_cluster_find(
    ngx_plum_redis_cluster_t *cluster, ngx_plum_redis_conn_t *from,
    const plum_node_t *node, ngx_uint_t lazy);
static ngx_uint_t ngx_plum_redis_cluster_spoken(
    ngx_plum_redis_cluster_t *cluster);
static ngx_plum_redis_conn_t *ngx_plum_redis_cluster_any(
    ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_arm(ngx_plum_redis_cluster_t *cluster,
    ngx_msec_t pause);
static void ngx_plum_redis_cluster_refresh(ngx_event_t *ev);
static ngx_int_t ngx_plum_redis_slots_encode(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
static ngx_int_t ngx_plum_redis_slots_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, const redisReply *reply);
static void ngx_plum_redis_slots_failed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome);
static void ngx_plum_redis_slots_dropped(ngx_plum_redis_op_t *op);
static void ngx_plum_redis_cluster_apply(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const redisReply *reply);
static void ngx_plum_redis_cluster_assign(ngx_plum_redis_cluster_t *cluster,
    plum_slot_range_t *range, uint16_t node);
static void ngx_plum_redis_cluster_judge(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_wake(ngx_plum_redis_cluster_t *cluster);
static void ngx_plum_redis_cluster_sweep(ngx_event_t *ev);


static const ngx_plum_redis_op_type_t  ngx_plum_redis_slots_type = {
    1,
    ngx_plum_redis_slots_encode,
    ngx_plum_redis_slots_reply,
    NULL,
    ngx_plum_redis_slots_failed,
    ngx_plum_redis_slots_dropped
};


ngx_plum_redis_cluster_t *
ngx_plum_redis_cluster_open(ngx_plum_redis_t *redis)
{
    ngx_uint_t                 i;
    ngx_plum_redis_conn_t     *conn;
    ngx_plum_redis_cluster_t  *cluster;

    cluster = ngx_calloc(sizeof(ngx_plum_redis_cluster_t), &redis->log);
    if (cluster == NULL) {
        return NULL;
    }

    cluster->redis = redis;

    ngx_memset(cluster->slots, 0xff, sizeof(cluster->slots));

    cluster->query.type = &ngx_plum_redis_slots_type;
    cluster->query.settlement = 1;

    cluster->fake.fd = (ngx_socket_t) -1;
    cluster->fake.data = cluster;

    cluster->refresh.handler = ngx_plum_redis_cluster_refresh;
    cluster->refresh.data = &cluster->fake;
    cluster->refresh.log = &redis->log;
    cluster->refresh.cancelable = 1;

    cluster->sweep.handler = ngx_plum_redis_cluster_sweep;
    cluster->sweep.data = &cluster->fake;
    cluster->sweep.log = &redis->log;

    for (i = 0; i < redis->nhosts && i < NGX_PLUM_REDIS_NODES; i++) {
        conn = ngx_calloc(sizeof(ngx_plum_redis_conn_t), &redis->log);
        if (conn == NULL) {
            break;
        }

        cluster->nodes[i] = conn;

        ngx_plum_redis_conn_open(conn, redis, &redis->hosts[i], 1);
    }

    return cluster;
}


void
ngx_plum_redis_cluster_exit(ngx_plum_redis_cluster_t *cluster)
{
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


ngx_uint_t
ngx_plum_redis_cluster_pending(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        if (cluster->nodes[i] && cluster->nodes[i]->pending) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_plum_redis_cluster_submit(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_op_t *op)
{
    uint16_t                node;
    ngx_plum_redis_conn_t  *conn;

    if (!cluster->known) {
        return cluster->attempts > 1
               ? NGX_DECLINED : ngx_plum_redis_retry(cluster->redis, op);
    }

    node = cluster->slots[plum_slot(&op->command.key)];

    conn = (node == NGX_PLUM_REDIS_NO_NODE)
           ? ngx_plum_redis_cluster_any(cluster) : cluster->nodes[node];

    return conn ? ngx_plum_redis_conn_submit(conn, op) : NGX_DECLINED;
}


/* one that is ready, or will be */

static ngx_plum_redis_conn_t *
ngx_plum_redis_cluster_any(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t              i, n;
    ngx_plum_redis_conn_t  *conn, *found;

    found = NULL;

    for (n = 1; n <= NGX_PLUM_REDIS_NODES; n++) {
        i = (cluster->source + n) % NGX_PLUM_REDIS_NODES;
        conn = cluster->nodes[i];

        if (conn == NULL || conn->failing) {
            continue;
        }

        if (ngx_plum_redis_at(conn, READY)) {
            cluster->source = i;
            return conn;
        }

        if (found == NULL) {
            found = conn;
        }
    }

    return found;
}


/* the index of a node, which may be a new one */

static ngx_int_t
ngx_plum_redis_cluster_find(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const plum_node_t *node, ngx_uint_t lazy)
{
    ngx_int_t               i, vacant;
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

        if (ngx_plum_redis_same(conn, from, node)) {
            conn->lazy &= lazy;
            return i;
        }
    }

    if (vacant == NGX_ERROR) {
        return NGX_ERROR;
    }

    conn = ngx_calloc(sizeof(ngx_plum_redis_conn_t), &cluster->redis->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    conn->redis = cluster->redis;
    conn->lazy = lazy;
    conn->reported = ngx_plum_redis_cluster_spoken(cluster);

    if (ngx_plum_redis_learn(conn, from, node) != NGX_OK) {
        ngx_free(conn);
        return NGX_ERROR;
    }

    cluster->nodes[vacant] = conn;

    ngx_plum_redis_conn_open(conn, cluster->redis, conn->hosts, 1);

    return vacant;
}


/* a node that was down went just now: the next may be that one again */

static ngx_uint_t
ngx_plum_redis_cluster_spoken(ngx_plum_redis_cluster_t *cluster)
{
    return cluster->spoken
           && ngx_current_msec - cluster->spoken < NGX_PLUM_REDIS_SPOKEN;
}


ngx_int_t
ngx_plum_redis_cluster_redirect(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result)
{
    uint16_t                   slot;
    ngx_int_t                  i;
    ngx_uint_t                 ask;
    plum_node_t                node;
    ngx_plum_redis_cluster_t  *cluster;

    cluster = conn->redis->cluster;
    ask = (result->outcome == PLUM_REDIS_ASK);

    if (cluster == NULL
        || ++op->tries > NGX_PLUM_REDIS_TRIES
        || plum_redirect_parse(&result->text, &slot, &node) != PLUM_OK
        || slot != plum_slot(&op->command.key))
    {
        return NGX_DECLINED;
    }

    i = ngx_plum_redis_cluster_find(cluster, conn, &node, ask);
    if (i == NGX_ERROR) {
        return NGX_DECLINED;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, &conn->log, 0,
                   "plum redis slot %ud %s to %V", slot,
                   ask ? "migrates" : "moved",
                   &cluster->nodes[i]->hosts->text);

    if (ask) {

        /* only for the next command, which must not fail for want of it */

        op->asking = 1;
        op->eval = 1;

        ngx_plum_redis_cluster_arm(cluster, NGX_PLUM_REDIS_MIGRATION);

    } else {
        cluster->slots[slot] = (uint16_t) i;
        ngx_plum_redis_cluster_changed(cluster);
    }

    return ngx_plum_redis_conn_submit(cluster->nodes[i], op) == NGX_OK
           ? NGX_OK : NGX_BUSY;
}


void
ngx_plum_redis_cluster_changed(ngx_plum_redis_cluster_t *cluster)
{
    cluster->good = 0;

    ngx_plum_redis_cluster_later(cluster);
}


void
ngx_plum_redis_cluster_ready(ngx_plum_redis_cluster_t *cluster)
{
    if (cluster->good) {
        return;
    }

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


static void
ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster)
{
    ngx_msec_t  pause, max, since;

    pause = NGX_PLUM_REDIS_THROTTLE;

    if (cluster->attempts) {
        pause = plum_redis_backoff(cluster->attempts,
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

    if (conn
        && ngx_plum_redis_at(conn, READY)
        && ngx_plum_redis_conn_submit(conn, &cluster->query) == NGX_OK)
    {
        cluster->asking = 1;
        cluster->deaf = 0;
        return;
    }

    cluster->deaf = 1;
    cluster->attempts++;

    ngx_plum_redis_cluster_wake(cluster);
    ngx_plum_redis_cluster_later(cluster);
}


static ngx_int_t
ngx_plum_redis_slots_encode(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op)
{
    char       *command;
    size_t      len;
    plum_str_t  word[2] = { PLUM_STR("CLUSTER"), PLUM_STR("SLOTS") };

    if (plum_redis_words(word, 2, &command, &len) != PLUM_OK) {
        return NGX_ERROR;
    }

    return ngx_plum_redis_conn_append(conn, command, len);
}


static ngx_int_t
ngx_plum_redis_slots_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, const redisReply *reply)
{
    size_t                     i;
    ngx_uint_t                 n, left;
    plum_slot_range_t          range;
    ngx_plum_redis_cluster_t  *cluster;

    cluster = conn->redis->cluster;

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_plum_redis_refused(conn, ", CLUSTER SLOTS", (u_char *) reply->str,
                               reply->len);
        ngx_plum_redis_slots_failed(conn, op, NGX_PLUM_OP_NOT_SENT);

        return NGX_OK;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    if (reply->elements == 0) {
        ngx_plum_redis_refused(conn, ", CLUSTER SLOTS", (u_char *) "no slots",
                               sizeof("no slots") - 1);
        ngx_plum_redis_slots_failed(conn, op, NGX_PLUM_OP_NOT_SENT);

        return NGX_OK;
    }

    /* each slot once at most: what there is to do has a limit */

    left = PLUM_SLOTS;

    for (i = 0; i < reply->elements; i++) {
        if (plum_slots_range(reply, i, &range) != PLUM_OK) {
            return NGX_ERROR;
        }

        n = range.last - range.first + 1;

        if (n > left) {
            return NGX_ERROR;
        }

        left -= n;
    }

    cluster->asking = 0;

    ngx_plum_redis_cluster_apply(cluster, conn, reply);

    return NGX_OK;
}


static void
ngx_plum_redis_slots_failed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome)
{
    ngx_plum_redis_cluster_t  *cluster;

    cluster = conn->redis->cluster;

    cluster->asking = 0;
    cluster->attempts++;

    ngx_plum_redis_cluster_later(cluster);
}


static void
ngx_plum_redis_slots_dropped(ngx_plum_redis_op_t *op)
{
    /* a part of the cluster, which goes, too */
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
            cluster->nodes[n]->lazy = 1;
        }
    }

    ngx_memcpy(cluster->before, cluster->slots, sizeof(cluster->slots));
    ngx_memset(cluster->slots, 0xff, sizeof(cluster->slots));

    for (i = 0; i < reply->elements; i++) {
        (void) plum_slots_range(reply, i, &range);

        n = ngx_plum_redis_cluster_find(cluster, from, &range.node, 0);

        ngx_log_debug3(NGX_LOG_DEBUG_CORE, &from->log, 0,
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

        if (ngx_plum_redis_at(conn, READY)) {
            conn->lazy = 0;
            cluster->slots[slot] = before;
        }
    }
}


/* connects to the owners; as long as one is down, the map may change */

static void
ngx_plum_redis_cluster_judge(ngx_plum_redis_cluster_t *cluster)
{
    ngx_uint_t              i;
    ngx_plum_redis_conn_t  *conn;

    cluster->good = 1;

    for (i = 0; i < NGX_PLUM_REDIS_NODES; i++) {
        conn = cluster->nodes[i];

        if (conn == NULL || conn->lazy) {
            continue;
        }

        if (conn->failing) {
            cluster->good = 0;

        } else if (ngx_plum_redis_at(conn, READY)) {

            if (conn->reported) {
                ngx_plum_redis_conn_available(conn);
            }

        } else {
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

        if (conn == NULL || !conn->lazy || conn->pending) {
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
