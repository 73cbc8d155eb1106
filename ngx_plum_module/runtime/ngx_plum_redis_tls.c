
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


#define NGX_PLUM_REDIS_DEPTH     9       /* of a chain of certificates */


static ngx_str_t *ngx_plum_redis_server_name(ngx_plum_redis_conn_t *conn);
static void ngx_plum_redis_conn_handshaked(ngx_connection_t *c);
static ngx_int_t ngx_plum_redis_conn_verify(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_conn_named(ngx_plum_redis_conn_t *conn);
static ngx_uint_t ngx_plum_redis_host_named(ngx_connection_t *c,
    ngx_plum_redis_host_t *host);


char *
ngx_plum_redis_tls(ngx_conf_t *cf, ngx_plum_redis_t *redis)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = redis->ssl;
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

    if (redis->certificate.len
        && ngx_ssl_certificate(cf, ssl, &redis->certificate,
                               &redis->certificate_key, NULL)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, ssl, &redis->ca,
                                    NGX_PLUM_REDIS_DEPTH)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (redis->ca.len == 0
        && SSL_CTX_set_default_verify_paths(ssl->ctx) == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_plum_redis_start_tls(ngx_plum_redis_conn_t *conn)
{
    ngx_int_t          rc;
    ngx_str_t         *name;
    ngx_connection_t  *c;
    ngx_plum_redis_t  *redis;

    c = conn->connection;
    redis = conn->redis;

    if (!conn->hosts[conn->host].local && ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "setsockopt() failed");
        return NGX_ERROR;
    }

    if (redis->ssl == NULL) {
        return NGX_OK;
    }

    if (ngx_ssl_create_connection(redis->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        ngx_plum_redis_conn_lost(conn, 0, "TLS could not be started");
        return NGX_ERROR;
    }

    /* the output buffer grows, and so moves, between two attempts to write */

    (void) SSL_set_mode(c->ssl->connection,
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    name = ngx_plum_redis_server_name(conn);

    if (name
        && SSL_set_tlsext_host_name(c->ssl->connection, (char *) name->data)
           == 0)
    {
        ngx_plum_redis_conn_lost(conn, 0, "TLS could not be started");
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_plum_redis_conn_handshaked;
        return NGX_AGAIN;
    }

    return ngx_plum_redis_conn_verify(conn);
}


/* to be asked for: an address is no name */

static ngx_str_t *
ngx_plum_redis_server_name(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t              i;
    ngx_plum_redis_t       *redis;
    ngx_plum_redis_host_t  *host;

    redis = conn->redis;
    host = &conn->hosts[conn->host];

    if (!host->ip) {
        return &host->name;
    }

    /* that of a learned node may be the one it was configured by */

    for (i = 0; conn->pool && i < redis->nhosts; i++) {
        if (!redis->hosts[i].ip) {
            return &redis->hosts[i].name;
        }
    }

    return NULL;
}


static void
ngx_plum_redis_conn_handshaked(ngx_connection_t *c)
{
    ngx_plum_redis_conn_t  *conn;

    conn = c->data;

    if (ngx_plum_redis_conn_verify(conn) == NGX_OK) {
        conn->step++;
        ngx_plum_redis_conn_advance(conn);
    }
}


static ngx_int_t
ngx_plum_redis_conn_verify(ngx_plum_redis_conn_t *conn)
{
    long               rc;
    u_char             text[256];
    ngx_connection_t  *c;

    c = conn->connection;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_snprintf(text, sizeof(text), "its certificate is not trusted "
                     "(%l: %s)%Z", rc, X509_verify_cert_error_string(rc));
        text[sizeof(text) - 1] = '\0';

        ngx_plum_redis_conn_lost(conn, 0, (char *) text);
        return NGX_ERROR;
    }

    if (!c->ssl->handshaked) {
        ngx_plum_redis_conn_lost(conn, 0, "TLS handshake failed");
        return NGX_ERROR;
    }

    c->read->handler = ngx_plum_redis_conn_read;
    c->write->handler = ngx_plum_redis_conn_write;

    if (!ngx_plum_redis_conn_named(conn)) {
        ngx_plum_redis_conn_lost(conn, 0,
                                 "its certificate has another name");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A node that was learned of may be known to others by its address, and have
 * a certificate with a name: that of a configured host is as good.
 */

static ngx_uint_t
ngx_plum_redis_conn_named(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t         i;
    ngx_plum_redis_t  *redis;

    redis = conn->redis;

    if (ngx_plum_redis_host_named(conn->connection,
                                  &conn->hosts[conn->host]))
    {
        return 1;
    }

    if (conn->pool == NULL) {
        return 0;
    }

    for (i = 0; i < redis->nhosts; i++) {
        if (ngx_plum_redis_host_named(conn->connection, &redis->hosts[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_plum_redis_host_named(ngx_connection_t *c, ngx_plum_redis_host_t *host)
{
    X509        *cert;
    ngx_uint_t   match;

    if (!host->ip) {
        return ngx_ssl_check_host(c, &host->name) == NGX_OK;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return 0;
    }

    match = (X509_check_ip_asc(cert, (char *) host->name.data, 0) == 1);

    X509_free(cert);

    return match;
}
