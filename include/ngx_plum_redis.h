/*
 * The Redis client: one pipelined connection per worker to one node, driven
 * by the events of NGINX; hiredis only encodes and decodes.
 *
 * ngx_plum_redis.c        configuration, and the stores of a process
 * ngx_plum_redis_conn.c   the connection: operations go in, replies come out;
 *                         with _step.c and _io.c, see ngx_plum_redis_conn.h
 * ngx_plum_store_redis.c  the idempotency store on it
 */

#ifndef _NGX_PLUM_REDIS_H_INCLUDED_
#define _NGX_PLUM_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <ngx_plum_store.h>
#include <plum_redis.h>


/* a kept answer, and so the largest reply; a longer one is not kept */

#define NGX_PLUM_REDIS_ANSWER_MAX  (4 * 1024 * 1024)


typedef struct ngx_plum_redis_s       ngx_plum_redis_t;
typedef struct ngx_plum_redis_conn_s  ngx_plum_redis_conn_t;
typedef struct ngx_plum_redis_op_s    ngx_plum_redis_op_t;


/* one operation; malloc()ed with all it needs, so it survives its request */

struct ngx_plum_redis_op_s {
    ngx_queue_t             queue;
    plum_redis_command_t    command;
    ngx_plum_claim_t       *claim;       /* NULL: nobody waits for it */

    uint64_t                end;         /* of the command, in the stream */
    ngx_msec_t              deadline;    /* of the reply */
    ngx_msec_t              until;       /* a settlement is tried till then */

    unsigned                eval:1;      /* the script is not cached */
    unsigned                again:1;     /* sent before, no reply */
    unsigned                settlement:1;
    unsigned                quiet:1;     /* compensates for a claim */
};


typedef struct ngx_plum_redis_step_s  ngx_plum_redis_step_t;


/* ngx_plum_redis_conn.h has the contract of the states */

struct ngx_plum_redis_conn_s {
    ngx_plum_redis_t             *redis;
    ngx_connection_t             *connection;
    redisReader                  *reader;
    const ngx_plum_redis_step_t  *step;  /* NULL: no connection */

    ngx_queue_t                   waiting;   /* for the connection */
    ngx_queue_t                   sent;      /* written to out, in order */
    ngx_uint_t                    pending;   /* in both queues */

    u_char                       *out;
    size_t                        out_size;
    size_t                        out_pos;
    size_t                        out_len;
    uint64_t                      written;   /* bytes ever put into out */
    uint64_t                      tried;     /* of them, perhaps received */
    ngx_uint_t                    scripts;   /* kinds, bits: Redis has them */

    ngx_event_t                   flush;     /* posted */
    ngx_event_t                   deadline;  /* of the oldest operation */
    ngx_event_t                   connect;   /* of a step; of a pause */

    ngx_connection_t              fake;      /* for the debug log of events */
    ngx_peer_connection_t         peer;
    ngx_log_t                     log;
    ngx_log_t                     mute;      /* while it is known to be down */

    ngx_uint_t                    address;
    ngx_uint_t                    attempts;  /* failed, since the last good */
    ngx_msec_t                    since;     /* it is ready */

    unsigned                      failing:1; /* operations fail at once */
    unsigned                      reported:1;    /* as down */
    unsigned                      opened:1;  /* this process has set it up */
    unsigned                      closed:1;  /* at exit */
};


struct ngx_plum_redis_s {
    ngx_str_t                     name;      /* of the store */
    ngx_str_t                     url;       /* as configured, for logs */
    ngx_cycle_t                  *cycle;
    ngx_queue_t                   queue;     /* of all stores */

    ngx_addr_t                   *addrs;
    ngx_uint_t                    naddrs;
    ngx_str_t                     host;      /* ends with a NUL, as all here */
    ngx_str_t                     user;
    ngx_str_t                     password;
    ngx_str_t                     database;
    ngx_str_t                     prefix;
    ngx_str_t                     ca;
    ngx_str_t                     certificate;
    ngx_str_t                     certificate_key;
    ngx_msec_t                    timeout;
    ngx_uint_t                    max_pending;
    ngx_ssl_t                    *ssl;       /* NULL: no TLS */
    unsigned                      ip:1;      /* host is an address */
    unsigned                      local:1;   /* a unix socket */
    unsigned                      refusing:1;    /* has been reported */

    ngx_plum_redis_conn_t         conn;

    ngx_queue_t                   settlements;   /* to be sent (again) */
    ngx_uint_t                    unsettled;     /* these and those sent */
    ngx_event_t                   settle;
};


/*
 * Parses the URL behind its scheme and the parameters, resolves the name,
 * reads the password, makes the TLS context.  Logged [emerg] and
 * NGX_CONF_ERROR if anything is wrong.
 */

char *ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters);

/* for the module's hooks: connects the stores of the cycle, closes them */

ngx_int_t ngx_plum_redis_init_process(ngx_cycle_t *cycle);
void ngx_plum_redis_exit_process(ngx_cycle_t *cycle);


/* the connection: sets it up in this process, and begins to connect */

void ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn);

/* closes it for good; the operations left are freed, nobody is called */

void ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn);

/*
 * Takes over the operation (NGX_OK), or fails at once (NGX_DECLINED) where
 * the node is down or, unless it is a settlement, too much is pending.
 * Never calls back from inside.
 */

ngx_int_t ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);


/*
 * What the connection calls, in ngx_plum_store_redis.c.  op_reply: NGX_OK,
 * the operation has been taken back; NGX_AGAIN, it is to be sent once more;
 * NGX_ERROR, that is no reply to such a command.  op_failed takes the
 * operation back; outcome is NOT_SENT or UNKNOWN.
 */

ngx_int_t ngx_plum_redis_op_reply(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, const redisReply *reply);
void ngx_plum_redis_op_failed(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome);

/* the connection is ready: what has waited for it can be sent */

void ngx_plum_redis_ready(ngx_plum_redis_t *redis);

/* frees an operation, and all settlements that are left at exit */

void ngx_plum_redis_op_free(ngx_plum_redis_op_t *op);
void ngx_plum_redis_store_exit(ngx_plum_redis_t *redis);


/* kinds of stores, as ngx_plum_store_memory() */

char *ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag);
char *ngx_plum_store_rediss(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag);
char *ngx_plum_store_redis_unix(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag);
char *ngx_plum_store_redis_later(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *address, ngx_str_t *parameters, ngx_uint_t nparameters,
    void *tag);


#endif /* _NGX_PLUM_REDIS_H_INCLUDED_ */
