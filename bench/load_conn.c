/*
 * Connections: opening, sending a request, reading an answer to its end.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load.h"


static int                 epoll;
static struct sockaddr_in  address;
static SSL_CTX            *ssl_ctx;


void
load_conn_init(void)
{
    epoll = epoll_create1(0);

    if (epoll == -1) {
        load_die("epoll: %s", strerror(errno));
    }

    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t) load_options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (!load_options.tls) {
        return;
    }

    ssl_ctx = SSL_CTX_new(TLS_client_method());

    if (ssl_ctx == NULL) {
        load_die("no TLS");
    }

    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                              |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}


int
load_epoll(void)
{
    return epoll;
}


static void
watch(load_conn_t *c, int op, int write)
{
    struct epoll_event  event;

    event.events = EPOLLIN|(write ? EPOLLOUT : 0);
    event.data.ptr = c;

    if (epoll_ctl(epoll, op, c->fd, &event) == -1) {
        load_die("epoll_ctl: %s", strerror(errno));
    }

    c->wants_write = write ? 1 : 0;
}


void
load_conn_open(load_conn_t *c)
{
    int  one;

    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);

    if (c->fd == -1) {
        load_die("socket: %s", strerror(errno));
    }

    one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (connect(c->fd, (struct sockaddr *) &address, sizeof(address)) == -1
        && errno != EINPROGRESS)
    {
        load_die("connect to port %d: %s", load_options.port,
                 strerror(errno));
    }

    c->request = NULL;
    watch(c, EPOLL_CTL_ADD, 0);

    if (!load_options.tls) {
        return;
    }

    c->ssl = SSL_new(ssl_ctx);

    if (c->ssl == NULL || !SSL_set_fd(c->ssl, c->fd)) {
        load_die("no TLS connection");
    }

    SSL_set_connect_state(c->ssl);
}


void
load_conn_reopen(load_conn_t *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);

    load_conn_open(c);
}


void
load_conn_start(load_conn_t *c, load_request_t *request, uint64_t start)
{
    char          *p;
    size_t         i;
    struct iovec   pieces[LOAD_PIECES];

    c->request = request;
    c->total = load_pieces(request, pieces);
    c->sent = 0;
    c->answer_len = 0;
    c->body_left = 0;
    c->status = 0;
    c->close = 0;
    c->start = start;

    if (c->ssl == NULL) {
        return;
    }

    if (c->flat_size < c->total) {
        c->flat = load_alloc(c->flat, c->total);
        c->flat_size = c->total;
    }

    p = c->flat;

    for (i = 0; i < LOAD_PIECES; i++) {
        memcpy(p, pieces[i].iov_base, pieces[i].iov_len);
        p += pieces[i].iov_len;
    }
}


/* -1 with errno set, as of write() and read() */

static ssize_t
tls_result(load_conn_t *c, int n)
{
    if (n > 0) {
        return n;
    }

    switch (SSL_get_error(c->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;

    case SSL_ERROR_ZERO_RETURN:
        return 0;

    default:
        errno = EIO;
        return -1;
    }
}


static ssize_t
write_pieces(load_conn_t *c)
{
    size_t         i, n, skip;
    struct iovec   pieces[LOAD_PIECES];

    if (c->ssl != NULL) {
        return tls_result(c, SSL_write(c->ssl, c->flat + c->sent,
                                       (int) (c->total - c->sent)));
    }

    load_pieces(c->request, pieces);

    skip = c->sent;
    n = 0;

    for (i = 0; i < LOAD_PIECES; i++) {
        if (skip >= pieces[i].iov_len) {
            skip -= pieces[i].iov_len;
            continue;
        }

        pieces[n].iov_base = (char *) pieces[i].iov_base + skip;
        pieces[n].iov_len = pieces[i].iov_len - skip;
        skip = 0;
        n++;
    }

    return writev(c->fd, pieces, (int) n);
}


load_rc_t
load_conn_write(load_conn_t *c)
{
    ssize_t  n;

    while (c->sent < c->total) {
        n = write_pieces(c);

        if (n > 0) {
            c->sent += (size_t) n;
            continue;
        }

        if (n == -1 && (errno == EAGAIN || errno == ENOTCONN)) {
            if (!c->wants_write) {
                watch(c, EPOLL_CTL_MOD, 1);
            }

            return LOAD_AGAIN;
        }

        return LOAD_FAILED;
    }

    if (c->wants_write) {
        watch(c, EPOLL_CTL_MOD, 0);
    }

    return LOAD_DONE;
}


/* the value of a header as a number, -1 if there is none */

static long
header_number(const char *head, const char *name)
{
    const char  *found;

    found = strcasestr(head, name);

    return found != NULL ? strtol(found + strlen(name), NULL, 10) : -1;
}


/* a head that is complete: from it, how much is to come */

static load_rc_t
parse_head(load_conn_t *c)
{
    long   length;
    char  *end;

    c->answer[c->answer_len] = '\0';
    end = strstr(c->answer, "\r\n\r\n");

    if (end == NULL) {
        return c->answer_len < LOAD_ANSWER ? LOAD_AGAIN : LOAD_FAILED;
    }

    end[2] = '\0';

    if (sscanf(c->answer, "HTTP/1.%*d %3u", &c->status) != 1
        || c->status < 200 || c->status > 599)
    {
        return LOAD_FAILED;
    }

    length = header_number(c->answer, "\nContent-Length:");

    if (length < 0) {
        if (c->status != 204 && c->status != 304) {
            load_die("answers without a length are not understood:\n%s",
                     c->answer);
        }

        length = 0;
    }

    c->close = strcasestr(c->answer, "\nConnection: close") != NULL;
    c->body_left = (size_t) length;
    c->answer_len -= (size_t) (end + 4 - c->answer);

    return LOAD_DONE;
}


static load_rc_t
consume(load_conn_t *c)
{
    load_rc_t  rc;

    if (c->status == 0) {
        rc = parse_head(c);

        if (rc != LOAD_DONE) {
            return rc;
        }
    }

    if (c->answer_len > c->body_left) {
        return LOAD_FAILED;
    }

    c->body_left -= c->answer_len;
    c->answer_len = 0;

    return c->body_left == 0 ? LOAD_DONE : LOAD_AGAIN;
}


load_rc_t
load_conn_read(load_conn_t *c)
{
    size_t     room;
    ssize_t    n;
    load_rc_t  rc;

    for ( ;; ) {
        room = LOAD_ANSWER - c->answer_len;

        if (room == 0) {
            return LOAD_FAILED;
        }

        if (c->ssl != NULL) {
            n = tls_result(c, SSL_read(c->ssl, c->answer + c->answer_len,
                                       (int) room));
        } else {
            n = recv(c->fd, c->answer + c->answer_len, room, 0);
        }

        if (n == -1 && errno == EAGAIN) {
            return LOAD_AGAIN;
        }

        if (n <= 0 || c->request == NULL) {
            return LOAD_FAILED;
        }

        c->answer_len += (size_t) n;
        rc = consume(c);

        /* with plain sockets the next event tells if there is more */

        if (rc != LOAD_AGAIN || c->ssl == NULL) {
            return rc;
        }
    }
}
