
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


/*
 * Whether Redis keeps what accepted= promises.  A Redis that does not gets no
 * accepts: senders are told 503, and the log says what to set, or which weaker
 * word to write.
 */


typedef struct {
    const char                  *name;
    const char                  *value;      /* that it must have */
    ngx_plum_accepted_e          level;      /* from which on */
    const char                  *why;
} ngx_plum_queue_setting_t;


static ngx_int_t ngx_plum_queue_check(void *data, ngx_uint_t *state,
    const redisReply *reply, ngx_log_t *log, const char **why);
static const char *ngx_plum_queue_unasked(ngx_plum_accepted_e level,
    const redisReply *reply);
static const redisReply *ngx_plum_queue_setting(const redisReply *reply,
    const char *name);


static const plum_str_t  ngx_plum_queue_config[] = {
    PLUM_STR("CONFIG"), PLUM_STR("GET"), PLUM_STR("maxmemory-policy"),
    PLUM_STR("appendonly"), PLUM_STR("appendfsync"),
    PLUM_STR("no-appendfsync-on-rewrite")
};


const ngx_plum_redis_check_t  ngx_plum_queue_checks[] = {
    { ngx_plum_queue_config, 6, "asking how durable it is",
      ngx_plum_queue_check }
};

const ngx_uint_t  ngx_plum_queue_nchecks = 1;


/* https://redis.io/docs/latest/operate/oss_and_stack/management/persistence */

static const ngx_plum_queue_setting_t  ngx_plum_queue_settings[] = {

    { "maxmemory-policy", "noeviction", NGX_PLUM_ACCEPTED_MEMORY,
      "its maxmemory-policy may throw away what was accepted: set "
      "\"maxmemory-policy noeviction\" in redis" },

    { "appendonly", "yes", NGX_PLUM_ACCEPTED_FSYNC,
      "it cannot keep \"accepted fsync\", as it writes no append-only file: "
      "set \"appendonly yes\" and \"appendfsync always\" in redis, or write "
      "\"accepted memory\"" },

    { "appendonly", "yes", NGX_PLUM_ACCEPTED_AOF,
      "it cannot keep \"accepted aof\", as it writes no append-only file: "
      "set \"appendonly yes\" in redis, or write \"accepted memory\"" },

    { "appendfsync", "always", NGX_PLUM_ACCEPTED_FSYNC,
      "it cannot keep \"accepted fsync\", as it answers before the disk has "
      "it: set \"appendfsync always\" in redis, or write \"accepted aof\"" },

    { "no-appendfsync-on-rewrite", "no", NGX_PLUM_ACCEPTED_FSYNC,
      "it cannot keep \"accepted fsync\" while it rewrites its append-only "
      "file: set \"no-appendfsync-on-rewrite no\" in redis, or write "
      "\"accepted aof\"" }
};

#define NGX_PLUM_QUEUE_SETTINGS                                               \
    (sizeof(ngx_plum_queue_settings) / sizeof(ngx_plum_queue_setting_t))


static ngx_int_t
ngx_plum_queue_check(void *data, ngx_uint_t *state, const redisReply *reply,
    ngx_log_t *log, const char **why)
{
    ngx_plum_queue_redis_t *redis = data;

    ngx_uint_t                       i;
    const redisReply                *value;
    ngx_plum_accepted_e              level;
    const ngx_plum_queue_setting_t  *setting;

    level = redis->queue->accepted;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2) {
        *why = ngx_plum_queue_unasked(level, reply);

        if (*why) {
            return NGX_DECLINED;
        }

        /* once per node */

        if (!*state) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "plum: it refuses CONFIG GET, so it is not known "
                          "whether its maxmemory-policy is \"noeviction\": "
                          "queue \"%V\" relies on that",
                          &redis->queue->name);
            *state = 1;
        }

        return NGX_OK;
    }

    for (i = 0; i < NGX_PLUM_QUEUE_SETTINGS; i++) {
        setting = &ngx_plum_queue_settings[i];

        if (setting->level > level) {
            continue;
        }

        value = ngx_plum_queue_setting(reply, setting->name);

        if (value == NULL || ngx_strcmp(value->str, setting->value) != 0) {
            *why = setting->why;
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* what is to be said when it cannot be asked; NULL: nothing is promised */

static const char *
ngx_plum_queue_unasked(ngx_plum_accepted_e level, const redisReply *reply)
{
    if (plum_resp_says(reply, "ERR wrong number", 0)
        || plum_resp_says(reply, "ERR Unknown subcommand or wrong number", 0))
    {
        return "a queue needs redis 7.0 or newer";
    }

    switch (level) {

    case NGX_PLUM_ACCEPTED_FSYNC:
        return "it refuses CONFIG GET, so it is not known whether it keeps "
               "\"accepted fsync\": allow \"+config|get\" to its user, or "
               "write \"accepted memory\"";

    case NGX_PLUM_ACCEPTED_AOF:
        return "it refuses CONFIG GET, so it is not known whether it keeps "
               "\"accepted aof\": allow \"+config|get\" to its user, or "
               "write \"accepted memory\"";

    default: /* NGX_PLUM_ACCEPTED_MEMORY */
        return NULL;
    }
}


static const redisReply *
ngx_plum_queue_setting(const redisReply *reply, const char *name)
{
    size_t  i;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        if (reply->element[i]->type == REDIS_REPLY_STRING
            && reply->element[i + 1]->type == REDIS_REPLY_STRING
            && ngx_strcmp(reply->element[i]->str, name) == 0)
        {
            return reply->element[i + 1];
        }
    }

    return NULL;
}
