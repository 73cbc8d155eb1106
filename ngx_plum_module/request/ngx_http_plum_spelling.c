
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_stage.h>
#include <plum_header.h>
#include <plum_str.h>


/*
 * Headers with "_" in their names, which NGINX passes with
 * "underscores_in_headers on" and "ignore_invalid_headers off".  Neither a
 * variable of the configuration nor the upstream may confuse such a header with
 * the one with "-".  So a request is refused if a name with "_"
 *
 *   - is another spelling of a header that NGINX knows (X-Forwarded-For),
 *   - is another spelling of another header of the request,
 *   - is used by the configuration as $http_name, which is the same variable
 *     for both spellings,
 *
 * unless plum_signature or event_type names this spelling.  Headers that are
 * never forwarded may have any spelling, as all spellings are removed.
 */


#define NGX_HTTP_PLUM_UNDERSCORES  16    /* names with "_": each is compared
                                            with all others */


static ngx_uint_t ngx_http_plum_misspelt(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx, ngx_table_elt_t *header);
static ngx_uint_t ngx_http_plum_spelt_so(const ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *key);
static ngx_uint_t ngx_http_plum_known_header(ngx_http_request_t *r,
    const ngx_str_t *key);
static ngx_uint_t ngx_http_plum_read_header(ngx_http_request_t *r,
    const plum_str_t *key);
static ngx_uint_t ngx_http_plum_other_spelling(ngx_http_request_t *r,
    const plum_str_t *key);


ngx_int_t
ngx_http_plum_spelling(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (memchr(h[i].key.data, '_', h[i].key.len) == NULL) {
                continue;
            }

            if (n++ == NGX_HTTP_PLUM_UNDERSCORES
                || ngx_http_plum_misspelt(r, ctx, &h[i]))
            {
                ctx->reason = PLUM_REASON_HEADER_SPELLING;
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_plum_misspelt(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx,
    ngx_table_elt_t *header)
{
    plum_str_t  key;

    key.data = header->key.data;
    key.len = header->key.len;

    if (!ngx_http_plum_spelt_so(ctx->plcf, &key)) {

        if (ngx_http_plum_read_header(r, &key)) {
            return 1;
        }

        if (ngx_http_plum_has_name(&ctx->plcf->stale, &header->key)) {
            return 0;
        }

        if (ngx_http_plum_known_header(r, &header->key)) {
            return 1;
        }
    }

    return ngx_http_plum_other_spelling(r, &key);
}


/* 1: the rules of the location name this header with "_" */

static ngx_uint_t
ngx_http_plum_spelt_so(const ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *key)
{
    size_t                        n;
    ngx_uint_t                    i;
    const plum_str_t             *name;
    ngx_http_plum_signature_t   **signature;

    if (plcf->allowlist->event == NGX_HTTP_PLUM_EVENT_HEADER
        && plum_str_same(&plcf->allowlist->event_type, key))
    {
        return 1;
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        for (n = 0; /* void */ ; n++) {
            name = plum_scheme_reads(&signature[i]->scheme, n);

            if (name == NULL) {
                break;
            }

            if (plum_str_same(name, key)) {
                return 1;
            }
        }
    }

    return 0;
}


/* used as $http_name: any indexed variable may be used in this location */

static ngx_uint_t
ngx_http_plum_read_header(ngx_http_request_t *r, const plum_str_t *key)
{
    plum_str_t                  name;
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (v[i].name.len < 5
            || ngx_strncmp(v[i].name.data, "http_", 5) != 0)
        {
            continue;
        }

        name.data = v[i].name.data + 5;
        name.len = v[i].name.len - 5;

        if (plum_header_same(&name, key)) {
            return 1;
        }
    }

    return 0;
}


/* no header that NGINX knows has "_" in its name */

static ngx_uint_t
ngx_http_plum_known_header(ngx_http_request_t *r, const ngx_str_t *key)
{
    u_char                     *name;
    size_t                      i;
    ngx_uint_t                  hash;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    name = ngx_pnalloc(r->pool, key->len);
    if (name == NULL) {
        return 1;
    }

    hash = 0;

    for (i = 0; i < key->len; i++) {
        name[i] = (key->data[i] == '_') ? '-' : ngx_tolower(key->data[i]);
        hash = ngx_hash(hash, name[i]);
    }

    return ngx_hash_find(&cmcf->headers_in_hash, hash, name, key->len)
           != NULL;
}


static ngx_uint_t
ngx_http_plum_other_spelling(ngx_http_request_t *r, const plum_str_t *key)
{
    plum_str_t        other;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            other.data = h[i].key.data;
            other.len = h[i].key.len;

            if (plum_header_same(&other, key) && !plum_str_same(&other, key)) {
                return 1;
            }
        }
    }

    return 0;
}
