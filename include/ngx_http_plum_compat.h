/*
 * Differences between versions of NGINX and of OpenSSL: the only place that
 * looks at nginx_version.  NGINX 1.22.1 is the oldest version supported.
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


/*
 * since 1.29.0 what an upstream says before its answer (103, "early hints") is
 * passed on, where "early_hints" allows it, by filters of its own
 */

#define NGX_HTTP_PLUM_EARLY_HINTS  (nginx_version >= 1029000)


/*
 * whether an address (ngx_http_conf_addr_t *) has TLS: by "ssl" or "quic", and
 * in versions that know no "quic" also by "ssl on" in its default server
 */

#if (nginx_version >= 1025001)
#define ngx_http_plum_secure(addr)                                            \
    ((addr)->opt.ssl || (addr)->opt.quic)
#else
#define ngx_http_plum_secure(addr)                                            \
    ((addr)->opt.ssl                                                          \
     || ((ngx_http_ssl_srv_conf_t *) (addr)->default_server->ctx              \
         ->srv_conf[ngx_http_ssl_module.ctx_index])->enable)
#endif


/* since OpenSSL 3.3 the list of what is trusted is a copy */

#if (OPENSSL_VERSION_NUMBER >= 0x30300000L)
#define ngx_http_plum_store_objects(store)                                    \
    X509_STORE_get1_objects(store)
#define ngx_http_plum_store_objects_free(objects)                             \
    sk_X509_OBJECT_pop_free(objects, X509_OBJECT_free)
#else
#define ngx_http_plum_store_objects(store)                                    \
    X509_STORE_get0_objects(store)
#define ngx_http_plum_store_objects_free(objects)
#endif


#endif /* _NGX_HTTP_PLUM_COMPAT_H_INCLUDED_ */
