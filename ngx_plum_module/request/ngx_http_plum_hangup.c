
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_http_plum_ctx.h>
#include <ngx_http_plum_outcome.h>


/*
 * If the sender closes its connection, the forward must go on: otherwise the
 * outcome at the upstream would not be known.  So the content handler is
 * wrapped, which has the effect of proxy_ignore_client_abort for each protocol
 * of upstreams.
 *
 * When a QUIC connection ends, because the sender closes it or is silent for
 * too long, NGINX sets c->close of each of its streams and calls the read
 * handler of the stream, which terminates the request.  Over other protocols
 * the forward goes on when the sender has gone.  So the read handler is
 * replaced until the upstream has answered:
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


static ngx_int_t ngx_http_plum_content_handler(ngx_http_request_t *r);
#if (NGX_HTTP_V3)
static void ngx_http_plum_http3_keep(ngx_http_request_t *r,
    ngx_http_plum_ctx_t *ctx);
static void ngx_http_plum_http3_handler(ngx_event_t *ev);
#endif


void
ngx_http_plum_watch(ngx_http_request_t *r, ngx_http_plum_ctx_t *ctx)
{
    if (r->content_handler == NULL
        || r->content_handler == ngx_http_plum_content_handler)
    {
        return;
    }

    if (ctx->plcf->mode == NGX_HTTP_PLUM_OBSERVE && !ctx->held) {
        return;
    }

    ctx->content_handler = r->content_handler;
    r->content_handler = ngx_http_plum_content_handler;
}


static ngx_int_t
ngx_http_plum_content_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_plum_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_plum_module);

    rc = ctx->content_handler(r);

    /*
     * The caller holds a reference, so r exists even if the request was
     * answered in the call.  The event handlers are those that check for a
     * closed connection only if the request waits for an upstream.
     */

    if (rc == NGX_DONE
        && r->upstream
        && r->upstream->cleanup
        && !r->header_sent
        && !ctx->answered)
    {
        r->read_event_handler = ngx_http_block_reading;
        r->write_event_handler = ngx_http_request_empty_handler;

#if (NGX_HTTP_V3)
        ngx_http_plum_http3_keep(r, ctx);
#endif
    }

    return rc;
}


#if (NGX_HTTP_V3)

static void
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

#endif
