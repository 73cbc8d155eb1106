/*
 * Differences between versions of NGINX: the only place that looks at
 * nginx_version.  1.22.1 is the oldest version supported.
 */

#ifndef _NGX_HTTP_PLUM_COMPAT_H_INCLUDED_
#define _NGX_HTTP_PLUM_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#if (nginx_version < 1022001)
#error ngx_http_plum_module needs NGINX 1.22.1 or newer
#endif


/*
 * since 1.23.0 headers of one name are linked by "next", and a response
 * header must have it set
 */

#if (nginx_version >= 1023000)
#define ngx_http_plum_header_next(h, n)  (h)->next = n
#else
#define ngx_http_plum_header_next(h, n)
#endif


#endif /* _NGX_HTTP_PLUM_COMPAT_H_INCLUDED_ */
