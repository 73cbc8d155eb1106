/*
 * Parameters "name=value" of a line of the configuration, by a table.
 */

#ifndef _NGX_PLUM_PARAMETER_H_INCLUDED_
#define _NGX_PLUM_PARAMETER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_plum_parameter_s  ngx_plum_parameter_t;


/*
 * Sets what row is about in conf, the caller's structure.  value ends with a
 * NUL and lives as long as the configuration.  NULL; or what is wrong, for a
 * message "invalid parameter ..., what is wrong"; or NGX_CONF_ERROR, if the
 * setter has written a message itself.
 */

typedef char *(*ngx_plum_parameter_pt)(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);


/*
 * A table of at most 64 rows ends with a row without a name.  If that one has
 * a setter, it gets whatever has the name of no row, as a whole.
 */

struct ngx_plum_parameter_s {
    ngx_str_t                name;       /* with its "=" */
    ngx_plum_parameter_pt    set;
    size_t                   offset;     /* of its field, for the setter */
    ngx_uint_t               again;      /* it may come again, or the setter
                                            says what is wrong with that */
    ngx_conf_enum_t         *words;      /* of ngx_plum_parameter_word() */
};


/*
 * Sets n parameters, each of which may come once.  NGX_CONF_OK, or
 * NGX_CONF_ERROR after an [emerg] with the parameter and what is wrong.
 */

char *ngx_plum_parameters(ngx_conf_t *cf, const ngx_plum_parameter_t *table,
    void *conf, ngx_str_t *values, ngx_uint_t n);

/*
 * Setters of an ngx_msec_t above zero, of an ngx_uint_t above zero, and of an
 * ngx_uint_t by one of two words.
 */

char *ngx_plum_parameter_time(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value);
char *ngx_plum_parameter_number(ngx_conf_t *cf,
    const ngx_plum_parameter_t *row, void *conf, ngx_str_t *value);
char *ngx_plum_parameter_word(ngx_conf_t *cf, const ngx_plum_parameter_t *row,
    void *conf, ngx_str_t *value);


#endif /* _NGX_PLUM_PARAMETER_H_INCLUDED_ */
