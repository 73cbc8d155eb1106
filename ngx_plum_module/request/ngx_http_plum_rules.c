
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_loc_conf.h>


/*
 * Directives that several locations inherit are one object, so pointers are
 * compared.  A field that does not stand here is one that decides neither
 * whether a request is refused nor what of it is forwarded, or one that is
 * made of those that do.  t/unit/same_rules.c has the names of both kinds.
 */

ngx_uint_t
ngx_http_plum_same_rules(const ngx_http_plum_loc_conf_t *one,
    const ngx_http_plum_loc_conf_t *two)
{
    return one->mode == two->mode
           && one->tls == two->tls
           && one->types == two->types
           && one->max_body == two->max_body
           && one->signatures == two->signatures
           && one->satisfy == two->satisfy
           && one->allowlist == two->allowlist
           && one->idempotency == two->idempotency
           && one->accept == two->accept
           && one->key == two->key;
}
