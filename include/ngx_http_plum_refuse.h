/*
 * How a request is refused, and what becomes of it then: the line in the log,
 * the headers of the answer, and the request as an error page sees it.
 */

#ifndef _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_
#define _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>
#include <plum_reason.h>


/*
 * refuse: refuses for ctx->reason, with the line in the log and the headers of
 * the answer.  Returns its status, or NGX_DECLINED where the request is only
 * observed.
 *
 * end is for any other status: puts the request aside if there may be an error
 * page, and returns the status to be answered.
 *
 * error_page and subrequest are what the PRECONTENT handler returns for a page
 * of a refused request, and for subrequests.
 */

ngx_int_t ngx_http_plum_refuse(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
ngx_int_t ngx_http_plum_end(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_int_t status);
ngx_int_t ngx_http_plum_error_page(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, const ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_subrequest(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf);

/* writes the one line that a refusal has in the error log */

void ngx_http_plum_log_refusal(ngx_http_request_t *r,
    const ngx_http_plum_loc_conf_t *plcf, plum_reason_t reason,
    const char *detail);

/* the headers that belong to the answer of a refusal: Allow, Retry-After */

ngx_int_t ngx_http_plum_refuse_headers(ngx_http_request_t *r,
    plum_reason_t reason);

/*
 * aside: of a request that has not passed.  put_aside takes body, method,
 * arguments and headers out of it, once, before an error page is made;
 * NGX_ERROR if there is no memory for that: then no page may be made.
 * put_back undoes that, but for the body, before the request is logged.
 * forgo_body: nobody asks for a body that the sender holds back until it is
 * asked.
 */

ngx_int_t ngx_http_plum_put_aside(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_put_back(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_forgo_body(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PLUM_REFUSE_H_INCLUDED_ */
