/*
 * The stages that a request passes before it is forwarded, what calls them
 * (gate), and how a stage waits for an event.
 */

#ifndef _NGX_HTTP_PLUM_STAGE_H_INCLUDED_
#define _NGX_HTTP_PLUM_STAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>


/*
 * A stage.  Called first when the stage before it said NGX_OK, and again
 * whenever the request is resumed while it waits.
 *
 * NGX_OK        go on to the next stage
 * NGX_AGAIN     wait: the stage has arranged to be resumed
 * NGX_DECLINED  refuse: ctx->reason is set
 * NGX_DONE      answered from what is known: a duplicate, a dropped event
 * NGX_ERROR     500
 * >= 300        a status of NGINX's own (reading the body failed)
 */

typedef ngx_int_t (*ngx_http_plum_stage_pt)(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


/* the stages, one file each */

ngx_int_t ngx_http_plum_tls(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_head(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_credential(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_spelling(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_verify(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_project(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_claim(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_accept(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);

/* accept: the request goes away */

void ngx_http_plum_accept_cancel(ngx_http_plum_ctx_t *ctx);

/*
 * gate: the handlers of the SERVER_REWRITE, the REWRITE and the PRECONTENT
 * phase.  Each must be the first of its phase.
 */

ngx_int_t ngx_http_plum_bind_server(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_bind(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_handler(ngx_http_request_t *r);

/*
 * wait: a stage that waits suspends the request: nobody reads or writes, and
 * a hang-up of the sender ends it.  NGX_AGAIN, or NGX_ERROR.
 *
 * resume lets it go on, from an event that is not its own.  The request may
 * be gone afterwards.
 */

ngx_int_t ngx_http_plum_suspend(ngx_http_request_t *r);
void ngx_http_plum_resume(ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_STAGE_H_INCLUDED_ */
