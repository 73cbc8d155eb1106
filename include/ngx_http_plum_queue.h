/*
 * plum_queue as it is configured: the queue, and what the request side knows
 * of its targets.  Constant once the configuration is read.
 */

#ifndef _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_
#define _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_


#include <ngx_http_plum_loc_conf.h>
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


struct ngx_http_plum_queue_s {
    ngx_plum_queue_t             queue;
    ngx_http_plum_where_t        where;
    ngx_str_t                    name;       /* of the store */
    ngx_plum_store_t            *store;
    ngx_uint_t                   accepted;   /* it was said */
    ngx_http_plum_where_t        accepted_where;
    ngx_array_t                  consumers;  /* ngx_http_plum_consumer_t */
};


/*
 * What a consumer sees of an event that a location has accepted: its own list
 * applied to the clean body of the location.
 */

struct ngx_http_plum_view_s {
    plum_plan_t                 *plan;       /* NULL: the clean body */
    plum_scratch_t              *scratch;    /* the worker's */
    ngx_uint_t                   same;       /* number of the first consumer
                                                with the same list */
    ngx_uint_t                   given;      /* the plan is told the type */
    ngx_uint_t                   outside;    /* which its own list finds */
};


/* lines of the block, read one after another */

char *ngx_http_plum_conf_deliver(ngx_conf_t *cf, ngx_http_plum_queue_t *queue);
char *ngx_http_plum_conf_publish(ngx_conf_t *cf, ngx_http_plum_queue_t *queue);

/* the queue that plum_accept names; NULL: there is none (logged) */

ngx_http_plum_queue_t *ngx_http_plum_conf_queue_find(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_accept_t *accept);


/* [warn] of what the configuration that is being replaced had more */

void ngx_http_plum_conf_removed(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);


#endif /* _NGX_HTTP_PLUM_QUEUE_H_INCLUDED_ */
