/*
 * Templates of bodies, and requests made of them: ids, signatures, pieces.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/params.h>

#include "load.h"


#define PLACEHOLDER  "@@@@@@@@@@@@@@@@@@@@"
#define COPY_WITHIN  1000                /* a copy repeats one of so many */


load_request_t          *load_requests;
size_t                   load_nrequests;

static load_template_t  *templates;
static size_t            ntemplates;
static long              timestamp;
static uint64_t          first_id;
static EVP_MAC_CTX      *mac;


static int
is_body(const struct dirent *entry)
{
    size_t  len;

    len = strlen(entry->d_name);

    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}


static void
read_body(load_template_t *t, const char *path)
{
    FILE  *file;
    long   len;
    char  *id;

    file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0
        || (len = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
    {
        load_die("cannot read %s", path);
    }

    t->len = (size_t) len;
    t->body = load_alloc(NULL, t->len + 1);

    if (fread(t->body, 1, t->len, file) != t->len) {
        load_die("cannot read %s", path);
    }

    fclose(file);

    id = memmem(t->body, t->len, PLACEHOLDER, LOAD_ID);

    if (id == NULL) {
        load_die("%s has no placeholder of an id", path);
    }

    t->id = (size_t) (id - t->body);
}


/* what is the same for all requests of a template */

static void
prepare(load_template_t *t)
{
    int  len;

    len = asprintf(&t->head,
                   "POST %s HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   "User-Agent: plum-load\r\n"
                   "Accept: */*\r\n"
                   "Content-Type: application/json\r\n"
                   "Content-Length: %zu\r\n"
                   "X-Plum-Timestamp: %ld\r\n"
                   "X-Plum-Signature: ",
                   load_options.path, t->len, timestamp);

    if (len < 0) {
        load_die("out of memory");
    }

    t->head_len = (size_t) len;

    t->middle_len = 4 + t->id;
    t->middle = load_alloc(NULL, t->middle_len);
    memcpy(t->middle, "\r\n\r\n", 4);
    memcpy(t->middle + 4, t->body, t->id);
}


static void
prepare_mac(void)
{
    EVP_MAC     *hmac;
    OSSL_PARAM   params[2];
    static char  digest[] = "SHA256";

    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac = EVP_MAC_CTX_new(hmac);

    params[0] = OSSL_PARAM_construct_utf8_string("digest", digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    if (mac == NULL
        || !EVP_MAC_init(mac, (const unsigned char *) load_options.secret,
                         load_options.secret_len, params))
    {
        load_die("no HMAC-SHA256");
    }
}


void
load_templates(void)
{
    int              i, n;
    char             path[4096];
    struct dirent  **entries;
    struct timespec  now;

    n = scandir(load_options.bodies, &entries, is_body, alphasort);

    if (n <= 0 || n > UINT16_MAX) {
        load_die("no bodies in %s", load_options.bodies);
    }

    clock_gettime(CLOCK_REALTIME, &now);
    timestamp = (long) now.tv_sec;

    /* milliseconds of the start, then eight digits that count */

    first_id = ((uint64_t) now.tv_sec * 1000
                + (uint64_t) now.tv_nsec / 1000000) % 100000000000u
               * 100000000u;

    ntemplates = (size_t) n;
    templates = load_alloc(NULL, ntemplates * sizeof(load_template_t));

    for (i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", load_options.bodies,
                 entries[i]->d_name);
        read_body(&templates[i], path);
        prepare(&templates[i]);
        free(entries[i]);
    }

    free(entries);
    prepare_mac();
}


size_t
load_mean_body(void)
{
    size_t  i, sum;

    sum = 0;

    for (i = 0; i < ntemplates; i++) {
        sum += templates[i].len;
    }

    return sum / ntemplates;
}


static void
sign(load_request_t *r)
{
    char                    text[32];
    int                     len;
    size_t                  i, mac_len;
    unsigned char           bytes[32];
    const load_template_t  *t;

    static const char       hex[] = "0123456789abcdef";

    t = &templates[r->template];
    len = snprintf(text, sizeof(text), "%ld.", timestamp);

    if (!EVP_MAC_init(mac, NULL, 0, NULL)
        || !EVP_MAC_update(mac, (unsigned char *) text, (size_t) len)
        || !EVP_MAC_update(mac, (unsigned char *) t->body, t->id)
        || !EVP_MAC_update(mac, (unsigned char *) r->id, LOAD_ID)
        || !EVP_MAC_update(mac, (unsigned char *) t->body + t->id + LOAD_ID,
                           t->len - t->id - LOAD_ID)
        || !EVP_MAC_final(mac, bytes, &mac_len, sizeof(bytes)))
    {
        load_die("HMAC failed");
    }

    for (i = 0; i < sizeof(bytes); i++) {
        r->signature[2 * i] = hex[bytes[i] >> 4];
        r->signature[2 * i + 1] = hex[bytes[i] & 15];
    }
}


/* a copy repeats what must long have been answered */

static int
make_copy(load_request_t *r, size_t n)
{
    size_t  back;

    if (drand48() >= load_options.copies) {
        return 0;
    }

    back = load_options.connections * 8
           + (size_t) (drand48() * COPY_WITHIN);

    if (back > n) {
        return 0;
    }

    *r = load_requests[n - back];
    r->copy = 1;

    return 1;
}


void
load_sign(size_t n)
{
    char             text[32];
    size_t           i;
    load_request_t  *r;

    load_requests = load_alloc(load_requests,
                               (load_nrequests + n) * sizeof(load_request_t));

    for (i = load_nrequests; i < load_nrequests + n; i++) {
        r = &load_requests[i];

        if (load_options.copies > 0 && make_copy(r, i)) {
            continue;
        }

        r->template = (uint16_t) (i % ntemplates);
        r->copy = 0;

        snprintf(text, sizeof(text), "%020llu",
                 (unsigned long long) (first_id + i));
        memcpy(r->id, text, LOAD_ID);

        sign(r);
    }

    load_nrequests += n;
}


/* the length of all pieces */

size_t
load_pieces(const load_request_t *r, struct iovec *pieces)
{
    load_template_t  *t;

    t = &templates[r->template];

    pieces[0].iov_base = t->head;
    pieces[0].iov_len = t->head_len;
    pieces[1].iov_base = (char *) r->signature;
    pieces[1].iov_len = LOAD_SIGNATURE;
    pieces[2].iov_base = t->middle;
    pieces[2].iov_len = t->middle_len;
    pieces[3].iov_base = (char *) r->id;
    pieces[3].iov_len = LOAD_ID;
    pieces[4].iov_base = t->body + t->id + LOAD_ID;
    pieces[4].iov_len = t->len - t->id - LOAD_ID;

    return t->head_len + LOAD_SIGNATURE + t->middle_len + t->len - t->id;
}
