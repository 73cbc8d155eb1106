/*
 * Refusals: the line in the log, the headers of the answer, and what an error
 * page can see of the request.
 */

#ifndef _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_
#define _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <plum_reason.h>


/*
 * refuse()      refuses the request for ctx->reason: logs it, adds the headers
 *               of the answer, and returns the status.  NGX_DECLINED: the
 *               request is only observed
 * end()         ends the request with another status: puts it aside if an error
 *               page may be made, and returns the status
 * error_page()  returns the result of the PRECONTENT handler for an error page
 *               of a refused request
 * subrequest()  the same for a subrequest
 */

ngx_int_t ngx_http_plum_refuse(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_end(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_int_t status);
ngx_int_t ngx_http_plum_error_page(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, const ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_subrequest(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf);

/* writes the line of a refusal to the error log */

void ngx_http_plum_log_refusal(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf, plum_reason_t reason,
    const char *detail);

/* adds the headers of a refusal to the answer: Allow, Retry-After */

ngx_int_t ngx_http_plum_refuse_headers(ngx_http_request_t *r,
    plum_reason_t reason);

/*
 * put_aside()    removes body, method, arguments and headers from a request
 *                that has not passed, before an error page is made; only once.
 *                NGX_ERROR: no memory, and no page may be made
 * put_back()     restores them, except for the body, before the request is
 *                logged
 * forgo_body()   no "100 Continue" is sent to a sender that waits for it
 */

ngx_int_t ngx_http_plum_put_aside(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_put_back(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_forgo_body(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_ */
