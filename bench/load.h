/*
 * Inside of the load generator: one thread, one epoll set, HTTP/1.1 with
 * kept connections, one request at a time on each.  A connection sends the
 * next request when it has the answer to the last one; or, with a rate, when
 * one is due, and latencies are then counted from that time, so that waiting
 * for a connection is not left out.
 *
 * Every request has an id and a signature of its own.  They are made before
 * the clock starts; the bodies stay in shared templates, so that a request
 * is five pieces of memory for writev() and a hundred thousand unique ones
 * of 256 KB take no more room than small ones.
 */

#ifndef _LOAD_H_INCLUDED_
#define _LOAD_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <openssl/ssl.h>


#define LOAD_ID         20               /* digits */
#define LOAD_SIGNATURE  64               /* hex digits of HMAC-SHA256 */
#define LOAD_PIECES     5
#define LOAD_ANSWER     8192             /* the longest head of an answer */
#define LOAD_WATCHES    8


typedef struct {
    int              port;
    const char      *path;
    const char      *secret;
    size_t           secret_len;
    const char      *bodies;             /* a folder of *.json */
    size_t           connections;
    double           seconds;            /* of the measured window */
    double           warmup;             /* ... and before it */
    uint64_t         count;              /* requests at most, 0: no limit */
    double           copies;             /* share of duplicates */
    double           rate;               /* requests/s, 0: as fast as it goes */
    double           settle;             /* seconds of rest after a phase */
    unsigned         tls:1;
} load_options_t;


/* id is where the digits stand in body; middle is what comes before them */

typedef struct {
    char            *body;
    size_t           len;
    size_t           id;
    char            *head;
    size_t           head_len;
    char            *middle;
    size_t           middle_len;
} load_template_t;


typedef struct {
    char             id[LOAD_ID];
    char             signature[LOAD_SIGNATURE];
    uint16_t         template;
    uint16_t         copy;               /* 1: of an earlier one */
} load_request_t;


typedef struct load_conn_s  load_conn_t;

struct load_conn_s {
    int              fd;
    SSL             *ssl;
    char            *flat;               /* with TLS: the request's bytes */
    size_t           flat_size;

    load_request_t  *request;            /* NULL: idle */
    uint64_t         start;              /* ns; see load_conn_start() */
    size_t           sent;
    size_t           total;

    char             answer[LOAD_ANSWER + 1];
    size_t           answer_len;
    size_t           body_left;
    unsigned         status;             /* 0: the head is not complete */
    unsigned         close:1;
    unsigned         wants_write:1;
};


typedef enum {
    LOAD_AGAIN = 0,
    LOAD_DONE,
    LOAD_FAILED
} load_rc_t;


/* of one phase; latencies in units of 0.1 us */

typedef struct {
    uint64_t         events;
    uint64_t         errors;             /* connections lost */
    uint64_t         status[2][600];     /* [copy][code] */
    uint32_t        *latency;
    double           seconds;
} load_stat_t;


/* processes that are looked at together, by a name */

typedef struct {
    const char      *name;
    int              pids[64];
    size_t           npids;
} load_watch_t;

typedef struct {
    double           cpu;                /* s, all threads */
    long             rss;                /* KB */
    long             private;            /* ... of which the process's own */
    long             shared;             /* ... and shared memory, no files */
    long             peak;
    long             descriptors;
} load_sample_t;


extern load_options_t   load_options;
extern load_request_t  *load_requests;
extern size_t           load_nrequests;

void load_die(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void *load_alloc(void *old, size_t size);
uint64_t load_now(void);

/* load_request.c: reads the bodies; signs n more requests */

void load_templates(void);
size_t load_mean_body(void);
void load_sign(size_t n);
size_t load_pieces(const load_request_t *request, struct iovec *pieces);

/*
 * load_conn.c: opening and starting never fail but by load_die(); a failure
 * shows at the next write or read, and the connection is opened anew then.
 * The start of a request is what its latency is counted from.
 * write: DONE when all is sent; read: DONE when the answer is complete.
 */

void load_conn_init(void);
int load_epoll(void);
void load_conn_open(load_conn_t *c);
void load_conn_reopen(load_conn_t *c);
void load_conn_start(load_conn_t *c, load_request_t *request, uint64_t start);
load_rc_t load_conn_write(load_conn_t *c);
load_rc_t load_conn_read(load_conn_t *c);

/* load_watch.c: "name=pid,pid" */

void load_watch_add(const char *text);
void load_watch_sample(load_sample_t *samples);
void load_watch_print(const load_sample_t *before, const load_sample_t *after,
    uint64_t events);


#endif /* _LOAD_H_INCLUDED_ */
