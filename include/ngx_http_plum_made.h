/*
 * Made requests: HTTP requests that no client has sent.  They are made in the
 * worker, and NGINX handles them as it handles those of clients: phases, a
 * content handler with its upstream, filters, logs.
 *
 * A made request has a connection of its own in NGINX's table, so that it
 * counts in worker_connections, and worker_shutdown_timeout ends it.  The
 * descriptor of the connection is one that all made requests of the worker
 * share, and that no event is ever waited for on: reading is never ready, and
 * writing always is.  What the request answers is thrown away where NGINX
 * would send it.
 */

#ifndef _NGX_HTTP_PLUM_MADE_H_INCLUDED_
#define _NGX_HTTP_PLUM_MADE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct ngx_http_plum_made_s  ngx_http_plum_made_t;


/*
 * Allocated by create(), zeroed, in the pool of the connection, which outlives
 * the request.  The caller sets the first group before request(), in that
 * pool, too, or longer-lived.
 */

struct ngx_http_plum_made_s {
    ngx_http_connection_t    http;       /* NGINX's; must be the first */

    ngx_str_t                uri;        /* decoded, without arguments */
    ngx_str_t                line;       /* "POST <uri> HTTP/1.1" */
    ngx_str_t                body;       /* not empty */
    ngx_str_t                consumer;   /* for the error log */
    ngx_http_cleanup_pt      end;        /* called with data when the request
                                            and its upstream have ended, once,
                                            whatever has ended them */
    void                    *data;       /* the caller's own */

    ngx_http_request_t      *request;
    ngx_connection_t        *connection;
    ngx_http_log_ctx_t       log_ctx;
    ngx_log_t                log;
};


/* a header of a made request; lowcase is the name in lower case */

typedef struct {
    ngx_str_t                name;
    u_char                  *lowcase;
    ngx_str_t                value;
} ngx_http_plum_made_header_t;


/* the worker's descriptor: for the hooks of the module */

ngx_int_t ngx_http_plum_made_init_process(ngx_cycle_t *cycle);
void ngx_http_plum_made_exit_process(void);

/*
 * how many requests can be made now, each with one upstream, so that an
 * eighth of the worker's connections is left for clients
 */

ngx_uint_t ngx_http_plum_made_room(void);

/*
 * create   the connection, and room for what belongs to the request.  NULL: no
 *          memory, or no connection is free
 * request  the request: POST to the server of cscf, with the headers Host,
 *          Content-Type, Content-Length, and those given.  NGX_ERROR: no
 *          memory; everything is freed, and end is not called
 * run      hands the request to NGINX.  It may be gone afterwards
 * abort    ends it, soon, as if the client had gone.  From a timer or another
 *          foreign event
 */

ngx_http_plum_made_t *ngx_http_plum_made_create(ngx_http_core_srv_conf_t *cscf,
    size_t size);
ngx_int_t ngx_http_plum_made_request(ngx_http_plum_made_t *made,
    const ngx_http_plum_made_header_t *headers, ngx_uint_t nheaders);
void ngx_http_plum_made_run(ngx_http_plum_made_t *made);
void ngx_http_plum_made_abort(ngx_http_plum_made_t *made);

/* the made request that r is, or is a subrequest of; NULL: a client's */

ngx_http_plum_made_t *ngx_http_plum_made(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PLUM_MADE_H_INCLUDED_ */
