/*
 * The inside of a connection to Redis.
 *
 * ngx_plum_redis_conn.c   operations, timers, losses
 * ngx_plum_redis_step.c   the steps to a connection that is ready
 * ngx_plum_redis_io.c     bytes in and out
 */

#ifndef _NGX_PLUM_REDIS_CONN_H_INCLUDED_
#define _NGX_PLUM_REDIS_CONN_H_INCLUDED_


#include <ngx_plum_redis.h>


/*
 * The life of the connection: conn->step is a row of the table in
 * ngx_plum_redis_step.c.
 *
 *   none --connect--> tcp -> tls -> auth -> select -> policy --> ready
 *    ^                 |                                           |
 *    +----pause--------+-------------------- lost -----------------+
 *
 * none     step is NULL.  The pause of the back-off runs (the connect timer),
 *          or a posted event (flush) is about to connect
 * tcp ...  under way.  The connect timer bounds each step
 * ready    operations are written; replies are matched by their order
 *
 * start()  of a step: NGX_OK, go on with the next one; NGX_AGAIN, wait for an
 *          event or a reply; NGX_DONE, the last step; NGX_ERROR, the
 *          connection is lost, ngx_plum_redis_conn_lost() has been called
 * reply()  NGX_OK or NGX_ERROR, as above
 *
 * failing  operations are declined: an attempt to connect failed, or the node
 *          did not answer in time.  Else, while there is no connection, they
 *          wait for it, at most until their deadline
 *
 * An operation belongs to the connection from submit() until op_reply() or
 * op_failed().  Those may run requests, and so call submit() from inside, but
 * nothing that is called from requests closes the connection: submit() only
 * writes to memory and posts an event.
 */

struct ngx_plum_redis_step_s {
    char                     *action;    /* of the log: "while ..." */
    ngx_int_t               (*start)(ngx_plum_redis_conn_t *conn);
    ngx_int_t               (*reply)(ngx_plum_redis_conn_t *conn,
                                     redisReply *reply);
};


enum {
    NGX_PLUM_REDIS_TCP = 0,
    NGX_PLUM_REDIS_TLS,
    NGX_PLUM_REDIS_AUTH,
    NGX_PLUM_REDIS_SELECT,
    NGX_PLUM_REDIS_POLICY,
    NGX_PLUM_REDIS_READY
};


extern const ngx_plum_redis_step_t  ngx_plum_redis_steps[];

#define ngx_plum_redis_at(conn, n)                                            \
    ((conn)->step == &ngx_plum_redis_steps[NGX_PLUM_REDIS_##n])


/* ngx_plum_redis_conn.c; lost() ends whatever is under way */

void ngx_plum_redis_conn_advance(ngx_plum_redis_conn_t *conn);
void ngx_plum_redis_conn_taken(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
void ngx_plum_redis_conn_lost(ngx_plum_redis_conn_t *conn,
    ngx_err_t err, const char *text);
void ngx_plum_redis_conn_fail(ngx_plum_redis_conn_t *conn,
    ngx_queue_t *ops, uint64_t tried);
void ngx_plum_redis_conn_close(ngx_plum_redis_conn_t *conn);
ngx_uint_t ngx_plum_redis_conn_unused(ngx_plum_redis_conn_t *conn);

/*
 * ngx_plum_redis_io.c.  words() writes a command of a step: NGX_AGAIN, or
 * NGX_ERROR as start().  put() writes an operation; if not NGX_OK, it is
 * still the caller's.
 */

void ngx_plum_redis_conn_read(ngx_event_t *rev);
void ngx_plum_redis_conn_write(ngx_event_t *wev);
void ngx_plum_redis_conn_flush(ngx_plum_redis_conn_t *conn);
ngx_int_t ngx_plum_redis_conn_words(ngx_plum_redis_conn_t *conn,
    plum_str_t *word, size_t n);
ngx_int_t ngx_plum_redis_conn_put(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);


#endif /* _NGX_PLUM_REDIS_CONN_H_INCLUDED_ */
