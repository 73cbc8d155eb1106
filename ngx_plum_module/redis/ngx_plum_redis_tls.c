
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_DEPTH     9       /* of a chain of certificates */


static const ngx_str_t *ngx_plum_redis_tls_name(
    const ngx_plum_redis_conf_t *conf, const ngx_plum_redis_host_t *host,
    ngx_uint_t learned);
static ngx_uint_t ngx_plum_redis_tls_named(ngx_connection_t *c,
    const ngx_plum_redis_host_t *host);


char *
ngx_plum_redis_tls(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = conf->ssl;
    ssl->log = cf->log;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (conf->certificate.len
        && ngx_ssl_certificate(cf, ssl, &conf->certificate,
                               &conf->certificate_key, NULL)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, ssl, &conf->ca, NGX_PLUM_REDIS_DEPTH)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->ca.len == 0
        && SSL_CTX_set_default_verify_paths(ssl->ctx) == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_plum_redis_tls_start(const ngx_plum_redis_conf_t *conf,
    ngx_connection_t *c, const ngx_plum_redis_host_t *host,
    ngx_uint_t learned, ngx_connection_handler_pt handler)
{
    ngx_int_t         rc;
    const ngx_str_t  *name;

    if (ngx_ssl_create_connection(conf->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the output buffer grows, and so moves, between two attempts to write */

    (void) SSL_set_mode(c->ssl->connection,
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    name = ngx_plum_redis_tls_name(conf, host, learned);

    if (name
        && SSL_set_tlsext_host_name(c->ssl->connection, (char *) name->data)
           == 0)
    {
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = handler;
        return NGX_AGAIN;
    }

    /* what failed is what verify() finds */

    return NGX_OK;
}


/* to be asked for: an address is no name */

static const ngx_str_t *
ngx_plum_redis_tls_name(const ngx_plum_redis_conf_t *conf,
    const ngx_plum_redis_host_t *host, ngx_uint_t learned)
{
    ngx_uint_t  i;

    if (!host->ip) {
        return &host->name;
    }

    /* that of a learned node may be the one it was configured by */

    for (i = 0; learned && i < conf->nhosts; i++) {
        if (!conf->hosts[i].ip) {
            return &conf->hosts[i].name;
        }
    }

    return NULL;
}


const char *
ngx_plum_redis_tls_verify(const ngx_plum_redis_conf_t *conf,
    ngx_connection_t *c, const ngx_plum_redis_host_t *host,
    ngx_uint_t learned, u_char *text)
{
    long        rc;
    ngx_uint_t  i;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_snprintf(text, NGX_PLUM_REDIS_TEXT, "its certificate is not "
                     "trusted (%l: %s)%Z", rc,
                     X509_verify_cert_error_string(rc));
        text[NGX_PLUM_REDIS_TEXT - 1] = '\0';

        return (char *) text;
    }

    if (!c->ssl->handshaked) {
        return "TLS handshake failed";
    }

    if (ngx_plum_redis_tls_named(c, host)) {
        return NULL;
    }

    for (i = 0; learned && i < conf->nhosts; i++) {
        if (ngx_plum_redis_tls_named(c, &conf->hosts[i])) {
            return NULL;
        }
    }

    return "its certificate has another name";
}


static ngx_uint_t
ngx_plum_redis_tls_named(ngx_connection_t *c,
    const ngx_plum_redis_host_t *host)
{
    X509        *cert;
    ngx_str_t    name;
    ngx_uint_t   match;

    if (!host->ip) {
        name = host->name;
        return ngx_ssl_check_host(c, &name) == NGX_OK;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return 0;
    }

    match = (X509_check_ip_asc(cert, (char *) host->name.data, 0) == 1);

    X509_free(cert);

    return match;
}
