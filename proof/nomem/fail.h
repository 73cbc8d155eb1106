/*
 * Included before every source of the module.  What allocates for a request in
 * a worker fails, one time in PLUM_FAIL; of what allocates for a configuration
 * the PLUM_FAIL_NTH fails, and says so.  Both are of the environment; without,
 * none does.
 */

#ifndef _FAIL_H_INCLUDED_
#define _FAIL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>


/* a worker that has just started makes what it needs for life */

#define FAIL_AFTER   500


static ngx_uint_t  fail_often;

/* of all sources together */

__attribute__((weak)) long  fail_left;


/* in the master: the environment is gone in a worker */

__attribute__((constructor)) static void
fail_start(void)
{
    const char  *value;

    value = getenv("PLUM_FAIL");
    fail_often = value ? (ngx_uint_t) atoi(value) : 0;

    value = getenv("PLUM_FAIL_NTH");
    fail_left = value ? atol(value) : 0;
}


static inline ngx_uint_t
fail_now(void)
{
    static ngx_pid_t   pid;
    static ngx_msec_t  start;
    static ngx_uint_t  seed;

    if (ngx_process != NGX_PROCESS_WORKER) {
        if (fail_left <= 0 || --fail_left != 0) {
            return 0;
        }

        (void) fprintf(stderr, "an allocation fails\n");

        return 1;
    }

    if (fail_often == 0) {
        return 0;
    }

    if (pid != ngx_pid) {
        pid = ngx_pid;
        start = ngx_current_msec;
        seed = (ngx_uint_t) pid * 2654435761u + (ngx_uint_t) &pid;
    }

    if (ngx_current_msec - start < FAIL_AFTER) {
        return 0;
    }

    seed = seed * 6364136223846793005u + 1442695040888963407u;

    return (seed >> 33) % fail_often == 0;
}


/* the name of each is a define below, so these have the real ones */

#define FAIL(type, name, parameters, arguments)                               \
                                                                              \
static inline type                                                            \
fail_##name parameters                                                        \
{                                                                             \
    return fail_now() ? NULL : name arguments;                                \
}


FAIL(void *, malloc, (size_t n), (n))
FAIL(void *, calloc, (size_t n, size_t size), (n, size))
FAIL(void *, realloc, (void *p, size_t size), (p, size))
FAIL(void *, ngx_alloc, (size_t size, ngx_log_t *log), (size, log))
FAIL(void *, ngx_calloc, (size_t size, ngx_log_t *log), (size, log))
FAIL(void *, ngx_palloc, (ngx_pool_t *pool, size_t size), (pool, size))
FAIL(void *, ngx_pnalloc, (ngx_pool_t *pool, size_t size), (pool, size))
FAIL(void *, ngx_pcalloc, (ngx_pool_t *pool, size_t size), (pool, size))
FAIL(void *, ngx_array_push, (ngx_array_t *array), (array))
FAIL(ngx_array_t *, ngx_array_create,
     (ngx_pool_t *pool, ngx_uint_t n, size_t size), (pool, n, size))
FAIL(ngx_http_variable_t *, ngx_http_add_variable,
     (ngx_conf_t *cf, ngx_str_t *name, ngx_uint_t flags), (cf, name, flags))
FAIL(ngx_shm_zone_t *, ngx_shared_memory_add,
     (ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag),
     (cf, name, size, tag))
FAIL(void *, ngx_list_push, (ngx_list_t *list), (list))
FAIL(void *, ngx_slab_calloc, (ngx_slab_pool_t *pool, size_t size),
     (pool, size))
FAIL(void *, ngx_slab_alloc, (ngx_slab_pool_t *pool, size_t size),
     (pool, size))
FAIL(void *, ngx_slab_alloc_locked, (ngx_slab_pool_t *pool, size_t size),
     (pool, size))
FAIL(ngx_pool_t *, ngx_create_pool, (size_t size, ngx_log_t *log),
     (size, log))
FAIL(ngx_chain_t *, ngx_alloc_chain_link, (ngx_pool_t *pool), (pool))
FAIL(ngx_buf_t *, ngx_create_temp_buf, (ngx_pool_t *pool, size_t size),
     (pool, size))
FAIL(ngx_pool_cleanup_t *, ngx_pool_cleanup_add,
     (ngx_pool_t *pool, size_t size), (pool, size))
FAIL(ngx_http_cleanup_t *, ngx_http_cleanup_add,
     (ngx_http_request_t *r, size_t size), (r, size))

#define malloc                 fail_malloc
#define calloc                 fail_calloc
#define realloc                fail_realloc
#define ngx_alloc              fail_ngx_alloc
#define ngx_calloc             fail_ngx_calloc
#define ngx_palloc             fail_ngx_palloc
#define ngx_pnalloc            fail_ngx_pnalloc
#define ngx_pcalloc            fail_ngx_pcalloc
#define ngx_array_push         fail_ngx_array_push
#define ngx_array_create       fail_ngx_array_create
#define ngx_http_add_variable  fail_ngx_http_add_variable
#define ngx_shared_memory_add  fail_ngx_shared_memory_add
#define ngx_list_push          fail_ngx_list_push
#define ngx_slab_calloc        fail_ngx_slab_calloc
#define ngx_slab_alloc         fail_ngx_slab_alloc
#define ngx_slab_alloc_locked  fail_ngx_slab_alloc_locked
#define ngx_create_pool        fail_ngx_create_pool
#define ngx_alloc_chain_link   fail_ngx_alloc_chain_link
#define ngx_create_temp_buf    fail_ngx_create_temp_buf
#define ngx_pool_cleanup_add   fail_ngx_pool_cleanup_add
#define ngx_http_cleanup_add   fail_ngx_http_cleanup_add


#endif /* _FAIL_H_INCLUDED_ */
