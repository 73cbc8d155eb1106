/*
 * The configuration of ngx_http_plum_module while it is read: setters of
 * directives, in several files ngx_http_plum_conf*.c, and what completes and
 * checks it afterwards.
 */

#ifndef _NGX_HTTP_PLUM_CONF_H_INCLUDED_
#define _NGX_HTTP_PLUM_CONF_H_INCLUDED_


#include <ngx_http_plum_loc_conf.h>
#include <ngx_plum_parameter.h>


void ngx_http_plum_conf_where(ngx_conf_t *cf, ngx_http_plum_where_t *where);
void ngx_http_plum_conf_said(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_http_plum_said_e said);
char *ngx_http_plum_conf_error(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const char *fmt, ...);
char *ngx_http_plum_conf_events(ngx_conf_t *cf, ngx_str_t *value,
    plum_str_t **events, ngx_uint_t *nevents);

/*
 * rule() reads a line of an allowlist, allow or pseudonym, and adds it to the
 * list and to a plan that shows what is wrong with it.  rules() adds all rules
 * of a list to the plan of a gate or consumer, and rule_keys() finds its
 * secrets: the key of secret number n is list->keys[n].  Errors are logged.
 * rule_review() warns of secrets that a sender of the gate has, too.
 */

char *ngx_http_plum_conf_rule(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list, plum_plan_t *plan);
char *ngx_http_plum_conf_rules(ngx_conf_t *cf,
    ngx_http_plum_allowlist_t *list, plum_plan_t *plan);
char *ngx_http_plum_conf_rule_keys(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_allowlist_t *list);
void ngx_http_plum_conf_rule_review(ngx_conf_t *cf,
    ngx_http_plum_loc_conf_t *plcf, ngx_http_plum_allowlist_t *list);

/* the same for "for=" of another directive, checked; NULL if it is well */

char *ngx_http_plum_conf_for(ngx_conf_t *cf, ngx_str_t *value,
    plum_str_t **events, ngx_uint_t *nevents);

/* the list of that name, "all" among them; NULL: there is none */

ngx_http_plum_allowlist_t *ngx_http_plum_conf_list(
    ngx_http_plum_main_conf_t *pmcf, ngx_str_t *name);
char *ngx_http_plum_conf_variable(ngx_conf_t *cf, ngx_str_t *name,
    ngx_http_complex_value_t **cv);

/* unavailable=, and success= of a plum_success_t, in tables of parameters */

extern ngx_conf_enum_t  ngx_http_plum_unavailable[];

char *ngx_http_plum_parameter_success(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);

/* [warn] where a path rather is one of another language; checked or not */

void ngx_http_plum_conf_path(ngx_conf_t *cf, const plum_str_t *path);

char *ngx_http_plum_conf_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_allowlist(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_tls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_plum_conf_signature(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_capture(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_idempotency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_accept(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_plum_conf_ack(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_plum_conf_refuse(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_plum_conf_types(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* prepares the TLS contexts of servers that demand client certificates */

ngx_int_t ngx_http_plum_conf_certificates(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/* plum_body_budget: the directive, and its value once all is merged */

char *ngx_http_plum_conf_budget(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_plum_conf_budget_finish(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/* resolves names and builds the plan of a location where plum is on */

char *ngx_http_plum_conf_finish(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf);

/* plum_accept of such a location: its queue, and the view of each consumer */

char *ngx_http_plum_finish_accept(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf, ngx_http_plum_loc_conf_t *plcf);

/* the queues are made, once the stores are; used by a location or not */

ngx_int_t ngx_http_plum_conf_queues(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/* stores learn what stands behind them; used by a location or not */

ngx_int_t ngx_http_plum_conf_stores(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/*
 * plum, and plum_status: where there is one, each gate gets its name and its
 * counters, see ngx_http_plum_conf_measure.c
 */

char *ngx_http_plum_conf_on(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_plum_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_plum_conf_measure(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/* gives each location the owner of its records, see ..._conf_owner.c */

ngx_int_t ngx_http_plum_conf_owners(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);

/* checks that need everything merged: what is weak is warned of */

ngx_int_t ngx_http_plum_conf_review(ngx_conf_t *cf,
    ngx_http_plum_main_conf_t *pmcf);


#endif /* _NGX_HTTP_PLUM_CONF_H_INCLUDED_ */
