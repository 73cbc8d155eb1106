/*
 * The answer of a request: the filters, and the upstream's answer that is kept
 * with the record, to be sent to duplicates.
 */

#ifndef _NGX_HTTP_PLUM_ANSWER_H_INCLUDED_
#define _NGX_HTTP_PLUM_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>


/* how the filters treat the answer, see ngx_http_plum_answer.c */

typedef enum {
    NGX_HTTP_PLUM_ANSWER_PASS = 0,           /* not changed */
    NGX_HTTP_PLUM_ANSWER_BARE,               /* header sent, body discarded */
    NGX_HTTP_PLUM_ANSWER_COLLECT             /* header held, body collected */
} ngx_http_plum_answer_e;


/* with answer=: what happened to the answer of the upstream */

typedef enum {
    NGX_HTTP_PLUM_KEPT_NONE = 0,             /* it need not be kept */
    NGX_HTTP_PLUM_KEPT,
    NGX_HTTP_PLUM_KEPT_REPEATED,             /* a duplicate got it */
    NGX_HTTP_PLUM_KEPT_MISSING,              /* a duplicate had to be refused */
    NGX_HTTP_PLUM_KEPT_TOO_LARGE,            /* not kept, for this and the
                                                following reasons */
    NGX_HTTP_PLUM_KEPT_CUT,
    NGX_HTTP_PLUM_KEPT_ENCODED,
    NGX_HTTP_PLUM_KEPT_PARTIAL,
    NGX_HTTP_PLUM_KEPT_NOT_UTF8,
    NGX_HTTP_PLUM_KEPT_NOT_SUCCESS,
    NGX_HTTP_PLUM_KEPT_BUDGET,
    NGX_HTTP_PLUM_KEPT_NO_ROOM               /* in the store */
} ngx_http_plum_kept_e;


/*
 * answer_init()  installs the filters
 * send_known()   answers a request that is not forwarded: a duplicate with the
 *                kept answer or the status of plum_ack, a dropped event with
 *                that status.  Finalizes the request and returns NGX_DONE
 */

ngx_int_t ngx_http_plum_answer_init(void);
ngx_int_t ngx_http_plum_send_known(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/*
 * An answer that is kept for duplicates.
 *
 * collect()         checks the header.  NGX_OK: it must be held back;
 *                   NGX_DECLINED: the answer cannot be kept
 * collect_answer()  collects the body.  NGX_AGAIN: more is to come; NGX_OK: it
 *                   is complete; NGX_DECLINED: the upstream closed early
 * not_kept()        commits without the answer
 * send_kept()       sends the kept answer.  NGX_DECLINED: it cannot be read,
 *                   and nothing was sent
 */

ngx_int_t ngx_http_plum_collect(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_collect_answer(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_chain_t *in);
void ngx_http_plum_not_kept(ngx_http_plum_ctx_t *ctx,
    ngx_http_plum_kept_e kept);
ngx_int_t ngx_http_plum_send_kept(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_ANSWER_H_INCLUDED_ */
