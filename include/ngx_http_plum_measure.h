/*
 * What "plum_status" counts of the requests of a gate.  A gate is a location
 * where "plum on" stands, with all locations inside that inherit this line,
 * or several of these that have one "name=".
 *
 * A request that has come to the gate is counted once, when its outcome is
 * final: right before the first byte of its answer is sent, or when it ends
 * without one.  So whoever has an answer is counted, also if the worker is
 * killed right afterwards.  Cells do not overlap: the requests of a gate are
 * the sum of its cells by verdict and by reason.
 */

#ifndef _NGX_HTTP_PLUM_MEASURE_H_INCLUDED_
#define _NGX_HTTP_PLUM_MEASURE_H_INCLUDED_


#include <ngx_http_plum.h>
#include <ngx_plum_metrics.h>
#include <ngx_plum_secret.h>
#include <plum_idempotency.h>
#include <plum_reason.h>


#define NGX_HTTP_PLUM_GATE_BUCKETS      16
#define NGX_HTTP_PLUM_UPSTREAM_BUCKETS  14

/* verdicts with a cell of their own, in this order; see verdicts[] */

#define NGX_HTTP_PLUM_MEASURE_ACCEPTED   0
#define NGX_HTTP_PLUM_MEASURE_DUPLICATE  1
#define NGX_HTTP_PLUM_MEASURE_DROPPED    2
#define NGX_HTTP_PLUM_MEASURE_ABORTED    3   /* ended without a verdict: the
                                                sender has left, or an error */
#define NGX_HTTP_PLUM_MEASURE_REFUSED    4   /* the sum of the reasons */
#define NGX_HTTP_PLUM_MEASURE_VERDICTS   5

#define NGX_HTTP_PLUM_MEASURE_DEDUPES    5
#define NGX_HTTP_PLUM_MEASURE_OUTCOMES   3


/* cells of a gate's set; each name is that of the first of its cells */

enum {
    NGX_HTTP_PLUM_CELL_VERDICT = 0,      /* without refused */
    NGX_HTTP_PLUM_CELL_REASON = NGX_HTTP_PLUM_MEASURE_VERDICTS - 1,
    NGX_HTTP_PLUM_CELL_DEDUPE = NGX_HTTP_PLUM_CELL_REASON + PLUM_REASON_MAX,
    NGX_HTTP_PLUM_CELL_FORWARD = NGX_HTTP_PLUM_CELL_DEDUPE
                                 + NGX_HTTP_PLUM_MEASURE_DEDUPES,
    NGX_HTTP_PLUM_CELL_IN = NGX_HTTP_PLUM_CELL_FORWARD
                            + NGX_HTTP_PLUM_MEASURE_OUTCOMES,
    NGX_HTTP_PLUM_CELL_OUT,
    NGX_HTTP_PLUM_CELL_STRIPPED,
    NGX_HTTP_PLUM_CELL_LAST,             /* seconds of the last event, by
                                            verdict */
    NGX_HTTP_PLUM_CELL_GATE = NGX_HTTP_PLUM_CELL_LAST
                              + NGX_HTTP_PLUM_MEASURE_VERDICTS,
    NGX_HTTP_PLUM_CELL_UPSTREAM = NGX_HTTP_PLUM_CELL_GATE
        + ngx_plum_metrics_cells(NGX_HTTP_PLUM_GATE_BUCKETS),
    NGX_HTTP_PLUM_CELLS = NGX_HTTP_PLUM_CELL_UPSTREAM
        + ngx_plum_metrics_cells(NGX_HTTP_PLUM_UPSTREAM_BUCKETS)
};


/* a secret that the signatures of a gate name; one cell */

typedef struct {
    const ngx_plum_secret_t         *secret;
    ngx_plum_metrics_set_t          *set;
} ngx_http_plum_measured_secret_t;


typedef struct {
    ngx_str_t                        name;
    ngx_plum_metrics_set_t          *set;
    ngx_array_t                      secrets;
                                     /* ngx_http_plum_measured_secret_t */
} ngx_http_plum_measured_t;


/* of a request: how long it was in the gate, and since when it is forwarded */

typedef struct {
    uint64_t                         since;  /* 0: the clock stands */
    uint64_t                         gate;   /* ns, so far */
    uint64_t                         passed;
    unsigned                         begun:1;
    unsigned                         counted:1;
} ngx_http_plum_clock_t;


/* label values by number, and the bounds of the histograms */

extern const ngx_str_t
    ngx_http_plum_measure_verdicts[NGX_HTTP_PLUM_MEASURE_VERDICTS];
extern const ngx_str_t
    ngx_http_plum_measure_dedupes[NGX_HTTP_PLUM_MEASURE_DEDUPES];
extern const ngx_str_t
    ngx_http_plum_measure_outcomes[NGX_HTTP_PLUM_MEASURE_OUTCOMES];
extern const ngx_plum_metrics_histogram_t  ngx_http_plum_measure_gate;
extern const ngx_plum_metrics_histogram_t  ngx_http_plum_measure_upstream;

/*
 * begin starts the clock of the time that a request is in the gate, or lets it
 * go on; wait stops it: the gate waits for the sender, or the request has
 * passed.  count counts a request that has come to the gate, once; the outcome
 * is that of one that has passed.  refusal counts a subrequest that was
 * refused.  All do nothing where nothing is counted.
 */

void ngx_http_plum_measure_begin(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_measure_wait(ngx_http_plum_ctx_t *ctx);
void ngx_http_plum_measure_count(ngx_http_plum_ctx_t *ctx,
    plum_outcome_t outcome);
void ngx_http_plum_measure_refusal(const ngx_http_plum_loc_conf_t *plcf,
    plum_reason_t reason);


#endif /* _NGX_HTTP_PLUM_MEASURE_H_INCLUDED_ */
