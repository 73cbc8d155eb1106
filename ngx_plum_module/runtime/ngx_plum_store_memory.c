/*
 * The store of one host, in a shared zone: every operation completes at once.
 */

#include <ngx_plum_memory.h>


#define NGX_PLUM_MEMORY_PAGES    8

/* expired records that a claim removes from each queue: more than it adds */
#define NGX_PLUM_MEMORY_EXPIRE   2


static ngx_int_t ngx_plum_store_memory_claim(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_plum_outcome_e ngx_plum_store_memory_claim_locked(
    ngx_plum_memory_op_t *op, ngx_plum_claim_t *claim, ngx_str_t **answer);
static ngx_int_t ngx_plum_store_memory_renew(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_int_t ngx_plum_store_memory_commit(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim, ngx_msec_t retention, ngx_str_t *answer);
static ngx_plum_outcome_e ngx_plum_store_memory_commit_locked(
    ngx_plum_memory_op_t *op, ngx_plum_claim_t *claim, ngx_msec_t retention,
    ngx_str_t *answer);
static ngx_int_t ngx_plum_store_memory_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_plum_memory_record_t *ngx_plum_store_memory_held(
    ngx_plum_memory_op_t *op, ngx_plum_claim_t *claim);
static ngx_uint_t ngx_plum_store_memory_ours(ngx_plum_memory_record_t *record,
    ngx_plum_claim_t *claim);
static void ngx_plum_store_memory_lost(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim, const char *what);


static const ngx_plum_store_ops_t  ngx_plum_store_memory_ops = {
    ngx_plum_store_memory_claim,
    NULL,                                /* no claim is ever pending */
    ngx_plum_store_memory_renew,
    ngx_plum_store_memory_commit,
    ngx_plum_store_memory_release
};


static ngx_int_t
ngx_plum_store_memory_claim(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    u_char                *p;
    size_t                 len, room;
    ngx_str_t             *answer;
    ngx_plum_memory_t     *memory;
    ngx_plum_memory_op_t   op;

    memory = store->data;

    claim->op = NULL;
    claim->left = 0;

    p = NULL;
    room = 0;

    ngx_plum_memory_begin(&op, memory, &claim->key);

    for ( ;; ) {
        ngx_plum_memory_lock(&op);

        claim->outcome = ngx_plum_store_memory_claim_locked(&op, claim,
                                                            &answer);
        len = answer ? answer->len : 0;

        if (len && len <= room) {
            ngx_memcpy(p, answer->data, len);
        }

        ngx_plum_memory_unlock(&op);

        if (len <= room) {
            break;
        }

        /* allocate without the lock, then look the record up again */

        p = ngx_pnalloc(claim->pool, len);
        if (p == NULL) {
            claim->outcome = NGX_PLUM_OP_NOT_SENT;
            len = 0;
            break;
        }

        room = len;
    }

    claim->answer.len = len;
    claim->answer.data = len ? p : NULL;

    ngx_plum_store_count(store, NGX_PLUM_CLAIM, claim->outcome);

    ngx_plum_memory_report(&op, claim->log);

    ngx_log_debug3(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum store \"%V\" claim: %d, answer: %uz",
                   &store->name, (int) claim->outcome, len);

    return NGX_OK;
}


static ngx_plum_outcome_e
ngx_plum_store_memory_claim_locked(ngx_plum_memory_op_t *op,
    ngx_plum_claim_t *claim, ngx_str_t **answer)
{
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_record_t  *record;

    *answer = NULL;

    ngx_plum_memory_expire(op, NGX_PLUM_MEMORY_EXPIRE);

    queue = ngx_plum_memory_queue(op, NGX_PLUM_MEMORY_PENDING, claim->lease);
    if (queue == NULL) {
        return NGX_PLUM_OP_NOT_SENT;
    }

    record = ngx_plum_memory_lookup(op);

    if (record == NULL) {
        record = ngx_plum_memory_create(op);
        if (record == NULL) {
            return NGX_PLUM_OP_NOT_SENT;
        }

    } else {

        if (record->expires > op->now) {

            if (record->state == NGX_PLUM_MEMORY_DONE) {
                *answer = &record->answer;
                return NGX_PLUM_OP_DONE;
            }

            if (!ngx_plum_store_memory_ours(record, claim)) {
                claim->left = (ngx_msec_t) (record->expires - op->now);
                return NGX_PLUM_OP_BUSY;
            }
        }

        ngx_plum_memory_detach(record);
        ngx_plum_memory_answer(op, record, NULL);
    }

    ngx_memcpy(record->token, claim->token, NGX_PLUM_TOKEN_LEN);

    ngx_plum_memory_attach(op, record, queue);

    return NGX_PLUM_OP_OK;
}


static ngx_int_t
ngx_plum_store_memory_renew(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_memory_t         *memory;
    ngx_plum_memory_op_t       op;
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_record_t  *record;

    memory = store->data;

    ngx_plum_memory_begin(&op, memory, &claim->key);

    ngx_plum_memory_lock(&op);

    queue = ngx_plum_memory_queue(&op, NGX_PLUM_MEMORY_PENDING, claim->lease);
    record = ngx_plum_store_memory_held(&op, claim);

    if (queue && record) {
        ngx_plum_memory_detach(record);
        ngx_plum_memory_attach(&op, record, queue);
    }

    ngx_plum_memory_unlock(&op);

    ngx_plum_memory_report(&op, claim->log);

    ngx_plum_store_count(store, NGX_PLUM_RENEW,
                         (queue == NULL) ? NGX_PLUM_OP_NOT_SENT
                         : record ? NGX_PLUM_OP_OK : NGX_PLUM_OP_LOST);

    if (queue == NULL) {
        return NGX_ERROR;
    }

    if (record == NULL) {
        ngx_plum_store_memory_lost(store, claim, "renewed");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_memory_commit(ngx_plum_store_t *store, ngx_plum_claim_t *claim,
    ngx_msec_t retention, ngx_str_t *answer)
{
    ngx_plum_memory_t     *memory;
    ngx_plum_outcome_e     outcome;
    ngx_plum_memory_op_t   op;

    memory = store->data;

    ngx_plum_memory_begin(&op, memory, &claim->key);

    ngx_plum_memory_lock(&op);

    outcome = ngx_plum_store_memory_commit_locked(&op, claim, retention,
                                                  answer);

    ngx_plum_memory_unlock(&op);

    ngx_plum_memory_report(&op, claim->log);

    ngx_log_debug2(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum store \"%V\" commit: %d",
                   &store->name, (int) outcome);

    ngx_plum_store_count(store, NGX_PLUM_COMMIT, outcome);

    if (outcome == NGX_PLUM_OP_LOST) {
        ngx_plum_store_memory_lost(store, claim, "committed");
    }

    return (outcome == NGX_PLUM_OP_NOT_SENT) ? NGX_ERROR : NGX_OK;
}


static ngx_plum_outcome_e
ngx_plum_store_memory_commit_locked(ngx_plum_memory_op_t *op,
    ngx_plum_claim_t *claim, ngx_msec_t retention, ngx_str_t *answer)
{
    ngx_plum_memory_queue_t   *queue;
    ngx_plum_memory_record_t  *record;

    queue = ngx_plum_memory_queue(op, NGX_PLUM_MEMORY_DONE, retention);
    if (queue == NULL) {
        return NGX_PLUM_OP_NOT_SENT;
    }

    record = ngx_plum_memory_lookup(op);

    if (record == NULL) {

        /* it has expired, but nobody else holds it: the event was forwarded */

        record = ngx_plum_memory_create(op);
        if (record == NULL) {
            return NGX_PLUM_OP_NOT_SENT;
        }

    } else {

        if (record->expires > op->now
            && !ngx_plum_store_memory_ours(record, claim))
        {
            return NGX_PLUM_OP_LOST;
        }

        ngx_plum_memory_detach(record);
    }

    ngx_memcpy(record->token, claim->token, NGX_PLUM_TOKEN_LEN);

    /* the record must be detached here, as this may evict records */

    ngx_plum_memory_answer(op, record, answer);

    claim->no_room = (answer->len && record->answer.len == 0);

    ngx_plum_memory_attach(op, record, queue);

    return NGX_PLUM_OP_OK;
}


static ngx_int_t
ngx_plum_store_memory_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim)
{
    ngx_plum_memory_t         *memory;
    ngx_plum_memory_op_t       op;
    ngx_plum_memory_record_t  *record;

    memory = store->data;

    ngx_plum_memory_begin(&op, memory, &claim->key);

    ngx_plum_memory_lock(&op);

    record = ngx_plum_store_memory_held(&op, claim);

    if (record) {
        ngx_plum_memory_remove(memory, record);
    }

    ngx_plum_memory_unlock(&op);

    ngx_plum_store_count(store, NGX_PLUM_RELEASE,
                         record ? NGX_PLUM_OP_OK : NGX_PLUM_OP_LOST);

    if (record == NULL) {
        ngx_plum_store_memory_lost(store, claim, "released");
    }

    return NGX_OK;
}


/*
 * The pending record of this claim, by its token.  A lapsed lease does not
 * matter while the token is still in the record: no other claim came between.
 */

static ngx_plum_memory_record_t *
ngx_plum_store_memory_held(ngx_plum_memory_op_t *op, ngx_plum_claim_t *claim)
{
    ngx_plum_memory_record_t  *record;

    record = ngx_plum_memory_lookup(op);

    if (record
        && record->state == NGX_PLUM_MEMORY_PENDING
        && ngx_plum_store_memory_ours(record, claim))
    {
        return record;
    }

    return NULL;
}


static ngx_uint_t
ngx_plum_store_memory_ours(ngx_plum_memory_record_t *record,
    ngx_plum_claim_t *claim)
{
    return ngx_memcmp(record->token, claim->token, NGX_PLUM_TOKEN_LEN) == 0;
}


static void
ngx_plum_store_memory_lost(ngx_plum_store_t *store, ngx_plum_claim_t *claim,
    const char *what)
{
    ngx_log_error(NGX_LOG_WARN, claim->log, 0,
                  "plum store \"%V\": the lease of a claim lapsed before it "
                  "could be %s; a copy may have been forwarded",
                  &store->name, what);
}


char *
ngx_plum_store_memory(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag)
{
    ssize_t             size;
    ngx_str_t           name;
    ngx_shm_zone_t     *shm_zone;
    ngx_plum_memory_t  *memory;

    if (nparameters) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\"", &parameters[0]);
        return NGX_CONF_ERROR;
    }

    /* ngx_parse_size() reads the last byte of an empty string, too */

    size = address->len ? ngx_parse_size(address) : NGX_ERROR;

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" of plum store \"%V\", write "
                           "\"memory:16m\" or another size", address,
                           &store->name);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) (NGX_PLUM_MEMORY_PAGES * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "plum store \"%V\" is too small, write "
                           "\"memory:%uzk\" or more", &store->name,
                           NGX_PLUM_MEMORY_PAGES * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    memory = ngx_pcalloc(cf->pool, sizeof(ngx_plum_memory_t));
    if (memory == NULL) {
        return NGX_CONF_ERROR;
    }

    memory->store = store->name;

    name.len = sizeof("plum_") - 1 + store->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(name.data, "plum_%V", &store->name);

    shm_zone = ngx_shared_memory_add(cf, &name, size, tag);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate plum store \"%V\"", &store->name);
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_plum_memory_init;
    shm_zone->data = memory;

    store->data = memory;
    store->ops = &ngx_plum_store_memory_ops;
    store->usage = ngx_plum_memory_usage;
    ngx_str_set(&store->node, "memory");

    return NGX_CONF_OK;
}
