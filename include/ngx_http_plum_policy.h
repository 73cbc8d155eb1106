/*
 * The policy report: what is in force in each location with "plum on", after
 * everything has been inherited, as JSON for tools/plum-policy.
 *
 * It is written by "nginx -t" (ngx_test_config), and by nothing else, where
 * the environment variable PLUM_POLICY names a file: an absolute path of a
 * file that does not exist.  The file is created with mode 0600; a file or a
 * symbolic link that is there already is an [emerg].  It is written once the
 * whole configuration is found good.  A running master or worker never looks
 * at the variable.
 *
 * The report has no value of a secret.  A secret is spoken of by its label
 * (name#n), its file, whether it is short, and a fingerprint, see
 * ngx_http_plum_policy_secrets.c.  docs/POLICY.md describes the report.
 *
 * A place in the report is "file:line"; null where a default is in force.
 *
 *   ngx_http_plum_policy.c           when it is made, and written
 *   ngx_http_plum_policy_gate.c      a location with "plum on"
 *   ngx_http_plum_policy_proof.c     its signatures, list and records
 *   ngx_http_plum_policy_queues.c    queues and their consumers
 *   ngx_http_plum_policy_shared.c    allowlists and stores
 *   ngx_http_plum_policy_secrets.c   secrets
 *   ngx_http_plum_policy_caller.c    who may call a location
 *   ngx_http_plum_policy_others.c    what other modules know
 *   ngx_http_plum_policy_json.c      values, from here to all of these
 */

#ifndef _NGX_HTTP_PLUM_POLICY_H_INCLUDED_
#define _NGX_HTTP_PLUM_POLICY_H_INCLUDED_


#include <ngx_http_plum_loc_conf.h>

#include <jansson.h>


#define NGX_HTTP_PLUM_POLICY_FORMAT  1       /* "format" of the report */


struct ngx_http_plum_policy_s {
    ngx_str_t                    file;       /* ends with a NUL */
    ngx_array_t                  locations;  /* ngx_http_plum_location_t: all,
                                                with plum or without */
    json_t                      *report;     /* NULL: not made yet */
    ngx_conf_t                  *cf;         /* while it is made */
    ngx_uint_t                   failed;     /* memory, or a file name */
};


/*
 * Hooks of the module, which do nothing where no report is asked for.
 *
 * init      before the configuration is read.  NGX_ERROR: logged
 * location  a location has been merged
 * report    all is merged and checked: makes the report
 * write     the configuration is good: writes it.  NGX_ERROR: logged
 */

ngx_int_t ngx_http_plum_policy_init(ngx_conf_t *cf);
ngx_int_t ngx_http_plum_policy_location(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf);
ngx_int_t ngx_http_plum_policy_report(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);
ngx_int_t ngx_http_plum_policy_write(ngx_cycle_t *cycle);


/*
 * json: values of the report.  A value that is NULL, as there was no memory,
 * is remembered in policy->failed, so that callers need not look.
 *
 * bytes, str and text make a string: bytes that are no UTF-8 are written as
 * "\xHH".  where makes a place.  set and push take the value over.
 */

json_t *ngx_http_plum_policy_bytes(const u_char *data, size_t len);
json_t *ngx_http_plum_policy_str(const ngx_str_t *value);
json_t *ngx_http_plum_policy_text(const plum_str_t *value);
json_t *ngx_http_plum_policy_where(const ngx_http_plum_where_t *where);
json_t *ngx_http_plum_policy_codes(const plum_success_t *success);
json_t *ngx_http_plum_policy_events(ngx_http_plum_policy_t *policy,
    const plum_str_t *events, ngx_uint_t n);
void ngx_http_plum_policy_set(ngx_http_plum_policy_t *policy, json_t *object,
    const char *key, json_t *value);
void ngx_http_plum_policy_push(ngx_http_plum_policy_t *policy, json_t *array,
    json_t *value);


/* the parts of the report: arrays, and what a location adds to its object */

json_t *ngx_http_plum_policy_gate(ngx_http_plum_policy_t *policy,
    ngx_http_plum_location_t *location);
void ngx_http_plum_policy_proof(ngx_http_plum_policy_t *policy, json_t *gate,
    ngx_http_plum_loc_conf_t *plcf);
void ngx_http_plum_policy_records(ngx_http_plum_policy_t *policy,
    json_t *gate, ngx_http_plum_loc_conf_t *plcf);
json_t *ngx_http_plum_policy_queues(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);
json_t *ngx_http_plum_policy_allowlists(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);
json_t *ngx_http_plum_policy_stores(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);
json_t *ngx_http_plum_policy_secrets(ngx_http_plum_policy_t *policy,
    ngx_http_plum_main_conf_t *pmcf);

/* names, place, callers and target of any location */

void ngx_http_plum_policy_place(ngx_http_plum_policy_t *policy, json_t *object,
    ngx_http_core_srv_conf_t *cscf, ngx_http_core_loc_conf_t *clcf);
void ngx_http_plum_policy_caller(ngx_http_plum_policy_t *policy,
    json_t *object, ngx_http_core_srv_conf_t *cscf,
    ngx_http_core_loc_conf_t *clcf);

/* 1: only this host has the address; also used by a review */

ngx_uint_t ngx_http_plum_loopback(struct sockaddr *sa);

/*
 * others: what can be known of modules whose structures are theirs alone.
 *
 * conf is the configuration of a location that the module of that name has;
 * NULL: NGINX has no such module.
 *
 * target says where the content handler leads: null if there is none, else an
 * object, whose "module" is null where the handler is of a module that is not
 * known, or the address is made of variables.
 */

void *ngx_http_plum_policy_conf(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    const char *name);
void ngx_http_plum_policy_access(ngx_http_plum_policy_t *policy,
    json_t *object, ngx_http_core_loc_conf_t *clcf);
json_t *ngx_http_plum_policy_target(ngx_http_plum_policy_t *policy,
    ngx_http_core_loc_conf_t *clcf);


#endif /* _NGX_HTTP_PLUM_POLICY_H_INCLUDED_ */
