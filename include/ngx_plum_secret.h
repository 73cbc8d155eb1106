/*
 * Secrets of plum_secret: files read at configuration time, as the user who
 * starts NGINX.  The bytes are wiped when the configuration is freed.
 */

#ifndef _NGX_PLUM_SECRET_H_INCLUDED_
#define _NGX_PLUM_SECRET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <plum_key.h>


#define NGX_PLUM_SECRET_SHORT    16      /* bytes; fewer are warned of */
#define NGX_PLUM_SECRET_FILE_MAX  65536
#define NGX_PLUM_SECRET_PRINT    8       /* hex digits of the fingerprint */


typedef struct {
    ngx_str_t            name;
    ngx_str_t            label;          /* name#n: how logs speak of it */
    ngx_str_t            file;
    ngx_str_t            conf;           /* where it is configured */
    ngx_uint_t           line;
    ngx_str_t            bytes;
    ngx_uint_t           public_key;     /* 1: Ed25519, encoding=whpk */
    ngx_uint_t           private_key;    /* 1: Ed25519, encoding=whsk */
    ngx_uint_t           raw;            /* 1: as it stands in the file */
    u_char               print[NGX_PLUM_SECRET_PRINT];
                                         /* of SHA-256 of the bytes */
} ngx_plum_secret_t;


/*
 * Reads a secret.  encoding is one of raw, hex, base64, whsec, whpk, whsk;
 * number is the place among the secrets of that name, from 1.  NGX_CONF_OK, or
 * NGX_CONF_ERROR with an [emerg] that names file and cause: unreadable,
 * empty, no regular file, larger than 64k, readable or writable by others,
 * or not in that encoding.
 */

char *ngx_plum_secret_read(ngx_conf_t *cf, ngx_plum_secret_t *secret,
    ngx_str_t *name, ngx_uint_t number, ngx_str_t *file, ngx_str_t *encoding);

/*
 * The bytes of a secret file, checked as above, without one trailing newline.
 * buf has room for NGX_PLUM_SECRET_FILE_MAX + 1 bytes, and is the caller's to
 * wipe.  NGX_ERROR: logged.
 */

ssize_t ngx_plum_secret_load(ngx_conf_t *cf, ngx_str_t *file, u_char *buf);

/*
 * Makes the key of a secret for an algorithm; destroyed with cf->pool.  A
 * public or private key is always Ed25519, whatever the algorithm.  NULL:
 * logged.
 */

plum_key_t *ngx_plum_secret_key(ngx_conf_t *cf, ngx_plum_secret_t *secret,
    plum_algorithm_t algorithm);


#endif /* _NGX_PLUM_SECRET_H_INCLUDED_ */
