
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>


static void ngx_http_plum_forget_variables(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_replace_header(ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *name);
static ngx_int_t ngx_http_plum_key_header(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);


/*
 * gone before the upstream sees the request: they spoke of the old body, or,
 * "upgrade", would let bytes follow that nobody has judged; the one content
 * coding that is let in, "identity", is none
 */

static const plum_str_t  ngx_http_plum_stale_headers[] = {
    PLUM_STR("transfer-encoding"),
    PLUM_STR("content-encoding"),
    PLUM_STR("upgrade"),
    PLUM_STR("digest"),
    PLUM_STR("content-md5"),
    PLUM_STR("content-digest"),
    PLUM_STR("repr-digest")
};


static const plum_str_t  ngx_http_plum_key_name = PLUM_STR("idempotency-key");
static const plum_str_t  ngx_http_plum_type_name = PLUM_STR("content-type");


/* may have been looked at, and cached, before anything was replaced */

static ngx_str_t  ngx_http_plum_stale_variables[NGX_HTTP_PLUM_STALE] = {
    ngx_string("content_length"),
    ngx_string("content_type"),
    ngx_string("http_content_type"),
    ngx_string("request_body"),
    ngx_string("request_body_file")
};


ngx_int_t
ngx_http_plum_replace_init(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PLUM_STALE; i++) {
        pmcf->stale[i] = ngx_http_get_variable_index(cf,
                                          &ngx_http_plum_stale_variables[i]);
        if (pmcf->stale[i] == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_chain_t *
ngx_http_plum_body_chain(ngx_pool_t *pool, const ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(pool);
    cl = ngx_alloc_chain_link(pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    /* for each attempt at an upstream NGINX sets pos to start */

    b->start = body->data;
    b->pos = body->data;
    b->last = body->data + body->len;
    b->end = b->last;
    b->temporary = 1;
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    return cl;
}


ngx_int_t
ngx_http_plum_replace_body(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    u_char                   *p;
    size_t                    n;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    cl = ngx_http_plum_body_chain(r->pool, &ctx->clean);
    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN);

    if (rb == NULL || cl == NULL || p == NULL) {
        return NGX_ERROR;
    }

    if (rb->temp_file) {
        ngx_pool_run_cleanup_file(r->pool, rb->temp_file->file.fd);
        rb->temp_file = NULL;
    }

    rb->bufs = cl;
    rb->buf = NULL;

    r->headers_in.content_length_n = (off_t) ctx->clean.len;
    r->headers_in.chunked = 0;

    if (r->headers_in.content_length) {

        /* ngx_sprintf() would take longer than the rest of this function */

        n = ctx->clean.len;
        p += NGX_OFF_T_LEN;

        r->headers_in.content_length->value.data = p;

        do {
            *--p = (u_char) ('0' + n % 10);
            n /= 10;
        } while (n);

        r->headers_in.content_length->value.len =
                               r->headers_in.content_length->value.data - p;
        r->headers_in.content_length->value.data = p;
    }

    ngx_http_plum_set_header(r, &ngx_http_plum_type_name, ctx->content_type);

    ngx_http_plum_forget_variables(r);

    if (ngx_http_plum_remove_headers(r, &ctx->plcf->stale) != NGX_OK) {
        return NGX_ERROR;
    }

    return ctx->key.len ? ngx_http_plum_key_header(r, ctx) : NGX_OK;
}


static void
ngx_http_plum_forget_variables(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_variable_value_t  *v;
    ngx_http_plum_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_plum_module);

    for (i = 0; i < NGX_HTTP_PLUM_STALE; i++) {
        v = &r->variables[pmcf->stale[i]];
        v->valid = 0;
        v->not_found = 0;
    }
}


/* made once a location: what is removed from each of its requests */

ngx_int_t
ngx_http_plum_replace_conf(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf)
{
    ngx_uint_t                    i;
    ngx_http_plum_signature_t   **signature;

    if (ngx_array_init(&plcf->stale.names, cf->pool, 8, sizeof(plum_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0;
         i < sizeof(ngx_http_plum_stale_headers) / sizeof(plum_str_t);
         i++)
    {
        if (ngx_http_plum_replace_header(plcf, &ngx_http_plum_stale_headers[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        if (signature[i]->scheme.header.len
            && ngx_http_plum_replace_header(plcf, &signature[i]->scheme.header)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* what a sender calls so is not the key */

    return ngx_http_plum_dedupes(plcf)
           ? ngx_http_plum_replace_header(plcf, &ngx_http_plum_key_name)
           : NGX_OK;
}


static ngx_int_t
ngx_http_plum_replace_header(ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *name)
{
    plum_str_t  *n;

    n = ngx_array_push(&plcf->stale.names);
    if (n == NULL) {
        return NGX_ERROR;
    }

    *n = *name;
    plcf->stale.lengths |= (uint64_t) 1 << name->len % 64;

    return NGX_OK;
}


/*
 * A consumer that meets a copy all the same, after an outcome in doubt, can
 * tell by the key.
 */

static ngx_int_t
ngx_http_plum_key_header(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    ngx_str_set(&h->key, "Idempotency-Key");
    h->lowcase_key = (u_char *) ngx_http_plum_key_name.data;
    h->hash = ngx_hash_key(h->lowcase_key, ngx_http_plum_key_name.len);
    h->value = ctx->key;

    return NGX_OK;
}
