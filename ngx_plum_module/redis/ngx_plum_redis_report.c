
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/* Log messages about a node: one for each change of its state. */


#define NGX_PLUM_REDIS_QUIET     5000    /* ms without an error reply before
                                            commands count as accepted */
#define NGX_PLUM_REDIS_ERROR     200     /* bytes of an error reply logged */


/*
 * It is not a change of state if a connection is lost with nothing pending, or
 * if PING finds it dead before it is used: that is logged at "info" only.
 */

void
ngx_plum_redis_report_lost(ngx_plum_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    if (conn->reported) {
        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->log, err,
                       "plum: redis is unavailable: %s", text);

    } else if ((conn->failing
                && (!conn->lazy || !ngx_queue_empty(&conn->waiting)))
               || (conn->state == NGX_PLUM_REDIS_READY
                   && conn->pending
                   && conn->ping.conn == NULL))
    {
        ngx_log_error(NGX_LOG_ERR, &conn->log, err,
                      "plum: redis is unavailable: %s", text);
        conn->reported = 1;

        if (conn->client->user->down) {
            conn->client->user->down(conn->client->data);
        }

    } else {
        ngx_log_error(NGX_LOG_INFO, &conn->log, err,
                      "plum: the connection to redis ended: %s", text);
    }
}


void
ngx_plum_redis_report_available(ngx_plum_redis_conn_t *conn)
{
    ngx_uint_t  level;

    level = conn->reported ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, &conn->log, 0, "plum: redis is available%s",
                  conn->reported ? " again" : "");

    conn->reported = 0;
}


void
ngx_plum_redis_report_refused(ngx_plum_redis_conn_t *conn, const char *what,
    const char *text, size_t len)
{
    conn->refused = ngx_current_msec;

    if (!conn->refusing) {
        conn->refusing = 1;

        ngx_plum_redis_report_error(&conn->log, what, text, len);
    }
}


void
ngx_plum_redis_report_error(ngx_log_t *log, const char *what,
    const char *text, size_t len)
{
    u_char  clean[NGX_PLUM_REDIS_ERROR];
    size_t  i;

    len = ngx_min(len, NGX_PLUM_REDIS_ERROR);

    for (i = 0; i < len; i++) {
        clean[i] = (text[i] < 0x20 || text[i] > 0x7e) ? '?' : text[i];
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "plum: redis refuses a command%s: \"%*s\"", what, len,
                  clean);
}


void
ngx_plum_redis_report_accepted(ngx_plum_redis_conn_t *conn)
{
    if (conn->refusing
        && (ngx_msec_int_t) (ngx_current_msec - conn->refused)
           >= NGX_PLUM_REDIS_QUIET)
    {
        conn->refusing = 0;

        ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0,
                      "plum: redis accepts commands again");
    }
}
