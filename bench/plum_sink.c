/*
 * plum_sink: the upstream.  Reads each request to its end, then answers 204,
 * on kept connections.  Bodies need a Content-Length.
 *
 *     plum_sink --port N [--record FILE]
 *
 * With a file each body is appended to it: its length, a newline, its bytes.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>


#define BUFFER  16384
#define ANSWER  "HTTP/1.1 204 No Content\r\n\r\n"


/* left: bytes of the body to come; buffer: a head, or what is recorded */

typedef struct {
    int      fd;
    size_t   len;
    size_t   left;
    char     buffer[BUFFER + 1];
} conn_t;


static FILE  *record;


static void
die(const char *what)
{
    fprintf(stderr, "plum_sink: %s: %s\n", what, strerror(errno));
    exit(1);
}


/* a whole head at the buffer's start: takes it out; -1: not understood */

static int
take_head(conn_t *c, char *end)
{
    char  *length;

    end[2] = '\0';
    length = strcasestr(c->buffer, "\nContent-Length:");

    if (length == NULL
        || strcasestr(c->buffer, "\nTransfer-Encoding:") != NULL)
    {
        return -1;
    }

    c->left = (size_t) strtoul(length + sizeof("\nContent-Length:") - 1, NULL,
                               10);
    c->len -= (size_t) (end + 4 - c->buffer);
    memmove(c->buffer, end + 4, c->len);

    if (record != NULL) {
        fprintf(record, "%zu\n", c->left);
    }

    return c->left > 0 ? 0 : -1;
}


static int
answer(conn_t *c)
{
    ssize_t  n;

    if (record != NULL) {
        fflush(record);
    }

    n = send(c->fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL);

    return n == sizeof(ANSWER) - 1 ? 0 : -1;
}


static int
take_body(conn_t *c)
{
    size_t  n;

    n = c->len < c->left ? c->len : c->left;

    if (record != NULL) {
        fwrite(c->buffer, 1, n, record);
    }

    c->left -= n;
    c->len -= n;
    memmove(c->buffer, c->buffer + n, c->len);

    return c->left == 0 ? answer(c) : 0;
}


/* all that is in the buffer */

static int
consume(conn_t *c)
{
    char  *end;

    for ( ;; ) {
        if (c->left > 0) {
            if (c->len == 0) {
                return 0;
            }

            if (take_body(c) == -1) {
                return -1;
            }

            continue;
        }

        c->buffer[c->len] = '\0';
        end = strstr(c->buffer, "\r\n\r\n");

        if (end == NULL) {
            return c->len < BUFFER ? 0 : -1;
        }

        if (take_head(c, end) == -1) {
            return -1;
        }
    }
}


/* the bulk of a body is dropped within the kernel, not copied */

static int
receive(conn_t *c)
{
    ssize_t  n;

    if (record == NULL && c->left > BUFFER) {
        n = recv(c->fd, NULL, c->left, MSG_TRUNC);

        if (n > 0) {
            c->left -= (size_t) n;
            return c->left == 0 ? answer(c) : 0;
        }

    } else {
        n = recv(c->fd, c->buffer + c->len, BUFFER - c->len, 0);

        if (n > 0) {
            c->len += (size_t) n;
            return consume(c);
        }
    }

    return n == -1 && errno == EAGAIN ? 0 : -1;
}


static void
accept_all(int epoll, int listener)
{
    int                 fd, one;
    conn_t             *c;
    struct epoll_event  event;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
        one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

        c = malloc(sizeof(conn_t));

        if (c == NULL) {
            die("malloc");
        }

        c->fd = fd;
        c->len = 0;
        c->left = 0;

        event.events = EPOLLIN;
        event.data.ptr = c;

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
            die("epoll_ctl");
        }
    }
}


static int
open_listener(int port)
{
    int                 fd, one;
    struct sockaddr_in  address = { .sin_family = AF_INET };

    address.sin_port = htons((uint16_t) port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    one = 1;
    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &address, sizeof(address)) == -1
        || listen(fd, 1024) == -1)
    {
        die("listen");
    }

    return fd;
}


static int
parse(int argc, char **argv)
{
    int  c, port;

    static const struct option  options[] = {
        { "port", required_argument, NULL, 'p' },
        { "record", required_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 }
    };

    port = 0;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'p':
            port = atoi(optarg);
            break;

        case 'r':
            record = fopen(optarg, "ab");

            if (record == NULL) {
                die(optarg);
            }

            break;

        default:
            exit(2);
        }
    }

    return port;
}


int
main(int argc, char **argv)
{
    int                 epoll, i, listener, n;
    conn_t             *c;
    struct epoll_event  event, events[256];

    listener = open_listener(parse(argc, argv));
    epoll = epoll_create1(0);

    event.events = EPOLLIN;
    event.data.ptr = NULL;

    if (epoll == -1
        || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == -1)
    {
        die("epoll");
    }

    for ( ;; ) {
        n = epoll_wait(epoll, events, 256, -1);

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c == NULL) {
                accept_all(epoll, listener);

            } else if (receive(c) == -1) {
                close(c->fd);
                free(c);
            }
        }
    }
}
