
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_review.h>


/* what is wrong in a configuration, and where */


void
ngx_http_plum_conf_where(ngx_conf_t *cf, ngx_http_plum_where_t *where)
{
    where->file = cf->conf_file->file.name;
    where->line = cf->conf_file->line;
}


void
ngx_http_plum_conf_said(ngx_conf_t *cf, ngx_http_plum_loc_conf_t *plcf,
    ngx_http_plum_said_e said)
{
    ngx_http_plum_conf_where(cf, &plcf->said[said]);
}


/* [emerg] for what is only found when the directive has long been read */

char *
ngx_http_plum_conf_error(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const char *fmt, ...)
{
    u_char   text[NGX_MAX_CONF_ERRSTR], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + NGX_MAX_CONF_ERRSTR, fmt, args);
    va_end(args);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %V:%ui",
                  (size_t) (p - text), text, &where->file, where->line);

    return NGX_CONF_ERROR;
}


/* the same warning of the same place is written once */

void
ngx_http_plum_conf_warn(ngx_conf_t *cf, ngx_http_plum_where_t *where,
    const char *fmt, ...)
{
    u_char                      buf[NGX_MAX_CONF_ERRSTR];
    va_list                     args;
    ngx_str_t                   text;
    ngx_uint_t                  i;
    ngx_http_plum_warning_t    *warning;
    ngx_http_plum_main_conf_t  *pmcf;

    va_start(args, fmt);
    text.data = buf;
    text.len = ngx_vslprintf(buf, buf + NGX_MAX_CONF_ERRSTR, fmt, args) - buf;
    va_end(args);

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_plum_module);
    warning = pmcf->warnings.elts;

    for (i = 0; i < pmcf->warnings.nelts; i++) {
        if (warning[i].where.line == where->line
            && ngx_http_plum_same(&warning[i].where.file, &where->file)
            && ngx_http_plum_same(&warning[i].text, &text))
        {
            return;
        }
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0, "%V in %V:%ui", &text,
                  &where->file, where->line);

    /* without memory for its copy, the text may be written twice */

    text.data = ngx_pstrdup(cf->pool, &text);
    warning = text.data ? ngx_array_push(&pmcf->warnings) : NULL;

    if (warning) {
        warning->where = *where;
        warning->text = text;
    }
}


void
ngx_http_plum_conf_path(ngx_conf_t *cf, const plum_str_t *path)
{
    plum_error_t           err;
    ngx_http_plum_where_t  where;

    if (plum_path_check(path, &err) == PLUM_OK && plum_path_doubt(path, &err))
    {
        ngx_http_plum_conf_where(cf, &where);
        ngx_http_plum_conf_warn(cf, &where, "%s", err.text);
    }
}
