/*
 * Linked into NGINX: the zone of a memory store, or of a consumer, cannot be
 * touched by a process that does not hold its mutex.  The first page has the
 * mutex.  The pages behind it have PROT_NONE, in each process by itself, except
 * between lock and unlock.  A process that touches the zone without the mutex
 * dies by SIGSEGV, and the test fails.  The zone of a consumer is found, and
 * protected, when a worker locks it for the first time.
 *
 * The linker's --wrap brings the calls here.  PLUM_LOCKS=skip in the
 * environment leaves the locking out, as a module would that forgets it: the
 * step that shows that the check can fail.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>


#define ZONES     16

/* how the name of a consumer's zone begins */

#define CONSUMER  "plum_deliver:"


ngx_int_t __real_ngx_plum_memory_init(ngx_shm_zone_t *zone, void *data);
void __real_ngx_shmtx_lock(ngx_shmtx_t *mutex);
ngx_uint_t __real_ngx_shmtx_trylock(ngx_shmtx_t *mutex);
void __real_ngx_shmtx_unlock(ngx_shmtx_t *mutex);
void __real_ngx_shm_free(ngx_shm_t *shm);

ngx_int_t __wrap_ngx_plum_memory_init(ngx_shm_zone_t *zone, void *data);
void __wrap_ngx_shmtx_lock(ngx_shmtx_t *mutex);
ngx_uint_t __wrap_ngx_shmtx_trylock(ngx_shmtx_t *mutex);
void __wrap_ngx_shmtx_unlock(ngx_shmtx_t *mutex);
void __wrap_ngx_shm_free(ngx_shm_t *shm);


typedef struct {
    u_char  *addr;                       /* NULL: a free entry */
    size_t   size;
} locks_zone_t;


static locks_zone_t  zones[ZONES];
static ngx_uint_t    skip;


static locks_zone_t *locks_consumer(u_char *addr);
static void locks_protect(locks_zone_t *zone, int protection);


__attribute__((constructor)) static void
locks_start(void)
{
    const char  *value;

    value = getenv("PLUM_LOCKS");
    skip = (value != NULL && strcmp(value, "skip") == 0);
}


static locks_zone_t *
locks_find(void *addr)
{
    ngx_uint_t  i;

    for (i = 0; i < ZONES; i++) {
        if (zones[i].addr == addr) {
            return &zones[i];
        }
    }

    return NULL;
}


static locks_zone_t *
locks_of(ngx_shmtx_t *mutex)
{
    u_char        *addr;
    locks_zone_t  *zone;

    addr = (u_char *) mutex - offsetof(ngx_slab_pool_t, mutex);
    zone = locks_find(addr);

    if (zone == NULL && ngx_process == NGX_PROCESS_WORKER) {
        zone = locks_consumer(addr);
    }

    return zone;
}


/* adds the zone at this address to the table, if it is of a consumer */

static locks_zone_t *
locks_consumer(u_char *addr)
{
    ngx_uint_t        i;
    locks_zone_t     *zone;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *shm_zone;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part != NULL;
         part = part->next)
    {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (shm_zone[i].shm.addr != addr
                || ngx_strncmp(shm_zone[i].shm.name.data, CONSUMER,
                               sizeof(CONSUMER) - 1)
                   != 0)
            {
                continue;
            }

            zone = locks_find(NULL);

            if (zone == NULL) {
                ngx_abort();
            }

            zone->addr = addr;
            zone->size = shm_zone[i].shm.size;

            /* the first lock is left out, too */

            if (skip) {
                locks_protect(zone, PROT_NONE);
            }

            return zone;
        }
    }

    return NULL;
}


static void
locks_protect(locks_zone_t *zone, int protection)
{
    if (mprotect(zone->addr + ngx_pagesize, zone->size - ngx_pagesize,
                 protection)
        != 0)
    {
        ngx_abort();
    }
}


ngx_int_t
__wrap_ngx_plum_memory_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_int_t      rc;
    locks_zone_t  *zone;

    zone = locks_find(shm_zone->shm.addr);

    if (zone != NULL) {
        locks_protect(zone, PROT_READ|PROT_WRITE);

    } else {
        zone = locks_find(NULL);

        if (zone == NULL) {
            ngx_abort();
        }
    }

    /* alone with the zone, or on the way to it: no mutex is needed */

    zone->addr = NULL;
    rc = __real_ngx_plum_memory_init(shm_zone, data);

    zone->addr = shm_zone->shm.addr;
    zone->size = shm_zone->shm.size;
    locks_protect(zone, PROT_NONE);

    return rc;
}


void
__wrap_ngx_shmtx_lock(ngx_shmtx_t *mutex)
{
    locks_zone_t  *zone;

    zone = locks_of(mutex);

    if (zone != NULL && skip) {
        return;
    }

    __real_ngx_shmtx_lock(mutex);

    if (zone != NULL) {
        locks_protect(zone, PROT_READ|PROT_WRITE);
    }
}


ngx_uint_t
__wrap_ngx_shmtx_trylock(ngx_shmtx_t *mutex)
{
    ngx_uint_t     locked;
    locks_zone_t  *zone;

    locked = __real_ngx_shmtx_trylock(mutex);
    zone = locks_of(mutex);

    if (locked && zone != NULL) {
        locks_protect(zone, PROT_READ|PROT_WRITE);
    }

    return locked;
}


void
__wrap_ngx_shmtx_unlock(ngx_shmtx_t *mutex)
{
    locks_zone_t  *zone;

    zone = locks_of(mutex);

    if (zone != NULL && skip) {
        return;
    }

    if (zone != NULL) {
        locks_protect(zone, PROT_NONE);
    }

    __real_ngx_shmtx_unlock(mutex);
}


void
__wrap_ngx_shm_free(ngx_shm_t *shm)
{
    locks_zone_t  *zone;

    zone = locks_find(shm->addr);

    if (zone != NULL) {
        zone->addr = NULL;
    }

    __real_ngx_shm_free(shm);
}
