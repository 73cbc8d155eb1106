/*
 * The shared zone of a memory store.
 */

#include <ngx_plum_memory.h>


#define NGX_PLUM_MEMORY_MAGIC    0x504c554d
#define NGX_PLUM_MEMORY_LAYOUT   1

/* how often a full zone is spoken of, milliseconds */
#define NGX_PLUM_MEMORY_QUIET    60000

/* what one operation may forget: for a record, and for an answer */
#define NGX_PLUM_MEMORY_TRIES    256
#define NGX_PLUM_MEMORY_FEW      16

/* a larger part of the zone than this is not worth forgetting for */
#define NGX_PLUM_MEMORY_PART     8


static ngx_int_t ngx_plum_memory_adopt(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_plum_memory_create_zone(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone);
static uint64_t ngx_plum_memory_now(void);
static ngx_uint_t ngx_plum_memory_due(uint64_t *next, uint64_t now);
static void *ngx_plum_memory_alloc(ngx_plum_memory_op_t *op, size_t size,
    ngx_uint_t tries);
static ngx_int_t ngx_plum_memory_forget(ngx_plum_memory_op_t *op);
static ngx_plum_memory_record_t *ngx_plum_memory_first(
    ngx_plum_memory_t *memory, ngx_uint_t state);
static void ngx_plum_memory_insert(ngx_rbtree_t *tree,
    ngx_rbtree_node_t *node, ngx_rbtree_insert_pt insert);
static void ngx_plum_memory_insert_key(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_plum_memory_insert_lapse(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_plum_memory_link(ngx_rbtree_node_t **p,
    ngx_rbtree_node_t *parent, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel);


ngx_int_t
ngx_plum_memory_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_plum_memory_t  *memory;

    memory = shm_zone->data;
    memory->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    /* the old data is of another configuration: the zone knows it all */

    if (data || shm_zone->shm.exists) {
        return ngx_plum_memory_adopt(memory, shm_zone);
    }

    return ngx_plum_memory_create_zone(memory, shm_zone);
}


static ngx_int_t
ngx_plum_memory_adopt(ngx_plum_memory_t *memory, ngx_shm_zone_t *shm_zone)
{
    ngx_plum_memory_shared_t  *shared;

    shared = memory->shpool->data;

    if (shared == NULL
        || shared->magic != NGX_PLUM_MEMORY_MAGIC
        || shared->layout != NGX_PLUM_MEMORY_LAYOUT
        || shared->size != shm_zone->shm.size
        || shared->record != offsetof(ngx_plum_memory_record_t, key))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" of plum store \"%V\" was laid out by "
                      "another version of the module, a restart is needed",
                      &shm_zone->shm.name, &memory->store);
        return NGX_ERROR;
    }

    memory->shared = shared;

    return NGX_OK;
}


static ngx_int_t
ngx_plum_memory_create_zone(ngx_plum_memory_t *memory,
    ngx_shm_zone_t *shm_zone)
{
    size_t                     len;
    ngx_slab_pool_t           *shpool;
    ngx_plum_memory_shared_t  *shared;

    shpool = memory->shpool;

    shared = ngx_slab_calloc(shpool, sizeof(ngx_plum_memory_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    /*
     * set by ngx_slab_calloc():
     *
     *     shared->forgot = 0;
     *     shared->bare = 0;
     */

    shared->magic = NGX_PLUM_MEMORY_MAGIC;
    shared->layout = NGX_PLUM_MEMORY_LAYOUT;
    shared->size = shm_zone->shm.size;
    shared->record = offsetof(ngx_plum_memory_record_t, key);

    ngx_rbtree_init(&shared->records, &shared->sentinels[0], NULL);
    ngx_rbtree_init(&shared->lapse[NGX_PLUM_MEMORY_PENDING],
                    &shared->sentinels[1], NULL);
    ngx_rbtree_init(&shared->lapse[NGX_PLUM_MEMORY_DONE],
                    &shared->sentinels[2], NULL);

    len = sizeof(" in plum store \"\"") + memory->store.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in plum store \"%V\"%Z", &memory->store);

    /* a full zone is ours to speak of */

    shpool->log_nomem = 0;
    shpool->data = shared;

    memory->shared = shared;

    return NGX_OK;
}


void
ngx_plum_memory_begin(ngx_plum_memory_op_t *op, ngx_plum_memory_t *memory,
    ngx_str_t *key)
{
    ngx_memzero(op, sizeof(ngx_plum_memory_op_t));

    op->memory = memory;
    op->key = key;
    op->now = ngx_plum_memory_now();
    op->hash = ngx_murmur_hash2(key->data, key->len);
}


/*
 * One clock for all processes of a boot, as the zone does not outlive it.
 * The cached time would wrap within weeks where ngx_msec_t has 32 bits.
 */

static uint64_t
ngx_plum_memory_now(void)
{
#if (NGX_PTR_SIZE == 8)

    return ngx_current_msec;

#elif (NGX_HAVE_CLOCK_MONOTONIC)

    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

#else

    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;

#endif
}


void
ngx_plum_memory_report(ngx_plum_memory_op_t *op, ngx_log_t *log)
{
    ngx_str_t  *store;

    store = &op->memory->store;

    if (op->forgot) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum store \"%V\" is full: forgetting forwarded "
                      "deliveries before their retention ends, enlarge its "
                      "zone", store);
    }

    if (op->bare) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "plum store \"%V\" has no room for an answer: "
                      "a delivery is remembered without it, enlarge its zone",
                      store);
    }

    if (op->full && op->pending) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum store \"%V\" is full of pending claims", store);

    } else if (op->full) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "plum store \"%V\" is full: what could be forgotten "
                      "made no room for a claim, enlarge its zone", store);
    }
}


static ngx_uint_t
ngx_plum_memory_due(uint64_t *next, uint64_t now)
{
    if (now < *next) {
        return 0;
    }

    *next = now + NGX_PLUM_MEMORY_QUIET;

    return 1;
}


void
ngx_plum_memory_expire(ngx_plum_memory_op_t *op, ngx_uint_t n)
{
    ngx_uint_t                 i, state;
    ngx_plum_memory_record_t  *record;

    for (state = 0; state < 2; state++) {

        for (i = 0; i < n; i++) {
            record = ngx_plum_memory_first(op->memory, state);

            if (record == NULL || record->expires > op->now) {
                break;
            }

            ngx_plum_memory_remove(op->memory, record);
        }
    }
}


ngx_plum_memory_record_t *
ngx_plum_memory_lookup(ngx_plum_memory_op_t *op)
{
    ngx_int_t                  rc;
    ngx_rbtree_node_t         *node, *sentinel;
    ngx_plum_memory_record_t  *record;

    node = op->memory->shared->records.root;
    sentinel = op->memory->shared->records.sentinel;

    while (node != sentinel) {

        if (op->hash != node->key) {
            node = (op->hash < node->key) ? node->left : node->right;
            continue;
        }

        record = ngx_rbtree_data(node, ngx_plum_memory_record_t, node);

        rc = ngx_memn2cmp(op->key->data, record->key, op->key->len,
                          record->len);

        if (rc == 0) {
            return record;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


ngx_plum_memory_record_t *
ngx_plum_memory_create(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_t         *memory;
    ngx_plum_memory_record_t  *record;

    memory = op->memory;

    record = ngx_plum_memory_alloc(op,
                                   offsetof(ngx_plum_memory_record_t, key)
                                   + op->key->len,
                                   NGX_PLUM_MEMORY_TRIES);
    if (record == NULL) {
        op->full = 1;
        op->pending = (ngx_plum_memory_first(memory, NGX_PLUM_MEMORY_DONE)
                       == NULL);
        return NULL;
    }

    record->node.key = op->hash;
    ngx_str_null(&record->answer);
    record->len = op->key->len;
    ngx_memcpy(record->key, op->key->data, op->key->len);

    ngx_plum_memory_insert(&memory->shared->records, &record->node,
                           ngx_plum_memory_insert_key);

    return record;
}


void
ngx_plum_memory_attach(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record, ngx_uint_t state, uint64_t expires)
{
    record->state = state;
    record->expires = expires;

    ngx_plum_memory_insert(&memory->shared->lapse[state], &record->lapse,
                           ngx_plum_memory_insert_lapse);
}


void
ngx_plum_memory_detach(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record)
{
    ngx_rbtree_delete(&memory->shared->lapse[record->state], &record->lapse);
}


void
ngx_plum_memory_remove(ngx_plum_memory_t *memory,
    ngx_plum_memory_record_t *record)
{
    ngx_plum_memory_detach(memory, record);

    ngx_rbtree_delete(&memory->shared->records, &record->node);

    if (record->answer.data) {
        ngx_slab_free_locked(memory->shpool, record->answer.data);
    }

    ngx_slab_free_locked(memory->shpool, record);
}


void
ngx_plum_memory_answer(ngx_plum_memory_op_t *op,
    ngx_plum_memory_record_t *record, ngx_str_t *answer)
{
    u_char                    *p;
    ngx_uint_t                 tries;
    ngx_plum_memory_shared_t  *shared;

    p = NULL;

    if (answer && answer->len) {
        shared = op->memory->shared;

        tries = (answer->len > shared->size / NGX_PLUM_MEMORY_PART)
                ? 0 : NGX_PLUM_MEMORY_FEW;

        p = ngx_plum_memory_alloc(op, answer->len, tries);

        if (p) {
            ngx_memcpy(p, answer->data, answer->len);

        } else if (ngx_plum_memory_due(&shared->bare, op->now)) {
            op->bare = 1;
        }
    }

    if (record->answer.data) {
        ngx_slab_free_locked(op->memory->shpool, record->answer.data);
    }

    record->answer.len = p ? answer->len : 0;
    record->answer.data = p;
}


static void *
ngx_plum_memory_alloc(ngx_plum_memory_op_t *op, size_t size,
    ngx_uint_t tries)
{
    void  *p;

    for ( ;; ) {
        p = ngx_slab_alloc_locked(op->memory->shpool, size);

        if (p || tries-- == 0 || ngx_plum_memory_forget(op) != NGX_OK) {
            return p;
        }
    }
}


static ngx_int_t
ngx_plum_memory_forget(ngx_plum_memory_op_t *op)
{
    ngx_plum_memory_t         *memory;
    ngx_plum_memory_record_t  *record;

    memory = op->memory;

    record = ngx_plum_memory_first(memory, NGX_PLUM_MEMORY_PENDING);

    if (record && record->expires <= op->now) {
        ngx_plum_memory_remove(memory, record);
        return NGX_OK;
    }

    record = ngx_plum_memory_first(memory, NGX_PLUM_MEMORY_DONE);

    if (record == NULL) {
        return NGX_DECLINED;
    }

    if (record->expires > op->now
        && ngx_plum_memory_due(&memory->shared->forgot, op->now))
    {
        op->forgot = 1;
    }

    ngx_plum_memory_remove(memory, record);

    return NGX_OK;
}


static ngx_plum_memory_record_t *
ngx_plum_memory_first(ngx_plum_memory_t *memory, ngx_uint_t state)
{
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *node;

    tree = &memory->shared->lapse[state];

    if (tree->root == tree->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(tree->root, tree->sentinel);

    return ngx_rbtree_data(node, ngx_plum_memory_record_t, lapse);
}


/*
 * The tree is shared, the function is not: after a reload that loaded the
 * module elsewhere, old and new workers have it at different addresses.
 */

static void
ngx_plum_memory_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node,
    ngx_rbtree_insert_pt insert)
{
    tree->insert = insert;

    ngx_rbtree_insert(tree, node);
}


static void
ngx_plum_memory_insert_key(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t         **p;
    ngx_plum_memory_record_t   *record, *other;

    record = ngx_rbtree_data(node, ngx_plum_memory_record_t, node);

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            other = ngx_rbtree_data(temp, ngx_plum_memory_record_t, node);

            p = (ngx_memn2cmp(record->key, other->key, record->len,
                              other->len)
                 < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    ngx_plum_memory_link(p, temp, node, sentinel);
}


/* not by the key of the node: it holds a time only where it has 64 bits */

static void
ngx_plum_memory_insert_lapse(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t         **p;
    ngx_plum_memory_record_t   *record, *other;

    record = ngx_rbtree_data(node, ngx_plum_memory_record_t, lapse);

    for ( ;; ) {
        other = ngx_rbtree_data(temp, ngx_plum_memory_record_t, lapse);

        p = (record->expires < other->expires) ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    ngx_plum_memory_link(p, temp, node, sentinel);
}


static void
ngx_plum_memory_link(ngx_rbtree_node_t **p, ngx_rbtree_node_t *parent,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    *p = node;
    node->parent = parent;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}
