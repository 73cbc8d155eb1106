/*
 * plum_delay: a TCP proxy of this host that holds back answers, as a Redis
 * further away would.
 *
 *     plum_delay --port N --target N --delay MICROSECONDS
 *
 * What a client sends goes on at once; what comes back leaves the delay
 * later, in order.  It writes with blocking sockets: both ends are expected
 * to read.
 */

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>


#define BUFFER  65536


typedef struct end_s    end_t;
typedef struct chunk_s  chunk_t;

/* one side of a pair */

struct end_s {
    int        fd;
    unsigned   held:1;                   /* what comes from it is delayed */
    unsigned   closed:1;
    end_t     *other;
};

/* len of 0: the end of the stream */

struct chunk_s {
    end_t     *to;
    uint64_t   due;
    size_t     len;
    chunk_t   *next;
    char       data[];
};


static int        epoll, timer, target;
static uint64_t   delay;                 /* ns */
static chunk_t   *first, **last = &first;


static void
die(const char *what)
{
    fprintf(stderr, "plum_delay: %s: %s\n", what, strerror(errno));
    exit(1);
}


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}


static void
set_timer(void)
{
    struct itimerspec  at = { { 0, 0 }, { 0, 0 } };

    if (first != NULL) {
        at.it_value.tv_sec = (time_t) (first->due / 1000000000);
        at.it_value.tv_nsec = (long) (first->due % 1000000000);
    }

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}


static void
watch(int fd, void *data)
{
    struct epoll_event  event;

    event.events = EPOLLIN;
    event.data.ptr = data;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
        die("epoll_ctl");
    }
}


static void
send_all(end_t *end, const char *data, size_t len)
{
    ssize_t  n;

    while (len > 0 && !end->closed) {
        n = send(end->fd, data, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }

        data += n;
        len -= (size_t) n;
    }
}


/* both ends; their memory stays, few are ever opened */

static void
close_pair(end_t *end)
{
    end_t  *both[2] = { end, end->other };
    int     i;

    for (i = 0; i < 2; i++) {
        if (!both[i]->closed) {
            both[i]->closed = 1;
            close(both[i]->fd);
        }
    }
}


static void
flush_due(void)
{
    chunk_t   *chunk;
    uint64_t   t, ticks;

    if (read(timer, &ticks, sizeof(ticks)) == -1 && errno != EAGAIN) {
        die("timer");
    }

    t = now();

    while (first != NULL && first->due <= t) {
        chunk = first;
        first = chunk->next;

        if (first == NULL) {
            last = &first;
        }

        if (chunk->len == 0) {
            close_pair(chunk->to);

        } else {
            send_all(chunk->to, chunk->data, chunk->len);
        }

        free(chunk);
    }

    set_timer();
}


static void
hold(end_t *to, const char *data, size_t len)
{
    chunk_t  *chunk;

    chunk = malloc(sizeof(chunk_t) + len);

    if (chunk == NULL) {
        die("malloc");
    }

    chunk->to = to;
    chunk->due = now() + delay;
    chunk->len = len;
    chunk->next = NULL;
    memcpy(chunk->data, data, len);

    *last = chunk;
    last = &chunk->next;

    if (first == chunk) {
        set_timer();
    }
}


static void
receive(end_t *end)
{
    char     buffer[BUFFER];
    ssize_t  n;

    if (end->closed) {
        return;
    }

    n = recv(end->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (end->held) {

        if (n <= 0) {
            epoll_ctl(epoll, EPOLL_CTL_DEL, end->fd, NULL);
            n = 0;
        }

        hold(end->other, buffer, (size_t) n);

    } else if (n <= 0) {
        close_pair(end);

    } else {
        send_all(end->other, buffer, (size_t) n);
    }
}


static int
open_socket(int port, int server)
{
    int                 fd, one, rc;
    struct sockaddr_in  address = { .sin_family = AF_INET };

    address.sin_port = htons((uint16_t) port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    one = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd == -1) {
        die("socket");
    }

    if (server) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        rc = bind(fd, (struct sockaddr *) &address, sizeof(address));
        rc = rc == -1 ? -1 : listen(fd, 511);

    } else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        rc = connect(fd, (struct sockaddr *) &address, sizeof(address));
    }

    if (rc == -1) {
        die(server ? "listen" : "connect");
    }

    return fd;
}


static void
accept_one(int listener)
{
    int     fd, one;
    end_t  *ends;

    fd = accept(listener, NULL, NULL);
    ends = calloc(2, sizeof(end_t));

    if (fd == -1 || ends == NULL) {
        die("accept");
    }

    one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    ends[0].fd = fd;
    ends[0].other = &ends[1];
    ends[1].fd = open_socket(target, 0);
    ends[1].other = &ends[0];
    ends[1].held = 1;

    watch(ends[0].fd, &ends[0]);
    watch(ends[1].fd, &ends[1]);
}


static int
parse(int argc, char **argv)
{
    int  c, port;

    static const struct option  options[] = {
        { "port", required_argument, NULL, 'p' },
        { "target", required_argument, NULL, 't' },
        { "delay", required_argument, NULL, 'd' },
        { NULL, 0, NULL, 0 }
    };

    port = 0;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'p':
            port = atoi(optarg);
            break;

        case 't':
            target = atoi(optarg);
            break;

        case 'd':
            delay = strtoull(optarg, NULL, 10) * 1000;
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
    int                 i, listener, n;
    void               *data;
    struct epoll_event  events[64];

    listener = open_socket(parse(argc, argv), 1);
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    if (epoll == -1 || timer == -1) {
        die("epoll");
    }

    watch(listener, &listener);
    watch(timer, &timer);

    for ( ;; ) {
        n = epoll_wait(epoll, events, 64, -1);

        for (i = 0; i < n; i++) {
            data = events[i].data.ptr;

            if (data == &listener) {
                accept_one(listener);

            } else if (data == &timer) {
                flush_due();

            } else {
                receive(data);
            }
        }
    }
}
