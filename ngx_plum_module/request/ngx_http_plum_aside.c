
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_refuse.h>


/*
 * A refused request is processed further while its error page is made: by a
 * file, "return", a handler of another module, or SSI.  None of these may use
 * what the sender has sent.  So it is put aside (ctx->aside) before the page's
 * location is entered: the body is dropped, whether it was read or not, and
 * method, arguments and headers are removed from the request.  They are put
 * back, without the body, before the request is logged.
 */


static ngx_int_t ngx_http_plum_drop_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_plum_drop_headers(ngx_http_request_t *r);
static void ngx_http_plum_forget_request(ngx_http_request_t *r);


/* variables with cached values of what is put aside */

static const ngx_str_t  ngx_http_plum_aside_variables[] = {
    ngx_string("args"),
    ngx_string("query_string"),
    ngx_string("is_args"),
    ngx_string("request_uri"),
    ngx_string("request_method"),
    ngx_string("request_body"),
    ngx_string("request_body_file"),
    ngx_string("content_length"),
    ngx_string("content_type"),
    ngx_string("remote_user"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_plum_aside_prefixes[] = {
    ngx_string("http_"),
    ngx_string("arg_"),
    ngx_string("cookie_"),
    ngx_null_string
};


static ngx_str_t  ngx_http_plum_get_method = ngx_string("GET");


ngx_int_t
ngx_http_plum_put_aside(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    u_char                 *p;
    ngx_http_plum_aside_t  *aside;

    if (ctx->aside) {
        return NGX_OK;
    }

    aside = ngx_palloc(r->pool, sizeof(ngx_http_plum_aside_t));

    if (aside == NULL || ngx_http_plum_drop_body(r) != NGX_OK) {
        return NGX_ERROR;
    }

    aside->headers_in = r->headers_in;
    aside->method = r->method;
    aside->method_name = r->method_name;
    aside->args = r->args;
    aside->unparsed_uri = r->unparsed_uri;

    if (ngx_http_plum_drop_headers(r) != NGX_OK) {
        r->headers_in = aside->headers_in;
        return NGX_ERROR;
    }

    /* NGINX does this if the page is a URI, but not for a named location */

    if (r->method != NGX_HTTP_HEAD) {
        r->method = NGX_HTTP_GET;
        r->method_name = ngx_http_plum_get_method;
    }

    ngx_str_null(&r->args);

    p = ngx_strlchr(r->unparsed_uri.data,
                    r->unparsed_uri.data + r->unparsed_uri.len, '?');
    if (p) {
        r->unparsed_uri.len = p - r->unparsed_uri.data;
    }

    r->valid_unparsed_uri = 0;

    ngx_http_plum_forget_request(r);

    ctx->aside = aside;

    return NGX_OK;
}


void
ngx_http_plum_put_back(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_http_plum_aside_t  *aside;

    aside = ctx->aside;

    r->headers_in = aside->headers_in;
    r->method = aside->method;
    r->method_name = aside->method_name;
    r->unparsed_uri = aside->unparsed_uri;

    /* a page that is a URI may have arguments of its own */

    if (r->args.len == 0) {
        r->args = aside->args;
    }

    ngx_http_plum_forget_request(r);
}


void
ngx_http_plum_forgo_body(ngx_http_request_t *r)
{
    if (r->headers_in.expect && !r->expect_tested) {

        /*
         * "100 Continue" must not be sent to a sender that waits for it.  The
         * sender may or may not send the body nevertheless, so the connection
         * cannot be used for another request.
         */

        r->expect_tested = 1;
        r->keepalive = 0;
    }
}


static ngx_int_t
ngx_http_plum_drop_body(ngx_http_request_t *r)
{
    ngx_http_request_body_t  *rb;

    ngx_http_plum_forgo_body(r);

    rb = r->request_body;

    if (rb == NULL) {

        if (ngx_http_discard_request_body(r) != NGX_OK) {
            r->keepalive = 0;
        }

        if (r->request_body) {

            /* the state of chunks that are discarded */

            return NGX_OK;
        }

        /* to other modules the body is one that was read, and is empty */

        r->request_body = ngx_pcalloc(r->pool,
                                      sizeof(ngx_http_request_body_t));

        return r->request_body ? NGX_OK : NGX_ERROR;
    }

    /* the body was read, or refused while it was read: no more is read */

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_block_reading;
    }

    if (rb->temp_file) {
        ngx_pool_run_cleanup_file(r->pool, rb->temp_file->file.fd);
        rb->temp_file = NULL;
    }

    /* rb->buf belongs to the reader, which may be the caller */

    rb->bufs = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_drop_headers(ngx_http_request_t *r)
{
    ngx_http_headers_in_t  old;

    old = r->headers_in;

    ngx_memzero(&r->headers_in, sizeof(ngx_http_headers_in_t));

    if (ngx_list_init(&r->headers_in.headers, r->pool, 1,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* Host and Connection have been evaluated already */

    r->headers_in.server = old.server;
    r->headers_in.connection_type = old.connection_type;
    r->headers_in.keep_alive_n = old.keep_alive_n;
    r->headers_in.content_length_n = -1;

    if (r->discard_body) {

        /*
         * The length is kept, as NGINX discards so many bytes; the header is
         * an empty one, so that $content_length does not show it.
         */

        r->headers_in.content_length_n = old.content_length_n;
        r->headers_in.chunked = old.chunked;

        r->headers_in.content_length = ngx_pcalloc(r->pool,
                                                   sizeof(ngx_table_elt_t));
        if (r->headers_in.content_length == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_plum_forget_request(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    const ngx_str_t            *name;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        for (name = ngx_http_plum_aside_variables; name->len; name++) {
            if (ngx_http_plum_same(name, &v[i].name)) {
                break;
            }
        }

        /* a value that was assigned by "set" is kept */

        if (name->len == 0 && !(v[i].flags & NGX_HTTP_VAR_CHANGEABLE)) {

            for (name = ngx_http_plum_aside_prefixes; name->len; name++) {
                if (v[i].name.len > name->len
                    && ngx_strncmp(v[i].name.data, name->data, name->len)
                       == 0)
                {
                    break;
                }
            }
        }

        if (name->len) {
            r->variables[i].valid = 0;
            r->variables[i].not_found = 0;
        }
    }
}
