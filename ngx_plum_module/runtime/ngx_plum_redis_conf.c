
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis.h>
#include <ngx_plum_secret.h>


#define NGX_PLUM_REDIS_PORT      6379
#define NGX_PLUM_REDIS_TIMEOUT   500     /* ms */
#define NGX_PLUM_REDIS_PENDING   4096
#define NGX_PLUM_REDIS_SENTINELS 26379
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
static char *ngx_plum_redis_user(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *address);
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
static char *ngx_plum_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, u_char *data,
    size_t len);
static void ngx_plum_redis_wipe(void *data);


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


char *
ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters)
{
    char        *rc;
    ngx_uint_t   i, seen;

    seen = 0;

    redis->cycle = cf->cycle;
    redis->timeout = NGX_PLUM_REDIS_TIMEOUT;
    redis->max_pending = NGX_PLUM_REDIS_PENDING;
    ngx_str_set(&redis->prefix, "plum:");

    if (ngx_strncmp(scheme->data, "rediss", 6) == 0) {
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

    if (ngx_plum_redis_register(cf, redis) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * [user@]host[:port][,host[:port]...][/database], for Sentinels /name of the
 * master; or the path of a socket
 */

static char *
ngx_plum_redis_address(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *scheme, ngx_str_t *address)
{
    u_char     *p, *last;
    in_port_t   port;
    ngx_str_t   list, *path;

    list = *address;

    if (ngx_strncmp(scheme->data, "unix:", 5) == 0) {
        list.data -= scheme->len;
        list.len += scheme->len;

        return ngx_plum_redis_hosts(cf, redis, &list, 0);
    }

    port = NGX_PLUM_REDIS_PORT;
    path = &redis->database;

    if (ngx_strstr(scheme->data, "+cluster://") != NULL) {
        redis->mode = NGX_PLUM_REDIS_CLUSTER;

    } else if (ngx_strstr(scheme->data, "+sentinel://") != NULL) {
        redis->mode = NGX_PLUM_REDIS_SENTINEL;
        port = NGX_PLUM_REDIS_SENTINELS;
        path = &redis->master;
    }

    if (ngx_plum_redis_user(cf, redis, &list) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    last = list.data + list.len;
    p = ngx_strlchr(list.data, last, '/');

    if (p) {
        list.len = p - list.data;
        p++;

        if (p < last
            && ngx_plum_redis_copy(cf, path, p, last - p) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_plum_redis_hosts(cf, redis, &list, port);
}


static char *
ngx_plum_redis_user(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    ngx_str_t *address)
{
    u_char  *p, *last;

    last = address->data + address->len;
    p = ngx_strlchr(address->data, last, '@');

    if (p == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_strlchr(address->data, p, ':')) {
        return ngx_plum_redis_error(cf, redis, "a password has no place in "
                                    "the address, use \"password_file=\"");
    }

    if (p == address->data) {
        return ngx_plum_redis_error(cf, redis, "the user is empty");
    }

    if (ngx_plum_redis_copy(cf, &redis->user, address->data,
                            p - address->data)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    address->data = p + 1;
    address->len = last - address->data;

    return NGX_CONF_OK;
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
                               "parameter \"%V\" needs an address with "
                               "\"rediss\"", parameter);
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

    /*
     * what follows the prefix begins with "%": so the keys of two prefixes
     * differ even where one prefix begins with the other
     */

    if (ngx_strlchr(value->data, value->data + value->len, '%')) {
        return ngx_plum_redis_error(cf, redis,
                                    "a prefix must not contain \"%\"");
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

    if (redis->mode == NGX_PLUM_REDIS_CLUSTER
        && redis->database.len
        && ngx_atoi(redis->database.data, redis->database.len) != 0)
    {
        return ngx_plum_redis_error(cf, redis,
                                    "a cluster has no database but 0");
    }

    if (redis->mode == NGX_PLUM_REDIS_SENTINEL && redis->master.len == 0) {
        return ngx_plum_redis_error(cf, redis, "the address must end with "
                                    "\"/\" and the name of the master");
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


char *
ngx_plum_redis_error(ngx_conf_t *cf, ngx_plum_redis_t *redis,
    const char *text)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "plum store \"%V\": %s",
                       &redis->store->name, text);

    return NGX_CONF_ERROR;
}


static void
ngx_plum_redis_wipe(void *data)
{
    ngx_str_t *password = data;

    ngx_explicit_memzero(password->data, password->len);
}
