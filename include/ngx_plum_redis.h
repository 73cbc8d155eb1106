/*
 * The Redis client: pipelined connections, one per worker and node, driven by
 * the events of NGINX; hiredis only encodes and decodes, but for what each
 * event needs, see plum_redis.h.
 *
 * ngx_plum_redis_conf.c      addresses and parameters of plum_store
 * ngx_plum_redis_host.c      hosts: configured, learned, resolved
 * ngx_plum_redis_tls.c       TLS of a store and of a connection
 * ngx_plum_redis.c           the stores of a process; operations find their
 *                            connection, or wait to be sent again
 * ngx_plum_redis_cluster.c   slots, nodes, redirections
 * ngx_plum_redis_sentinel.c  where the master is
 * ngx_plum_redis_conn.c      a connection: operations go in, replies come out;
 *                            with _step.c, _io.c and _wait.c, see
 *                            ngx_plum_redis_conn.h
 * ngx_plum_store_redis.c     the idempotency store on it
 * ngx_plum_redis_settle.c    its commits and releases, until they are written
 */

#ifndef _NGX_PLUM_REDIS_H_INCLUDED_
#define _NGX_PLUM_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <ngx_plum_store.h>
#include <plum_cluster.h>
#include <plum_redis.h>


/* a kept answer, and so the largest reply; a longer one is not kept */

#define NGX_PLUM_REDIS_ANSWER_MAX  (4 * 1024 * 1024)

/* a deployment that changes is looked at this often, at least (ms) */

#define NGX_PLUM_REDIS_PAUSE_MAX   1000

/* one operation is sent elsewhere, or again, this often at most */

#define NGX_PLUM_REDIS_TRIES       16


typedef struct ngx_plum_redis_s          ngx_plum_redis_t;
typedef struct ngx_plum_redis_conn_s     ngx_plum_redis_conn_t;
typedef struct ngx_plum_redis_op_s       ngx_plum_redis_op_t;
typedef struct ngx_plum_redis_cluster_s  ngx_plum_redis_cluster_t;
typedef struct ngx_plum_redis_step_s     ngx_plum_redis_step_t;


/*
 * A kind of operations.
 *
 * encode   appends the command to what the connection is to write, see
 *          ngx_plum_redis_conn.h; NGX_ERROR: no memory, or no room
 * reply    NGX_OK: the operation has been taken back.  NGX_AGAIN: it is to be
 *          sent once more, over this connection.  NGX_DONE: it was executed,
 *          and counts once replicas have it.  NGX_ERROR: that is no reply to
 *          such a command.  NGX_ABORT: taken back, but the connection is of
 *          no use any more
 * waited   after NGX_DONE: so many replicas have it; takes it back
 * failed   takes it back; outcome is NOT_SENT or UNKNOWN
 * dropped  takes it back at exit, and calls nobody
 */

typedef struct {
    ngx_uint_t             array;        /* its reply may be one */
    ngx_int_t            (*encode)(ngx_plum_redis_conn_t *conn,
                                   ngx_plum_redis_op_t *op);
    ngx_int_t            (*reply)(ngx_plum_redis_conn_t *conn,
                                  ngx_plum_redis_op_t *op,
                                  const redisReply *reply);
    void                 (*waited)(ngx_plum_redis_conn_t *conn,
                                   ngx_plum_redis_op_t *op,
                                   ngx_uint_t replicas);
    void                 (*failed)(ngx_plum_redis_conn_t *conn,
                                   ngx_plum_redis_op_t *op,
                                   ngx_plum_outcome_e outcome);
    void                 (*dropped)(ngx_plum_redis_op_t *op);
} ngx_plum_redis_op_type_t;


/*
 * One operation.  Those of the store are malloc()ed with all they need, so
 * that they survive their requests.
 */

struct ngx_plum_redis_op_s {
    ngx_queue_t                      queue;
    const ngx_plum_redis_op_type_t  *type;

    uint64_t                         end;    /* in the stream of the commands */
    ngx_msec_t                       deadline;   /* of the reply */

    /* of the store */

    plum_redis_command_t             command;
    ngx_plum_claim_t                *claim;  /* NULL: nobody waits for it */
    ngx_msec_t                       until;  /* it is tried till then */
    ngx_uint_t                       replicas;   /* that must have it */
    ngx_uint_t                       tries;  /* elsewhere or later, in a row */

    unsigned                         asking:1;   /* ASKING goes before it */
    unsigned                         eval:1; /* the script is not cached */
    unsigned                         again:1;    /* sent before, no reply */
    unsigned                         alone:1;    /* only the master has it */
    unsigned                         settlement:1;
    unsigned                         quiet:1;    /* compensates for a claim */
    unsigned                         unwanted:1; /* need not be sent */
};


/* where something listens */

typedef struct {
    ngx_str_t                        name;   /* ends with a NUL */
    ngx_str_t                        text;   /* name:port, as in logs */
    in_port_t                        port;
    ngx_addr_t                      *addrs;
    ngx_uint_t                       naddrs; /* 0: the resolver knows */
    unsigned                         ip:1;   /* the name is an address */
    unsigned                         local:1;    /* a unix socket */
} ngx_plum_redis_host_t;


/* ngx_plum_redis_conn.h has the contract of the states */

struct ngx_plum_redis_conn_s {
    ngx_plum_redis_t                *redis;
    ngx_plum_redis_host_t           *hosts;  /* to be tried in turn */
    ngx_uint_t                       nhosts;
    ngx_uint_t                       host;   /* the one in use */
    ngx_uint_t                       first;  /* of the round; in the node's
                                                connection, of Sentinels */
    ngx_addr_t                      *addrs;  /* of that host */
    ngx_uint_t                       naddrs;
    ngx_uint_t                       address;
    ngx_pool_t                      *pool;   /* of a learned host, or NULL */
    ngx_pool_t                      *resolved;   /* of addresses, or NULL */
    ngx_resolver_ctx_t              *resolving;

    ngx_connection_t                *connection;
    redisReader                     *reader;
    plum_redis_walk_t                walk;   /* of the reader */
    const ngx_plum_redis_step_t     *step;   /* NULL: no connection */

    ngx_queue_t                      waiting;    /* for the connection */
    ngx_queue_t                      sent;   /* written to out, in order */
    ngx_queue_t                      held;   /* executed, wait for replicas */
    ngx_uint_t                       pending;    /* in all queues */

    u_char                          *out;
    size_t                           out_size;
    size_t                           out_pos;
    size_t                           out_len;
    uint64_t                         written;    /* bytes ever put into out */
    uint64_t                         tried;  /* of them, perhaps received */
    ngx_uint_t                       scripts;    /* kinds, bits: known there */

    ngx_plum_redis_op_t              wait;   /* WAIT, in sent or not */
    ngx_uint_t                       replicas;   /* to wait for, next time */

    ngx_event_t                      flush;  /* posted */
    ngx_event_t                      deadline;   /* of the oldest operation */
    ngx_event_t                      connect;    /* of a step; of a pause */

    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_peer_connection_t            peer;
    ngx_log_t                        log;
    ngx_log_t                        mute;   /* while known to be down */

    ngx_uint_t                       attempts;   /* failed, since the last
                                                    good one */
    ngx_msec_t                       since;  /* it is ready */
    ngx_msec_t                       refused;    /* a command, last */

    unsigned                         sentinel:1; /* speaks to a Sentinel */
    unsigned                         demoted:1;  /* was no master any more */
    unsigned                         lazy:1; /* connects for operations only */
    unsigned                         failing:1;  /* they fail at once */
    unsigned                         reported:1; /* as down */
    unsigned                         refusing:1; /* has been reported */
    unsigned                         warned:1;   /* of maxmemory-policy */
    unsigned                         opened:1;   /* events may be used */
};


typedef enum {
    NGX_PLUM_REDIS_PLAIN = 0,
    NGX_PLUM_REDIS_CLUSTER,
    NGX_PLUM_REDIS_SENTINEL
} ngx_plum_redis_mode_e;


struct ngx_plum_redis_s {
    ngx_plum_store_t                *store;
    ngx_cycle_t                     *cycle;
    ngx_queue_t                      queue;  /* of all stores */

    ngx_plum_redis_mode_e            mode;
    ngx_plum_redis_host_t           *hosts;  /* as configured */
    ngx_uint_t                       nhosts;
    ngx_plum_redis_host_t            nowhere;    /* text: as long as the
                                                    master is not known */
    ngx_str_t                        master; /* name, for the Sentinels */
    ngx_str_t                        user;   /* end with a NUL, as all here */
    ngx_str_t                        password;
    ngx_str_t                        database;
    ngx_str_t                        prefix;
    ngx_str_t                        ca;
    ngx_str_t                        certificate;
    ngx_str_t                        certificate_key;
    ngx_msec_t                       timeout;
    ngx_uint_t                       max_pending;
    ngx_ssl_t                       *ssl;    /* NULL: no TLS */
    ngx_resolver_t                  *resolver;   /* NULL: none */

    ngx_plum_redis_conn_t            conn;   /* plain, Sentinel: the node */
    ngx_plum_redis_conn_t            sentinel;
    ngx_plum_redis_cluster_t        *cluster;

    ngx_queue_t                      retries;    /* to be sent again, soon */
    ngx_event_t                      retry;

    ngx_queue_t                      settlements;    /* to be sent (again) */
    ngx_uint_t                       unsettled;  /* these and those sent */
    ngx_event_t                      settle;

    ngx_connection_t                 fake;
    ngx_log_t                        log;

    unsigned                         opened:1;   /* in this process */
    unsigned                         closed:1;   /* at exit */
};


/* configuration: [emerg] and NGX_CONF_ERROR if anything is wrong */

char *ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters);
char *ngx_plum_redis_error(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    const char *text);
char *ngx_plum_redis_hosts(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *list, in_port_t port);
char *ngx_plum_redis_hosts_finish(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_resolver_t *resolver);
char *ngx_plum_redis_tls(ngx_conf_t *cf, ngx_plum_redis_t *redis);

/* the store of a configuration that came through: its life begins */

ngx_int_t ngx_plum_redis_register(ngx_conf_t *cf, ngx_plum_redis_t *redis);

/* for the module's hooks: connects the stores of the cycle, closes them */

ngx_int_t ngx_plum_redis_init_process(ngx_cycle_t *cycle);
void ngx_plum_redis_exit_process(ngx_cycle_t *cycle);

/*
 * Takes over the operation (NGX_OK), or fails at once (NGX_DECLINED) where
 * its node is down or, unless it is a settlement, too much is pending.
 * Never calls back from inside.
 */

ngx_int_t ngx_plum_redis_submit(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);

/*
 * For an operation that was not executed: it is sent again after a moment,
 * to wherever it belongs then.  NGX_DECLINED: it has been tried too often or
 * too long.
 */

ngx_int_t ngx_plum_redis_retry(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);

/* nothing waits for a reply, or to be sent */

ngx_uint_t ngx_plum_redis_unused(ngx_plum_redis_t *redis);


/*
 * What a connection tells the store and the topology: it is ready; it was
 * lost, and will be tried again (or not, where it is lazy).
 */

void ngx_plum_redis_ready(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_lost(ngx_plum_redis_conn_t *conn);

/*
 * refused() logs the error reply of a node, accepted() that it accepts
 * commands again: once per change of state, and that is at most every few
 * seconds.  complain() logs one in any case.
 */

void ngx_plum_redis_refused(ngx_plum_redis_conn_t *conn, const char *what,
    u_char *text, size_t len);
void ngx_plum_redis_complain(ngx_plum_redis_conn_t *conn, const char *what,
    u_char *text, size_t len);
void ngx_plum_redis_accepted(ngx_plum_redis_conn_t *conn);


/*
 * Hosts.  learn() makes conn->hosts of what another node said, in a pool of
 * the connection; an empty host is that of "from".  NGX_ERROR: no memory.
 * same() tells whether that is what the connection has already.
 */

ngx_int_t ngx_plum_redis_learn(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_conn_t *from, const plum_node_t *node);
ngx_uint_t ngx_plum_redis_same(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_conn_t *from, const plum_node_t *node);


/*
 * Cluster.  open() returns NULL if there is no memory.  submit() is as
 * ngx_plum_redis_submit().  redirect() follows a MOVED or ASK: NGX_OK, the
 * operation is on its way; NGX_BUSY, it is still the caller's, as that node
 * is down; NGX_DECLINED, too, as it leads nowhere.  changed() has the map
 * of the slots asked for soon; ready() too, if it is needed.  pending() is 0
 * where nothing waits for a reply.
 */

ngx_plum_redis_cluster_t *ngx_plum_redis_cluster_open(
    ngx_plum_redis_t *redis);
void ngx_plum_redis_cluster_exit(ngx_plum_redis_cluster_t *cluster);
ngx_int_t ngx_plum_redis_cluster_submit(ngx_plum_redis_cluster_t *cluster,
    ngx_plum_redis_op_t *op);
ngx_int_t ngx_plum_redis_cluster_redirect(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
void ngx_plum_redis_cluster_changed(ngx_plum_redis_cluster_t *cluster);
void ngx_plum_redis_cluster_ready(ngx_plum_redis_cluster_t *cluster);
ngx_uint_t ngx_plum_redis_cluster_pending(ngx_plum_redis_cluster_t *cluster);


/*
 * Sentinel.  locate() asks for the master: NGX_BUSY, and later the connection
 * goes on or is lost.  answer() takes the answer of one; lost() goes on to
 * the next one.  left() tells whether some have not been asked in this round,
 * where what one named was no master; round() begins a new one.
 */

ngx_int_t ngx_plum_redis_sentinel_locate(ngx_plum_redis_conn_t *conn);
ngx_uint_t ngx_plum_redis_sentinel_left(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_sentinel_round(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_sentinel_answer(ngx_plum_redis_conn_t *sentinel,
    const redisReply *reply);
void ngx_plum_redis_sentinel_lost(ngx_plum_redis_conn_t *sentinel,
    ngx_err_t err, const char *text);


/* settlements: see ngx_plum_redis_settle.c */

void ngx_plum_redis_settle_open(ngx_plum_redis_t *redis);
void ngx_plum_redis_settle(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op);
void ngx_plum_redis_settle_later(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op);
void ngx_plum_redis_settle_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
void ngx_plum_redis_settle_all(ngx_plum_redis_t *redis);
void ngx_plum_redis_settle_exit(ngx_plum_redis_t *redis);


/* kinds of stores, as ngx_plum_store_memory() */

char *ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag);


#endif /* _NGX_PLUM_REDIS_H_INCLUDED_ */
