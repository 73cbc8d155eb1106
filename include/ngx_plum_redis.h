/*
 * A small Redis client that uses the events of NGINX.  It does not know the
 * stores, the queues and the requests: a command is an array of words, and its
 * reply is passed to a handler.  A new command needs no line in
 * ngx_plum_module/redis/.
 *
 * A client has one pipelined connection per worker process and node.  It is
 * created while the configuration is read, opens its connections when a
 * worker starts, and never blocks a worker.  Two clients of one configuration
 * share no connection: give slow or large replies a client of their own.
 *
 * The files, from the highest layer to the lowest:
 *
 *   ngx_plum_redis.c            clients: create, open, call, cancel
 *   ngx_plum_redis_dispatch.c   the way of a call: routes, retries, replies
 *   ngx_plum_redis_single.c     topologies, behind one table of functions:
 *   ngx_plum_redis_sentinel.c     one master; a master that Sentinels name;
 *   ngx_plum_redis_cluster*.c     a cluster: routing, its slots, its nodes
 *   ngx_plum_redis_hello.c      AUTH, SELECT, ROLE and the user's checks
 *   ngx_plum_redis_wait.c       WAIT: calls that must reach replicas
 *   ngx_plum_redis_conn.c       a connection: takes calls, matches replies
 *   ngx_plum_redis_conn_state.c connects, notices losses, reconnects
 *   ngx_plum_redis_calls.c      queues of calls, their deadlines
 *   ngx_plum_redis_report.c     log messages about a node
 *   ngx_plum_redis_io.c         bytes in and out, one flush per turn
 *   ngx_plum_redis_peer.c       name resolution, connect(), TLS handshake
 *   ngx_plum_redis_host.c       names and addresses
 *   ngx_plum_redis_tls.c        TLS of a connection
 *
 * A file calls functions of files below it only (make lint checks that there
 * is no circle).  Lower files report to upper ones by function pointers, which
 * the upper file sets when it opens the lower object.
 */

#ifndef _NGX_PLUM_REDIS_H_INCLUDED_
#define _NGX_PLUM_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <plum_resp.h>


typedef struct ngx_plum_redis_s           ngx_plum_redis_t;
typedef struct ngx_plum_redis_conf_s      ngx_plum_redis_conf_t;
typedef struct ngx_plum_redis_call_s      ngx_plum_redis_call_t;
typedef struct ngx_plum_redis_host_s      ngx_plum_redis_host_t;
typedef struct ngx_plum_redis_conn_s      ngx_plum_redis_conn_t;
typedef struct ngx_plum_redis_topology_s  ngx_plum_redis_topology_t;


/*
 * The status of a call that has ended: exactly one of six.  "reply" is not
 * NULL with the first three, and is valid until the handler returns.
 *
 * OK        executed; the reply is not an error.  With call->replicas: so many
 *           replicas have received the command, too
 * ALONE     executed; the reply is as with OK, but fewer than call->replicas
 *           replicas have received the command within a quarter of the
 *           client's timeout
 * REFUSED   the reply is an error, and it is final: redirections were
 *           followed, and what could be repeated was repeated.  A plain
 *           command has changed nothing; a script has changed what it had
 *           written before its error
 * NOT_SENT  not executed, and it will not be: there was no connection until
 *           the deadline, the node is down, or the call was cancelled in time
 * UNKNOWN   the command was written, at least in part, and there is no reply
 *           that can be used: it may have been executed.  If call->large is
 *           set it was executed, and its reply was longer than max_reply
 * CLOSED    the client was closed: the process exits, or the configuration is
 *           freed.  The handler may free memory that the call owns.  It must
 *           not touch a request, submit a call, or start a timer
 */

typedef enum {
    NGX_PLUM_REDIS_OK = 0,
    NGX_PLUM_REDIS_ALONE,
    NGX_PLUM_REDIS_REFUSED,
    NGX_PLUM_REDIS_NOT_SENT,
    NGX_PLUM_REDIS_UNKNOWN,
    NGX_PLUM_REDIS_CLOSED
} ngx_plum_redis_status_e;


typedef void (*ngx_plum_redis_handler_pt)(ngx_plum_redis_call_t *call,
    ngx_plum_redis_status_e status, const redisReply *reply);

typedef ngx_int_t (*ngx_plum_redis_judge_pt)(ngx_plum_redis_call_t *call,
    const redisReply *reply);

/* inside of the client: how a call leaves its connection */

typedef ngx_int_t (*ngx_plum_redis_done_pt)(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);


/*
 * One command.  The caller sets the first group after it has zeroed the whole
 * structure; the second group belongs to the client.
 *
 * Ownership.  From ngx_plum_redis_call() that returned NGX_OK until the
 * handler is called (or until a cancel that returned NGX_OK) the client holds
 * the structure and reads what it points to: argv, the bytes of the words,
 * script and key must stay.  Nothing is copied, as the command may have to be
 * written again.  Memory of a request's pool is therefore wrong unless the
 * request outlives the call.  When the handler is called the structure is the
 * caller's again: it may be freed, or submitted again, from inside.
 *
 * judge, where it is not NULL, is asked about each final reply, errors too,
 * before the handler is called.  For a reply that is no error:
 *   NGX_OK        the call has ended with OK
 *   NGX_AGAIN     it was executed, and ends with OK or ALONE when it is known
 *                 whether call->replicas replicas have it (with OK at once
 *                 where that is 0).  Without judge all replies are such
 *   NGX_ERROR     that is no reply to this command.  The replies of the
 *                 connection are out of step, so it is closed: this call and
 *                 the others that were written end with UNKNOWN
 * For an error reply:
 *   NGX_DECLINED  the error speaks of this call, not of the node: the client
 *                 does not log it
 *   other values  the node refuses commands: logged once per change of state
 * judge must not submit or cancel calls, nor free the call.
 */

struct ngx_plum_redis_call_s {
    const plum_script_t        *script;  /* EVALSHA (EVAL where it is not
                                            cached); NULL: a plain command */
    const plum_str_t           *argv;    /* with script: keys, then arguments;
                                            else the command, word by word */
    ngx_uint_t                  argc;
    ngx_uint_t                  nkeys;   /* with script: keys in argv */
    const plum_str_t           *key;     /* its slot decides the node of a
                                            cluster; all keys of a call must
                                            be of this slot.  NULL: any node */
    ngx_uint_t                  replicas;    /* that must have it (WAIT) */
    ngx_msec_t                  until;   /* as ngx_current_msec; 0: timeout
                                            from now.  See below */
    size_t                      max_reply;   /* bytes of the protocol; 0:
                                            NGX_PLUM_REDIS_REPLY */
    ngx_plum_redis_judge_pt     judge;   /* or NULL */
    ngx_plum_redis_handler_pt   handler;
    void                       *data;    /* the caller's own */

    unsigned                    array:1; /* the reply may be an array, nested
                                            PLUM_RESP_DEPTH deep at most.
                                            Else an array closes the
                                            connection at its first byte */
    unsigned                    urgent:1;    /* accepted though max_pending
                                                calls are pending */
    unsigned                    adds:1;  /* may need memory of Redis: where
                                            judge returns NGX_AGAIN, a state of
                                            refusal has ended */

    /* in judge and handler, as long as reply is not NULL */

    ngx_log_t                  *log;     /* of the node that answered: names
                                            the client and the node */

    /* the client's own */

    ngx_queue_t                 queue;
    ngx_plum_redis_t           *client;
    ngx_plum_redis_conn_t      *conn;    /* has it in a queue; or NULL */
    ngx_plum_redis_done_pt      done;    /* how it leaves the connection */
    redisReply                 *reply;   /* kept while WAIT is under way */
    long long                   integer; /* the same, where it is one */
    uint64_t                    end;     /* in the stream of the commands */
    ngx_msec_t                  limit;   /* until, resolved */
    ngx_msec_t                  deadline;    /* of the reply */
    ngx_uint_t                  tries;   /* elsewhere or later, in a row */

    unsigned                    large:1; /* the reply exceeded max_reply */
    unsigned                    sent:1;  /* put into the buffer, or more */
    unsigned                    counted:1;   /* as pending */
    unsigned                    skip:1;  /* a large reply is thrown away */
    unsigned                    asking:1;    /* ASKING goes before it */
    unsigned                    eval:1;  /* with the script's text */
    unsigned                    cancelled:1; /* not to be sent again */
};

#define NGX_PLUM_REDIS_REPLY     65536


/*
 * Submits a call.  NGX_OK: the client holds it, and the handler will be called
 * exactly once, later, never from inside this function (unless the call is
 * cancelled in time).  NGX_DECLINED: it ended as NOT_SENT at once: the node is
 * known to be down, max_pending calls are pending and it is not urgent, there
 * is no memory, or this process has no client (master, helper processes, a
 * client that was closed).  The call is then still the caller's, and the
 * handler is not called.
 *
 * Deadlines.  A call that has not been written until "until" ends as
 * NOT_SENT.  That holds while its connection is being made, while a moved
 * slot or a new master is looked for, and after a connection was lost before
 * the call was written: a single lost connection costs a delay, not a
 * refusal.  The reply may take the client's timeout from the moment when the
 * command was written, or until "until", whichever is later; then the node
 * counts as not answering, its connection is closed, and the call ends as
 * UNKNOWN.  So a command that takes long needs a later "until"; those that
 * were written behind it wait for it, too.
 *
 * The client repeats by itself what was certainly not executed, at most 16
 * times and not after "until":
 *   NOSCRIPT      at once, by EVAL
 *   MOVED         at the node that it names; the map of the slots is asked
 *                 for again
 *   ASK           at the node that it names, with ASKING and the script's
 *                 text
 *   TRYAGAIN, CLUSTERDOWN
 *                 after 50 ms, by the map as it is then
 *   READONLY, MASTERDOWN
 *                 the connection is closed, the master is looked for, the
 *                 call is repeated there
 *   not written   when its connection is lost: over the next one
 * Other errors end it as REFUSED: LOADING, BUSY, OOM, NOPERM, WRONGTYPE,
 * MISCONF, NOREPLICAS, errors of the script ...  So do those above when they
 * were met too often.  A call that was written and got no reply is never
 * repeated by the client: only its owner knows whether that is safe.
 */

ngx_int_t ngx_plum_redis_call(ngx_plum_redis_t *client,
    ngx_plum_redis_call_t *call);

/*
 * Nobody waits for the call any more.  NGX_OK: it had not been written; the
 * structure is the caller's again, and the handler will not be called.
 * NGX_AGAIN: it may be executed, so the client still holds it, and the handler
 * will be called with what became of it (once; it is not repeated elsewhere:
 * what was not executed then ends as NOT_SENT).  Only for a call that the
 * client holds.  May be called from any handler.
 */

ngx_int_t ngx_plum_redis_cancel(ngx_plum_redis_call_t *call);

/*
 * For a handler or judge: logs the error reply at "error" with what went
 * wrong, such as ", the key holds no record of ours"; bytes that are not
 * printable are replaced, and the text is cut after 200 bytes.
 */

void ngx_plum_redis_complain(ngx_plum_redis_call_t *call, const char *what,
    const redisReply *reply);


/*
 * A question to each new connection of a node that is to carry calls, before
 * it carries them: after AUTH, SELECT and ROLE, in the order of the table, and
 * so again after every lost connection and every failover; and again after
 * five seconds, in front of the next call.  judge is given the reply, which may
 * be an error (only NOAUTH never gets here), and returns
 *
 *   NGX_OK        go on with the next question
 *   NGX_DONE      go on without the other questions
 *   NGX_DECLINED  the node is of no use as it is.  *why is set to one line
 *                 that says what to do (static, or lives as long as data).
 *                 It is logged ("redis is unavailable: ..."), calls end as
 *                 NOT_SENT, and the node is asked again with the back-off
 *
 * *state is a word for the user of each node, zero at first, kept over its
 * connections: for instance what earlier questions found, or what has been
 * warned of.  log names the client and the node.
 */

typedef struct {
    const plum_str_t     *argv;
    ngx_uint_t            argc;
    char                 *action;        /* of the log: "asking for ..." */
    ngx_int_t           (*judge)(void *data, ngx_uint_t *state,
                                 const redisReply *reply, ngx_log_t *log,
                                 const char **why);
} ngx_plum_redis_check_t;


/*
 * Who uses the client.  ready is called each time that a connection of a node
 * is ready to carry calls: those that failed before may be submitted again,
 * from inside.  closed is called when all calls have ended with CLOSED; it
 * gives back what the user has for this process.  down is called when a node
 * is reported as unavailable, once until it is ready again; it must not submit
 * calls.  Each may be NULL.
 */

typedef struct {
    const ngx_plum_redis_check_t  *checks;
    ngx_uint_t                     nchecks;
    void                         (*ready)(void *data);
    void                         (*closed)(void *data);
    void                         (*down)(void *data);
} ngx_plum_redis_user_t;


/*
 * Where Redis is and how to speak to it: read by ngx_plum_redis_conf.c, const
 * afterwards, and shared by any number of clients.  Strings end with a NUL.
 */

struct ngx_plum_redis_conf_s {
    const char                       *kind;  /* for messages: plum store */
    ngx_str_t                         name;  /* "events" */
    ngx_str_t                         file;  /* where it is configured */
    ngx_uint_t                        line;
    const ngx_plum_redis_topology_t  *topology;
    ngx_plum_redis_host_t            *hosts;
    ngx_uint_t                        nhosts;
    ngx_str_t                         master;    /* for the Sentinels */
    ngx_str_t                         user;
    ngx_str_t                         password;
    ngx_str_t                         database;
    ngx_str_t                         prefix;    /* of keys: for users, the
                                                    client does not add it */
    ngx_str_t                         ca;
    ngx_str_t                         certificate;
    ngx_str_t                         certificate_key;
    ngx_msec_t                        timeout;
    ngx_uint_t                        max_pending;   /* calls per node */
    ngx_ssl_t                        *ssl;   /* NULL: no TLS */
    ngx_resolver_t                   *resolver;  /* NULL: none */
};

extern const ngx_plum_redis_topology_t  ngx_plum_redis_single;
extern const ngx_plum_redis_topology_t  ngx_plum_redis_sentinel;
extern const ngx_plum_redis_topology_t  ngx_plum_redis_cluster;


/*
 * Configuration time: [emerg] and NGX_CONF_ERROR if anything is wrong.
 * hosts() reads "host[:port],host[:port]..." with a default port, or with
 * port 0 one path of a socket ("unix:...").  resolve() looks the names up:
 * to be called when the resolver is known.  tls() sets up conf->ssl.
 *
 * create() makes a client, which opens its connections when a worker process
 * of this cycle starts, and closes them with the process or the cycle.  NULL:
 * no memory.  user and conf must live as long as the cycle.
 */

char *ngx_plum_redis_hosts(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *list, in_port_t port);
char *ngx_plum_redis_resolve(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf);
char *ngx_plum_redis_tls(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf);

ngx_plum_redis_t *ngx_plum_redis_create(ngx_conf_t *cf,
    const ngx_plum_redis_conf_t *conf, const ngx_plum_redis_user_t *user,
    void *data);

/* names the client: for what concerns no node */

ngx_log_t *ngx_plum_redis_log(ngx_plum_redis_t *client);


/*
 * For the module's hooks.  A worker that is told to quit finishes its calls:
 * timers of pending calls keep it alive, it still connects for them, and it
 * closes a connection when nothing is pending on it.  exit_process() ends what
 * is left with CLOSED.
 */

ngx_int_t ngx_plum_redis_init_process(ngx_cycle_t *cycle);
void ngx_plum_redis_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_PLUM_REDIS_H_INCLUDED_ */
