/*
 * The inside of a connection to Redis.
 *
 * ngx_plum_redis_conn.c   operations, timers, losses
 * ngx_plum_redis_step.c   the steps to a connection that is ready
 * ngx_plum_redis_io.c     bytes in and out
 * ngx_plum_redis_wait.c   operations that count once replicas have them
 */

#ifndef _NGX_PLUM_REDIS_CONN_H_INCLUDED_
#define _NGX_PLUM_REDIS_CONN_H_INCLUDED_


#include <ngx_plum_redis.h>


/*
 * The life of the connection: conn->step is a row of the table in
 * ngx_plum_redis_step.c.  Steps that do not apply are passed over.
 *
 *   none --connect--> locate -> resolve -> tcp -> tls -> auth -> select
 *    ^                  |                                          |
 *    |                  |           ready <-- policy <-- role <----+
 *    |                  |             |
 *    +-----pause--------+--- lost ----+
 *
 * none     step is NULL.  The pause of the back-off runs (the connect timer),
 *          or a posted event (flush) is about to connect; or nothing, where
 *          the connection is lazy and no operation waits
 * locate   the Sentinels are asked, over redis->sentinel, which has timers of
 *          its own
 * resolve, tcp ...
 *          under way.  The connect timer bounds each step
 * ready    operations are written; replies are matched by their order
 *
 * redis->sentinel is such a connection, too: none, resolve, tcp, tls, ask,
 * none.  It is not tried again by itself, and carries no operations.
 *
 * start()  of a step: NGX_OK, go on with the next one; NGX_AGAIN, wait for an
 *          event or a reply; NGX_BUSY, the same without a timer; NGX_DONE,
 *          the last step; NGX_ERROR, the connection is lost,
 *          ngx_plum_redis_conn_lost() has been called
 * reply()  NGX_OK, or NGX_ERROR as above; NGX_DONE, the connection has been
 *          closed on purpose
 *
 * failing  operations are declined: an attempt to connect failed, or the node
 *          did not answer in time.  Else, while there is no connection, they
 *          wait for it, at most until their deadline
 *
 * An operation belongs to the connection from submit() until its type's
 * reply(), waited() or failed().  Those may run requests, and so call
 * submit() from inside, but nothing that is called from requests closes the
 * connection: submit() only writes to memory and posts an event.
 */

struct ngx_plum_redis_step_s {
    char                     *action;    /* of the log: "while ..." */
    ngx_uint_t                array;     /* the reply may be one */
    ngx_int_t               (*start)(ngx_plum_redis_conn_t *conn);
    ngx_int_t               (*reply)(ngx_plum_redis_conn_t *conn,
                                     redisReply *reply);
};


enum {
    NGX_PLUM_REDIS_LOCATE = 0,
    NGX_PLUM_REDIS_RESOLVE,
    NGX_PLUM_REDIS_TCP,
    NGX_PLUM_REDIS_TLS,
    NGX_PLUM_REDIS_ASK,
    NGX_PLUM_REDIS_AUTH,
    NGX_PLUM_REDIS_SELECT,
    NGX_PLUM_REDIS_ROLE,
    NGX_PLUM_REDIS_POLICY,
    NGX_PLUM_REDIS_READY
};


extern const ngx_plum_redis_step_t  ngx_plum_redis_steps[];

#define ngx_plum_redis_at(conn, n)                                            \
    ((conn)->step == &ngx_plum_redis_steps[NGX_PLUM_REDIS_##n])

/* bytes may be written and read */

#define ngx_plum_redis_connected(conn)                                        \
    ((conn)->step > &ngx_plum_redis_steps[NGX_PLUM_REDIS_TLS])


/*
 * The connection.  open() sets it up in this process, with hosts to try, and
 * begins to connect unless it is lazy; exit() closes it for good: the
 * operations left are freed, nobody is called.  submit() is as
 * ngx_plum_redis_submit().  begin() takes the first step of a connection that
 * is at none; advance() takes as many as can be taken, from conn->step on.
 */

void ngx_plum_redis_conn_open(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_t *redis, ngx_plum_redis_host_t *hosts, ngx_uint_t nhosts);
void ngx_plum_redis_conn_exit(ngx_plum_redis_conn_t *conn);
ngx_int_t ngx_plum_redis_conn_submit(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
void ngx_plum_redis_conn_begin(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_advance(ngx_plum_redis_conn_t *conn);

/* asks for a connection soon, unless there is one or a pause */

void ngx_plum_redis_conn_wake(ngx_plum_redis_conn_t *conn);

/*
 * lost() ends whatever is under way; fail() fails operations that are in no
 * queue of the connection any more, those up to "tried" as UNKNOWN; given()
 * counts one that is in a queue now, and sees to its deadline; taken() takes
 * one out of its queue; close() only closes.
 */

void ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn,
    ngx_err_t err, const char *text);
void ngx_plum_redis_conn_fail(ngx_plum_redis_conn_t *conn,
    ngx_queue_t *ops, uint64_t tried);
void ngx_plum_redis_conn_given(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_taken(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
void ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn);


/* says that it is ready, and forgets that it was not */

void ngx_plum_redis_conn_available(ngx_plum_redis_conn_t *conn);


/* steps of other files */

ngx_int_t ngx_plum_redis_start_resolve(ngx_plum_redis_conn_t *conn);
ngx_int_t ngx_plum_redis_start_tls(ngx_plum_redis_conn_t *conn);


/*
 * ngx_plum_redis_io.c.  words() writes a command of a step: NGX_AGAIN, or
 * NGX_ERROR as start().  put() writes an operation; if not NGX_OK, it is
 * still the caller's.
 *
 * For encode() of an operation: room() is where len bytes may be written
 * (NULL: no memory, or too much waits already), and wrote() says how many of
 * them were.  append() copies those of hiredis, which it wipes and frees.
 */

void ngx_plum_redis_conn_read(ngx_event_t *rev);
void ngx_plum_redis_conn_write(ngx_event_t *wev);
void ngx_plum_redis_conn_flush(ngx_plum_redis_conn_t *conn);
ngx_int_t ngx_plum_redis_conn_words(ngx_plum_redis_conn_t *conn,
    plum_str_t *word, size_t n);
ngx_int_t ngx_plum_redis_conn_put(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
u_char *ngx_plum_redis_conn_room(ngx_plum_redis_conn_t *conn, size_t len);
void ngx_plum_redis_conn_wrote(ngx_plum_redis_conn_t *conn, size_t len);
ngx_int_t ngx_plum_redis_conn_append(ngx_plum_redis_conn_t *conn,
    char *command, size_t len);


/*
 * ngx_plum_redis_wait.c.  hold() keeps an operation that was executed until
 * as many replicas have it as it wants; ask() writes a WAIT where one is due.
 */

void ngx_plum_redis_conn_hold(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
void ngx_plum_redis_conn_ask(ngx_plum_redis_conn_t *conn);


#endif /* _NGX_PLUM_REDIS_CONN_H_INCLUDED_ */
