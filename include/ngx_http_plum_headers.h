/*
 * Headers of a request and of a response, and what is forwarded in place of
 * the request that was received.
 */

#ifndef _NGX_HTTP_PLUM_HEADERS_H_INCLUDED_
#define _NGX_HTTP_PLUM_HEADERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum_loc_conf.h>
#include <plum_header.h>


/*
 * headers: find, set and remove those of the request, add to the response.
 * Names are compared by plum_header_same(); find_header is a plum_header_pt
 * of an ngx_http_request_t.  set_header gives another value to a header that
 * is there, in each of its spellings; the value must end with a NUL.
 */

size_t ngx_http_plum_find_header(void *data, const plum_str_t *name,
    plum_str_t *value);
void ngx_http_plum_set_header(ngx_http_request_t *r, const plum_str_t *name,
    const ngx_str_t *value);
ngx_int_t ngx_http_plum_remove_headers(ngx_http_request_t *r,
    const ngx_http_plum_names_t *names);
ngx_uint_t ngx_http_plum_has_name(const ngx_http_plum_names_t *names,
    const ngx_str_t *key);
ngx_int_t ngx_http_plum_add_header(ngx_http_request_t *r, const char *name,
    const char *value);

/*
 * replace: what is forwarded, in place of what was received.
 *
 * body_chain() returns a chain of one buffer in memory that is a request body.
 * NULL: no memory.
 */

ngx_chain_t *ngx_http_plum_body_chain(ngx_pool_t *pool,
    const ngx_str_t *body);

ngx_int_t ngx_http_plum_replace_init(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);
ngx_int_t ngx_http_plum_replace_conf(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_replace_body(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


#endif /* _NGX_HTTP_PLUM_HEADERS_H_INCLUDED_ */
