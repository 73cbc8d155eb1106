/*
 * The client and its topologies.  For ngx_plum_module/redis/ only; the
 * interface of the client is ngx_plum_redis.h.
 */

#ifndef _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_
#define _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_


#include <ngx_plum_redis_conn.h>


/* ms between two attempts to reach a deployment that may change, at most */

#define NGX_PLUM_REDIS_PAUSE_MAX   1000

/* a call is sent again, to the same node or another one, so often at most */

#define NGX_PLUM_REDIS_TRIES       16


/*
 * A topology knows the nodes, and decides which of them gets a call.  Only the
 * client submits calls of users.  The topology sends queries of its own
 * (CLUSTER SLOTS, SENTINEL), and calls client->ready() when a node is ready.
 *
 * open      called in a worker; NULL: no memory.  close() frees the result
 * route     NGX_OK: *conn is the connection for the call; NGX_AGAIN: it is not
 *           known yet, the caller retries in a moment; NGX_DECLINED: there is
 *           none
 * redirect  for MOVED and ASK.  NGX_OK: *conn is the node that the error
 *           names, and call->asking is set for ASK; NGX_DECLINED: the error is
 *           final.  NULL: such errors are final
 * changed   a node says that the deployment is changing; may be NULL
 * others    1: when one node is down, another one may take over
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
    ngx_queue_t                      queue;  /* in the list of clients */

    void                            *topology;   /* its data */
    ngx_queue_t                      retries;    /* calls to be routed again */
    ngx_event_t                      retry;  /* timer of these */
    ngx_connection_t                 fake;
    ngx_log_t                        log;

    /*
     * Callbacks from the files below: a node is ready; calls that need
     * replicas are about to be flushed; a call is about to be written, and
     * the checks may be due; so many replicas have a call.
     */

    void                           (*ready)(ngx_plum_redis_t *client);
    void                           (*wait)(ngx_plum_redis_conn_t *conn);
    void                           (*check)(ngx_plum_redis_conn_t *conn);
    void                           (*replicated)(ngx_plum_redis_conn_t *conn,
                                                 ngx_plum_redis_call_t *call,
                                                 ngx_uint_t replicas);

    unsigned                         opened:1;   /* in this process */
    unsigned                         closed:1;   /* at exit */
};


/*
 * The way of a call: ngx_plum_redis_dispatch.c.
 *
 * send()  routes a call and submits it; returns as ngx_plum_redis_call()
 * done()  call->done of calls of users: the call leaves its connection, with a
 *         reply or without one
 * end()   calls the handler of a call
 */

void ngx_plum_redis_dispatch_init(ngx_plum_redis_t *client);
ngx_int_t ngx_plum_redis_send(ngx_plum_redis_call_t *call);
ngx_int_t ngx_plum_redis_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
void ngx_plum_redis_end(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);


#endif /* _NGX_PLUM_REDIS_CLIENT_H_INCLUDED_ */
