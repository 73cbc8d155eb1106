/*
 * The memory store beside a model of it: random operations of workers whose
 * clocks lag, in zones with and without room, over reloads.  After each one
 * every record is what the model has.  Of NGINX there are the headers; what
 * the store calls of it is here, with a slab allocator that has no pages, only
 * a number of bytes to give.
 */

#include <ngx_plum_memory.h>
#include <plum_hash.h>

#include "unit.h"


#define KEYS      60
#define STEPS     40000
#define LAG       30

#define PAGES     16


typedef struct {
    ngx_uint_t        state;             /* ABSENT: there is none */
    uint64_t          expires;
    u_char            token;             /* the first byte tells them apart */
    u_char            answer;            /* its length, and each of its bytes */
} model_t;

#define ABSENT    2


volatile ngx_msec_t  ngx_current_msec;
ngx_uint_t           ngx_pagesize = 4096;

static size_t             room, used;    /* bytes of the zone, and taken */
static ngx_uint_t         locked, refused;
static ngx_shm_zone_t     zone;
static ngx_plum_store_t   store;
static ngx_slab_pool_t    slab;
static ngx_log_t          quiet;
static void              *page;          /* the first thing allocated */

static uint64_t           now;           /* the zone's */
static ngx_uint_t         outcomes[NGX_PLUM_OP_UNKNOWN + 1], forgotten;
static model_t            model[KEYS];


/* --- what the store takes of NGINX */

static size_t
chunk(size_t size)
{
    size_t  n;

    for (n = 8; n < size; n *= 2) { /* void */ }

    return n;
}


void *
ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    size_t  *p;

    assert_ptr_equal(pool, &slab);
    assert_true(locked);

    if (used + chunk(size) > room) {
        refused++;
        return NULL;
    }

    /* exactly what was asked for, so that sanitizers see its end */

    p = malloc(sizeof(size_t) * 2 + size);
    assert_non_null(p);

    p[0] = chunk(size);
    used += p[0];

    return p + 2;
}


void
ngx_slab_free_locked(ngx_slab_pool_t *pool, void *p)
{
    assert_ptr_equal(pool, &slab);
    assert_true(locked);

    used -= ((size_t *) p)[-2];
    free((size_t *) p - 2);
}


void *
ngx_slab_calloc(ngx_slab_pool_t *pool, size_t size)
{
    assert_ptr_equal(pool, &slab);
    assert_null(page);
    assert_int_equal(size, ngx_pagesize);

    page = calloc(1, size);

    return page;
}


void
ngx_shmtx_lock(ngx_shmtx_t *mutex)
{
    assert_ptr_equal(mutex, &slab.mutex);
    assert_false(locked);
    locked = 1;
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mutex)
{
    assert_ptr_equal(mutex, &slab.mutex);
    assert_true(locked);
    locked = 0;
}


/* of a pool: nothing is freed before the end */

static void    *pool[STEPS * 2];
static size_t   npool;


void *
ngx_pnalloc(ngx_pool_t *unused, size_t size)
{
    (void) unused;

    assert_false(locked);
    assert_true(npool < unit_nelts(pool));
    pool[npool] = calloc(1, size);

    return pool[npool++];
}


void *
ngx_pcalloc(ngx_pool_t *unused, size_t size)
{
    return ngx_pnalloc(unused, size);
}


u_char *
ngx_sprintf(u_char *buf, const char *format, ...)
{
    (void) format;
    return buf;
}


ssize_t
ngx_parse_size(ngx_str_t *line)
{
    (void) line;
    return (ssize_t) (PAGES * ngx_pagesize);
}


ngx_shm_zone_t *
ngx_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    (void) cf;
    (void) name;
    (void) tag;

    zone.shm.size = size;
    zone.data = NULL;

    return &zone;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *format, ...)
{
    (void) level;
    (void) log;
    (void) err;
    (void) format;
    assert_false(locked);
}


void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *format, ...)
{
    (void) level;
    (void) cf;
    (void) err;
    fail_msg("%s", format);
}


/* three values, so that different keys meet */

uint64_t
plum_hash(const uint64_t key[2], const uint8_t *data, size_t len)
{
    (void) key;
    (void) len;

    return (uint64_t) (data[0] % 3) << 30;
}


/* --- configurations */

static ngx_int_t
configure(void)
{
    void              *old;
    ngx_str_t          none;
    static ngx_conf_t  cf;
    static ngx_str_t   size = ngx_string("64k");

    old = zone.data;
    ngx_str_null(&none);

    assert_ptr_equal(ngx_plum_store_memory(&cf, &store, &none, &size, NULL, 0,
                                           NULL),
                     NGX_CONF_OK);

    zone.shm.addr = (u_char *) &slab;
    zone.shm.log = &quiet;

    return zone.init(&zone, old);
}


static void
start(size_t size)
{
    ngx_uint_t  i;

    ngx_memzero(&slab, sizeof(slab));
    ngx_memzero(&zone, sizeof(zone));
    quiet.log_level = NGX_LOG_STDERR;

    room = size;
    used = 0;
    page = NULL;
    now = 0;

    for (i = 0; i < KEYS; i++) {
        model[i].state = ABSENT;
    }

    ngx_current_msec = 1000;
    assert_int_equal(configure(), NGX_OK);
}


static void
put_away(void)
{
    free(page);

    while (npool) {
        free(pool[--npool]);
    }
}


/* --- the model */

/* keys of all lengths, one of each two the beginning of the other */

static ngx_str_t
key_of(ngx_uint_t i)
{
    ngx_str_t      key;
    static u_char  bytes[KEYS + 256];

    ngx_memset(bytes, 'k', sizeof(bytes));
    bytes[0] = (u_char) (i / 2);

    key.data = bytes;
    key.len = (i % 3 == 0) ? 256 : 1 + i;

    return key;
}


static ngx_plum_memory_record_t *
record_of(ngx_uint_t i)
{
    ngx_str_t                  key;
    ngx_plum_memory_op_t       op;
    ngx_plum_memory_record_t  *record;

    key = key_of(i);

    ngx_plum_memory_begin(&op, store.data, &key);
    ngx_plum_memory_lock(&op);
    record = ngx_plum_memory_lookup(&op);
    ngx_plum_memory_unlock(&op);

    return record;
}


static ngx_uint_t
lives(model_t *m)
{
    return m->state != ABSENT && m->expires > now;
}


/*
 * What lapsed may be gone; what did not, only if there was no room, and what
 * would lapse before it is gone, too.
 */

static void
compare(ngx_uint_t self)
{
    uint64_t                   lost;
    ngx_uint_t                 i;
    ngx_plum_memory_record_t  *record;

    lost = 0;

    for (i = 0; i < KEYS; i++) {
        record = record_of(i);

        if (record == NULL) {

            if (lives(&model[i])) {
                assert_true(refused);
                assert_int_equal(model[i].state, NGX_PLUM_MEMORY_DONE);
                lost = ngx_max(lost, model[i].expires);
                forgotten++;
            }

            model[i].state = ABSENT;
            continue;
        }

        assert_int_equal(record->state, model[i].state);
        assert_true(record->expires == model[i].expires);
        assert_int_equal(record->token[0], model[i].token);

        if (record->answer.len != model[i].answer) {
            assert_true(refused);
            assert_int_equal(record->answer.len, 0);
            model[i].answer = 0;
        }

        assert_true(record->answer.len == 0
                    || record->answer.data[record->answer.len - 1]
                       == model[i].answer);
    }

    for (i = 0; i < KEYS; i++) {
        assert_true(i == self
                    || model[i].state != NGX_PLUM_MEMORY_DONE
                    || model[i].expires >= lost);
    }
}


/* --- operations */

static void
set(ngx_uint_t i, ngx_uint_t state, u_char token, uint64_t duration)
{
    model[i].state = state;
    model[i].token = token;
    model[i].expires = now + duration;
    model[i].answer = 0;
}


static void
claim(ngx_plum_claim_t *c, ngx_uint_t i)
{
    model_t  *m;

    m = &model[i];

    assert_int_equal(store.ops->claim(&store, c), NGX_OK);
    outcomes[c->outcome]++;

    if (lives(m) && m->state == NGX_PLUM_MEMORY_DONE) {
        assert_int_equal(c->outcome, NGX_PLUM_OP_DONE);
        assert_int_equal(c->answer.len, m->answer);
        assert_true(m->answer == 0 || c->answer.data[0] == m->answer);

    } else if (lives(m) && m->token != c->token[0]) {
        assert_int_equal(c->outcome, NGX_PLUM_OP_BUSY);
        assert_true(c->left == m->expires - now);

    } else if (c->outcome == NGX_PLUM_OP_NOT_SENT) {
        assert_true(refused);

    } else {
        assert_int_equal(c->outcome, NGX_PLUM_OP_OK);
        set(i, NGX_PLUM_MEMORY_PENDING, c->token[0], c->lease);
    }
}


static void
commit(ngx_plum_claim_t *c, ngx_uint_t i, ngx_msec_t retention)
{
    model_t    *m;
    u_char      bytes[256];
    ngx_str_t   answer;

    m = &model[i];

    answer.len = (rand() % 2) ? (size_t) (rand() % 256) : 0;
    answer.data = bytes;
    ngx_memset(bytes, (int) answer.len, sizeof(bytes));

    if (store.ops->commit(&store, c, retention, &answer) != NGX_OK) {
        assert_true(refused);

    } else if (!lives(m) || m->token == c->token[0]) {
        set(i, NGX_PLUM_MEMORY_DONE, c->token[0], retention);
        m->answer = (u_char) answer.len;
    }
}


static void
step(void)
{
    model_t                   *m;
    ngx_uint_t                 i, held;
    ngx_plum_claim_t           c;
    static ngx_msec_t          clock = 1000;
    static const ngx_msec_t    leases[] = { 40, 200, 200, 200 };
    static const ngx_msec_t    retentions[] = { 1, 90, 400, 400, 400, 777,
                                                1500, 5000 };

    clock += (ngx_msec_t) (rand() % 6);
    ngx_current_msec = clock - (ngx_msec_t) (rand() % LAG);
    now = ngx_max(now, ngx_current_msec);
    refused = 0;

    i = (ngx_uint_t) rand() % KEYS;
    m = &model[i];

    ngx_memzero(&c, sizeof(c));
    c.key = key_of(i);
    c.token[0] = (u_char) (rand() % 3);
    c.lease = leases[rand() % unit_nelts(leases)];
    c.log = &quiet;

    held = (m->state == NGX_PLUM_MEMORY_PENDING && m->token == c.token[0]);

    switch (rand() % 8) {

    case 0:
    case 1:
    case 2:
        claim(&c, i);
        break;

    case 3:
    case 4:
    case 5:
        commit(&c, i, retentions[rand() % unit_nelts(retentions)]);
        break;

    case 6:
        if (store.ops->renew(&store, &c) == NGX_OK && held) {
            m->expires = now + c.lease;
        }
        break;

    default:
        assert_int_equal(store.ops->release(&store, &c), NGX_OK);

        if (held) {
            assert_null(record_of(i));
            m->state = ABSENT;
        }
    }

    compare(i);
}


static void
free_queues(void)
{
    ngx_plum_memory_queue_t   *queue, *next;
    ngx_plum_memory_shared_t  *shared;

    shared = slab.data;
    locked = 1;

    for (queue = shared->queues; queue; queue = next) {
        next = queue->next;

        if (queue < shared->few
            || queue >= shared->few + NGX_PLUM_MEMORY_QUEUES)
        {
            ngx_slab_free_locked(&slab, queue);
        }
    }

    locked = 0;
}


static void
walk(size_t size)
{
    ngx_uint_t        i;
    ngx_plum_claim_t  c;

    srand(1);
    start(size);
    ngx_memzero(outcomes, sizeof(outcomes));
    forgotten = 0;

    for (i = 0; i < STEPS; i++) {

        if (i % 1000 == 999) {
            assert_int_equal(configure(), NGX_OK);
        }

        step();
    }

    /* all lapses in the end, and nothing stays but queues */

    ngx_memzero(&c, sizeof(c));
    c.key = key_of(0);
    c.lease = 1;
    c.log = &quiet;

    for (i = 0; i < KEYS + 1; i++) {
        ngx_current_msec += 100000;
        now = ngx_current_msec;
        assert_int_equal(store.ops->claim(&store, &c), NGX_OK);
        (void) store.ops->release(&store, &c);
    }

    for (i = 0; i < KEYS; i++) {
        assert_null(record_of(i));
    }

    free_queues();
    assert_int_equal(used, 0);
    put_away();

    assert_true(outcomes[NGX_PLUM_OP_OK] > STEPS / 20);
    assert_true(outcomes[NGX_PLUM_OP_BUSY] > STEPS / 100);
    assert_true(outcomes[NGX_PLUM_OP_DONE] > 0);
}


static void
test_roomy(void **state)
{
    (void) state;
    walk(1024 * 1024);
    assert_int_equal(outcomes[NGX_PLUM_OP_NOT_SENT], 0);
    assert_int_equal(forgotten, 0);
}


static void
test_full(void **state)
{
    (void) state;
    walk(8192);
    assert_true(forgotten > STEPS / 100);

    /* so small that pending claims fill it */

    walk(2048);
    assert_true(outcomes[NGX_PLUM_OP_NOT_SENT] > STEPS / 100);
}


static void
test_other_layout(void **state)
{
    ngx_plum_memory_shared_t  *shared;

    (void) state;

    start(1024);
    shared = slab.data;

    shared->layout++;
    assert_int_equal(configure(), NGX_ERROR);
    shared->layout--;
    assert_int_equal(configure(), NGX_OK);

    put_away();
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_roomy),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_other_layout)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
