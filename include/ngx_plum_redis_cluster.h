/*
 * The topology of a Redis Cluster, in three files: routing
 * (ngx_plum_redis_cluster.c), the map of the slots (_cluster_slots.c), and the
 * nodes (_cluster_nodes.c).  For ngx_plum_module/redis/ only.
 */

#ifndef _NGX_PLUM_REDIS_CLUSTER_H_INCLUDED_
#define _NGX_PLUM_REDIS_CLUSTER_H_INCLUDED_


#include <ngx_plum_redis_client.h>


#define NGX_PLUM_REDIS_NODES     1024
#define NGX_PLUM_REDIS_NO_NODE   0xffff


/*
 * Nodes.  A node that owns slots is connected to when the first call for it
 * comes, and stays connected.  The other nodes are spare: configured ones are
 * kept in case that no other node can be reached; those that another node has
 * named are removed when nothing is pending on them.  Nodes are removed in a
 * posted event only, as one of their handlers may be on the stack elsewhere.
 *
 * The map is queried (CLUSTER SLOTS, from any node that is ready)
 *   - when there is none
 *   - when MOVED shows that it is out of date
 *   - when the connection to an owner of slots is lost, and again with a
 *     back-off while an owner is down, until a replica has taken over
 *   - from time to time while slots migrate, so that a node that is named by
 *     ASK does not stay connected for ever
 *
 * Before the first map calls wait for it: a server that is not a member of a
 * cluster would execute them rather than answer MOVED.  After that, for a slot
 * without an owner any node may be used; it answers MOVED or CLUSTERDOWN.
 */

typedef struct {
    ngx_plum_redis_t                *client;
    const ngx_plum_redis_news_t     *news;   /* of the connections */
    ngx_plum_redis_conn_t           *nodes[NGX_PLUM_REDIS_NODES];
    uint16_t                         slots[PLUM_SLOTS];  /* indexes of nodes */
    uint16_t                         before[PLUM_SLOTS]; /* the map before */

    ngx_plum_redis_call_t            query;
    ngx_event_t                      refresh;    /* timer: the next query */
    ngx_event_t                      sweep;  /* posted: remove nodes */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_uint_t                       source; /* index of the node used last */
    ngx_uint_t                       attempts;   /* since the map was good */
    ngx_msec_t                       queried;    /* when, last */
    ngx_msec_t                       logged; /* the last removal of a node that
                                                was down; 0: none */

    unsigned                         known:1;    /* there is a map */
    unsigned                         good:1; /* it is up to date, and no owner
                                                is down */
    unsigned                         unreachable:1;  /* the last query could be
                                                sent to no node */
    unsigned                         querying:1;
} ngx_plum_redis_cluster_t;


/*
 * Nodes.
 *
 * find()  returns the index of a node that "from" has named, and adds the node
 *         if it is new.  NGX_ERROR: no memory, or too many nodes
 * add()   adds a node with this index; the pool is of a node that another one
 *         has named, or NULL
 * any()   returns a node that is ready, or else one that is not failing; NULL:
 *         there is none
 * wake()  connects to all configured nodes
 */

void ngx_plum_redis_cluster_init(ngx_plum_redis_cluster_t *cluster);
ngx_int_t ngx_plum_redis_cluster_find(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_conn_t *from, const plum_host_t *node, ngx_uint_t spare);
ngx_int_t ngx_plum_redis_cluster_add(ngx_plum_redis_cluster_t *cluster,
    ngx_uint_t i, ngx_plum_redis_host_t *host, ngx_pool_t *pool,
    ngx_uint_t spare);
ngx_plum_redis_conn_t *ngx_plum_redis_cluster_any(
    ngx_plum_redis_cluster_t *cluster);
void ngx_plum_redis_cluster_wake(ngx_plum_redis_cluster_t *cluster);

/*
 * The map of the slots.
 *
 * later()  queries it again after a pause, by the back-off
 * arm()    queries it after that many ms, or earlier if it is planned so
 */

void ngx_plum_redis_cluster_slots_init(ngx_plum_redis_cluster_t *cluster);
void ngx_plum_redis_cluster_later(ngx_plum_redis_cluster_t *cluster);
void ngx_plum_redis_cluster_arm(ngx_plum_redis_cluster_t *cluster,
    ngx_msec_t pause);


#endif /* _NGX_PLUM_REDIS_CLUSTER_H_INCLUDED_ */
