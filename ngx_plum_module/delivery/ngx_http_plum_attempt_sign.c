
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>


/*
 * Standard Webhooks (github.com/standard-webhooks/standard-webhooks, version
 * 1).  The signed text is the id, the time and the body, joined by full stops.
 * The header has one signature for each live secret, separated by spaces: "v1,"
 * and an HMAC-SHA256, or "v1a," and an Ed25519 signature, in base64.
 */


#define NGX_HTTP_PLUM_SIGN_MAX   (sizeof("v1a, ") - 1                         \
                                  + ngx_base64_encoded_length(PLUM_MAC_MAX))


static ngx_int_t ngx_http_plum_sign_content(ngx_pool_t *pool,
    const plum_str_t *pieces, ngx_uint_t npieces, plum_str_t *content);
static u_char *ngx_http_plum_sign_one(u_char *p, plum_key_t *key,
    const plum_str_t *pieces, ngx_uint_t npieces, const plum_str_t *content);


ngx_int_t
ngx_http_plum_attempt_sign(ngx_http_plum_attempt_t *attempt,
    const ngx_http_plum_sign_t *sign, ngx_http_plum_made_header_t *headers)
{
    u_char             *p, *stamp;
    ngx_uint_t          i;
    plum_str_t          pieces[5], content;
    ngx_pool_t         *pool;
    static u_char       stop[] = ".";

    pool = attempt->made.connection->pool;

    stamp = ngx_pnalloc(pool, NGX_TIME_T_LEN);
    p = ngx_pnalloc(pool, sign->nkeys * NGX_HTTP_PLUM_SIGN_MAX);

    if (stamp == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&headers[0].name, "Webhook-Id");
    headers[0].lowcase = (u_char *) "webhook-id";
    headers[0].value = attempt->key;

    ngx_str_set(&headers[1].name, "Webhook-Timestamp");
    headers[1].lowcase = (u_char *) "webhook-timestamp";
    headers[1].value.data = stamp;
    headers[1].value.len = ngx_sprintf(stamp, "%T", ngx_time()) - stamp;

    ngx_str_set(&headers[2].name, "Webhook-Signature");
    headers[2].lowcase = (u_char *) "webhook-signature";
    headers[2].value.data = p;

    pieces[0].data = attempt->key.data;
    pieces[0].len = attempt->key.len;
    pieces[1].data = stop;
    pieces[1].len = 1;
    pieces[2].data = stamp;
    pieces[2].len = headers[1].value.len;
    pieces[3] = pieces[1];
    pieces[4].data = attempt->made.body.data;
    pieces[4].len = attempt->made.body.len;

    content.len = 0;

    for (i = 0; i < sign->nkeys; i++) {

        if (plum_key_algorithm(sign->keys[i]) == PLUM_ALGORITHM_ED25519_SIGN
            && content.len == 0
            && ngx_http_plum_sign_content(pool, pieces, 5, &content) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (i) {
            *p++ = ' ';
        }

        p = ngx_http_plum_sign_one(p, sign->keys[i], pieces, 5, &content);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    headers[2].value.len = p - headers[2].value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_sign_content(ngx_pool_t *pool, const plum_str_t *pieces,
    ngx_uint_t npieces, plum_str_t *content)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    len = 0;

    for (i = 0; i < npieces; i++) {
        len += pieces[i].len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    content->data = p;
    content->len = len;

    for (i = 0; i < npieces; i++) {
        p = ngx_cpymem(p, pieces[i].data, pieces[i].len);
    }

    return NGX_OK;
}


static u_char *
ngx_http_plum_sign_one(u_char *p, plum_key_t *key, const plum_str_t *pieces,
    ngx_uint_t npieces, const plum_str_t *content)
{
    u_char     mac[PLUM_MAC_MAX];
    ngx_str_t  bytes, text;

    bytes.data = mac;
    bytes.len = plum_algorithm_size(plum_key_algorithm(key));

    if (plum_key_algorithm(key) == PLUM_ALGORITHM_ED25519_SIGN) {

        if (plum_key_sign(key, content, mac) != PLUM_OK) {
            return NULL;
        }

        p = ngx_cpymem(p, "v1a,", 4);

    } else {

        if (plum_key_mac(key, pieces, npieces, mac) != PLUM_OK) {
            return NULL;
        }

        p = ngx_cpymem(p, "v1,", 3);
    }

    text.data = p;
    ngx_encode_base64(&text, &bytes);

    return p + text.len;
}
