
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_parameter.h>
#include <ngx_plum_store_redis.h>
#include <ngx_plum_secret.h>


#define NGX_PLUM_REDIS_PORT      6379
#define NGX_PLUM_REDIS_TIMEOUT   500     /* ms */
#define NGX_PLUM_REDIS_PENDING   4096
#define NGX_PLUM_REDIS_SENTINELS 26379
#define NGX_PLUM_REDIS_PREFIX    256


static char *ngx_plum_redis_address(ngx_conf_t *cf,
    ngx_plum_redis_conf_t *conf,
    ngx_str_t *scheme, ngx_str_t *address);
static char *ngx_plum_redis_user(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *address);
static char *ngx_plum_redis_string(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *data, ngx_str_t *value);
static char *ngx_plum_redis_tls_string(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *data, ngx_str_t *value);
static char *ngx_plum_redis_prefix(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *data, ngx_str_t *value);
static char *ngx_plum_redis_password(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *data, ngx_str_t *value);
static char *ngx_plum_redis_check(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf);
static char *ngx_plum_redis_error(ngx_conf_t *cf,
    ngx_plum_redis_conf_t *conf, const char *text);
static char *ngx_plum_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, u_char *data,
    size_t len);
static void ngx_plum_redis_wipe(void *data);


static const ngx_plum_parameter_t  ngx_plum_redis_parameters[] = {
    { ngx_string("user="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_conf_t, user), 0, NULL },
    { ngx_string("password_file="), ngx_plum_redis_password, 0, 0, NULL },
    { ngx_string("database="), ngx_plum_redis_string,
      offsetof(ngx_plum_redis_conf_t, database), 0, NULL },
    { ngx_string("ca="), ngx_plum_redis_tls_string,
      offsetof(ngx_plum_redis_conf_t, ca), 0, NULL },
    { ngx_string("certificate="), ngx_plum_redis_tls_string,
      offsetof(ngx_plum_redis_conf_t, certificate), 0, NULL },
    { ngx_string("certificate_key="), ngx_plum_redis_tls_string,
      offsetof(ngx_plum_redis_conf_t, certificate_key), 0, NULL },
    { ngx_string("prefix="), ngx_plum_redis_prefix, 0, 0, NULL },
    { ngx_string("timeout="), ngx_plum_parameter_time,
      offsetof(ngx_plum_redis_conf_t, timeout), 0, NULL },
    { ngx_string("max_pending="), ngx_plum_parameter_number,
      offsetof(ngx_plum_redis_conf_t, max_pending), 0, NULL },
    { ngx_null_string, NULL, 0, 0, NULL }
};


char *
ngx_plum_redis_configure(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters)
{
    conf->topology = &ngx_plum_redis_single;
    conf->timeout = NGX_PLUM_REDIS_TIMEOUT;
    conf->max_pending = NGX_PLUM_REDIS_PENDING;
    ngx_str_set(&conf->prefix, "plum:");

    if (ngx_strncmp(scheme->data, "rediss", 6) == 0) {
        conf->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
        if (conf->ssl == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_plum_redis_address(cf, conf, scheme, address) != NGX_CONF_OK
        || ngx_plum_parameters(cf, ngx_plum_redis_parameters, conf,
                               parameters, nparameters)
           != NGX_CONF_OK
        || ngx_plum_redis_check(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->ssl && ngx_plum_redis_tls(cf, conf) != NGX_CONF_OK) {

        /* what OpenSSL says has no line */

        return ngx_plum_redis_error(cf, conf, "TLS could not be set up");
    }

    return NGX_CONF_OK;
}


/*
 * [user@]host[:port][,host[:port]...][/database], for Sentinels /name of the
 * master; or the path of a socket
 */

static char *
ngx_plum_redis_address(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *scheme, ngx_str_t *address)
{
    u_char     *p, *last;
    in_port_t   port;
    ngx_str_t   list, *path;

    list = *address;

    if (ngx_strncmp(scheme->data, "unix:", 5) == 0) {
        list.data -= scheme->len;
        list.len += scheme->len;

        return ngx_plum_redis_hosts(cf, conf, &list, 0);
    }

    port = NGX_PLUM_REDIS_PORT;
    path = &conf->database;

    if (ngx_strstr(scheme->data, "+cluster://") != NULL) {
        conf->topology = &ngx_plum_redis_cluster;

    } else if (ngx_strstr(scheme->data, "+sentinel://") != NULL) {
        conf->topology = &ngx_plum_redis_sentinel;
        port = NGX_PLUM_REDIS_SENTINELS;
        path = &conf->master;
    }

    if (ngx_plum_redis_user(cf, conf, &list) != NGX_CONF_OK) {
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

    return ngx_plum_redis_hosts(cf, conf, &list, port);
}


static char *
ngx_plum_redis_user(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    ngx_str_t *address)
{
    u_char  *p, *last;

    last = address->data + address->len;
    p = ngx_strlchr(address->data, last, '@');

    if (p == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_strlchr(address->data, p, ':')) {
        return ngx_plum_redis_error(cf, conf, "a password has no place in "
                                    "the address, use \"password_file=\"");
    }

    if (p == address->data) {
        return ngx_plum_redis_error(cf, conf, "the user is empty");
    }

    if (ngx_plum_redis_copy(cf, &conf->user, address->data,
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
ngx_plum_redis_string(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *data, ngx_str_t *value)
{
    ngx_str_t  *field;

    field = (ngx_str_t *) ((u_char *) data + row->offset);

    if (value->len == 0) {
        return "it must not be empty";
    }

    if (field->len) {
        return "the address has another one";
    }

    *field = *value;

    return NULL;
}


static char *
ngx_plum_redis_tls_string(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *data, ngx_str_t *value)
{
    ngx_plum_redis_conf_t *conf = data;

    return conf->ssl ? ngx_plum_redis_string(cf, row, data, value)
                     : "it needs an address with \"rediss\"";
}


static char *
ngx_plum_redis_prefix(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *data, ngx_str_t *value)
{
    ngx_plum_redis_conf_t *conf = data;

    if (value->len > NGX_PLUM_REDIS_PREFIX) {
        return "it must have 256 bytes at most";
    }

    /*
     * what follows the prefix begins with "%": so the keys of two prefixes
     * differ even where one prefix begins with the other
     */

    if (ngx_strlchr(value->data, value->data + value->len, '%')) {
        return "a prefix must not contain \"%\"";
    }

    conf->prefix = *value;

    return NULL;
}


static char *
ngx_plum_redis_password(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *data, ngx_str_t *value)
{
    ngx_plum_redis_conf_t *conf = data;

    char                *rc;
    u_char              *buf;
    ssize_t              n;
    ngx_str_t            file;
    ngx_pool_cleanup_t  *cln;

    file = *value;

    if (file.len == 0) {
        return "it must be the name of a file";
    }

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
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
        (void) ngx_plum_redis_error(cf, conf, "the password is empty");

    } else if (n != NGX_ERROR) {
        rc = ngx_plum_redis_copy(cf, &conf->password, buf, n);
    }

    if (rc == NGX_CONF_OK) {
        cln->handler = ngx_plum_redis_wipe;
        cln->data = &conf->password;
    }

    ngx_explicit_memzero(buf, NGX_PLUM_SECRET_FILE_MAX + 1);
    ngx_free(buf);

    return rc;
}


static char *
ngx_plum_redis_check(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf)
{
    if (conf->database.len
        && ngx_atoi(conf->database.data, conf->database.len) == NGX_ERROR)
    {
        return ngx_plum_redis_error(cf, conf,
                                    "the database must be a number");
    }

    if (conf->topology == &ngx_plum_redis_cluster
        && conf->database.len
        && ngx_atoi(conf->database.data, conf->database.len) != 0)
    {
        return ngx_plum_redis_error(cf, conf,
                                    "a cluster has no database but 0");
    }

    if (conf->topology == &ngx_plum_redis_sentinel && conf->master.len == 0) {
        return ngx_plum_redis_error(cf, conf, "the address must end with "
                                    "\"/\" and the name of the master");
    }

    if (conf->user.len && conf->password.len == 0) {
        return ngx_plum_redis_error(cf, conf,
                                    "a user needs \"password_file=\"");
    }

    if ((conf->certificate.len == 0) != (conf->certificate_key.len == 0)) {
        return ngx_plum_redis_error(cf, conf, "\"certificate=\" and "
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


static char *
ngx_plum_redis_error(ngx_conf_t *cf, ngx_plum_redis_conf_t *conf,
    const char *text)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s \"%V\": %s", conf->kind,
                       &conf->name, text);

    return NGX_CONF_ERROR;
}


static void
ngx_plum_redis_wipe(void *data)
{
    ngx_str_t *password = data;

    ngx_explicit_memzero(password->data, password->len);
}
