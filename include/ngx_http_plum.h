/*
 * What all files of ngx_http_plum_module that know HTTP have in common: the
 * module, and the names of the types that are declared in other headers.
 */

#ifndef _NGX_HTTP_PLUM_H_INCLUDED_
#define _NGX_HTTP_PLUM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct ngx_http_plum_main_conf_s  ngx_http_plum_main_conf_t;
typedef struct ngx_http_plum_loc_conf_s   ngx_http_plum_loc_conf_t;
typedef struct ngx_http_plum_ctx_s        ngx_http_plum_ctx_t;

typedef struct ngx_http_plum_queue_s      ngx_http_plum_queue_t;
typedef struct ngx_http_plum_view_s       ngx_http_plum_view_t;
typedef struct ngx_http_plum_deliver_s    ngx_http_plum_deliver_t;
typedef struct ngx_http_plum_sign_s       ngx_http_plum_sign_t;
typedef struct ngx_http_plum_policy_s     ngx_http_plum_policy_t;


/* two names (ngx_str_t *) are the same; case counts */

#define ngx_http_plum_same(a, b)                                              \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)


/* where a directive stands in the configuration, for later messages */

typedef struct {
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_plum_where_t;


extern ngx_module_t  ngx_http_plum_module;


#endif /* _NGX_HTTP_PLUM_H_INCLUDED_ */
