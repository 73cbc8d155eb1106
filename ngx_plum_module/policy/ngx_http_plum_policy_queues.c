
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_delivery.h>
#include <ngx_http_plum_policy.h>


static json_t *ngx_http_plum_policy_queue(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_queue_t *queue);
static json_t *ngx_http_plum_policy_accepted(ngx_plum_queue_t *queue);
static json_t *ngx_http_plum_policy_consumer(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_consumer_t *consumer);
static json_t *ngx_http_plum_policy_groups(ngx_http_plum_policy_t *policy,
    ngx_plum_target_t *target);
static json_t *ngx_http_plum_policy_deliver(ngx_http_plum_policy_t *policy,
    ngx_http_plum_deliver_t *deliver);


json_t *
ngx_http_plum_policy_queues(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf)
{
    json_t                  *queues;
    ngx_uint_t               i;
    ngx_http_plum_queue_t  **queue;

    queues = json_array();
    queue = pmcf->queues.elts;

    for (i = 0; i < pmcf->queues.nelts; i++) {
        ngx_http_plum_policy_push(policy, queues,
                                  ngx_http_plum_policy_queue(policy, pmcf,
                                                             queue[i]));
    }

    return queues;
}


static json_t *
ngx_http_plum_policy_queue(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_queue_t *queue)
{
    json_t                    *object, *consumers;
    ngx_uint_t                 i;
    ngx_http_plum_consumer_t  *consumer;

    object = json_object();
    consumers = json_array();
    consumer = queue->consumers.elts;

    for (i = 0; i < queue->consumers.nelts; i++) {
        ngx_http_plum_policy_push(policy, consumers,
                                  ngx_http_plum_policy_consumer(policy, pmcf,
                                                              &consumer[i]));
    }

    ngx_http_plum_policy_set(policy, object, "name",
                             ngx_http_plum_policy_str(&queue->queue.name));
    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&queue->where));
    ngx_http_plum_policy_set(policy, object, "store",
                             ngx_http_plum_policy_str(&queue->name));
    ngx_http_plum_policy_set(policy, object, "accepted",
                             ngx_http_plum_policy_accepted(&queue->queue));
    ngx_http_plum_policy_set(policy, object, "accepted_at",
                           ngx_http_plum_policy_where(&queue->accepted_where));
    ngx_http_plum_policy_set(policy, object, "shards",
                             json_integer((json_int_t) queue->queue.shards));
    ngx_http_plum_policy_set(policy, object, "consumers", consumers);

    return object;
}


static json_t *
ngx_http_plum_policy_accepted(ngx_plum_queue_t *queue)
{
    u_char  text[sizeof("replicas=") + NGX_INT_T_LEN], *last;

    if (queue->replicas) {
        last = ngx_sprintf(text, "replicas=%ui", queue->replicas);
        return ngx_http_plum_policy_bytes(text, last - text);
    }

    switch (queue->accepted) {

    case NGX_PLUM_ACCEPTED_FSYNC:
        return json_string("fsync");

    case NGX_PLUM_ACCEPTED_AOF:
        return json_string("aof");

    default: /* NGX_PLUM_ACCEPTED_MEMORY */
        return json_string("memory");
    }
}


static json_t *
ngx_http_plum_policy_consumer(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_consumer_t *consumer)
{
    json_t                  *object;
    ngx_uint_t               i;
    ngx_plum_target_t       *target;
    ngx_http_plum_taker_t  **taker;

    target = consumer->target;
    object = json_object();

    ngx_http_plum_policy_set(policy, object, "name",
                             ngx_http_plum_policy_str(&target->name));
    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&consumer->where));
    ngx_http_plum_policy_set(policy, object, "list",
                             consumer->allowlist
                             ? ngx_http_plum_policy_str(
                                                   &consumer->allowlist->name)
                             : json_null());
    ngx_http_plum_policy_set(policy, object, "for",
                             ngx_http_plum_policy_events(policy,
                                         consumer->events, consumer->nevents));

    if (target->published) {
        ngx_http_plum_policy_set(policy, object, "keep",
                                 json_integer((json_int_t) target->keep));
        ngx_http_plum_policy_set(policy, object, "groups",
                                 ngx_http_plum_policy_groups(policy, target));
        return object;
    }

    ngx_http_plum_policy_set(policy, object, "max",
                             json_integer((json_int_t) target->max));
    ngx_http_plum_policy_set(policy, object, "full",
                             json_string(target->drop ? "drop" : "refuse"));

    taker = pmcf->takers.elts;

    for (i = 0; i < pmcf->takers.nelts; i++) {
        if (taker[i]->consumer == consumer) {
            ngx_http_plum_policy_set(policy, object, "deliver",
                                     ngx_http_plum_policy_deliver(policy,
                                                        taker[i]->deliver));
            break;
        }
    }

    return object;
}


static json_t *
ngx_http_plum_policy_groups(ngx_http_plum_policy_t *policy,
    ngx_plum_target_t *target)
{
    json_t      *groups;
    ngx_uint_t   i;

    groups = json_array();

    for (i = 0; i < target->ngroups; i++) {
        ngx_http_plum_policy_push(policy, groups,
                                 ngx_http_plum_policy_str(&target->groups[i]));
    }

    return groups;
}


static json_t *
ngx_http_plum_policy_deliver(ngx_http_plum_policy_t *policy,
    ngx_http_plum_deliver_t *deliver)
{
    size_t                 i;
    json_t                *object, *retry;
    ngx_http_plum_sign_t  *sign;

    object = json_object();
    retry = json_array();

    for (i = 0; i < deliver->schedule.nwaits; i++) {
        ngx_http_plum_policy_push(policy, retry,
                   json_integer((json_int_t) deliver->schedule.waits[i]));
    }

    sign = deliver->plcf->sign;

    ngx_http_plum_policy_place(policy, object, deliver->cscf, deliver->clcf);
    ngx_http_plum_policy_set(policy, object, "at",
                             ngx_http_plum_policy_where(&deliver->where));
    ngx_http_plum_policy_set(policy, object, "retry", retry);
    ngx_http_plum_policy_set(policy, object, "success",
                             ngx_http_plum_policy_codes(&deliver->success));
    ngx_http_plum_policy_set(policy, object, "sign",
                             sign ? ngx_http_plum_policy_str(&sign->secret)
                                  : json_null());
    ngx_http_plum_policy_set(policy, object, "sign_at",
                             sign ? ngx_http_plum_policy_where(&sign->where)
                                  : json_null());
    ngx_http_plum_policy_set(policy, object, "target",
                             ngx_http_plum_policy_target(policy,
                                                         deliver->clcf));

    return object;
}
