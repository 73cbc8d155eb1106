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
 * Headers.  Names are compared by plum_header_same(): case does not matter, and
 * "_" equals "-".
 *
 * find_header()     a plum_header_pt; data is the ngx_http_request_t
 * set_header()      replaces the value of a header of the request, in each of
 *                   its spellings; the value must be followed by a NUL
 * remove_headers()  removes headers of the request
 * has_name()        1: the name is among names
 * add_header()      adds a header to the response
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
 * Replaces what was received by what is forwarded.
 *
 * body_chain()    returns a request body as a chain of one buffer in memory.
 *                 NULL: no memory
 * replace_init()  finds the variables whose cached values must be cleared
 * replace_conf()  makes the list of headers of a location that are not
 *                 forwarded
 * replace_body()  replaces body, length and Content-Type of the request
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
