
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_compat.h>
#include <ngx_http_plum_headers.h>
#include <ngx_http_plum_loc_conf.h>
#include <plum_header.h>
#include <plum_str.h>


static ngx_int_t ngx_http_plum_unlink_header(ngx_http_request_t *r,
    ngx_list_part_t *prev, ngx_list_part_t *part, ngx_uint_t i);
static void ngx_http_plum_forget_header(ngx_http_request_t *r,
    ngx_table_elt_t *h);


size_t
ngx_http_plum_find_header(void *data, const plum_str_t *name,
    plum_str_t *value)
{
    ngx_http_request_t *r = data;

    size_t            n;
    plum_str_t        key;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            key.data = h[i].key.data;
            key.len = h[i].key.len;

            if (!plum_header_same(&key, name)) {
                continue;
            }

            if (n == 0) {
                value->data = h[i].value.data;
                value->len = h[i].value.len;
            }

            /* see plum_header_pt */

            n += plum_str_same(&key, name) ? 1 : 2;
        }
    }

    return n;
}


void
ngx_http_plum_set_header(ngx_http_request_t *r, const plum_str_t *name,
    const ngx_str_t *value)
{
    plum_str_t        key;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            key.data = h[i].key.data;
            key.len = h[i].key.len;

            if (plum_header_same(&key, name)) {
                h[i].value = *value;
            }
        }
    }
}


/*
 * Removes each header with one of these names, in any spelling, from the list.
 * Upstream modules read the list without checking the hash, so it would not be
 * enough to set the hash to zero.
 */

ngx_int_t
ngx_http_plum_remove_headers(ngx_http_request_t *r,
    const ngx_http_plum_names_t *names)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part, *prev;
    ngx_table_elt_t  *h;

    prev = NULL;
    part = &r->headers_in.headers.part;

    while (part) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_plum_has_name(names, &h[i].key)) {
                break;
            }
        }

        if (i == part->nelts) {
            prev = part;
            part = part->next;
            continue;
        }

        ngx_http_plum_forget_header(r, &h[i]);

        if (ngx_http_plum_unlink_header(r, prev, part, i) != NGX_OK) {
            return NGX_ERROR;
        }

        /* continue with the rest of the part, or the part that replaced it */

        part = prev ? prev->next : &r->headers_in.headers.part;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_plum_has_name(const ngx_http_plum_names_t *names,
    const ngx_str_t *key)
{
    ngx_uint_t         i;
    plum_str_t         text;
    const plum_str_t  *name;

    if (!(names->lengths >> key->len % 64 & 1)) {
        return 0;
    }

    text.data = key->data;
    text.len = key->len;

    name = names->names.elts;

    for (i = 0; i < names->names.nelts; i++) {
        if (plum_header_same(&text, &name[i])) {
            return 1;
        }
    }

    return 0;
}


/*
 * Splits the part at the element.  Elements are not moved, as headers_in and
 * other modules have pointers to them.  Only the first part may be empty, as
 * loops over lists do not expect other empty parts.
 */

static ngx_int_t
ngx_http_plum_unlink_header(ngx_http_request_t *r, ngx_list_part_t *prev,
    ngx_list_part_t *part, ngx_uint_t i)
{
    ngx_list_t       *headers;
    ngx_table_elt_t  *h;
    ngx_list_part_t  *rest;

    headers = &r->headers_in.headers;
    h = part->elts;

    if (i == 0 && part->nelts > 1) {

        part->elts = &h[1];
        part->nelts--;

    } else if (i + 1 == part->nelts && part->nelts > 1) {

        part->nelts--;

    } else if (part->nelts > 1) {

        rest = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
        if (rest == NULL) {
            return NGX_ERROR;
        }

        rest->elts = &h[i + 1];
        rest->nelts = part->nelts - i - 1;
        rest->next = part->next;

        part->nelts = i;
        part->next = rest;

        if (headers->last == part) {
            headers->last = rest;
        }

    } else if (prev) {

        prev->next = part->next;

        if (headers->last == part) {
            headers->last = prev;
        }

    } else if (part->next) {

        if (headers->last == part->next) {
            headers->last = part;
        }

        *part = *part->next;

    } else {
        part->nelts = 0;
        return NGX_OK;
    }

    /* marks the part as full: the next push must use a new part */

    headers->nalloc = headers->last->nelts;

    return NGX_OK;
}


/* headers_in must not point to what is removed */

static void
ngx_http_plum_forget_header(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_table_elt_t            **field;
    ngx_http_header_t           *hh;
    ngx_http_core_main_conf_t   *cmcf;

    if (h->lowcase_key == NULL) {
        return;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    hh = ngx_hash_find(&cmcf->headers_in_hash, h->hash, h->lowcase_key,
                       h->key.len);

    if (hh == NULL || hh->offset == 0) {
        return;
    }

    field = (ngx_table_elt_t **) ((char *) &r->headers_in + hh->offset);

    if (*field == h) {
        *field = NULL;
    }
}


ngx_int_t
ngx_http_plum_add_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_http_plum_header_next(h, NULL);

    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}
