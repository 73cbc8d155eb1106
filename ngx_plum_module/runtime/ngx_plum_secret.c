
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_plum_secret.h>
#include <plum_encoding.h>

#include <openssl/sha.h>


typedef char *(*ngx_plum_secret_decode_pt)(ngx_plum_secret_t *secret,
    plum_str_t *text, u_char *buf);

typedef struct {
    ngx_str_t                  name;
    ngx_plum_secret_decode_pt  decode;
} ngx_plum_secret_encoding_t;


static char *ngx_plum_secret_raw(ngx_plum_secret_t *secret, plum_str_t *text,
    u_char *buf);
static char *ngx_plum_secret_hex(ngx_plum_secret_t *secret, plum_str_t *text,
    u_char *buf);
static char *ngx_plum_secret_base64(ngx_plum_secret_t *secret,
    plum_str_t *text, u_char *buf);
static char *ngx_plum_secret_whsec(ngx_plum_secret_t *secret,
    plum_str_t *text, u_char *buf);
static char *ngx_plum_secret_whpk(ngx_plum_secret_t *secret,
    plum_str_t *text, u_char *buf);
static char *ngx_plum_secret_whsk(ngx_plum_secret_t *secret,
    plum_str_t *text, u_char *buf);
static void ngx_plum_secret_skip(plum_str_t *text, const char *prefix,
    size_t len);
static void ngx_plum_secret_wipe(void *data);
static void ngx_plum_secret_key_cleanup(void *data);


static const ngx_plum_secret_encoding_t  ngx_plum_secret_encodings[] = {
    { ngx_string("raw"), ngx_plum_secret_raw },
    { ngx_string("hex"), ngx_plum_secret_hex },
    { ngx_string("base64"), ngx_plum_secret_base64 },
    { ngx_string("whsec"), ngx_plum_secret_whsec },
    { ngx_string("whpk"), ngx_plum_secret_whpk },
    { ngx_string("whsk"), ngx_plum_secret_whsk },
    { ngx_null_string, NULL }
};


char *
ngx_plum_secret_read(ngx_conf_t *cf, ngx_plum_secret_t *secret,
    ngx_str_t *name, ngx_uint_t number, ngx_str_t *file, ngx_str_t *encoding)
{
    char                              *text;
    u_char                            *buf, digest[SHA256_DIGEST_LENGTH];
    ssize_t                            n;
    plum_str_t                         content;
    ngx_pool_cleanup_t                *cln;
    const ngx_plum_secret_encoding_t  *e;

    for (e = ngx_plum_secret_encodings; e->decode; e++) {
        if (e->name.len == encoding->len
            && ngx_strncmp(e->name.data, encoding->data, e->name.len) == 0)
        {
            break;
        }
    }

    if (e->decode == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown secret encoding \"%V\"", encoding);
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    secret->name = *name;
    secret->file = *file;
    secret->bytes.len = 0;

    /* of the largest file, so that no piece of a secret is left elsewhere */

    buf = ngx_pnalloc(cf->pool, NGX_PLUM_SECRET_FILE_MAX + 1);
    secret->bytes.data = ngx_pnalloc(cf->pool, NGX_PLUM_SECRET_FILE_MAX);
    secret->label.data = ngx_pnalloc(cf->pool, name->len + 1 + NGX_INT_T_LEN);

    if (buf == NULL || secret->bytes.data == NULL
        || secret->label.data == NULL)
    {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_plum_secret_wipe;
    cln->data = secret->bytes.data;

    secret->label.len = ngx_sprintf(secret->label.data, "%V#%ui", name, number)
                        - secret->label.data;

    n = ngx_plum_secret_load(cf, file, buf);
    if (n == NGX_ERROR) {
        ngx_explicit_memzero(buf, NGX_PLUM_SECRET_FILE_MAX + 1);
        return NGX_CONF_ERROR;
    }

    content.data = buf;
    content.len = n;

    text = e->decode(secret, &content, secret->bytes.data);

    ngx_explicit_memzero(buf, NGX_PLUM_SECRET_FILE_MAX + 1);
    (void) ngx_pfree(cf->pool, buf);

    if (text == NULL && secret->bytes.len == 0) {
        text = "is empty";
    }

    if (text) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "secret file \"%V\" %s", file, text);
        return NGX_CONF_ERROR;
    }

    (void) SHA256(secret->bytes.data, secret->bytes.len, digest);
    (void) ngx_hex_dump(secret->print, digest, NGX_PLUM_SECRET_PRINT / 2);

    if (secret->bytes.len < NGX_PLUM_SECRET_SHORT) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "secret \"%V\" (%*s) has only %uz bytes, "
                           "use %d or more", &secret->label,
                           (size_t) NGX_PLUM_SECRET_PRINT, secret->print,
                           secret->bytes.len, NGX_PLUM_SECRET_SHORT);
    }

    return NGX_CONF_OK;
}


ssize_t
ngx_plum_secret_load(ngx_conf_t *cf, ngx_str_t *file, u_char *buf)
{
    ssize_t          n;
    ngx_fd_t         fd;
    const char      *text;
    ngx_file_info_t  fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    n = NGX_ERROR;
    text = NULL;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", file);
        goto done;
    }

    if (!ngx_is_file(&fi)) {
        text = "is not a regular file";
        goto done;
    }

    if (fi.st_mode & (S_IROTH|S_IWOTH)) {
        text = "can be read or written by others, run \"chmod o-rw\" on it";
        goto done;
    }

    n = ngx_read_fd(fd, buf, NGX_PLUM_SECRET_FILE_MAX + 1);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", file);
        n = NGX_ERROR;
        goto done;
    }

    if (n > NGX_PLUM_SECRET_FILE_MAX) {
        text = "is larger than 64k";
        n = NGX_ERROR;
        goto done;
    }

    if (n && buf[n - 1] == LF) {
        n--;

        if (n && buf[n - 1] == CR) {
            n--;
        }
    }

done:

    if (text) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "secret file \"%V\" %s", file, text);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", file);
    }

    return n;
}


/* decoders return what is wrong with the file, or NULL */

static char *
ngx_plum_secret_raw(ngx_plum_secret_t *secret, plum_str_t *text, u_char *buf)
{
    ngx_memcpy(buf, text->data, text->len);
    secret->bytes.len = text->len;
    secret->raw = 1;

    return NULL;
}


static char *
ngx_plum_secret_hex(ngx_plum_secret_t *secret, plum_str_t *text, u_char *buf)
{
    if (plum_hex_decode(text, buf, NGX_PLUM_SECRET_FILE_MAX,
                        &secret->bytes.len)
        != PLUM_OK)
    {
        return "is not hexadecimal";
    }

    return NULL;
}


static char *
ngx_plum_secret_base64(ngx_plum_secret_t *secret, plum_str_t *text,
    u_char *buf)
{
    if (plum_base64_decode(text, buf, NGX_PLUM_SECRET_FILE_MAX,
                           &secret->bytes.len)
        != PLUM_OK)
    {
        return "is not base64";
    }

    return NULL;
}


static char *
ngx_plum_secret_whsec(ngx_plum_secret_t *secret, plum_str_t *text,
    u_char *buf)
{
    ngx_plum_secret_skip(text, "whsec_", sizeof("whsec_") - 1);

    return ngx_plum_secret_base64(secret, text, buf);
}


static char *
ngx_plum_secret_whpk(ngx_plum_secret_t *secret, plum_str_t *text, u_char *buf)
{
    char  *rc;

    ngx_plum_secret_skip(text, "whpk_", sizeof("whpk_") - 1);

    rc = ngx_plum_secret_base64(secret, text, buf);
    if (rc) {
        return rc;
    }

    if (secret->bytes.len != 32) {
        return "is not an Ed25519 public key of 32 bytes";
    }

    secret->public_key = 1;

    return NULL;
}


/* the seed of 32 bytes, alone or with the public key behind it */

static char *
ngx_plum_secret_whsk(ngx_plum_secret_t *secret, plum_str_t *text, u_char *buf)
{
    char  *rc;

    ngx_plum_secret_skip(text, "whsk_", sizeof("whsk_") - 1);

    rc = ngx_plum_secret_base64(secret, text, buf);
    if (rc) {
        return rc;
    }

    if (secret->bytes.len != 32 && secret->bytes.len != 64) {
        return "is not an Ed25519 private key of 32 or 64 bytes";
    }

    secret->bytes.len = 32;
    secret->private_key = 1;

    return NULL;
}


static void
ngx_plum_secret_skip(plum_str_t *text, const char *prefix, size_t len)
{
    if (text->len >= len && ngx_memcmp(text->data, prefix, len) == 0) {
        text->data += len;
        text->len -= len;
    }
}


plum_key_t *
ngx_plum_secret_key(ngx_conf_t *cf, ngx_plum_secret_t *secret,
    plum_algorithm_t algorithm)
{
    plum_key_t          *key;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    if (secret->public_key) {
        algorithm = PLUM_ALGORITHM_ED25519;
    }

    if (secret->private_key) {
        algorithm = PLUM_ALGORITHM_ED25519_SIGN;
    }

    key = plum_key_create(algorithm, secret->bytes.data, secret->bytes.len);
    if (key == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "a key of secret \"%V\" could not be made",
                      &secret->label);
        return NULL;
    }

    cln->handler = ngx_plum_secret_key_cleanup;
    cln->data = key;

    return key;
}


static void
ngx_plum_secret_key_cleanup(void *data)
{
    plum_key_destroy(data);
}


static void
ngx_plum_secret_wipe(void *data)
{
    ngx_explicit_memzero(data, NGX_PLUM_SECRET_FILE_MAX);
}
