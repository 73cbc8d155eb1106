
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


static ngx_int_t ngx_plum_queue_keys(ngx_conf_t *cf,
    ngx_plum_queue_redis_t *redis);
static ngx_int_t ngx_plum_queue_join(ngx_conf_t *cf,
    ngx_plum_queue_redis_t *redis, plum_str_t *tag, const char *kind,
    ngx_str_t *name, plum_str_t *key);
static void ngx_plum_queue_ready(void *data);
static void ngx_plum_queue_closed(void *data);
static void ngx_plum_queue_accepts_ready(void *data);
static void ngx_plum_queue_accepts_down(void *data);


static const ngx_plum_queue_ops_t  ngx_plum_queue_redis_ops = {
    ngx_plum_queue_accept,
    ngx_plum_queue_cancel,
    ngx_plum_queue_take,
    ngx_plum_queue_renew,
    ngx_plum_queue_done,
    ngx_plum_queue_again,
    ngx_plum_queue_dead
};


static const ngx_plum_redis_user_t  ngx_plum_queue_takes = {
    NULL, 0, ngx_plum_queue_ready, ngx_plum_queue_closed, NULL
};


char *
ngx_plum_queue_redis(ngx_conf_t *cf, ngx_plum_store_t *store,
    ngx_plum_queue_t *queue)
{
    ngx_uint_t               i;
    ngx_plum_redis_user_t   *accepts;
    ngx_plum_queue_redis_t  *redis;
    ngx_plum_store_redis_t  *other;

    other = store->data;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_plum_queue_redis_t));
    accepts = ngx_pcalloc(cf->pool, sizeof(ngx_plum_redis_user_t));

    if (redis == NULL || accepts == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->queue = queue;
    redis->store = store;
    redis->conf = &other->conf;

    for (i = 0; i < queue->ntargets; i++) {
        redis->max[i] = (queue->targets[i].max + queue->shards - 1)
                        / queue->shards;
    }

    if (ngx_plum_queue_keys(cf, redis) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    accepts->checks = ngx_plum_queue_checks;
    accepts->nchecks = ngx_plum_queue_nchecks;
    accepts->ready = ngx_plum_queue_accepts_ready;
    accepts->down = ngx_plum_queue_accepts_down;

    redis->accepts = ngx_plum_redis_create(cf, redis->conf, accepts, redis);
    redis->takes = ngx_plum_redis_create(cf, redis->conf,
                                         &ngx_plum_queue_takes, redis);

    if (redis->accepts == NULL || redis->takes == NULL) {
        return NGX_CONF_ERROR;
    }

    queue->data = redis;
    queue->ops = &ngx_plum_queue_redis_ops;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_plum_queue_keys(ngx_conf_t *cf, ngx_plum_queue_redis_t *redis)
{
    uint8_t                 text[PLUM_QUEUE_TAG_MAX];
    ngx_str_t              *name, none = ngx_string("");
    plum_str_t              tag, queue;
    ngx_uint_t              i, shard, shards;
    ngx_plum_queue_keys_t  *key;

    shards = redis->queue->shards;

    queue.data = redis->queue->name.data;
    queue.len = redis->queue->name.len;

    redis->records = ngx_pcalloc(cf->pool, shards * sizeof(plum_str_t));
    redis->keys = ngx_pcalloc(cf->pool, PLUM_QUEUE_TARGETS * shards
                                        * sizeof(ngx_plum_queue_keys_t));
    redis->levels = ngx_pcalloc(cf->pool, PLUM_QUEUE_TARGETS * shards);
    redis->rounds = ngx_pcalloc(cf->pool, PLUM_QUEUE_TARGETS
                                          * sizeof(ngx_plum_queue_round_t));

    if (redis->records == NULL || redis->keys == NULL
        || redis->levels == NULL || redis->rounds == NULL)
    {
        return NGX_ERROR;
    }

    tag.data = text;

    for (shard = 0; shard < shards; shard++) {
        tag.len = plum_queue_tag(&queue, (unsigned) shard, (unsigned) shards,
                                 text);

        if (ngx_plum_queue_join(cf, redis, &tag, ":k:", &none,
                                &redis->records[shard])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (i = 0; i < redis->queue->ntargets; i++) {
            key = ngx_plum_queue_key(redis, i, shard);
            name = &redis->queue->targets[i].name;

            if (ngx_plum_queue_join(cf, redis, &tag, ":s:", name,
                                    &key->stream)
                != NGX_OK
                || ngx_plum_queue_join(cf, redis, &tag, ":lease:", name,
                                       &key->lease)
                   != NGX_OK
                || ngx_plum_queue_join(cf, redis, &tag, ":due:", name,
                                       &key->due)
                   != NGX_OK
                || ngx_plum_queue_join(cf, redis, &tag, ":ctl:", name,
                                       &key->ctl)
                   != NGX_OK
                || ngx_plum_queue_join(cf, redis, &tag, ":dead:", name,
                                       &key->dead)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_plum_queue_join(ngx_conf_t *cf, ngx_plum_queue_redis_t *redis,
    plum_str_t *tag, const char *kind, ngx_str_t *name, plum_str_t *key)
{
    u_char           *p;
    size_t            len;
    const ngx_str_t  *prefix;

    prefix = &redis->conf->prefix;
    len = ngx_strlen(kind);

    p = ngx_pnalloc(cf->pool, prefix->len + tag->len + len + name->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    p = ngx_cpymem(p, prefix->data, prefix->len);
    p = ngx_cpymem(p, tag->data, tag->len);
    p = ngx_cpymem(p, kind, len);
    p = ngx_cpymem(p, name->data, name->len);

    key->len = p - key->data;

    return NGX_OK;
}


static void
ngx_plum_queue_ready(void *data)
{
    ngx_plum_queue_redis_t *redis = data;

    ngx_plum_queue_t  *queue;

    queue = redis->queue;

    ngx_plum_settle_all(&redis->settler);
    ngx_plum_queue_keep_start(redis);
    ngx_plum_queue_watch_start(redis);

    if (queue->listener) {
        queue->listener->ready(queue);
    }
}


static void
ngx_plum_queue_closed(void *data)
{
    ngx_plum_queue_redis_t *redis = data;

    if (redis->keep.timer_set) {
        ngx_del_timer(&redis->keep);
    }

    if (redis->watch.timer_set) {
        ngx_del_timer(&redis->watch);
    }

    ngx_plum_queue_settle_exit(redis);
}


static void
ngx_plum_queue_accepts_ready(void *data)
{
    ngx_plum_queue_redis_t *redis = data;

    ngx_plum_store_state(redis->store, NGX_PLUM_STORE_QUEUE_UP,
                         NGX_PLUM_STORE_IS_UP);
}


static void
ngx_plum_queue_accepts_down(void *data)
{
    ngx_plum_queue_redis_t *redis = data;

    ngx_plum_store_state(redis->store, NGX_PLUM_STORE_QUEUE_UP,
                         NGX_PLUM_STORE_IS_DOWN);
}
