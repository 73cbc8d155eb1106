/*
 * The variables of a location with "plum on".
 */

#ifndef _NGX_HTTP_PLUM_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_PLUM_VARIABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ngx_http_plum.h>


ngx_int_t ngx_http_plum_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_plum_capture_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* the index of a variable that a plum_capture sets, or NGX_DECLINED */

ngx_int_t ngx_http_plum_find_capture(ngx_conf_t *cf, ngx_str_t *name);


#endif /* _NGX_HTTP_PLUM_VARIABLES_H_INCLUDED_ */
