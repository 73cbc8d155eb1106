/*
 * The client certificate of a connection, see ngx_http_plum_certificate.c.
 */

#ifndef _NGX_HTTP_PLUM_CERTIFICATE_H_INCLUDED_
#define _NGX_HTTP_PLUM_CERTIFICATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/sha.h>

#include <ngx_http_plum.h>


/* who verifies the client certificate of a connection, and by what */

typedef struct {
    SSL_CTX                     *ssl_ctx;    /* NULL: nobody */
    u_char                       trust[SHA256_DIGEST_LENGTH];
} ngx_http_plum_certificate_t;


/*
 * create is called when the configuration is read, with the TLS context of
 * the server, or with NULL where the server verifies no client certificate:
 * then every request is declined.  It prepares the context, which must have
 * got its authorities and revocation lists before.  NULL if it fails.
 *
 * The other says NGX_OK if the server has verified the certificate,
 * NGX_DECLINED if not, and NGX_ERROR (500).  Without "required" it is NGX_OK,
 * too, where the connection has no certificate that anybody has found good.
 */

ngx_http_plum_certificate_t *ngx_http_plum_certificate_create(ngx_conf_t *cf,
    SSL_CTX *ssl_ctx);
ngx_int_t ngx_http_plum_certificate(ngx_http_request_t *r,
    const ngx_http_plum_certificate_t *certificate, ngx_uint_t required);


#endif /* _NGX_HTTP_PLUM_CERTIFICATE_H_INCLUDED_ */
