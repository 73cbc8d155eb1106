/*
 * plum_load: sends signed, unique events to a port of this host, as fast as
 * they are answered or at a rate, and prints what came of it as one JSON
 * object.
 *
 *     plum_load --port N --bodies FOLDER [--connections 32] [--seconds 1]
 *         [--warmup 0.1] [--count N] [--rate N] [--copies 0.1] [--tls]
 *         [--path /] [--secret TEXT] [--watch NAME=PID,PID]...
 *         [--settle 0.02]
 *
 * There are two phases, a warm-up and the measured one.  Both begin and end
 * with nothing under way, so that the CPU time of the watched processes
 * between is that of exactly these events.  --settle is the time for work that
 * comes after the last answer of a phase.
 */

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/epoll.h>
#include <sys/resource.h>

#include "load.h"


#define STALL_MS     10000


load_options_t          load_options = {
    .path = "/", .secret = "a secret of the benchmark 0123456789",
    .connections = 32, .seconds = 1, .warmup = 0.1, .settle = 0.02
};

static load_conn_t     *conns;
static load_stat_t      stat;
static size_t           next_request, last_request;
static uint64_t         deadline;
static uint64_t         due;             /* with a rate: the next request */
static size_t           busy;
static load_conn_t    **idle;
static size_t           nidle;


void
load_die(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    fputs("plum_load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);

    exit(1);
}


void *
load_alloc(void *old, size_t size)
{
    void  *p;

    p = realloc(old, size);

    if (p == NULL) {
        load_die("out of memory");
    }

    return p;
}


uint64_t
load_now(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}


static double
own_cpu(void)
{
    struct rusage  usage;

    getrusage(RUSAGE_SELF, &usage);

    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}


/* whether the phase has more requests to come */

static int
more(void)
{
    return next_request < last_request
           && (load_options.rate > 0 ? due : load_now()) < deadline;
}


/* the next request on a connection that has none, if it is time for one */

static void
proceed(load_conn_t *c)
{
    uint64_t  start;

    while (more()) {
        start = load_now();

        if (load_options.rate > 0) {
            if (due > start) {
                break;
            }

            /* arrivals that know nothing of each other (Poisson) */

            start = due;
            due += (uint64_t) (-log(1 - drand48()) * 1e9 / load_options.rate);
        }

        load_conn_start(c, &load_requests[next_request++], start);
        busy++;

        if (load_conn_write(c) != LOAD_FAILED) {
            return;
        }

        stat.errors++;
        busy--;
        load_conn_reopen(c);
    }

    idle[nidle++] = c;
}


static void
answered(load_conn_t *c)
{
    stat.latency[stat.events++] = (uint32_t) ((load_now() - c->start) / 100);
    stat.status[c->request->copy][c->status]++;

    c->request = NULL;
    busy--;

    if (c->close || c->sent < c->total) {
        load_conn_reopen(c);
    }

    proceed(c);
}


static void
lost(load_conn_t *c)
{
    unsigned  had;

    had = c->request != NULL;
    load_conn_reopen(c);

    /* a kept connection may be closed by the other side at any time */

    if (had) {
        stat.errors++;
        busy--;
        proceed(c);
    }
}


static void
handle(load_conn_t *c, uint32_t events)
{
    load_rc_t  rc;

    if (events & EPOLLOUT && c->request != NULL && c->sent < c->total
        && load_conn_write(c) == LOAD_FAILED)
    {
        lost(c);
        return;
    }

    if (!(events & (EPOLLIN|EPOLLHUP|EPOLLERR))) {
        return;
    }

    rc = load_conn_read(c);

    if (rc == LOAD_DONE) {
        answered(c);

    } else if (rc == LOAD_FAILED) {
        lost(c);

    } else if (c->ssl != NULL && c->request != NULL && c->sent < c->total
               && load_conn_write(c) == LOAD_FAILED)
    {
        /* a handshake goes on with what was read */
        lost(c);
    }
}


/* until something happens, or the next request is due */

static int
wait_events(struct epoll_event *events, int size)
{
    int              n;
    uint64_t         now, ns;
    struct timespec  timeout;

    ns = (uint64_t) STALL_MS * 1000000;

    if (nidle > 0 && more()) {
        now = load_now();
        ns = due > now ? due - now : 0;
    }

    timeout.tv_sec = (time_t) (ns / 1000000000);
    timeout.tv_nsec = (long) (ns % 1000000000);

    n = epoll_pwait2(load_epoll(), events, size, &timeout, NULL);

    if (n == -1 && errno != EINTR) {
        load_die("epoll: %s", strerror(errno));
    }

    if (n == 0 && ns == (uint64_t) STALL_MS * 1000000) {
        load_die("no answer for %d s, %zu requests under way",
                 STALL_MS / 1000, busy);
    }

    return n;
}


static void
phase(double seconds, size_t requests)
{
    int                 i, n;
    size_t              k;
    uint64_t            start;
    struct epoll_event  events[256];

    free(stat.latency);
    memset(&stat, 0, sizeof(stat));
    stat.latency = load_alloc(NULL, (requests + 1) * sizeof(uint32_t));

    last_request = next_request + requests;
    nidle = 0;
    start = load_now();
    due = start;
    deadline = start + (uint64_t) (seconds * 1e9);

    for (k = 0; k < load_options.connections; k++) {
        proceed(&conns[k]);
    }

    while (busy > 0 || (load_options.rate > 0 && more())) {
        n = wait_events(events, 256);

        for (i = 0; i < n; i++) {
            handle(events[i].data.ptr, events[i].events);
        }

        while (nidle > 0 && more() && due <= load_now()) {
            proceed(idle[--nidle]);
        }
    }

    stat.seconds = (double) (load_now() - start) / 1e9;
}


static int
compare(const void *a, const void *b)
{
    uint32_t  x, y;

    x = *(const uint32_t *) a;
    y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}


/* us; the latencies are sorted */

static double
percentile(double share)
{
    size_t  i;

    if (stat.events == 0) {
        return 0;
    }

    i = (size_t) (share * (double) stat.events);

    return stat.latency[i < stat.events ? i : stat.events - 1] / 10.0;
}


static void
print_status(unsigned copy, const char *name, const char *before)
{
    unsigned  code, n;

    printf("%s\"%s\":{", before, name);

    for (n = 0, code = 0; code < 600; code++) {
        if (stat.status[copy][code] != 0) {
            printf("%s\"%u\":%llu", n++ ? "," : "", code,
                   (unsigned long long) stat.status[copy][code]);
        }
    }

    printf("}");
}


static void
print(const load_sample_t *before, const load_sample_t *after, double own)
{
    qsort(stat.latency, stat.events, sizeof(uint32_t), compare);

    printf("{\"events\":%llu,\"errors\":%llu,\"seconds\":%.6f,"
           "\"rate\":%.1f,\"body_bytes\":%zu,\"connections\":%zu,\"tls\":%s,"
           "\"exhausted\":%s,",
           (unsigned long long) stat.events, (unsigned long long) stat.errors,
           stat.seconds, (double) stat.events / stat.seconds,
           load_mean_body(), load_options.connections,
           load_options.tls ? "true" : "false",
           next_request == last_request ? "true" : "false");

    printf("\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
           "\"max\":%.1f},\"status\":{",
           percentile(0.5), percentile(0.9), percentile(0.99),
           percentile(1));

    print_status(0, "new", "");
    print_status(1, "copy", ",");

    printf("},\"own_cpu_us\":%.3f,\"watch\":{",
           stat.events ? own * 1e6 / (double) stat.events : 0);

    load_watch_print(before, after, stat.events);

    printf("}}\n");
}


static double
number(const char *text, double least)
{
    char    *end;
    double   value;

    value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= least)) {
        load_die("bad number \"%s\"", text);
    }

    return value;
}


static void
parse(int argc, char **argv)
{
    int              c;
    load_options_t  *o;

    static const struct option  options[] = {
        { "port", required_argument, NULL, 'p' },
        { "path", required_argument, NULL, 'P' },
        { "secret", required_argument, NULL, 'k' },
        { "bodies", required_argument, NULL, 'b' },
        { "connections", required_argument, NULL, 'c' },
        { "seconds", required_argument, NULL, 's' },
        { "warmup", required_argument, NULL, 'w' },
        { "count", required_argument, NULL, 'n' },
        { "rate", required_argument, NULL, 'r' },
        { "copies", required_argument, NULL, 'd' },
        { "tls", no_argument, NULL, 't' },
        { "settle", required_argument, NULL, 'S' },
        { "watch", required_argument, NULL, 'W' },
        { NULL, 0, NULL, 0 }
    };

    o = &load_options;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'p': o->port = (int) number(optarg, 1); break;
        case 'P': o->path = optarg; break;
        case 'k': o->secret = optarg; break;
        case 'b': o->bodies = optarg; break;
        case 'c': o->connections = (size_t) number(optarg, 1); break;
        case 's': o->seconds = number(optarg, 0.001); break;
        case 'w': o->warmup = number(optarg, 0); break;
        case 'n': o->count = (uint64_t) number(optarg, 0); break;
        case 'r': o->rate = number(optarg, 1); break;
        case 'd': o->copies = number(optarg, 0); break;
        case 't': o->tls = 1; break;
        case 'S': o->settle = number(optarg, 0); break;
        case 'W': load_watch_add(optarg); break;
        default: exit(2);
        }
    }

    if (optind < argc || o->port == 0 || o->bodies == NULL) {
        load_die("--port and --bodies are needed, and nothing but options");
    }

    o->secret_len = strlen(o->secret);
}


/* more than chance makes of a rate */

static size_t
at_rate(double seconds)
{
    return 1000 + (size_t) (1.5 * seconds * load_options.rate);
}


/* how many the warm-up is given; it may end before its time */

static size_t
warmup_requests(void)
{
    double  few, many;

    if (load_options.rate > 0) {
        return at_rate(load_options.warmup);
    }

    many = load_options.warmup * 60e3;
    few = load_options.warmup * 6e9 / (double) load_mean_body();

    return (size_t) (few < many ? few : many) + load_options.connections;
}


/*
 * How many requests the measured phase can need, by how fast the warm-up
 * was; it may have been slow, being one.
 */

static size_t
enough(void)
{
    if (load_options.count) {
        return load_options.count;
    }

    if (load_options.rate > 0) {
        return at_rate(load_options.seconds);
    }

    return 1000 + (size_t) (load_options.seconds * 2 * (double) stat.events
                            / (stat.seconds > 0 ? stat.seconds : 1));
}


int
main(int argc, char **argv)
{
    size_t           i, n;
    double           own;
    load_sample_t    before[LOAD_WATCHES], after[LOAD_WATCHES];
    struct timespec  settle;

    parse(argc, argv);

    settle.tv_sec = (time_t) load_options.settle;
    settle.tv_nsec = (long) ((load_options.settle - (double) settle.tv_sec)
                             * 1e9);

    load_templates();
    load_conn_init();

    conns = load_alloc(NULL, load_options.connections * sizeof(load_conn_t));
    memset(conns, 0, load_options.connections * sizeof(load_conn_t));
    idle = load_alloc(NULL, load_options.connections * sizeof(load_conn_t *));

    for (i = 0; i < load_options.connections; i++) {
        load_conn_open(&conns[i]);
    }

    n = warmup_requests();
    load_sign(n);
    phase(load_options.warmup, n);

    /* what was not used is of the next phase, too */

    n = enough();
    load_nrequests = next_request;
    load_sign(n);

    nanosleep(&settle, NULL);
    load_watch_sample(before);
    own = own_cpu();

    phase(load_options.count ? 3600 : load_options.seconds, n);

    own = own_cpu() - own;
    nanosleep(&settle, NULL);
    load_watch_sample(after);

    print(before, after, own);

    return 0;
}
