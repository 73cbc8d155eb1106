/*
 * A connection of the Redis client to a node: inside of
 * ngx_plum_module/redis/, see ngx_plum_redis.h for what users need.
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
 * learn() makes a host of what another node said, in a pool of its own, *pool;
 * an empty name is that of "from".  NULL: no memory.  same() tells whether
 * that is what the host is already.  addrs() is what the resolver found, and
 * behind it what the system did: that is as good where the other leads nowhere.
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
 * start() begins a handshake: NGX_OK or NGX_ERROR, or NGX_AGAIN, and handler
 * is called when it is over.  verify() then tells what is wrong with the peer,
 * NULL if nothing is; the text may stand in text[].  learned: the host was
 * named by another node, perhaps by its address only; then the name of a
 * configured host is as good.
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

/* connected; or (text is not NULL) what failed, perhaps with an errno */

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
 * init() once.  connect() resolves the host, connects to its address of that
 * index and shakes hands, each within the timeout; handler is called at the
 * end, perhaps from inside.  close() ends what is under way, calls nobody;
 * free() gives addresses back, too.  next(), before close(): 1, address is
 * that of another one of the host; 0, there is none, and it is the first again.
 */

void ngx_plum_redis_peer_init(ngx_plum_redis_peer_t *peer,
    const ngx_plum_redis_conf_t *conf, ngx_plum_redis_peer_pt handler);
void ngx_plum_redis_peer_connect(ngx_plum_redis_peer_t *peer,
    ngx_plum_redis_host_t *host, ngx_uint_t learned, ngx_log_t *log);
ngx_uint_t ngx_plum_redis_peer_next(ngx_plum_redis_peer_t *peer);
void ngx_plum_redis_peer_close(ngx_plum_redis_peer_t *peer);
void ngx_plum_redis_peer_free(ngx_plum_redis_peer_t *peer);

/* for logs: "resolving" */

char *ngx_plum_redis_peer_action(ngx_plum_redis_peer_t *peer);


/* --- bytes in and out: ngx_plum_redis_io.c */

typedef struct ngx_plum_redis_io_s  ngx_plum_redis_io_t;

/*
 * What the bytes mean is known above.
 *
 * before   a flush is about to write: more may be added
 * expect   a reply begins: may it be an array, how long may it be, and how
 *          long at most if it is longer and thrown away
 * reply    a reply has come, or (NULL) the end of one that was too long.  Who
 *          keeps *reply sets it to NULL.  NGX_ERROR: the connection is gone
 * quit     the worker exits, or closes its idle connections: 1, it is closed
 * lost     reading or writing failed
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
    uint64_t                         tried;  /* of them, perhaps received */

    ngx_event_t                      flush;  /* posted */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_log_t                       *log;
    unsigned                         secret:1;   /* out is wiped when sent */
};

/*
 * init() once; start() takes over a connection that is established (NGX_ERROR:
 * no memory); stop() forgets all bytes and leaves the connection to the
 * caller; free() gives the output buffer back.
 *
 * room() is where len bytes may be put (NULL: no memory, or too much waits
 * already); wrote() says how many were, and has them sent this turn.
 */

void ngx_plum_redis_io_init(ngx_plum_redis_io_t *io,
    const ngx_plum_redis_io_news_t *news, ngx_log_t *log);
ngx_int_t ngx_plum_redis_io_start(ngx_plum_redis_io_t *io,
    ngx_connection_t *c);
void ngx_plum_redis_io_stop(ngx_plum_redis_io_t *io);
void ngx_plum_redis_io_free(ngx_plum_redis_io_t *io);
u_char *ngx_plum_redis_io_room(ngx_plum_redis_io_t *io, size_t len);
void ngx_plum_redis_io_wrote(ngx_plum_redis_io_t *io, size_t len);


/* --- the connection: ngx_plum_redis_conn.c, ngx_plum_redis_calls.c */

#define NGX_PLUM_REDIS_SCRIPTS   16      /* known to be cached, per node */


/*
 *   NONE --> LOCATE --> CONNECT --> HELLO --> READY
 *    ^         |           |          |         |
 *    +-pause---+-----------+-- lost --+---------+
 *
 * NONE     the pause of the back-off runs (timer), or a posted event (wake) is
 *          about to connect; or nothing, where the connection is lazy, or the
 *          worker exits, and nobody wants it
 * LOCATE   the owner is finding out which host it is
 * CONNECT  see peer
 * HELLO    the owner asks its own questions by ask(); each has the timeout
 * READY    calls are written; replies are matched by their order.  If nothing
 *          has come for half a second, a PING is written first, and calls wait
 *          until it is answered; no answer within half of the timeout: lost.
 *          After a loss the connection is made again: at once where it had
 *          been ready for a second or had done work, else after a pause, which
 *          a call cuts short where the losses before met no call
 *
 * failing  calls are declined: an attempt to connect failed, the node did not
 *          answer in time, or one connection after the other was lost soon
 *          after it was ready, the last one with calls.  Else, while there is
 *          no connection, calls wait for it until their deadline: those that
 *          come, and those that had not been written when the last one was lost
 *
 * A call belongs to the connection from submit() until its done().  done()
 * may run requests, and so call submit() from inside, but nothing that is
 * called from requests closes the connection: submit() only writes to memory
 * and posts an event.
 */

typedef enum {
    NGX_PLUM_REDIS_NONE = 0,
    NGX_PLUM_REDIS_LOCATE,
    NGX_PLUM_REDIS_CONNECT,
    NGX_PLUM_REDIS_HELLO,
    NGX_PLUM_REDIS_READY
} ngx_plum_redis_state_e;


/*
 * What a connection tells its owner; NULL where the owner need not know.
 *
 * locate   NGX_OK: hosts are set.  NGX_AGAIN: go() follows, or lost()
 * hello    bytes may be written.  ready() follows, or lost()
 * ready    it carries calls
 * lost     it was lost, and will be tried again (or not, where it is lazy)
 * next     all addresses of the host failed: 1, there is another to be tried
 *          at once.  NULL: the next one of hosts
 * report   to log a loss, NULL: as the loss of a node
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
    ngx_plum_redis_host_t           *hosts;  /* to be tried in turn */
    ngx_uint_t                       nhosts;
    ngx_uint_t                       host;   /* the one in use */
    ngx_uint_t                       first;  /* of the round */
    ngx_pool_t                      *pool;   /* of a learned host, or NULL */

    ngx_queue_t                      waiting;    /* for the connection */
    ngx_queue_t                      sent;   /* written to out, in order */
    ngx_queue_t                      held;   /* executed, wait for replicas */
    ngx_uint_t                       pending;    /* in all queues */

    const plum_script_t             *scripts[NGX_PLUM_REDIS_SCRIPTS];
    ngx_uint_t                       nscripts;   /* known there */

    ngx_plum_redis_call_t            hello;  /* ngx_plum_redis_hello.c */
    ngx_uint_t                       step;   /* of it */
    ngx_uint_t                       checked;    /* the user's word */
    plum_str_t                       words[3];   /* of hello and wait */

    ngx_plum_redis_call_t            ping;   /* proves an idle connection */
    ngx_plum_redis_call_t            wait;   /* ngx_plum_redis_wait.c */
    ngx_uint_t                       replicas;   /* to wait for, next time */
    u_char                           digits[2][NGX_INT_T_LEN];

    ngx_event_t                      wake;   /* posted */
    ngx_event_t                      timer;  /* of a step; of a pause */
    ngx_event_t                      deadline;   /* of the oldest call */
    ngx_connection_t                 fake;   /* for the debug log of events */
    ngx_log_t                        log;
    ngx_log_t                        mute;   /* while known to be down */
    char                            *action; /* of LOCATE and HELLO */

    ngx_uint_t                       attempts;   /* failed, since the last
                                                    good one */
    ngx_msec_t                       pause_max;  /* of the back-off; 0: its
                                                    own */
    ngx_msec_t                       since;  /* it is ready */
    ngx_msec_t                       heard;  /* last reply */
    ngx_msec_t                       refused;    /* last call */

    unsigned                         opened:1;   /* events may be used */
    unsigned                         lazy:1; /* connects for calls only */
    unsigned                         spare:1;    /* of a cluster: no owner */
    unsigned                         role:1; /* ROLE is asked for */
    unsigned                         failing:1;
    unsigned                         worked:1;   /* a call that adds has
                                                    succeeded since ready */
    unsigned                         wanted:1;   /* a call was declined */
    unsigned                         reported:1; /* as down */
    unsigned                         refusing:1; /* has been reported */
};


/*
 * open() sets a connection up in this process, with hosts to try, and begins
 * to connect unless it is lazy; what is not set by then must be zero.  exit()
 * closes it for good: calls end with CLOSED.  close() only closes.
 *
 * submit() as ngx_plum_redis_call(), with done and limit set.  cancel() as
 * ngx_plum_redis_cancel().  ask() is for HELLO: the call is written now, is
 * not counted as pending, and is forgotten when the connection is closed: then
 * its done() is not called.  NGX_ERROR: that happened over it.
 *
 * wake() asks for a connection soon, unless there is one or a pause.  go(),
 * ready(): see news.  lost() ends whatever is under way.
 */

void ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_t *client, const ngx_plum_redis_news_t *news,
    ngx_plum_redis_host_t *hosts, ngx_uint_t nhosts);
void ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn);

ngx_int_t ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call);
ngx_int_t ngx_plum_redis_conn_cancel(ngx_plum_redis_call_t *call);
ngx_int_t ngx_plum_redis_conn_ask(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, char *action);

void ngx_plum_redis_conn_wake(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_go(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_ready(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text);


/*
 * The calls in the queues of a connection.  put() writes one, into sent; it
 * is not counted yet.  NGX_ERROR: no memory, or no room.  hold() puts one that
 * waits into waiting, or one that was executed into held: it is counted, too.
 * given() counts a call and sees to its deadline; taken() takes it out of its
 * queue.  by() has the deadline looked at by then.  end() ends those of a
 * queue of their own: UNKNOWN where they were written up to "tried", CLOSED
 * where the connection is.  write() writes those that wait; late() ends those
 * of them whose deadline has passed; unsent() lets those wait that were put,
 * but not sent, before the connection was closed.
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
 * --- what the log says of a node: ngx_plum_redis_report.c
 *
 * lost() and available() log a change; refused() logs an error reply of the
 * node, accepted() that it accepts commands again: once per change of state,
 * and that is at most every few seconds.  error() logs one in any case.
 */

void ngx_plum_redis_report_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text);
void ngx_plum_redis_report_available(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_report_refused(ngx_plum_redis_conn_t *conn,
    const char *what, const char *text, size_t len);
void ngx_plum_redis_report_error(ngx_log_t *log, const char *what,
    const char *text, size_t len);
void ngx_plum_redis_report_accepted(ngx_plum_redis_conn_t *conn);


/* --- what is asked before calls: ngx_plum_redis_hello.c; see news->hello */

void ngx_plum_redis_hello(ngx_plum_redis_conn_t *conn);

/* the words of AUTH, three at most; returns their number, 0: no password */

ngx_uint_t ngx_plum_redis_auth(ngx_plum_redis_conn_t *conn,
    plum_str_t *word);


/*
 * --- WAIT: ngx_plum_redis_wait.c.  before() writes one where it is due; hold()
 * keeps a call that was executed, and takes over its reply, until it is known
 * how many replicas have it: then conn->client->replicated() is called
 */

void ngx_plum_redis_wait_before(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_wait_hold(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, redisReply **reply);


#endif /* _NGX_PLUM_REDIS_CONN_H_INCLUDED_ */
