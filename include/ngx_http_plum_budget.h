/*
 * The memory of request bodies, and the budget that all bodies of a worker
 * share (plum_body_budget).
 *
 * The budget includes the memory that is allocated for a body, from before its
 * first byte is read, its clean copy, and the answer that is collected to be
 * kept, until the request is freed.  It does not include bodies that need less
 * than a page, or fit into the header buffer of NGINX.
 *
 * A body is exposed while it is read and its sender is unknown, and again after
 * the request has been refused.  When the budget is used up, exposed bodies are
 * given up for others that need memory: refused requests first, then the body
 * that has been read for the longest time.  So a body is given up only after
 * others have allocated as much memory as the budget since it began; slow
 * uploads of a stranger make room for others, one after another.  A body is not
 * given up for a request that began earlier: that request is the oldest one,
 * and is refused itself.
 *
 * A body whose sender is known, by a static key in a header, or because the
 * signature was found right, is never given up.  If such bodies hold the
 * budget, others are refused.
 *
 * Each worker has a budget of its own.
 */

#ifndef _NGX_HTTP_PLUM_BUDGET_H_INCLUDED_
#define _NGX_HTTP_PLUM_BUDGET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <plum_reason.h>


#define NGX_HTTP_PLUM_BUDGET      (64 * 1024 * 1024)     /* the default */

/* what NGINX allocates for a body before its first byte is there */

#define NGX_HTTP_PLUM_FIRST       (16 * 1024)

/* room beyond a body: for the framing that is read after its last byte */

#define NGX_HTTP_PLUM_SLACK       1024


/*
 * start .. start + len is the body so far, start + room the end of its memory.
 * It is malloc'ed by ngx_http_plum_budget_grow() where "own" is set, else it
 * is a buffer of NGINX's, in the pool of the request.
 */

typedef struct {
    ngx_queue_t                  queue;      /* if exposed */
    u_char                      *start;
    size_t                       len;
    size_t                       room;
    size_t                       outside;    /* held by buffers of NGINX's */
    size_t                       charged;    /* to the budget, for the above */
    size_t                       copied;     /* likewise, for the clean copy
                                                and the answer */
    plum_reason_t                left;       /* observed: why NGINX alone
                                                reads the rest of it */
    u_char                       sink[1];    /* rb->buf of one given up */

    unsigned                     own:1;
    unsigned                     begun:1;    /* has been asked for */
    unsigned                     stranger:1; /* exposed as soon as charged */
    unsigned                     exposed:1;
    unsigned                     gone:1;     /* was given up */
} ngx_http_plum_body_t;


/*
 * body: asks for the memory of a body before its first byte is read.  NGX_OK,
 * or NGX_DECLINED with ctx->reason set.
 */

ngx_int_t ngx_http_plum_body_begin(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/* gather: the request body filter */

void ngx_http_plum_gather_init(void);

/*
 * Functions that ask for memory return NGX_DECLINED if there is none, and set
 * ctx->reason.
 *
 * fits     true if that many bytes could be had now
 * charge   the body's memory is so many bytes from now on; to more by giving
 *          up other bodies, to less always
 * copy     so many bytes more, for the clean copy or a collected answer
 * grow     charges for a piece of that size and what is outside, allocates it
 *          (NGX_ERROR: there is no memory), and moves the body to it
 * drop     frees a buffer of NGINX's that is no longer used
 * expose   the body may be given up for another one from now on; first: before
 *          all others
 * protect  it may not any more
 * free     its memory is freed and the request has no body any more; a reader
 *          that is still active gets a buffer of one byte
 * release  when the request is freed
 */

ngx_uint_t ngx_http_plum_budget_fits(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_charge(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_copy(ngx_http_plum_ctx_t *ctx, size_t size);
ngx_int_t ngx_http_plum_budget_grow(ngx_http_plum_ctx_t *ctx, size_t room);
void ngx_http_plum_budget_drop(ngx_http_plum_ctx_t *ctx, u_char *p);
void ngx_http_plum_budget_expose(ngx_http_plum_ctx_t *ctx, ngx_uint_t first);
void ngx_http_plum_budget_protect(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_budget_free(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_budget_release(ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_BUDGET_H_INCLUDED_ */
