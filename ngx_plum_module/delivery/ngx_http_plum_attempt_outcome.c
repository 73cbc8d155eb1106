
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>
#include <ngx_http_plum_outcome.h>


/*
 * The outcome of an attempt to deliver.  The answer of the last upstream counts
 * (proxy_next_upstream and error pages may use several).  It is a success only
 * if the whole request had been sent to that upstream.  If no upstream was
 * used, the status of the answer counts, unless it is an error page.
 */


static ngx_http_upstream_state_t *ngx_http_plum_outcome_state(
    ngx_http_request_t *r);
static uint64_t ngx_http_plum_outcome_retry_after(ngx_http_request_t *r);


void
ngx_http_plum_outcome(ngx_http_request_t *r,
    const ngx_http_plum_deliver_t *deliver, ngx_http_plum_outcome_t *outcome)
{
    ngx_uint_t                  success;
    ngx_http_upstream_state_t  *state;

    ngx_memzero(outcome, sizeof(ngx_http_plum_outcome_t));

    state = ngx_http_plum_outcome_state(r);

    if (state) {

        if (ngx_http_plum_upstream_answered(r, state)) {
            outcome->status = state->status;
            outcome->retry_after = ngx_http_plum_outcome_retry_after(r);
        }

    } else if (r->upstream == NULL && !r->error_page) {
        outcome->status = r->headers_out.status;
    }

    success = (outcome->status != 0
               && plum_success_match(&deliver->success,
                                     (unsigned) outcome->status));

    if (success && state && !r->upstream->request_body_sent) {
        outcome->cut = 1;
        success = 0;
    }

    outcome->result = plum_attempt_result((unsigned) outcome->status,
                                          (unsigned) success,
                                          outcome->retry_after);
}


/* of the last upstream; NGINX adds entries without a peer at redirects */

static ngx_http_upstream_state_t *
ngx_http_plum_outcome_state(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL || r->upstream == NULL) {
        return NULL;
    }

    state = r->upstream_states->elts;

    for (i = r->upstream_states->nelts; i > 0; i--) {

        if (state[i - 1].peer) {
            return &state[i - 1];
        }
    }

    return NULL;
}


static uint64_t
ngx_http_plum_outcome_retry_after(ngx_http_request_t *r)
{
    time_t            date;
    ngx_uint_t        i;
    plum_str_t        value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->upstream->headers_in.headers.part;
         part;
         part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("Retry-After") - 1
                || ngx_strncasecmp(h[i].key.data, (u_char *) "Retry-After",
                                   h[i].key.len)
                   != 0)
            {
                continue;
            }

            value.data = h[i].value.data;
            value.len = h[i].value.len;

            date = ngx_parse_http_time(h[i].value.data, h[i].value.len);

            return plum_retry_after(&value, (int64_t) date,
                                    (int64_t) ngx_time());
        }
    }

    return 0;
}
