/*
 * A connection of the Redis client to a node.  For ngx_plum_module/redis/
 * only; the interface of the client is ngx_plum_redis.h.
 */

#ifndef _NGX_PLUM_REDIS_CONN_H_INCLUDED_
#define _NGX_PLUM_REDIS_CONN_H_INCLUDED_


#include <ngx_event_connect.h>
#include <ngx_plum_redis.h>
#include <plum_cluster.h>


/* --- names and addresses: ngx_plum_redis_host.c */

struct ngx_plum_redis_host_s {
    ngx_str_t                        name;   /* ends with a NUL */
    ngx_str_t                        text;   /* name:port, as in logs */
    in_port_t                        port;
    ngx_addr_t                      *addrs;
    ngx_uint_t                       naddrs; /* found by the system; 0: only
                                                the resolver may know */
    unsigned                         ip:1;   /* the name is an address */
    unsigned                         local:1;    /* a unix socket */
};


/*
 * learn() makes a host from the name and port that another node has reported.
 * It is allocated in a new pool, which is returned in *pool.  An empty name
 * stands for the name of "from".  NULL: no memory.
 *
 * same() tells whether the host has the name and port that were reported.
 *
 * addrs() returns the addresses that the resolver has found, followed by
 * those that the system found when the configuration was read.
 */

ngx_plum_redis_host_t *ngx_plum_redis_learn(const ngx_plum_redis_conf_t *conf,
    const plum_host_t *node, const ngx_plum_redis_host_t *from,
    ngx_pool_t **pool);
ngx_uint_t ngx_plum_redis_same(const ngx_plum_redis_host_t *host,
    const plum_host_t *node, const ngx_plum_redis_host_t *from);
ngx_addr_t *ngx_plum_redis_addrs(ngx_resolver_ctx_t *ctx,
    const ngx_plum_redis_host_t *host, ngx_uint_t *naddrs, ngx_pool_t **pool);


/* --- TLS of a connection: ngx_plum_redis_tls.c */

/*
 * start() begins a handshake.  It returns NGX_OK, NGX_ERROR, or NGX_AGAIN:
 * then handler is called when the handshake has ended.  verify() checks the
 * certificate of the peer after that, and returns what is wrong with it (the
 * text may be in text[]), or NULL.
 *
 * learned: the host was reported by another node, perhaps by its address only.
 * Then a certificate for the name of a configured host is accepted, too.
 */

#define NGX_PLUM_REDIS_TEXT      256

ngx_int_t ngx_plum_redis_tls_start(const ngx_plum_redis_conf_t *conf,
    ngx_connection_t *c, const ngx_plum_redis_host_t *host,
    ngx_uint_t learned, ngx_connection_handler_pt handler);
const char *ngx_plum_redis_tls_verify(const ngx_plum_redis_conf_t *conf,
    ngx_connection_t *c, const ngx_plum_redis_host_t *host,
    ngx_uint_t learned, u_char *text);


/* --- from a name to a connection: ngx_plum_redis_peer.c */

typedef struct ngx_plum_redis_peer_s  ngx_plum_redis_peer_t;

/* text is NULL: connected; else it says what failed, err may be an errno */

typedef void (*ngx_plum_redis_peer_pt)(ngx_plum_redis_peer_t *peer,
    ngx_err_t err, const char *text);

struct ngx_plum_redis_peer_s {
    const ngx_plum_redis_conf_t     *conf;
    ngx_plum_redis_peer_pt           handler;
    ngx_plum_redis_host_t           *host;
    const struct ngx_plum_redis_step_s
                                    *step;   /* NULL: nothing is under way */
    ngx_addr_t                      *addrs;  /* of the host */
    ngx_uint_t                       naddrs;
    ngx_uint_t                       address;    /* the one in use */
    ngx_pool_t                      *resolved;   /* of addrs, or NULL */
    ngx_resolver_ctx_t              *resolving;
    ngx_peer_connection_t            peer;
    ngx_connection_t                *connection; /* NULL: none */
    ngx_event_t                      timer;  /* of a step */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_log_t                       *log;
    const char                      *text;   /* what failed, if it fails */
    u_char                           buf[NGX_PLUM_REDIS_TEXT];
    unsigned                         learned:1;  /* as in tls_start() */
    unsigned                         inside:1;   /* of ngx_resolve_name() */
};

/*
 * init()     once
 * connect()  resolves the name of the host, connects to the address number
 *            peer->address and performs the TLS handshake; each step may take
 *            the timeout.  handler is called at the end, maybe from inside
 * next()     to be called before close().  1: peer->address is the number of
 *            the next address of the host; 0: there is none, and
 *            peer->address is 0
 * close()    ends what is under way; handler is not called
 * free()     the same, and frees the addresses
 */

void ngx_plum_redis_peer_init(ngx_plum_redis_peer_t *peer,
    const ngx_plum_redis_conf_t *conf, ngx_plum_redis_peer_pt handler);
void ngx_plum_redis_peer_connect(ngx_plum_redis_peer_t *peer,
    ngx_plum_redis_host_t *host, ngx_uint_t learned, ngx_log_t *log);
ngx_uint_t ngx_plum_redis_peer_next(ngx_plum_redis_peer_t *peer);
void ngx_plum_redis_peer_close(ngx_plum_redis_peer_t *peer);
void ngx_plum_redis_peer_free(ngx_plum_redis_peer_t *peer);

/* what is under way, for the log: "resolving", ... */

char *ngx_plum_redis_peer_action(ngx_plum_redis_peer_t *peer);


/* --- bytes in and out: ngx_plum_redis_io.c */

typedef struct ngx_plum_redis_io_s  ngx_plum_redis_io_t;

/*
 * Callbacks to the owner of the connection.
 *
 * before   called before a flush: the owner may add commands
 * expect   called when a reply begins.  It sets whether the reply may be an
 *          array, its maximum length, and the maximum length of a reply that
 *          is read but not kept because it is longer than the former
 * reply    called for each reply; *reply is NULL if it was too long.  To keep
 *          *reply, set it to NULL.  NGX_ERROR: the connection was closed
 * quit     called when NGINX closes idle connections, as the worker exits or
 *          needs connections.  1: the connection was closed
 * lost     called when reading or writing has failed
 */

typedef struct {
    void                 (*before)(ngx_plum_redis_io_t *io);
    void                 (*expect)(ngx_plum_redis_io_t *io, ngx_uint_t *array,
                                   size_t *max, size_t *skip);
    ngx_int_t            (*reply)(ngx_plum_redis_io_t *io,
                                  redisReply **reply);
    ngx_uint_t           (*quit)(ngx_plum_redis_io_t *io);
    void                 (*lost)(ngx_plum_redis_io_t *io, const char *text);
} ngx_plum_redis_io_news_t;

struct ngx_plum_redis_io_s {
    const ngx_plum_redis_io_news_t  *news;
    ngx_connection_t                *connection;
    redisReader                     *reader;
    plum_resp_walk_t                 walk;

    u_char                          *in;     /* a reply that is not whole */
    size_t                           in_size;
    size_t                           in_len;

    u_char                          *out;
    size_t                           out_size;
    size_t                           out_pos;
    size_t                           out_len;
    uint64_t                         written;    /* bytes ever put into out */
    uint64_t                         tried;  /* of these, Redis may have
                                                received so many */

    ngx_event_t                      flush;  /* posted */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_log_t                       *log;
    unsigned                         secret:1;   /* out is wiped when sent */
};

/*
 * init()   once
 * start()  takes over an established connection.  NGX_ERROR: no memory
 * stop()   discards all buffered bytes; the caller closes the connection
 * free()   frees the output buffer
 * room()   returns where len bytes may be written.  NULL: no memory, or the
 *          buffer is full
 * wrote()  len bytes were written there; they are sent at the end of this
 *          turn of the event loop
 */

void ngx_plum_redis_io_init(ngx_plum_redis_io_t *io,
    const ngx_plum_redis_io_news_t *news, ngx_log_t *log);
ngx_int_t ngx_plum_redis_io_start(ngx_plum_redis_io_t *io,
    ngx_connection_t *c);
void ngx_plum_redis_io_stop(ngx_plum_redis_io_t *io);
void ngx_plum_redis_io_free(ngx_plum_redis_io_t *io);
u_char *ngx_plum_redis_io_room(ngx_plum_redis_io_t *io, size_t len);
void ngx_plum_redis_io_wrote(ngx_plum_redis_io_t *io, size_t len);


/* --- the connection: ngx_plum_redis_conn.c, _conn_state.c, _calls.c */

#define NGX_PLUM_REDIS_SCRIPTS   16      /* remembered as cached, per node */


/*
 *   NONE --> LOCATE --> CONNECT --> HELLO --> READY
 *    ^         |           |          |         |
 *    +-pause---+-----------+-- lost --+---------+
 *
 * NONE     not connected.  Either the pause before the next attempt runs
 *          (backoff), or the posted event "wake" is about to connect.  Neither
 *          is the case if the connection is lazy or the worker exits, and no
 *          call needs the connection
 * LOCATE   the owner finds out which host to connect to (locate)
 * CONNECT  the name is resolved, the connection is made, see peer
 * HELLO    the owner sends queries of its own by query(), such as AUTH; each
 *          of them may take the timeout
 * READY    calls are written, and replies are matched with them by their order
 *
 * Idle connections.  If no reply has come for half a second, PING is sent
 * before the next call, and calls wait for its reply.  The connection is lost
 * if that does not come within half of the timeout.
 *
 * Reconnection.  A connection that was ready for a second, or over which a
 * call that adds has succeeded, is made again at once when it is lost; others
 * after a pause.  A call ends that pause if no call was pending at the losses
 * before.
 *
 * failing  calls are declined, because an attempt to connect failed, the node
 *          did not answer in time, or several connections in a row were lost
 *          soon after they were ready, and calls were pending at the last loss
 *
 * If the connection is not failing, calls wait for it until their deadline:
 * new ones, and those that had not been written when it was lost.
 *
 * A call belongs to the connection from submit() until its done() is called.
 * done() may run requests, which may call submit().  Nothing that is called
 * from requests closes the connection: submit() only writes to memory and
 * posts an event.
 */

typedef enum {
    NGX_PLUM_REDIS_NONE = 0,
    NGX_PLUM_REDIS_LOCATE,
    NGX_PLUM_REDIS_CONNECT,
    NGX_PLUM_REDIS_HELLO,
    NGX_PLUM_REDIS_READY
} ngx_plum_redis_state_e;


/*
 * Callbacks to the owner of a connection; each may be NULL.
 *
 * locate   the connection is to be made.  NGX_OK: conn->hosts is set.
 *          NGX_AGAIN: the owner calls go() or lost() later.
 *          NULL: conn->hosts is always set
 * hello    the connection is made: the owner may send queries, and calls
 *          ready() or lost() when it has finished
 * ready    the connection takes calls now
 * lost     the connection was lost.  It is made again, unless it is lazy
 * next     all addresses of the host have failed.  1: conn->host is the number
 *          of another host, which is tried at once; 0: there is none.
 *          NULL: conn->hosts are tried in their order
 * report   logs a loss.  NULL: ngx_plum_redis_report_lost() does
 */

typedef struct {
    ngx_int_t            (*locate)(ngx_plum_redis_conn_t *conn);
    void                 (*hello)(ngx_plum_redis_conn_t *conn);
    void                 (*ready)(ngx_plum_redis_conn_t *conn);
    void                 (*lost)(ngx_plum_redis_conn_t *conn);
    ngx_uint_t           (*next)(ngx_plum_redis_conn_t *conn);
    void                 (*report)(ngx_plum_redis_conn_t *conn, ngx_err_t err,
                                   const char *text);
} ngx_plum_redis_news_t;


struct ngx_plum_redis_conn_s {
    ngx_plum_redis_peer_t            peer;
    ngx_plum_redis_io_t              io;
    const ngx_plum_redis_conf_t     *conf;
    const ngx_plum_redis_news_t     *news;
    ngx_plum_redis_t                *client;
    void                            *owner;  /* a topology */

    ngx_plum_redis_state_e           state;
    ngx_plum_redis_host_t           *hosts;  /* tried in this order */
    ngx_uint_t                       nhosts;
    ngx_uint_t                       host;   /* the one in use */
    ngx_uint_t                       round_start;    /* the host that was tried
                                                first after the last success */
    ngx_pool_t                      *pool;   /* of a learned host, or NULL */

    ngx_queue_t                      waiting;    /* for READY */
    ngx_queue_t                      sent;   /* written to io.out, in order */
    ngx_queue_t                      held;   /* executed, wait for replicas */
    ngx_uint_t                       pending;    /* calls in these queues */

    const plum_script_t             *scripts[NGX_PLUM_REDIS_SCRIPTS];
    ngx_uint_t                       nscripts;   /* cached by the node */

    ngx_plum_redis_call_t            hello;  /* ngx_plum_redis_hello.c */
    ngx_uint_t                       step;   /* number of its query */
    ngx_uint_t                       checked;    /* *state of the checks */
    plum_str_t                       words[3];   /* of hello and wait */

    ngx_plum_redis_call_t            check;  /* a check that is repeated */
    ngx_uint_t                       check_n;    /* its number */
    ngx_msec_t                       check_due;  /* when the next one is */
    ngx_plum_redis_call_t            ping;   /* tests an idle connection */
    ngx_plum_redis_call_t            wait;   /* ngx_plum_redis_wait.c */
    ngx_uint_t                       replicas;   /* that the next WAIT is for */
    u_char                           digits[2][NGX_INT_T_LEN];

    ngx_event_t                      wake;   /* posted: connect */
    ngx_event_t                      backoff;    /* timer: the pause before
                                                the next attempt */
    ngx_event_t                      timeout;    /* timer of a query in HELLO */
    ngx_event_t                      deadline;   /* timer of the oldest call */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_log_t                        log;
    ngx_log_t                        mute;   /* after the node was reported as
                                                unavailable */
    char                            *action; /* in LOCATE and HELLO */

    ngx_uint_t                       attempts;   /* that failed, in a row */
    ngx_msec_t                       pause_max;  /* 0: that of the back-off */
    ngx_msec_t                       since;  /* when it became ready */
    ngx_msec_t                       heard;  /* when the last reply came */
    ngx_msec_t                       refused;    /* when the last call was */

    unsigned                         opened:1;   /* events may be used */
    unsigned                         lazy:1; /* connects only for calls */
    unsigned                         spare:1;    /* a node of a cluster that
                                                owns no slots */
    unsigned                         role:1; /* ROLE is sent in HELLO */
    unsigned                         checks:1;   /* the user has some */
    unsigned                         failing:1;
    unsigned                         worked:1;   /* a call that adds has
                                                succeeded since ready */
    unsigned                         wanted:1;   /* a call was declined */
    unsigned                         reported:1; /* as unavailable */
    unsigned                         refusing:1; /* reported as refusing */
};


/*
 * open()    sets a connection up in this process, and connects unless it is
 *           lazy.  Fields that are not set before must be zero
 * exit()    closes it for good: its calls end with CLOSED
 * submit()  as ngx_plum_redis_call(), with call->done and call->limit set
 * cancel()  as ngx_plum_redis_cancel()
 * query()   for HELLO: the call is written now and is not counted as pending.
 *           It is dropped when the connection is closed: its done() is not
 *           called then.  NGX_ERROR: the connection was lost by that
 */

void ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_t *client, const ngx_plum_redis_news_t *news,
    ngx_plum_redis_host_t *hosts, ngx_uint_t nhosts);
void ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn);
ngx_int_t ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call);
ngx_int_t ngx_plum_redis_conn_cancel(ngx_plum_redis_call_t *call);
ngx_int_t ngx_plum_redis_conn_query(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, char *action);

/*
 * States: ngx_plum_redis_conn_state.c.
 *
 * init()   once, from open()
 * wake()   connects soon, unless there is a connection or a pause runs
 * go(), ready()  see ngx_plum_redis_news_t
 * lost()   ends whatever is under way; the connection is made again
 * close()  only closes
 */

void ngx_plum_redis_conn_init(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_wake(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_go(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_ready(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text);
void ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn);


/*
 * The calls in the queues of a connection: ngx_plum_redis_calls.c.
 *
 * put()     writes a call to the output buffer and appends it to "sent"; it is
 *           not counted as pending yet.  NGX_ERROR: no memory, or no room
 * given()   counts a call as pending and sets the timer for its deadline
 * hold()    appends a call to "waiting" or "held", and counts it
 * taken()   removes a call from its queue
 * by()      sets the deadline timer to expire at that time, or earlier
 * write()   writes the calls in "waiting"
 * late()    ends the calls in "waiting" whose deadline has passed
 * unsent()  moves calls from "sent" to "waiting" that were put into the output
 *           buffer, but had not been sent when the connection was closed
 * end()     ends all calls of a queue of the caller: with CLOSED if the
 *           connection has exited, with UNKNOWN if Redis may have received
 *           them (up to "tried"), else with NOT_SENT
 */

ngx_int_t ngx_plum_redis_calls_put(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call);
void ngx_plum_redis_calls_hold(ngx_plum_redis_conn_t *conn,
    ngx_queue_t *queue, ngx_plum_redis_call_t *call);
void ngx_plum_redis_calls_given(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call);
void ngx_plum_redis_calls_taken(ngx_plum_redis_call_t *call);
void ngx_plum_redis_calls_by(ngx_plum_redis_conn_t *conn, ngx_msec_t when);
void ngx_plum_redis_calls_write(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_calls_late(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_calls_unsent(ngx_plum_redis_conn_t *conn,
    uint64_t tried);
void ngx_plum_redis_calls_end(ngx_plum_redis_conn_t *conn,
    ngx_queue_t *calls, uint64_t tried);


/*
 * --- log messages about a node: ngx_plum_redis_report.c
 *
 * lost() and available() log that the node is unavailable or available again.
 * refused() logs an error reply, accepted() that the node accepts commands
 * again.  Each of them logs a change of state only, and such changes are some
 * seconds apart.  error() logs an error reply in any case.
 */

void ngx_plum_redis_report_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text);
void ngx_plum_redis_report_available(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_report_refused(ngx_plum_redis_conn_t *conn,
    const char *what, const char *text, size_t len);
void ngx_plum_redis_report_error(ngx_log_t *log, const char *what,
    const char *text, size_t len);
void ngx_plum_redis_report_accepted(ngx_plum_redis_conn_t *conn);


/*
 * --- queries before the first call: ngx_plum_redis_hello.c; news->hello.
 * hello_again() is called before a call is put.  Where the last checks of the
 * user are older than five seconds, it puts the next one in front of that call
 */

void ngx_plum_redis_hello(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_hello_again(ngx_plum_redis_conn_t *conn);

/* sets the words of AUTH, returns their number (0: there is no password) */

ngx_uint_t ngx_plum_redis_auth(ngx_plum_redis_conn_t *conn,
    plum_str_t *word);


/*
 * --- WAIT: ngx_plum_redis_wait.c
 *
 * before() sends WAIT if calls need it.  hold() keeps a call that was executed
 * and its reply until WAIT has told how many replicas have it; then
 * conn->client->replicated() is called.
 */

void ngx_plum_redis_wait_before(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_wait_hold(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, redisReply **reply);


#endif /* _NGX_PLUM_REDIS_CONN_H_INCLUDED_ */
