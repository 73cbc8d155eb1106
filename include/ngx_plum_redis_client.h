/*
 * The client and its topologies: inside of ngx_plum_module/redis/, see
 * ngx_plum_redis.h for what users need.
 */

#ifndef _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_
#define _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_


#include <ngx_plum_redis_conn.h>


/* a deployment that changes is looked at this often, at least (ms) */

#define NGX_PLUM_REDIS_PAUSE_MAX   1000

/* a call is sent elsewhere, or again, this often at most */

#define NGX_PLUM_REDIS_TRIES       16


/*
 * Which nodes there are, and which of them gets a call.  A topology decides;
 * only the client submits calls of users.  It has its own calls (CLUSTER
 * SLOTS, SENTINEL), and tells the client news by client->ready().
 *
 * open      in a worker; NULL: no memory.  close() frees it
 * route     NGX_OK: *conn is the one for the call; NGX_AGAIN: it is not known
 *           yet, ask again in a moment; NGX_DECLINED: there is none
 * redirect  for MOVED and ASK: NGX_OK, *conn is the node that the error names
 *           (and call->asking is set); NGX_DECLINED, it leads nowhere.  NULL:
 *           such errors lead nowhere
 * changed   a node says that the deployment is changing.  NULL: nobody cares
 * others    1: where one node is down, another may take over
 */

struct ngx_plum_redis_topology_s {
    void                *(*open)(ngx_plum_redis_t *client);
    void                 (*close)(void *data);
    ngx_int_t            (*route)(void *data, ngx_plum_redis_call_t *call,
                                  ngx_plum_redis_conn_t **conn);
    ngx_int_t            (*redirect)(void *data, ngx_plum_redis_conn_t *from,
                                     ngx_plum_redis_call_t *call,
                                     const redisReply *reply,
                                     ngx_plum_redis_conn_t **conn);
    void                 (*changed)(void *data);
    ngx_uint_t           (*others)(void *data);
};


struct ngx_plum_redis_s {
    const ngx_plum_redis_conf_t     *conf;
    const ngx_plum_redis_user_t     *user;
    void                            *data;   /* the user's */
    ngx_cycle_t                     *cycle;
    ngx_queue_t                      queue;  /* of all clients */

    void                            *topology;   /* its data */
    ngx_queue_t                      retries;    /* to be sent again, soon */
    ngx_event_t                      retry;
    ngx_connection_t                 fake;
    ngx_log_t                        log;

    /*
     * News from below: a node is ready; calls that want replicas are about to
     * be flushed; so many replicas have a call.
     */

    void                           (*ready)(ngx_plum_redis_t *client);
    void                           (*wait)(ngx_plum_redis_conn_t *conn);
    void                           (*replicated)(ngx_plum_redis_conn_t *conn,
                                                 ngx_plum_redis_call_t *call,
                                                 ngx_uint_t replicas);

    unsigned                         opened:1;   /* in this process */
    unsigned                         closed:1;   /* at exit */
};


#endif /* _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_ */
