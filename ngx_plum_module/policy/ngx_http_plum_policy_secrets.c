
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_policy.h>

#include <openssl/evp.h>


/*
 * The fingerprint of a secret is for people who compare two reports, or a
 * report and a vault.  Who has it can try guesses of the secret.  So:
 *
 *   a public key    the first 16 hex digits of its SHA-256
 *   a private key   the same of its public key
 *   others          8 hex digits of scrypt (N = 2^14, r = 8, p = 1), salted
 *                   with the name of the secret: a guess costs 16 MB and some
 *                   ten milliseconds.  That is no danger to 128 random bits,
 *                   and little to less; a secret of fewer than 16 bytes has
 *                   no fingerprint
 */

#define NGX_HTTP_PLUM_SCRYPT_N       16384
#define NGX_HTTP_PLUM_SCRYPT_R       8
#define NGX_HTTP_PLUM_SCRYPT_MEMORY  (64 * 1024 * 1024)

#define NGX_HTTP_PLUM_PRINT_SHARED   4       /* bytes */
#define NGX_HTTP_PLUM_PRINT_PUBLIC   8


static json_t *ngx_http_plum_policy_print(ngx_plum_secret_t *secret);
static ngx_int_t ngx_http_plum_policy_public(ngx_plum_secret_t *secret,
    u_char *key);


json_t *
ngx_http_plum_policy_secrets(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                 *secrets, *object;
    ngx_uint_t              i;
    ngx_plum_secret_t     **secret, *s;
    ngx_http_plum_where_t   where;

    secrets = json_array();
    secret = pmcf->secrets.elts;

    for (i = 0; i < pmcf->secrets.nelts; i++) {
        s = secret[i];

        where.file = s->conf;
        where.line = s->line;

        object = json_object();

        ngx_http_plum_policy_set(policy, object, "label",
                                 ngx_http_plum_policy_str(&s->label));
        ngx_http_plum_policy_set(policy, object, "name",
                                 ngx_http_plum_policy_str(&s->name));
        ngx_http_plum_policy_set(policy, object, "at",
                                 ngx_http_plum_policy_where(&where));
        ngx_http_plum_policy_set(policy, object, "file",
                                 ngx_http_plum_policy_str(&s->file));
        ngx_http_plum_policy_set(policy, object, "kind",
                                 json_string(s->public_key ? "public"
                                             : s->private_key ? "private"
                                             : "shared"));
        ngx_http_plum_policy_set(policy, object, "short",
                        json_boolean(s->bytes.len < NGX_PLUM_SECRET_SHORT));
        ngx_http_plum_policy_set(policy, object, "fingerprint",
                                 ngx_http_plum_policy_print(s));

        ngx_http_plum_policy_push(policy, secrets, object);
    }

    return secrets;
}


/* null: a secret that must have none, or OpenSSL cannot */

static json_t *
ngx_http_plum_policy_print(ngx_plum_secret_t *secret)
{
    int         rc;
    u_char      digest[SHA256_DIGEST_LENGTH], key[32], *salt, *last,
                text[NGX_HTTP_PLUM_PRINT_PUBLIC * 2];
    size_t      n;

    if (secret->public_key || secret->private_key) {

        if (ngx_http_plum_policy_public(secret, key) != NGX_OK) {
            return json_null();
        }

        (void) SHA256(key, sizeof(key), digest);
        n = NGX_HTTP_PLUM_PRINT_PUBLIC;

    } else {

        if (secret->bytes.len < NGX_PLUM_SECRET_SHORT) {
            return json_null();
        }

        salt = malloc(sizeof("ngx_plum_module ") - 1 + secret->name.len);
        if (salt == NULL) {
            return NULL;
        }

        last = ngx_sprintf(salt, "ngx_plum_module %V", &secret->name);
        n = NGX_HTTP_PLUM_PRINT_SHARED;

        rc = EVP_PBE_scrypt((const char *) secret->bytes.data,
                            secret->bytes.len, salt, last - salt,
                            NGX_HTTP_PLUM_SCRYPT_N, NGX_HTTP_PLUM_SCRYPT_R, 1,
                            NGX_HTTP_PLUM_SCRYPT_MEMORY, digest, n);
        free(salt);

        if (rc != 1) {
            return json_null();
        }
    }

    (void) ngx_hex_dump(text, digest, n);

    return json_stringn((const char *) text, n * 2);
}


static ngx_int_t
ngx_http_plum_policy_public(ngx_plum_secret_t *secret, u_char *key)
{
    size_t     len;
    EVP_PKEY  *pkey;
    ngx_int_t  rc;

    if (secret->public_key) {
        ngx_memcpy(key, secret->bytes.data, 32);
        return NGX_OK;
    }

    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
                                        secret->bytes.data, secret->bytes.len);
    if (pkey == NULL) {
        return NGX_ERROR;
    }

    len = 32;

    rc = (EVP_PKEY_get_raw_public_key(pkey, key, &len) == 1) ? NGX_OK
                                                             : NGX_ERROR;
    EVP_PKEY_free(pkey);

    return rc;
}
