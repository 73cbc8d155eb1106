/*
 * Counters in shared memory.
 *
 * A set is a block of numbered cells that has a name (its key), for instance
 * all that is counted of one gate.  Each set has a block in the zone for each
 * worker, which only that worker adds to, so that workers do not fight for
 * cache lines.  A worker adds by an atomic instruction and takes no lock:
 * workers of two configurations can use one block at a time, as an old worker
 * has the number of a new one while it shuts down.  Whoever reads sums up the
 * blocks.
 *
 * The zone has one size, and blocks are found by the key of their set.  So a
 * reload keeps the counts of each set that is still there, and old workers go
 * on counting in the same blocks.  Blocks are made in the master process when
 * the configuration has been read: never by a request.  A set that is in no
 * configuration any more stays in the zone, and has its counts if it comes
 * back.  A worker that dies leaves its block as it is.
 *
 * Cells have the size of a pointer: where that is 32 bits, they wrap.
 */

#ifndef _NGX_PLUM_METRICS_H_INCLUDED_
#define _NGX_PLUM_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* blocks of a set, at most; more workers share them */

#define NGX_PLUM_METRICS_BLOCKS  64


typedef struct ngx_plum_metrics_record_s  ngx_plum_metrics_record_t;


/* in shared memory: changes need a new NGX_PLUM_METRICS_LAYOUT */

struct ngx_plum_metrics_record_s {
    ngx_plum_metrics_record_t   *next;
    ngx_uint_t                   ncells;
    ngx_uint_t                   nblocks;
    ngx_atomic_t                *blocks[NGX_PLUM_METRICS_BLOCKS];
    size_t                       len;        /* of the key */
    u_char                       key[1];
};


typedef struct {
    ngx_str_t                    key;
    ngx_uint_t                   ncells;
    ngx_plum_metrics_record_t   *record;     /* NULL: there was no room, and
                                                nothing can be read */
    ngx_atomic_t                *cells;      /* the worker's block */
} ngx_plum_metrics_set_t;


typedef struct {
    ngx_shm_zone_t              *zone;
    ngx_cycle_t                 *cycle;
    ngx_uint_t                   workers;    /* that have a block */
    ngx_array_t                  sets;       /* ngx_plum_metrics_set_t * */
} ngx_plum_metrics_t;


/*
 * While the configuration is read.  create() makes the zone; tag is the
 * address of the module.  add() makes a set, or finds the one that has this
 * key and this number of cells.  The key is copied; keys of different kinds
 * must begin differently.  NULL: no memory.
 */

ngx_plum_metrics_t *ngx_plum_metrics_create(ngx_conf_t *cf, void *tag);
ngx_plum_metrics_set_t *ngx_plum_metrics_add(ngx_conf_t *cf,
    ngx_plum_metrics_t *metrics, ngx_str_t *key, ngx_uint_t ncells);

/* when a worker starts: finds its blocks.  NGX_ERROR: no memory */

ngx_int_t ngx_plum_metrics_init_process(ngx_cycle_t *cycle,
    ngx_plum_metrics_t *metrics);


/* in a worker.  store() is for what is no sum, as the time of an event */

#define ngx_plum_metrics_count(set, cell, n)                                  \
    (void) ngx_atomic_fetch_add(&(set)->cells[cell], (ngx_atomic_int_t) (n))

#define ngx_plum_metrics_store(set, cell, n)                                  \
    (set)->cells[cell] = (ngx_atomic_uint_t) (n)

/* of all workers: the sum of a cell, and the largest; 0 without a record */

uint64_t ngx_plum_metrics_sum(const ngx_plum_metrics_set_t *set,
    ngx_uint_t cell);
uint64_t ngx_plum_metrics_latest(const ngx_plum_metrics_set_t *set,
    ngx_uint_t cell);

/*
 * What the workers of this configuration have stored: the smallest value but
 * zero, or 0 where there is none.  What workers have left behind that are no
 * more, because there are fewer now, does not count.
 */

uint64_t ngx_plum_metrics_least(const ngx_plum_metrics_t *metrics,
    const ngx_plum_metrics_set_t *set, ngx_uint_t cell);


/*
 * A histogram is n + 1 cells for the buckets, of which the last one has what
 * is above all bounds, and one cell for the sum, in nanoseconds.  The bounds
 * are inclusive and grow.
 */

typedef struct {
    uint64_t                     bound;      /* ns */
    const char                  *text;       /* the same in seconds */
} ngx_plum_metrics_bucket_t;

typedef struct {
    const ngx_plum_metrics_bucket_t  *buckets;
    ngx_uint_t                        nbuckets;
} ngx_plum_metrics_histogram_t;

#define ngx_plum_metrics_cells(n)  ((n) + 2)

void ngx_plum_metrics_observe(ngx_plum_metrics_set_t *set, ngx_uint_t cell,
    const ngx_plum_metrics_histogram_t *histogram, uint64_t ns);

/* a clock for durations, in nanoseconds */

uint64_t ngx_plum_metrics_clock(void);


#endif /* _NGX_PLUM_METRICS_H_INCLUDED_ */
