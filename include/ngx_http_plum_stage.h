/*
 * The stages that a request passes before it is forwarded, the phase handlers
 * that call them (the gate), and how a stage waits for an event.
 */

#ifndef _NGX_HTTP_PLUM_STAGE_H_INCLUDED_
#define _NGX_HTTP_PLUM_STAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>


/*
 * A stage.  It is called when the stage before it has returned NGX_OK, and
 * again each time that the request is resumed after NGX_AGAIN.
 *
 * NGX_OK        continue with the next stage
 * NGX_AGAIN     wait: an event will resume the request
 * NGX_DECLINED  refuse the request: ctx->reason is set
 * NGX_DONE      answer without forwarding: a duplicate, a dropped event
 * NGX_ERROR     500
 * >= 300        a status set by NGINX (reading the body has failed)
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

/* called when the request ends: cancels an accept that waits for a reply */

void ngx_http_plum_accept_cancel(ngx_http_plum_ctx_t *ctx);

/*
 * The gate: the handlers of the SERVER_REWRITE, the REWRITE and the PRECONTENT
 * phase.  Each of them must be the first handler of its phase.
 */

ngx_int_t ngx_http_plum_bind_server(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_bind(ngx_http_request_t *r);
ngx_int_t ngx_http_plum_handler(ngx_http_request_t *r);

/*
 * suspend()  to be called by a stage that waits: no event reads or writes, and
 *            the request ends if the sender closes its connection.  Returns
 *            NGX_AGAIN or NGX_ERROR
 * resume()   continues the request from an event of a store or timer.  The
 *            request may have been freed when it returns
 */

ngx_int_t ngx_http_plum_suspend(ngx_http_request_t *r);
void ngx_http_plum_resume(ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_STAGE_H_INCLUDED_ */
