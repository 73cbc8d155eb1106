
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


static ngx_int_t ngx_http_plum_review_replays(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);
static ngx_int_t ngx_http_plum_review_signed_id(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);
static ngx_int_t ngx_http_plum_review_answer(ngx_conf_t *cf,
    ngx_http_plum_location_t *location);


static const ngx_http_plum_review_pt  ngx_http_plum_reviews[] = {
    ngx_http_plum_review_handler,
    ngx_http_plum_review_body,
    ngx_http_plum_review_signatures,
    ngx_http_plum_review_allowlist,
    ngx_http_plum_review_idempotency,
    ngx_http_plum_review_key,
    ngx_http_plum_review_answer,
    ngx_http_plum_review_replays,
    ngx_http_plum_review_satisfy,
    ngx_http_plum_review_secrets,
    ngx_http_plum_review_event,
    ngx_http_plum_review_signed_id,
    ngx_http_plum_review_headers,
    ngx_http_plum_review_tls,
    NULL
};


ngx_int_t
ngx_http_plum_conf_review(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                      i;
    ngx_http_plum_location_t       *location;
    const ngx_http_plum_review_pt  *review;

    location = pmcf->locations.elts;

    for (i = 0; i < pmcf->locations.nelts; i++) {
        for (review = ngx_http_plum_reviews; *review; review++) {
            if ((*review)(cf, &location[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_plum_review_unused(cf, pmcf);
}


static ngx_int_t
ngx_http_plum_review_answer(ngx_conf_t *cf, ngx_http_plum_location_t *location)
{
    ngx_uint_t                 i, off;
    ngx_http_plum_loc_conf_t  *plcf;
    ngx_http_plum_ack_rule_t  *rule;

    plcf = location->plcf;

    off = (plcf->ack == NGX_HTTP_PLUM_ACK_OFF);
    rule = plcf->acks ? plcf->acks->elts : NULL;

    for (i = 0; plcf->acks && i < plcf->acks->nelts; i++) {
        off |= (rule[i].ack == NGX_HTTP_PLUM_ACK_OFF);
    }

    if (plcf->idempotency && plcf->idempotency->answer && !off) {
        ngx_http_plum_conf_warn(cf, &plcf->where,
                                "\"answer=\" without \"plum_ack off\": "
                                "duplicates get the upstream's answer, the "
                                "first does not");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_review_replays(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                   i, any;
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_http_plum_signature_t  **signature;

    plcf = location->plcf;

    if (ngx_http_plum_dedupes(plcf)) {
        return NGX_OK;
    }

    /*
     * with "all" one line that binds the time is enough, with "any" one that
     * does not is too many
     */

    any = (plcf->satisfy == NGX_HTTP_PLUM_SATISFY_ANY
           && plcf->signatures->nelts > 1);

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {

        if (!plum_scheme_replayable(&signature[i]->scheme)) {

            if (any) {
                continue;
            }

            return NGX_OK;
        }

        if (any) {
            ngx_http_plum_conf_warn(cf, &signature[i]->where,
                             "a signature that is enough by "
                             "\"plum_satisfy any\" has no timestamp and "
                             "\"plum_idempotency\" is off: replays pass");
        }
    }

    if (any) {
        return NGX_OK;
    }

    ngx_http_plum_conf_warn(cf, &plcf->where,
                            "no signature has a timestamp and "
                            "\"plum_idempotency\" is off: replays pass");

    return NGX_OK;
}


/* a key with an id that no signature has would never be complete */

static ngx_int_t
ngx_http_plum_review_signed_id(ngx_conf_t *cf,
    ngx_http_plum_location_t *location)
{
    ngx_uint_t                    i;
    ngx_http_plum_loc_conf_t     *plcf;
    ngx_http_complex_value_t     *cv;
    ngx_http_plum_signature_t   **signature;

    plcf = location->plcf;

    if (!ngx_http_plum_dedupes(plcf)) {
        return NGX_OK;
    }

    signature = plcf->signatures->elts;

    for (i = 0; i < plcf->signatures->nelts; i++) {
        if (signature[i]->scheme.id.len) {
            return NGX_OK;
        }
    }

    cv = plcf->key->elts;

    for (i = 0; i < plcf->key->nelts; i++) {
        if (ngx_strnstr(cv[i].value.data, "plum_signed_id", cv[i].value.len)) {
            (void) ngx_http_plum_conf_error(cf,
                         plcf->accept ? &plcf->accept->where
                                      : &plcf->idempotency->where,
                         "\"plum_idempotency_key\" has \"$plum_signed_id\", "
                         "but no \"plum_signature\" has an id: capture one "
                         "from the body, or use \"$plum_body_sha256\"");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
