
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum.h>


/*
 * When a QUIC connection ends, because the sender closes it or is silent for
 * too long, NGINX sets c->close of each of its streams and calls the read
 * handler of the stream, which terminates the request.  That would cut a
 * forward short, which over other protocols goes on when the sender hangs up.
 * So the read handler is replaced while the upstream works:
 *
 *   kept --the connection has ended--> gone --answer of the upstream--> NGINX
 *     |                                 |
 *     +--any other event--> NGINX       +--worker_shutdown_timeout--> NGINX
 *
 * kept  each event is passed to the handler of NGINX
 * gone  the sender has left.  NGINX keeps the connection in memory as long as
 *       the stream is open, and calls the handler again from time to time,
 *       which is ignored.  Nothing can be sent on the stream any more, so the
 *       first attempt to send the answer ends the request; the claim has been
 *       settled by the answer before that.
 *
 * worker_shutdown_timeout sets c->close, too, but also c->error.  It must
 * terminate the request in both states.
 */


#if (NGX_HTTP_V3)

static void ngx_http_plum_http3_handler(ngx_event_t *ev);


void
ngx_http_plum_http3_keep(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (c->quic == NULL || c->read->handler == ngx_http_plum_http3_handler) {
        return;
    }

    ctx->read_handler = c->read->handler;
    c->read->handler = ngx_http_plum_http3_handler;
}


static void
ngx_http_plum_http3_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_plum_ctx_t  *ctx;

    c = ev->data;
    r = c->data;
    r = r->main;
    ctx = ngx_http_plum_get_ctx(r);

    if (!c->close
        || c->error
        || r->upstream == NULL
        || r->upstream->cleanup == NULL
        || (ctx->answered && !ctx->held))
    {
        ctx->read_handler(ev);
        return;
    }

    if (!ctx->gone) {
        ctx->gone = 1;

        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "plum: the connection of the sender has ended, the "
                      "forward goes on");
    }
}

#else

void
ngx_http_plum_http3_keep(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
}

#endif
