
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>
#include <plum_path.h>
#include <plum_str.h>


static ngx_uint_t ngx_http_plum_review_exclusive(
    ngx_http_plum_signature_t *one, ngx_http_plum_signature_t *two);


/* every line must hold, so two lines that cannot hold together refuse all */

ngx_int_t
ngx_http_plum_review_signatures(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i, k;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_signature_t  **signature;

    plcf = location->plcf;
    signature = plcf->signatures->elts;

    if (plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ANY) {
        return NGX_OK;
    }

    for (i = 0; i < plcf->signatures->nelts; i++) {
        for (k = 0; k < i; k++) {

            if (!ngx_http_plum_review_exclusive(signature[k], signature[i])) {
                continue;
            }

            (void) ngx_http_plum_conf_error(cf, &signature[i]->where,
                        "no delivery can satisfy this \"plum_signature\" and "
                        "the one in %V:%ui, and both must hold; for several "
                        "live secrets repeat \"plum_secret\" with one name, "
                        "for two ways in write \"plum_satisfy any\"",
                        &signature[k]->where.file, signature[k]->where.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * 1 if both lines read one value and want it to be two things.  A list may
 * hold a signature for each of them.
 */

static ngx_uint_t
ngx_http_plum_review_exclusive(ngx_http_plum_signature_t *one,
    ngx_http_plum_signature_t *two)
{
    ngx_uint_t            same;
    const plum_scheme_t  *a, *b;

    a = &one->scheme;
    b = &two->scheme;

    same = ngx_http_plum_same(&one->secret, &two->secret);

    if (a->kind == PLUM_SCHEME_BODY_TOKEN
        || b->kind == PLUM_SCHEME_BODY_TOKEN)
    {
        return a->kind == b->kind && !same
               && plum_str_equal(&a->path, &b->path);
    }

    if (!plum_str_same(&a->header, &b->header)) {
        return 0;
    }

    if (a->kind != b->kind) {
        return 1;
    }

    if (a->kind == PLUM_SCHEME_API_KEY) {
        return !same;
    }

    return !a->list && !b->list
           && (!same
               || a->algorithm != b->algorithm
               || a->encoding != b->encoding
               || !plum_str_equal(&a->prefix, &b->prefix)
               || !plum_str_equal(&a->content, &b->content));
}


const plum_str_t *
ngx_http_plum_review_inside(ngx_http_plum_loc_conf_t *plcf,
    const plum_str_t *path)
{
    ngx_uint_t                    i;
    const plum_str_t             *place;
    ngx_http_plum_capture_t      *capture;
    ngx_http_plum_signature_t   **signature;
    ngx_http_plum_allow_rule_t   *rule;

    rule = plcf->allowlist->rules.elts;

    for (i = 0; i < plcf->allowlist->rules.nelts; i++) {
        if (plum_path_inside(&rule[i].path, path)) {
            return &rule[i].path;
        }
    }

    capture = plcf->captures ? plcf->captures->elts : NULL;

    for (i = 0; capture && i < plcf->captures->nelts; i++) {
        if (plum_path_inside(&capture[i].path, path)) {
            return &capture[i].path;
        }
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {
        place = plum_scheme_place(&signature[i]->scheme);

        if (place && plum_path_inside(place, path)) {
            return place;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_plum_review_allowlist(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i;
    const plum_str_t            *place, *inside;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_allowlist_t   *list;
    ngx_http_plum_signature_t  **signature;

    plcf = location->plcf;
    list = plcf->allowlist;
    place = &list->event_type;

    inside = (list->event == NGX_HTTP_PLUM_EVENT_PATH)
             ? ngx_http_plum_review_inside(plcf, place) : NULL;

    if (inside) {
        ngx_http_plum_conf_warn(cf, &list->where,
                                "\"event_type %*s\" is an object or array "
                                "where there is \"%*s\": such an event has no "
                                "type", place->len, place->data,
                                inside->len, inside->data);
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {
        place = plum_scheme_place(&signature[i]->scheme);
        inside = place ? ngx_http_plum_review_inside(plcf, place) : NULL;

        if (inside) {
            ngx_http_plum_conf_warn(cf, &signature[i]->where,
                                    "\"%*s\" is an object or array where "
                                    "there is \"%*s\": the signature finds "
                                    "nothing there", place->len, place->data,
                                    inside->len, inside->data);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_plum_review_idempotency(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                    i, taken, failed;
    const plum_success_t         *success;
    ngx_http_plum_idempotency_t  *idempotency;

    idempotency = location->plcf->idempotency;

    if (idempotency == NULL) {
        return NGX_OK;
    }

    success = &idempotency->success;
    taken = success->class_2xx;
    failed = 0;

    for (i = 0; i < success->ncodes; i++) {
        taken |= (success->codes[i] >= 200 && success->codes[i] < 300);
        failed |= (success->codes[i] >= 500);
    }

    if (!taken) {
        ngx_http_plum_conf_warn(cf, &idempotency->where,
                                "\"success=\" names no 2xx: what the upstream "
                                "takes is forwarded again with each attempt, "
                                "write \"success=2xx,...\"");
    }

    if (failed) {
        ngx_http_plum_conf_warn(cf, &idempotency->where,
                                "\"success=\" names a 5xx: an event that the "
                                "upstream failed to take is acknowledged and "
                                "lost");
    }

    return NGX_OK;
}
