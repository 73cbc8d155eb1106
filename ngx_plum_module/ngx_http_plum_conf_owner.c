
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_queue.h>
#include <ngx_http_plum_review.h>


/*
 * The owner of records.  A gate is a location where "plum on" stands, with
 * the "if" and "limit_except" blocks and the locations inside of it that
 * inherit this line.  Its owner is made of what the configuration says, so
 * that it is the same on each host with the same configuration, and after
 * each reload:
 *
 *   scope=   "scope" and the name: shared by all that write this name
 *   else     "gate", the ordinal, the first server_name of the server, the
 *            modifier and the name of the location, and the names of the
 *            secrets of its signatures, sorted
 *
 * The ordinal is 1, but for gates that agree in all of this and may share a
 * store: these are numbered in the order of the configuration.
 */


typedef struct {
    ngx_http_plum_loc_conf_t    *plcf;
    ngx_uint_t                   ordinal;    /* 0: it needs none */
    u_char                       first[PLUM_OWNER_LEN];  /* with ordinal 1 */
} ngx_http_plum_owner_t;


static ngx_int_t ngx_http_plum_owner_scope(ngx_http_plum_loc_conf_t *plcf);
static ngx_int_t ngx_http_plum_owner_gate(ngx_conf_t *cf,
    ngx_http_plum_location_t *location, ngx_uint_t ordinal, u_char *owner);
static void ngx_http_plum_owner_server(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, plum_str_t *part);
static void ngx_http_plum_owner_location(ngx_http_core_loc_conf_t *clcf,
    plum_str_t *part);
static int ngx_libc_cdecl ngx_http_plum_owner_compare(const void *one,
    const void *two);
static ngx_uint_t ngx_http_plum_owner_ordinal(ngx_http_plum_owner_t *owner,
    ngx_uint_t n);
static ngx_plum_store_t *ngx_http_plum_owner_store(
    ngx_http_plum_loc_conf_t *plcf);
static void ngx_http_plum_owner_str(plum_str_t *part, ngx_str_t *value);


ngx_int_t
ngx_http_plum_conf_owners(ngx_conf_t *cf, ngx_http_plum_main_conf_t *pmcf)
{
    ngx_uint_t                 i;
    ngx_http_plum_owner_t     *owner;
    ngx_http_plum_loc_conf_t  *plcf;
    ngx_http_plum_location_t  *location;

    location = pmcf->locations.elts;

    owner = ngx_pcalloc(cf->temp_pool, pmcf->locations.nelts
                                       * sizeof(ngx_http_plum_owner_t));
    if (owner == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < pmcf->locations.nelts; i++) {
        plcf = location[i].plcf;
        owner[i].plcf = plcf;

        if (!ngx_http_plum_dedupes(plcf)) {
            continue;
        }

        if (plcf->idempotency && plcf->idempotency->scope.len) {

            if (ngx_http_plum_owner_scope(plcf) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_http_plum_owner_gate(cf, &location[i], 1, owner[i].first)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        owner[i].ordinal = ngx_http_plum_owner_ordinal(owner, i);

        if (ngx_http_plum_owner_gate(cf, &location[i], owner[i].ordinal,
                                     plcf->owner)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (owner[i].ordinal > 1) {
            ngx_http_plum_conf_warn(cf, &plcf->where,
                          "\"plum on\" has the same server_name, location "
                          "and secrets as another one: their records are "
                          "kept apart by the order of the configuration, "
                          "write \"scope=name\" in \"plum_idempotency\" to "
                          "share or to name them,");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_plum_owner_scope(ngx_http_plum_loc_conf_t *plcf)
{
    plum_str_t  part[2] = { PLUM_STR("scope"), { NULL, 0 } };

    ngx_http_plum_owner_str(&part[1], &plcf->idempotency->scope);

    return (plum_owner(part, 2, plcf->owner) == PLUM_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_plum_owner_gate(ngx_conf_t *cf, ngx_http_plum_location_t *location,
    ngx_uint_t ordinal, u_char *owner)
{
    int                          rc;
    u_char                       text[NGX_INT_T_LEN];
    ngx_uint_t                   i, n;
    plum_str_t                  *part;
    static const plum_str_t      gate = PLUM_STR("gate");
    ngx_http_plum_signature_t  **signature;

    n = location->plcf->signatures->nelts;
    signature = location->plcf->signatures->elts;

    part = ngx_palloc(cf->temp_pool, (n + 5) * sizeof(plum_str_t));
    if (part == NULL) {
        return NGX_ERROR;
    }

    part[0] = gate;

    part[1].data = text;
    part[1].len = ngx_sprintf(text, "%ui", ordinal) - text;

    ngx_http_plum_owner_server(cf, location->cscf, &part[2]);
    ngx_http_plum_owner_location(location->plcf->gate, &part[3]);

    for (i = 0; i < n; i++) {
        ngx_http_plum_owner_str(&part[i + 5], &signature[i]->secret);
    }

    ngx_qsort(&part[5], n, sizeof(plum_str_t), ngx_http_plum_owner_compare);

    rc = plum_owner(part, n + 5, owner);

    return (rc == PLUM_OK) ? NGX_OK : NGX_ERROR;
}


/* "server_name $hostname" differs from host to host, so it counts as written */

static void
ngx_http_plum_owner_server(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
    plum_str_t *part)
{
    ngx_http_server_name_t   *name;
    static const plum_str_t   hostname = PLUM_STR("$hostname");

    name = cscf->server_names.elts;

    if (name[0].name.data == cf->cycle->hostname.data) {
        *part = hostname;
        return;
    }

    ngx_http_plum_owner_str(part, &cscf->server_name);
}


/* two parts: the modifier, as "location = /x" is not "location /x" */

static void
ngx_http_plum_owner_location(ngx_http_core_loc_conf_t *clcf, plum_str_t *part)
{
    static const plum_str_t  exact = PLUM_STR("=");
    static const plum_str_t  noregex = PLUM_STR("^~");
    static const plum_str_t  regex = PLUM_STR("~");
    static const plum_str_t  named = PLUM_STR("@");
    static const plum_str_t  none = PLUM_STR("");

    part[0] = clcf->exact_match ? exact
              : clcf->noregex ? noregex
              : clcf->named ? named : none;

#if (NGX_PCRE)
    if (clcf->regex) {
        part[0] = regex;
    }
#endif

    ngx_http_plum_owner_str(&part[1], &clcf->name);
}


static int ngx_libc_cdecl
ngx_http_plum_owner_compare(const void *one, const void *two)
{
    int                rc;
    const plum_str_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->data, b->data, ngx_min(a->len, b->len));

    return rc ? rc : (int) (a->len > b->len) - (int) (a->len < b->len);
}


/* all locations of a gate have one ordinal */

static ngx_uint_t
ngx_http_plum_owner_ordinal(ngx_http_plum_owner_t *owner, ngx_uint_t n)
{
    ngx_uint_t                 i, ordinal;
    ngx_plum_store_t          *store, *other;
    ngx_http_plum_loc_conf_t  *plcf;

    ordinal = 1;

    plcf = owner[n].plcf;
    store = ngx_http_plum_owner_store(plcf);

    for (i = 0; i < n; i++) {

        if (owner[i].ordinal == 0
            || ngx_memcmp(owner[i].first, owner[n].first, PLUM_OWNER_LEN) != 0)
        {
            continue;
        }

        /* two names of stores in Redis may be one Redis */

        other = ngx_http_plum_owner_store(owner[i].plcf);

        if (other != store && !(other->replicates && store->replicates)) {
            continue;
        }

        if (owner[i].plcf->gate == plcf->gate) {
            return owner[i].ordinal;
        }

        ordinal = ngx_max(ordinal, owner[i].ordinal + 1);
    }

    return ordinal;
}


static ngx_plum_store_t *
ngx_http_plum_owner_store(ngx_http_plum_loc_conf_t *plcf)
{
    return plcf->accept ? plcf->accept->queue->store
                        : plcf->idempotency->store;
}


static void
ngx_http_plum_owner_str(plum_str_t *part, ngx_str_t *value)
{
    part->data = value->data;
    part->len = value->len;
}
