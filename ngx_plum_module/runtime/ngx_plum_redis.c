
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis.h>
#include <ngx_plum_secret.h>


#define NGX_PLUM_REDIS_PORT      6379
#define NGX_PLUM_REDIS_TIMEOUT   500     /* ms */
#define NGX_PLUM_REDIS_PENDING   4096
#define NGX_PLUM_REDIS_DEPTH     9       /* of a chain of certificates */
#define NGX_PLUM_REDIS_PREFIX    256


typedef struct ngx_plum_redis_parameter_s  ngx_plum_redis_parameter_t;

struct ngx_plum_redis_parameter_s {
    ngx_str_t                 name;
    char                   *(*handler)(ngx_conf_t *cf,
                                       ngx_plum_redis_t *redis,
                                       ngx_str_t *value, size_t offset);
    size_t                    offset;
    ngx_uint_t                tls;       /* needs rediss:// */
};


static char *ngx_plum_redis_address(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address);
static char *ngx_plum_redis_resolve(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *url);
static char *ngx_plum_redis_parameter(ngx_conf_t *cf,
    ngx_plum_redis_t *redis, ngx_str_t *parameter, ngx_uint_t *seen);
static char *ngx_plum_redis_string(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset);
static char *ngx_plum_redis_prefix(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset);
static char *ngx_plum_redis_password(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset);
static char *ngx_plum_redis_timeout(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset);
static char *ngx_plum_redis_pending(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset);
static char *ngx_plum_redis_check(ngx_conf_t *cf, ngx_plum_redis_t *redis);
static char *ngx_plum_redis_tls(ngx_conf_t *cf, ngx_plum_redis_t *redis);
static char *ngx_plum_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, u_char *data,
    size_t len);
static char *ngx_plum_redis_error(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    const char *text);
static void ngx_plum_redis_wipe(void *data);
static void ngx_plum_redis_cleanup(void *data);


static const ngx_plum_redis_parameter_t  ngx_plum_redis_parameters[] = {
    { ngx_string("user="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_t, user), 0 },
    { ngx_string("password_file="), ngx_plum_redis_password, 0, 0 },
    { ngx_string("database="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_t, database), 0 },
    { ngx_string("ca="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_t, ca), 1 },
    { ngx_string("certificate="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_t, certificate), 1 },
    { ngx_string("certificate_key="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_t, certificate_key), 1 },
    { ngx_string("prefix="), ngx_plum_redis_prefix, 0, 0 },
    { ngx_string("timeout="), ngx_plum_redis_timeout, 0, 0 },
    { ngx_string("max_pending="), ngx_plum_redis_pending, 0, 0 },
    { ngx_null_string, NULL, 0, 0 }
};


/* the stores of all cycles of this process; a cleanup takes them out */

static ngx_queue_t  ngx_plum_redis_list;


char *
ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters)
{
    char                *rc;
    ngx_uint_t           i, seen;
    ngx_pool_cleanup_t  *cln;

    seen = 0;

    redis->cycle = cf->cycle;
    redis->timeout = NGX_PLUM_REDIS_TIMEOUT;
    redis->max_pending = NGX_PLUM_REDIS_PENDING;
    ngx_str_set(&redis->prefix, "plum:");

    if (scheme->len == sizeof("rediss://") - 1) {
        redis->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
        if (redis->ssl == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rc = ngx_plum_redis_address(cf, redis, scheme, address);

    for (i = 0; rc == NGX_CONF_OK && i < nparameters; i++) {
        rc = ngx_plum_redis_parameter(cf, redis, &parameters[i], &seen);
    }

    if (rc != NGX_CONF_OK || ngx_plum_redis_check(cf, redis) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (redis->ssl && ngx_plum_redis_tls(cf, redis) != NGX_CONF_OK) {

        /* what OpenSSL says has no line */

        return ngx_plum_redis_error(cf, redis, "TLS could not be set up");
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_plum_redis_cleanup;
    cln->data = redis;

    if (ngx_plum_redis_list.next == NULL) {
        ngx_queue_init(&ngx_plum_redis_list);
    }

    ngx_queue_insert_tail(&ngx_plum_redis_list, &redis->queue);

    return NGX_CONF_OK;
}


/* [user@]host[:port][/database], or the path of a socket */

static char *
ngx_plum_redis_address(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address)
{
    u_char     *p, *last;
    ngx_str_t   url;

    url = *address;
    last = url.data + url.len;

    if (scheme->len == sizeof("unix:") - 1) {
        redis->local = 1;

        url.data -= scheme->len;
        url.len += scheme->len;

        redis->url = url;

        return ngx_plum_redis_resolve(cf, redis, &url);
    }

    p = ngx_strlchr(url.data, last, '@');

    if (p) {
        if (ngx_strlchr(url.data, p, ':')) {
            return ngx_plum_redis_error(cf, redis, "a password has no place "
                                        "in the address, use "
                                        "\"password_file=\"");
        }

        if (p == url.data) {
            return ngx_plum_redis_error(cf, redis, "the user is empty");
        }

        if (ngx_plum_redis_copy(cf, &redis->user, url.data, p - url.data)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        url.data = p + 1;
        url.len = last - url.data;
    }

    redis->url = url;

    p = ngx_strlchr(url.data, last, '/');

    if (p) {
        url.len = p - url.data;
        p++;

        if (p < last
            && ngx_plum_redis_copy(cf, &redis->database, p, last - p)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_strlchr(url.data, url.data + url.len, ',')) {
        return ngx_plum_redis_error(cf, redis, "several hosts are not "
                                    "supported by this version");
    }

    return ngx_plum_redis_resolve(cf, redis, &url);
}


/* blocks, which is allowed at configuration time */

static char *
ngx_plum_redis_resolve(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *url)
{
    ngx_url_t  u;
    ngx_str_t  host;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *url;
    u.default_port = NGX_PLUM_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"%V\" of plum store \"%V\"",
                           u.err ? u.err : "no memory", url, &redis->name);
        return NGX_CONF_ERROR;
    }

    redis->addrs = u.addrs;
    redis->naddrs = u.naddrs;

    if (redis->local) {
        return NGX_CONF_OK;
    }

    host = u.host;

    if (host.len > 2 && host.data[0] == '[') {
        host.data++;
        host.len -= 2;
        redis->ip = 1;

    } else if (ngx_inet_addr(host.data, host.len) != INADDR_NONE) {
        redis->ip = 1;
    }

    return ngx_plum_redis_copy(cf, &redis->host, host.data, host.len);
}


static char *
ngx_plum_redis_parameter(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *parameter, ngx_uint_t *seen)
{
    ngx_str_t                          value;
    ngx_uint_t                         bit;
    const ngx_plum_redis_parameter_t  *p;

    for (p = ngx_plum_redis_parameters; p->handler; p++) {

        if (parameter->len < p->name.len
            || ngx_strncmp(parameter->data, p->name.data, p->name.len) != 0)
        {
            continue;
        }

        bit = (ngx_uint_t) 1 << (p - ngx_plum_redis_parameters);

        if (*seen & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\"", parameter);
            return NGX_CONF_ERROR;
        }

        *seen |= bit;

        if (p->tls && redis->ssl == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V\" needs \"rediss://\"",
                               parameter);
            return NGX_CONF_ERROR;
        }

        value.data = parameter->data + p->name.len;
        value.len = parameter->len - p->name.len;

        if (p->handler(cf, redis, &value, p->offset) == NGX_CONF_OK) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           parameter);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown parameter \"%V\"",
                       parameter);

    return NGX_CONF_ERROR;
}


static char *
ngx_plum_redis_string(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset)
{
    ngx_str_t  *field;

    field = (ngx_str_t *) ((u_char *) redis + offset);

    if (value->len == 0 || field->len) {
        return NGX_CONF_ERROR;
    }

    /* parameters of directives end with a NUL */

    *field = *value;

    return NGX_CONF_OK;
}


static char *
ngx_plum_redis_prefix(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset)
{
    if (value->len > NGX_PLUM_REDIS_PREFIX) {
        return NGX_CONF_ERROR;
    }

    redis->prefix = *value;

    return NGX_CONF_OK;
}


static char *
ngx_plum_redis_password(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset)
{
    char                *rc;
    u_char              *buf;
    ssize_t              n;
    ngx_str_t            file;
    ngx_pool_cleanup_t  *cln;

    file = *value;

    if (file.len == 0 || ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    buf = ngx_alloc(NGX_PLUM_SECRET_FILE_MAX + 1, cf->log);

    if (cln == NULL || buf == NULL) {
        if (buf) {
            ngx_free(buf);
        }

        return NGX_CONF_ERROR;
    }

    rc = NGX_CONF_ERROR;
    n = ngx_plum_secret_load(cf, &file, buf);

    if (n == 0) {
        (void) ngx_plum_redis_error(cf, redis, "the password is empty");

    } else if (n != NGX_ERROR) {
        rc = ngx_plum_redis_copy(cf, &redis->password, buf, n);
    }

    if (rc == NGX_CONF_OK) {
        cln->handler = ngx_plum_redis_wipe;
        cln->data = &redis->password;
    }

    ngx_explicit_memzero(buf, NGX_PLUM_SECRET_FILE_MAX + 1);
    ngx_free(buf);

    return rc;
}


static char *
ngx_plum_redis_timeout(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset)
{
    ngx_int_t  n;

    n = value->len ? ngx_parse_time(value, 0) : NGX_ERROR;

    if (n == NGX_ERROR || n == 0) {
        return NGX_CONF_ERROR;
    }

    redis->timeout = n;

    return NGX_CONF_OK;
}


static char *
ngx_plum_redis_pending(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *value, size_t offset)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0) {
        return NGX_CONF_ERROR;
    }

    redis->max_pending = n;

    return NGX_CONF_OK;
}


static char *
ngx_plum_redis_check(ngx_conf_t *cf, ngx_plum_redis_t *redis)
{
    if (redis->database.len
        && ngx_atoi(redis->database.data, redis->database.len) == NGX_ERROR)
    {
        return ngx_plum_redis_error(cf, redis,
                                    "the database must be a number");
    }

    if (redis->user.len && redis->password.len == 0) {
        return ngx_plum_redis_error(cf, redis,
                                    "a user needs \"password_file=\"");
    }

    if ((redis->certificate.len == 0) != (redis->certificate_key.len == 0)) {
        return ngx_plum_redis_error(cf, redis, "\"certificate=\" and "
                                    "\"certificate_key=\" need each other");
    }

    return NGX_CONF_OK;
}


static char *
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


static char *
ngx_plum_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, u_char *data, size_t len)
{
    dst->data = ngx_pnalloc(cf->pool, len + 1);
    if (dst->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(dst->data, data, len);
    dst->data[len] = '\0';
    dst->len = len;

    return NGX_CONF_OK;
}


static char *
ngx_plum_redis_error(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    const char *text)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "plum store \"%V\": %s",
                       &redis->name, text);

    return NGX_CONF_ERROR;
}


static void
ngx_plum_redis_wipe(void *data)
{
    ngx_str_t *password = data;

    ngx_explicit_memzero(password->data, password->len);
}


static void
ngx_plum_redis_cleanup(void *data)
{
    ngx_plum_redis_t *redis = data;

    ngx_plum_redis_store_exit(redis);
    ngx_plum_redis_conn_exit(&redis->conn);

    ngx_queue_remove(&redis->queue);
}


ngx_int_t
ngx_plum_redis_init_process(ngx_cycle_t *cycle)
{
    ngx_queue_t       *q;
    ngx_plum_redis_t  *redis;

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || ngx_plum_redis_list.next == NULL)
    {
        return NGX_OK;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        redis = ngx_queue_data(q, ngx_plum_redis_t, queue);

        if (redis->cycle == cycle) {
            ngx_plum_redis_conn_open(&redis->conn);
        }
    }

    return NGX_OK;
}


void
ngx_plum_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_queue_t       *q;
    ngx_plum_redis_t  *redis;

    if (ngx_plum_redis_list.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_plum_redis_list);
         q != ngx_queue_sentinel(&ngx_plum_redis_list);
         q = ngx_queue_next(q))
    {
        redis = ngx_queue_data(q, ngx_plum_redis_t, queue);

        ngx_plum_redis_store_exit(redis);
        ngx_plum_redis_conn_exit(&redis->conn);
    }
}
