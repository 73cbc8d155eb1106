
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_conn.h>


/*
 * What becomes of an operation that was not executed where it was sent is
 * ngx_plum_redis.c's affair.  Then:
 *
 *   claim    a reply, or a failure, goes to the claim's handler.  Where nobody
 *            waits any more and it was made, or it is not known whether it
 *            was made, or too few replicas have it, the operation turns into a
 *            release: a settlement
 *   renew    is not tried again: the next one follows
 *   commit, release
 *            settlements, see ngx_plum_redis_settle.c
 */


static ngx_int_t ngx_plum_store_redis_claim(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static void ngx_plum_store_redis_cancel(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_int_t ngx_plum_store_redis_renew(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);
static ngx_int_t ngx_plum_store_redis_commit(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim, ngx_msec_t retention, ngx_str_t *answer);
static ngx_int_t ngx_plum_store_redis_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim);

static ngx_plum_redis_op_t *ngx_plum_redis_op_create(ngx_plum_redis_t *redis,
    ngx_plum_claim_t *claim, plum_redis_kind_t kind, ngx_str_t *answer);
static ngx_int_t ngx_plum_redis_op_encode(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op);
static ngx_int_t ngx_plum_redis_op_reply(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, const redisReply *reply);
static ngx_int_t ngx_plum_redis_op_elsewhere(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static void ngx_plum_redis_op_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static void ngx_plum_redis_op_waited(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_uint_t replicas);
static void ngx_plum_redis_op_failed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, ngx_plum_outcome_e outcome);
static void ngx_plum_redis_op_free(ngx_plum_redis_op_t *op);
static void ngx_plum_redis_op_claimed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);
static ngx_plum_outcome_e ngx_plum_redis_claim_result(
    ngx_plum_claim_t *claim, plum_redis_result_t *result);
static void ngx_plum_redis_claim_end(ngx_plum_claim_t *claim,
    ngx_plum_outcome_e outcome);
static void ngx_plum_redis_compensate(ngx_plum_redis_t *redis,
    ngx_plum_redis_op_t *op, ngx_uint_t again);
static void ngx_plum_redis_report(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result);


static const ngx_plum_store_ops_t  ngx_plum_store_redis_ops = {
    ngx_plum_store_redis_claim,
    ngx_plum_store_redis_cancel,
    ngx_plum_store_redis_renew,
    ngx_plum_store_redis_commit,
    ngx_plum_store_redis_release
};


static const ngx_plum_redis_op_type_t  ngx_plum_redis_op_type = {
    0,
    ngx_plum_redis_op_encode,
    ngx_plum_redis_op_reply,
    ngx_plum_redis_op_waited,
    ngx_plum_redis_op_failed,
    ngx_plum_redis_op_free
};


static ngx_int_t
ngx_plum_store_redis_claim(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    claim->op = NULL;
    claim->left = 0;
    ngx_str_null(&claim->answer);

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_CLAIM, NULL);

    if (op) {
        op->claim = claim;
        op->until = ngx_current_msec + redis->timeout;
        op->replicas = claim->replicas;

        if (ngx_plum_redis_submit(redis, op) == NGX_OK) {
            claim->op = op;
            return NGX_AGAIN;
        }

        ngx_plum_redis_op_free(op);
    }

    claim->outcome = NGX_PLUM_OP_NOT_SENT;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum store \"%V\" claim: not sent", &store->name);

    return NGX_OK;
}


static void
ngx_plum_store_redis_cancel(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_op_t  *op;

    op = claim->op;

    /* once it is made, it must be known, and then released */

    op->unwanted = 1;

    op->claim = NULL;
    claim->op = NULL;
}


static ngx_int_t
ngx_plum_store_redis_renew(ngx_plum_store_t *store, ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_RENEW, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->until = ngx_current_msec + redis->timeout;

    if (ngx_plum_redis_submit(redis, op) != NGX_OK) {
        ngx_plum_redis_op_free(op);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_commit(ngx_plum_store_t *store, ngx_plum_claim_t *claim,
    ngx_msec_t retention, ngx_str_t *answer)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    if (answer->len > NGX_PLUM_REDIS_ANSWER_MAX) {
        ngx_log_error(NGX_LOG_WARN, &redis->log, 0,
                      "plum: an answer of %uz bytes is too large to be kept",
                      answer->len);
        answer = NULL;
    }

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_COMMIT, answer);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->command.retention = retention;
    op->replicas = claim->replicas;

    ngx_plum_redis_settle(redis, op);

    return NGX_OK;
}


static ngx_int_t
ngx_plum_store_redis_release(ngx_plum_store_t *store,
    ngx_plum_claim_t *claim)
{
    ngx_plum_redis_t     *redis;
    ngx_plum_redis_op_t  *op;

    redis = store->data;

    op = ngx_plum_redis_op_create(redis, claim, PLUM_REDIS_RELEASE, NULL);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_plum_redis_settle(redis, op);

    return NGX_OK;
}


/* one block: the operation, the key, the state of the record, the answer */

static ngx_plum_redis_op_t *
ngx_plum_redis_op_create(ngx_plum_redis_t *redis, ngx_plum_claim_t *claim,
    plum_redis_kind_t kind, ngx_str_t *answer)
{
    u_char               *p;
    size_t                len;
    ngx_plum_redis_op_t  *op;

    len = answer ? answer->len : 0;

    op = ngx_alloc(sizeof(ngx_plum_redis_op_t) + redis->prefix.len
                   + claim->key.len + 1 + len, &redis->log);
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_plum_redis_op_t));

    p = (u_char *) op + sizeof(ngx_plum_redis_op_t);

    op->type = &ngx_plum_redis_op_type;

    op->command.kind = kind;
    op->command.lease = claim->lease;
    ngx_memcpy(op->command.token, claim->token, PLUM_REDIS_TOKEN_LEN);

    op->command.key.data = p;
    op->command.key.len = redis->prefix.len + claim->key.len;

    p = ngx_cpymem(p, redis->prefix.data, redis->prefix.len);
    p = ngx_cpymem(p, claim->key.data, claim->key.len);

    *p++ = 'd';

    op->command.answer.data = p;
    op->command.answer.len = len;

    if (len) {
        ngx_memcpy(p, answer->data, len);
    }

    return op;
}


static void
ngx_plum_redis_op_free(ngx_plum_redis_op_t *op)
{
    if (op->claim) {
        op->claim->op = NULL;
    }

    ngx_free(op);
}


static ngx_int_t
ngx_plum_redis_op_encode(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op)
{
    char       *command;
    size_t      len;
    u_char     *out;
    ngx_uint_t  bit;

    /*
     * the first command of a kind brings its script along: a miss would be
     * answered by sending it again, behind what has been sent meanwhile
     */

    bit = (ngx_uint_t) 1 << op->command.kind;

    if (op->eval || !(conn->scripts & bit)) {

        if (plum_redis_eval(&op->command, &command, &len) != PLUM_OK
            || ngx_plum_redis_conn_append(conn, command, len) != NGX_OK)
        {
            return NGX_ERROR;
        }

        conn->scripts |= bit;

        return NGX_OK;
    }

    out = ngx_plum_redis_conn_room(conn, plum_redis_room(&op->command));
    if (out == NULL) {
        return NGX_ERROR;
    }

    ngx_plum_redis_conn_wrote(conn, plum_redis_evalsha(&op->command, out));

    return NGX_OK;
}


static ngx_int_t
ngx_plum_redis_op_reply(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op,
    const redisReply *reply)
{
    plum_redis_result_t  result;

    plum_redis_judge(op->command.kind, op->again, reply, &result);

    ngx_log_debug4(NGX_LOG_DEBUG_CORE, &conn->log, 0,
                   "plum redis reply to command %d: %d, left: %uL, text: %uz",
                   (int) op->command.kind, (int) result.outcome, result.left,
                   result.text.len);

    switch (result.outcome) {

    case PLUM_REDIS_BROKEN:
        return NGX_ERROR;

    case PLUM_REDIS_OK:
        if (op->replicas) {
            return NGX_DONE;
        }

        break;

    case PLUM_REDIS_NOSCRIPT:
        if (!op->eval) {
            op->eval = 1;
            return NGX_AGAIN;
        }

        result.outcome = PLUM_REDIS_REFUSED;
        break;

    case PLUM_REDIS_MOVED:
    case PLUM_REDIS_ASK:
    case PLUM_REDIS_TRYAGAIN:
    case PLUM_REDIS_READONLY:
        return ngx_plum_redis_op_elsewhere(conn, op, &result);

    case PLUM_REDIS_BUSY:
    case PLUM_REDIS_DONE:
    case PLUM_REDIS_LOST:
    case PLUM_REDIS_REFUSED:
    case PLUM_REDIS_FOREIGN:
        break;
    }

    ngx_plum_redis_op_done(conn, op, &result);

    return NGX_OK;
}


/* it was not executed, as it belongs elsewhere, or the cluster is changing */

static ngx_int_t
ngx_plum_redis_op_elsewhere(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result)
{
    ngx_int_t  rc, done;

    done = (result->outcome == PLUM_REDIS_READONLY) ? NGX_ABORT : NGX_OK;

    if (op->unwanted) {
        ngx_plum_redis_op_free(op);
        return done;
    }

    if (result->outcome == PLUM_REDIS_MOVED
        || result->outcome == PLUM_REDIS_ASK)
    {
        rc = ngx_plum_redis_cluster_redirect(conn, op, result);

    } else {

        if (conn->redis->cluster) {
            ngx_plum_redis_cluster_changed(conn->redis->cluster);
        }

        rc = ngx_plum_redis_retry(conn->redis, op);
    }

    switch (rc) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_plum_redis_op_failed(conn, op, NGX_PLUM_OP_NOT_SENT);
        break;

    default: /* NGX_DECLINED */
        result->outcome = PLUM_REDIS_REFUSED;
        ngx_plum_redis_op_done(conn, op, result);
    }

    return done;
}


static void
ngx_plum_redis_op_done(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op,
    plum_redis_result_t *result)
{
    ngx_plum_redis_report(conn, op, result);

    switch (op->command.kind) {

    case PLUM_REDIS_CLAIM:
        ngx_plum_redis_op_claimed(conn, op, result);
        return;

    case PLUM_REDIS_RENEW:
        if (result->outcome == PLUM_REDIS_LOST) {
            ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                          "plum: the lease of a claim lapsed before it could "
                          "be renewed; a copy may have been forwarded");
        }

        ngx_plum_redis_op_free(op);
        return;

    default:
        ngx_plum_redis_settle_reply(conn, op, result);
    }
}


/* it was executed; unless enough replicas have it, it is as good as refused */

static void
ngx_plum_redis_op_waited(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op,
    ngx_uint_t replicas)
{
    u_char               text[NGX_INT_T_LEN * 2 + sizeof(" of  replicas")];
    u_char              *last;
    ngx_plum_claim_t    *claim;
    plum_redis_result_t  result;

    ngx_memzero(&result, sizeof(plum_redis_result_t));

    result.outcome = PLUM_REDIS_OK;

    if (replicas >= op->replicas) {
        ngx_plum_redis_op_done(conn, op, &result);
        return;
    }

    last = ngx_sprintf(text, "%ui of %ui replicas", replicas, op->replicas);

    ngx_plum_redis_refused(conn, ", it did not reach its replicas", text,
                           last - text);

    claim = op->claim;

    if (op->command.kind != PLUM_REDIS_CLAIM) {
        op->again = 1;
        op->alone = 1;
        ngx_plum_redis_settle_later(conn->redis, op);
        return;
    }

    ngx_plum_redis_compensate(conn->redis, op, 0);

    if (claim) {
        ngx_plum_redis_claim_end(claim, NGX_PLUM_OP_NOT_SENT);
    }
}


static void
ngx_plum_redis_op_claimed(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_op_t *op, plum_redis_result_t *result)
{
    ngx_plum_claim_t  *claim;

    claim = op->claim;

    if (claim == NULL) {
        if (result->outcome == PLUM_REDIS_OK) {
            ngx_plum_redis_compensate(conn->redis, op, 0);

        } else {
            ngx_plum_redis_op_free(op);
        }

        return;
    }

    ngx_plum_redis_op_free(op);

    ngx_plum_redis_claim_end(claim,
                             ngx_plum_redis_claim_result(claim, result));
}


static ngx_plum_outcome_e
ngx_plum_redis_claim_result(ngx_plum_claim_t *claim,
    plum_redis_result_t *result)
{
    u_char  *p;

    switch (result->outcome) {

    case PLUM_REDIS_OK:
        return NGX_PLUM_OP_OK;

    case PLUM_REDIS_BUSY:
        claim->left = (ngx_msec_t) result->left;
        return NGX_PLUM_OP_BUSY;

    case PLUM_REDIS_DONE:
        break;

    default:

        /* refused: nothing was written */

        return NGX_PLUM_OP_NOT_SENT;
    }

    if (result->text.len) {
        p = ngx_pnalloc(claim->pool, result->text.len);
        if (p == NULL) {
            return NGX_PLUM_OP_NOT_SENT;
        }

        ngx_memcpy(p, result->text.data, result->text.len);

        claim->answer.data = p;
        claim->answer.len = result->text.len;
    }

    return NGX_PLUM_OP_DONE;
}


static void
ngx_plum_redis_claim_end(ngx_plum_claim_t *claim, ngx_plum_outcome_e outcome)
{
    claim->outcome = outcome;

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, claim->log, 0,
                   "plum redis claim: %d", (int) outcome);

    claim->handler(claim);
}


static void
ngx_plum_redis_op_failed(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op,
    ngx_plum_outcome_e outcome)
{
    ngx_plum_claim_t  *claim;
    ngx_plum_redis_t  *redis;

    redis = conn->redis;

    /* another node may be there for it */

    if (outcome == NGX_PLUM_OP_NOT_SENT
        && (redis->mode != NGX_PLUM_REDIS_PLAIN || redis->nhosts > 1)
        && ngx_plum_redis_retry(redis, op) == NGX_OK)
    {
        return;
    }

    if (op->settlement) {
        if (outcome == NGX_PLUM_OP_UNKNOWN) {
            op->again = 1;
        }

        ngx_plum_redis_settle_later(redis, op);
        return;
    }

    claim = op->claim;

    if (op->command.kind == PLUM_REDIS_CLAIM
        && outcome == NGX_PLUM_OP_UNKNOWN)
    {
        ngx_plum_redis_compensate(redis, op, 1);

    } else {
        ngx_plum_redis_op_free(op);
    }

    if (claim) {
        ngx_plum_redis_claim_end(claim, outcome);
    }
}


/* the claim was made, or may have been, and nobody wants it */

static void
ngx_plum_redis_compensate(ngx_plum_redis_t *redis, ngx_plum_redis_op_t *op,
    ngx_uint_t again)
{
    if (op->claim) {
        op->claim->op = NULL;
        op->claim = NULL;
    }

    op->command.kind = PLUM_REDIS_RELEASE;
    op->replicas = 0;
    op->eval = 0;
    op->asking = 0;
    op->again = again;
    op->quiet = 1;
    op->unwanted = 0;
    op->tries = 0;

    ngx_plum_redis_settle(redis, op);
}


/* error replies: those of one key each, those of the node once */

static void
ngx_plum_redis_report(ngx_plum_redis_conn_t *conn, ngx_plum_redis_op_t *op,
    plum_redis_result_t *result)
{
    u_char  *text;
    size_t   len;

    text = (u_char *) (uintptr_t) result->text.data;
    len = result->text.len;

    switch (result->outcome) {

    case PLUM_REDIS_OK:

        /* others go through even where nothing can be added */

        if (op->command.kind == PLUM_REDIS_CLAIM
            || op->command.kind == PLUM_REDIS_COMMIT)
        {
            ngx_plum_redis_accepted(conn);
        }

        return;

    case PLUM_REDIS_FOREIGN:
        ngx_plum_redis_complain(conn, ", the key holds no record of ours",
                                text, len);
        return;

    case PLUM_REDIS_REFUSED:
        ngx_plum_redis_refused(conn, "", text, len);
        return;

    default:
        return;
    }
}


char *
ngx_plum_store_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_str_t *scheme, ngx_str_t *address, ngx_str_t *parameters,
    ngx_uint_t nparameters, void *tag)
{
    ngx_plum_redis_t  *redis;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_plum_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    if (plum_redis_prepare() != PLUM_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no memory");
        return NGX_CONF_ERROR;
    }

    redis->store = store;
    redis->conn.redis = redis;

    store->data = redis;
    store->ops = &ngx_plum_store_redis_ops;
    store->replicates = 1;
    store->finish = ngx_plum_redis_hosts_finish;

    return ngx_plum_redis_configure(cf, redis, scheme, address, parameters,
                                    nparameters);
}
