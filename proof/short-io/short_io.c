/*
 * Loaded before the C library's functions (LD_PRELOAD): every read and write
 * on a stream socket that epoll watches by its edges is cut short, to 1 byte
 * or a few, and one in eight says EAGAIN.
 *
 * A program that waits for edges takes a short read for the last one, and
 * waits for an edge after EAGAIN.  None would come for what the kernel holds
 * already, so after each lie the descriptor is armed again: EPOLL_CTL_MOD
 * with what it was armed with makes the kernel tell once more what is ready.
 *
 * SHORT_IO_LOG names a file that gets a line of counts from each process.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>


#define DESCRIPTORS   65536
#define VECTORS       64


typedef struct {
    int                  epoll;          /* -1: not watched */
    struct epoll_event   event;
} watch_t;


static watch_t         watches[DESCRIPTORS];
static uint64_t        state = 0x9e3779b97f4a7c15u;
static unsigned long   shortened, delayed;
static int             log_fd = -1;

static int (*real_epoll_ctl)(int, int, int, struct epoll_event *);
static int (*real_close)(int);
static ssize_t (*real_recv)(int, void *, size_t, int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_readv)(int, const struct iovec *, int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_sendfile)(int, int, off64_t *, size_t);


static void *
find(const char *name)
{
    void  *function;

    function = dlsym(RTLD_NEXT, name);

    if (function == NULL) {
        fprintf(stderr, "short_io: no %s\n", name);
        abort();
    }

    return function;
}


__attribute__((constructor)) static void
start(void)
{
    size_t       i;
    const char  *name;

    for (i = 0; i < DESCRIPTORS; i++) {
        watches[i].epoll = -1;
    }

    *(void **) &real_epoll_ctl = find("epoll_ctl");
    *(void **) &real_close = find("close");
    *(void **) &real_recv = find("recv");
    *(void **) &real_read = find("read");
    *(void **) &real_readv = find("readv");
    *(void **) &real_send = find("send");
    *(void **) &real_write = find("write");
    *(void **) &real_writev = find("writev");
    *(void **) &real_sendfile = find("sendfile64");

    /* opened by the master: a worker of another user could not */

    name = getenv("SHORT_IO_LOG");

    if (name != NULL) {
        log_fd = open(name, O_WRONLY|O_APPEND|O_CREAT|O_CLOEXEC, 0644);
    }
}


__attribute__((destructor)) static void
stop(void)
{
    if (log_fd != -1 && shortened != 0) {
        dprintf(log_fd, "%lu %lu\n", shortened, delayed);
    }
}


static size_t
roll(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return (size_t) (state >> 20) % n;
}


/* the watch of a descriptor whose reads and writes may be cut, or NULL */

static watch_t *
watched(int fd)
{
    if (fd < 0 || fd >= DESCRIPTORS || watches[fd].epoll == -1) {
        return NULL;
    }

    return &watches[fd];
}


static void
arm_again(int fd, watch_t *w)
{
    int  saved;

    saved = errno;
    (void) real_epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &w->event);
    errno = saved;
}


/* how much of n bytes may go; 0: EAGAIN, which errno says already */

static size_t
allow(int fd, watch_t *w, size_t n)
{
    size_t  most;

    if (n == 0) {
        return n;
    }

    if (roll(8) == 0) {
        delayed++;
        arm_again(fd, w);
        errno = EAGAIN;
        return 0;
    }

    switch (roll(4)) {

    case 0:
        most = 1;
        break;

    case 1:
        most = 1 + roll(16);
        break;

    case 2:
        most = 1 + roll(512);
        break;

    default:
        most = 1 + roll(16384);
    }

    return (n < most) ? n : most;
}


/* after the call: what was cut is told again, and so is a rest */

static ssize_t
done(int fd, watch_t *w, size_t asked, size_t allowed, ssize_t rc)
{
    if (allowed < asked && rc >= 0) {
        shortened++;
        arm_again(fd, w);
    }

    return rc;
}


/* the first n bytes of what vectors point to; returns how many vectors */

static int
cut(const struct iovec *from, int count, struct iovec *to, size_t n)
{
    int  i;

    for (i = 0; i < count && i < VECTORS && n != 0; i++) {
        to[i] = from[i];

        if (to[i].iov_len > n) {
            to[i].iov_len = n;
        }

        n -= to[i].iov_len;
    }

    return i;
}


static size_t
total(const struct iovec *vectors, int count)
{
    int     i;
    size_t  n;

    n = 0;

    for (i = 0; i < count; i++) {
        n += vectors[i].iov_len;
    }

    return n;
}


int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    int        rc, type;
    socklen_t  len;

    rc = real_epoll_ctl(epoll, op, fd, event);

    if (rc != 0 || fd < 0 || fd >= DESCRIPTORS) {
        return rc;
    }

    watches[fd].epoll = -1;
    len = sizeof(type);

    if (op != EPOLL_CTL_DEL && (event->events & EPOLLET)
        && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0
        && type == SOCK_STREAM)
    {
        watches[fd].epoll = epoll;
        watches[fd].event = *event;
    }

    return rc;
}


int
close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS) {
        watches[fd].epoll = -1;
    }

    return real_close(fd);
}


ssize_t
recv(int fd, void *buf, size_t n, int flags)
{
    size_t    allowed;
    watch_t  *w;

    w = (flags & MSG_PEEK) ? NULL : watched(fd);

    if (w == NULL) {
        return real_recv(fd, buf, n, flags);
    }

    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    return done(fd, w, n, allowed, real_recv(fd, buf, allowed, flags));
}


ssize_t
read(int fd, void *buf, size_t n)
{
    size_t    allowed;
    watch_t  *w;

    w = watched(fd);

    if (w == NULL) {
        return real_read(fd, buf, n);
    }

    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    return done(fd, w, n, allowed, real_read(fd, buf, allowed));
}


ssize_t
readv(int fd, const struct iovec *vectors, int count)
{
    size_t        n, allowed;
    watch_t      *w;
    struct iovec  some[VECTORS];

    w = watched(fd);

    if (w == NULL) {
        return real_readv(fd, vectors, count);
    }

    n = total(vectors, count);
    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    count = cut(vectors, count, some, allowed);

    return done(fd, w, n, allowed, real_readv(fd, some, count));
}


/* NGINX takes a cut 100 (Continue) for an error, and says so */

ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
    size_t    allowed;
    watch_t  *w;

    w = (n == 25 && memcmp(buf, "HTTP/1.1 100 ", 13) == 0) ? NULL
                                                           : watched(fd);

    if (w == NULL) {
        return real_send(fd, buf, n, flags);
    }

    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    return done(fd, w, n, allowed, real_send(fd, buf, allowed, flags));
}


ssize_t
write(int fd, const void *buf, size_t n)
{
    size_t    allowed;
    watch_t  *w;

    w = watched(fd);

    if (w == NULL) {
        return real_write(fd, buf, n);
    }

    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    return done(fd, w, n, allowed, real_write(fd, buf, allowed));
}


ssize_t
writev(int fd, const struct iovec *vectors, int count)
{
    size_t        n, allowed;
    watch_t      *w;
    struct iovec  some[VECTORS];

    w = watched(fd);

    if (w == NULL) {
        return real_writev(fd, vectors, count);
    }

    n = total(vectors, count);
    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    count = cut(vectors, count, some, allowed);

    return done(fd, w, n, allowed, real_writev(fd, some, count));
}


ssize_t
sendfile64(int fd, int file, off64_t *offset, size_t n)
{
    size_t    allowed;
    watch_t  *w;

    w = watched(fd);

    if (w == NULL) {
        return real_sendfile(fd, file, offset, n);
    }

    allowed = allow(fd, w, n);

    if (allowed == 0 && n != 0) {
        return -1;
    }

    return done(fd, w, n, allowed, real_sendfile(fd, file, offset, allowed));
}


/* what a fortified program calls instead */

ssize_t
__recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
    return (n <= size) ? recv(fd, buf, n, flags) : (abort(), -1);
}


ssize_t
__read_chk(int fd, void *buf, size_t n, size_t size)
{
    return (n <= size) ? read(fd, buf, n) : (abort(), -1);
}
