
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_queue_redis.h>


void
ngx_plum_queue_number(plum_str_t *word, u_char *text, int64_t n)
{
    u_char  *p;

    p = text;

    if (n < 0) {
        *p++ = '-';
        n = -n;
    }

    word->data = text;
    word->len = plum_resp_number(p, (uint64_t) n) - text;
}


ngx_int_t
ngx_plum_queue_judge_error(ngx_plum_redis_call_t *call,
    const redisReply *reply)
{
    if (plum_resp_says(reply, "WRONGTYPE", 1)) {
        ngx_plum_redis_complain(call, ", a key of the queue holds something "
                                "else", reply);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_plum_queue_timer(ngx_plum_queue_redis_t *redis, ngx_event_t *ev,
    ngx_event_handler_pt handler, ngx_msec_t delay)
{
    if (ngx_worker != 0 || ev->timer_set || ngx_exiting) {
        return;
    }

    redis->fake.fd = (ngx_socket_t) -1;
    redis->fake.data = redis;

    ev->handler = handler;
    ev->data = &redis->fake;
    ev->log = ngx_plum_redis_log(redis->takes);
    ev->cancelable = 1;

    ngx_add_timer(ev, delay);
}
