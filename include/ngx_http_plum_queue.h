/*
 * plum_queue as it is configured: the queue, and what the request side knows
 * of its targets.  Constant once the configuration is read.
 */

#ifndef _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_
#define _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_


#include <ngx_http_plum.h>
#include <ngx_plum_queue.h>


/* a line "deliver" or "publish"; number n is number n of queue->targets */

typedef struct {
    ngx_http_plum_where_t        where;
    ngx_plum_target_t           *target;
    ngx_str_t                    uri;        /* of deliver; empty: publish */
    ngx_str_t                    allow;      /* allow=; empty: none */
    ngx_http_plum_allowlist_t   *allowlist;  /* NULL: the clean body */
    plum_str_t                  *events;     /* for= */
    ngx_uint_t                   nevents;    /* 0: every event */
} ngx_http_plum_consumer_t;


typedef struct {
    ngx_plum_queue_t             queue;
    ngx_http_plum_where_t        where;
    ngx_str_t                    store;      /* its name */
    ngx_array_t                  consumers;  /* ngx_http_plum_consumer_t */
} ngx_http_plum_queue_t;


#endif /* _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_ */
