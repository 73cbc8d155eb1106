
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_certificate.h>
#include <ngx_http_plum_compat.h>


/*
 * The client certificate of a connection, as the server of a location sees
 * it.
 *
 * Servers that share a "listen" share its connections.  The TLS context of a
 * connection is that of the server which the client has named by SNI, or of
 * the default server; the server of a request is that of its Host.  What the
 * connection knows of the certificate was found by one of these contexts:
 *
 * - in this handshake, by the context of the connection;
 * - or, where a session is resumed, in the handshake that began the session,
 *   by whatever context that was.  Neither the context of the connection nor
 *   the session id context of OpenSSL tells which one: before 1.29.2 NGINX
 *   looks for the session in the context of the default server, and servers
 *   with the same server certificate can have the same session id context.
 *
 * So the context of the connection must be that of the server of the request.
 * If the session is resumed, then either the session carries the mark of that
 * server, which its context puts into each session in whose handshake it has
 * verified the client (the mark is a digest of all that it verifies by), or
 * the certificate is verified again, by the same authorities, revocation
 * lists and depth.  A session does not keep the intermediate certificates
 * that the client has sent: for a client that has some, only the mark lets a
 * resumed session pass.
 */


#define NGX_HTTP_PLUM_VERIFIED      (void *) 1
#define NGX_HTTP_PLUM_NOT_VERIFIED  (void *) 2


static ngx_int_t ngx_http_plum_certificate_trust(SSL_CTX *ssl_ctx,
    u_char *trust);
static ngx_int_t ngx_http_plum_certificate_object(X509_OBJECT *object,
    EVP_MD_CTX *md);
static int ngx_http_plum_certificate_verified(X509_STORE_CTX *store_ctx,
    void *data);
static ngx_uint_t ngx_http_plum_certificate_marked(SSL *ssl,
    const ngx_http_plum_certificate_t *certificate);
static ngx_uint_t ngx_http_plum_certificate_again(SSL *ssl);


/* ex_data of SSL: the result of verifying a resumed session again */

static int  ngx_http_plum_certificate_index = -1;


ngx_http_plum_certificate_t *
ngx_http_plum_certificate_create(ngx_conf_t *cf, SSL_CTX *ssl_ctx)
{
    ngx_http_plum_certificate_t  *certificate;

    if (ngx_http_plum_certificate_index == -1) {
        ngx_http_plum_certificate_index = SSL_get_ex_new_index(0, NULL, NULL,
                                                               NULL, NULL);
    }

    certificate = ngx_pcalloc(cf->pool, sizeof(ngx_http_plum_certificate_t));

    if (certificate == NULL || ngx_http_plum_certificate_index == -1) {
        return NULL;
    }

    if (ssl_ctx == NULL) {
        return certificate;
    }

    certificate->ssl_ctx = ssl_ctx;

    if (ngx_http_plum_certificate_trust(ssl_ctx, certificate->trust)
        != NGX_OK)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "the digest of \"ssl_client_certificate\" failed");
        return NULL;
    }

    /* called instead of X509_verify_cert(), and calls it */

    SSL_CTX_set_cert_verify_callback(ssl_ctx,
                                     ngx_http_plum_certificate_verified,
                                     certificate);

    return certificate;
}


/* a digest of everything by which a context verifies certificates */

static ngx_int_t
ngx_http_plum_certificate_trust(SSL_CTX *ssl_ctx, u_char *trust)
{
    int                      depth, i, n;
    ngx_int_t                rc;
    EVP_MD_CTX              *md;
    X509_STORE              *store;
    STACK_OF(X509_OBJECT)   *objects;

    md = EVP_MD_CTX_new();
    if (md == NULL) {
        return NGX_ERROR;
    }

    depth = SSL_CTX_get_verify_depth(ssl_ctx);
    store = SSL_CTX_get_cert_store(ssl_ctx);
    objects = ngx_http_plum_store_objects(store);

    rc = (objects
          && EVP_DigestInit_ex(md, EVP_sha256(), NULL)
          && EVP_DigestUpdate(md, &depth, sizeof(int))) ? NGX_OK : NGX_ERROR;

    n = (rc == NGX_OK) ? sk_X509_OBJECT_num(objects) : 0;

    for (i = 0; i < n && rc == NGX_OK; i++) {
        rc = ngx_http_plum_certificate_object(sk_X509_OBJECT_value(objects, i),
                                              md);
    }

    if (rc == NGX_OK && EVP_DigestFinal_ex(md, trust, NULL) == 0) {
        rc = NGX_ERROR;
    }

    ngx_http_plum_store_objects_free(objects);
    EVP_MD_CTX_free(md);

    return rc;
}


static ngx_int_t
ngx_http_plum_certificate_object(X509_OBJECT *object, EVP_MD_CTX *md)
{
    int           ok;
    u_char        digest[EVP_MAX_MD_SIZE];
    unsigned int  len;

    switch (X509_OBJECT_get_type(object)) {

    case X509_LU_X509:
        ok = X509_digest(X509_OBJECT_get0_X509(object), EVP_sha256(), digest,
                         &len);
        break;

    case X509_LU_CRL:
        ok = X509_CRL_digest(X509_OBJECT_get0_X509_CRL(object), EVP_sha256(),
                             digest, &len);
        break;

    default:
        return NGX_OK;
    }

    return (ok && EVP_DigestUpdate(md, digest, len)) ? NGX_OK : NGX_ERROR;
}


/* called in a handshake by the context that verifies the client */

static int
ngx_http_plum_certificate_verified(X509_STORE_CTX *store_ctx, void *data)
{
    ngx_http_plum_certificate_t *certificate = data;

    int   rc;
    SSL  *ssl;

    rc = X509_verify_cert(store_ctx);

    if (rc <= 0 || X509_STORE_CTX_get_error(store_ctx) != X509_V_OK) {
        return rc;
    }

    ssl = X509_STORE_CTX_get_ex_data(store_ctx,
                                     SSL_get_ex_data_X509_STORE_CTX_idx());

    /* no memory: without a mark the session is verified again later */

    (void) SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl),
                                           certificate->trust,
                                           SHA256_DIGEST_LENGTH);

    return rc;
}


ngx_int_t
ngx_http_plum_certificate(ngx_http_request_t *r,
    const ngx_http_plum_certificate_t *certificate, ngx_uint_t required)
{
    SSL               *ssl;
    void              *known;
    ngx_str_t          verify;
    ngx_connection_t  *c;

    c = r->connection;

    if (c->ssl == NULL) {
        return required ? NGX_DECLINED : NGX_OK;
    }

    /* not $ssl_client_verify, which "set" can change */

    if (ngx_ssl_get_client_verify(c, r->pool, &verify) != NGX_OK) {
        return NGX_ERROR;
    }

    if (verify.len != sizeof("SUCCESS") - 1
        || ngx_strncmp(verify.data, "SUCCESS", verify.len) != 0)
    {
        return required ? NGX_DECLINED : NGX_OK;
    }

    ssl = c->ssl->connection;

    if (SSL_get_SSL_CTX(ssl) != certificate->ssl_ctx) {
        return NGX_DECLINED;
    }

    if (!SSL_session_reused(ssl)
        || ngx_http_plum_certificate_marked(ssl, certificate))
    {
        return NGX_OK;
    }

    /* once per connection, as checking a signature is slow */

    known = SSL_get_ex_data(ssl, ngx_http_plum_certificate_index);

    if (known == NULL) {
        known = ngx_http_plum_certificate_again(ssl)
                ? NGX_HTTP_PLUM_VERIFIED : NGX_HTTP_PLUM_NOT_VERIFIED;

        if (SSL_set_ex_data(ssl, ngx_http_plum_certificate_index, known)
            == 0)
        {
            return NGX_ERROR;
        }
    }

    return (known == NGX_HTTP_PLUM_VERIFIED) ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_http_plum_certificate_marked(SSL *ssl,
    const ngx_http_plum_certificate_t *certificate)
{
    void          *mark;
    X509          *cert;
    size_t         len;
    SSL_SESSION   *session;

    session = SSL_get_session(ssl);

    if (SSL_SESSION_get0_ticket_appdata(session, &mark, &len) == 0
        || len != SHA256_DIGEST_LENGTH
        || ngx_memcmp(mark, certificate->trust, len) != 0)
    {
        return 0;
    }

    /* the certificate may have expired during the session */

    cert = SSL_SESSION_get0_peer(session);

    return cert && ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), ngx_time())
                   > 0;
}


/* as OpenSSL does in a handshake */

static ngx_uint_t
ngx_http_plum_certificate_again(SSL *ssl)
{
    int                 rc;
    X509               *cert;
    X509_STORE         *store;
    X509_STORE_CTX     *store_ctx;
    X509_VERIFY_PARAM  *param;

    cert = SSL_SESSION_get0_peer(SSL_get_session(ssl));
    store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));

    store_ctx = X509_STORE_CTX_new();

    rc = cert && store_ctx
         && X509_STORE_CTX_init(store_ctx, store, cert,
                                SSL_get_peer_cert_chain(ssl));

    if (rc) {
        param = X509_STORE_CTX_get0_param(store_ctx);
        X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));

        rc = X509_STORE_CTX_set_default(store_ctx, "ssl_client")
             && X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl))
             && X509_verify_cert(store_ctx) > 0;
    }

    X509_STORE_CTX_free(store_ctx);

    /* the errors in the queue must not count as errors of the connection */

    ERR_clear_error();

    return rc;
}
