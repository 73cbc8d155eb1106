/*
 * micro: the core alone, a line of JSON for each operation and kind of body.
 *
 *     micro FOLDER            with 1k, 16k and 256k, as bench/bodies writes it
 *
 * It is linked with the very objects of the module.  Under callgrind it does
 * each operation once for each text, and dumps the counts of each pair by its
 * name ("operation/body/texts"); bench/instructions reads them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <valgrind/callgrind.h>

#include <plum_key.h>

#include "micro.h"


#define ROUNDS      9
#define ROUND_NS    30e6
#define SECRET      "bench-secret-0123456789abcdef-0123456789"
#define STAMP       "1767225600."


typedef struct {
    plum_plan_t         *plan;
    plum_scratch_t      *scratch;
    unsigned             slots[4];
    size_t               nslots;
} rules_t;

/* returns something of what it made, so that it is made */

typedef size_t (*operation_pt)(const plum_str_t *text, const rules_t *rules);


static uint8_t           *out;
static plum_key_t        *key;
static EVP_MAC_CTX       *mac;
static plum_value_t       values[PLUM_PLAN_PROBES];
static volatile size_t    sum;


void
micro_die(const char *what)
{
    fprintf(stderr, "micro: %s\n", what);
    exit(1);
}


/* --- rules */

static void
make_rules(rules_t *rules, const char *const *paths, size_t npaths,
    const char *const *captures, size_t ncaptures)
{
    size_t        i;
    plum_str_t    path;
    plum_error_t  err;

    rules->plan = plum_plan_create();
    rules->nslots = ncaptures;

    if (rules->plan == NULL) {
        micro_die("out of memory");
    }

    for (i = 0; i < npaths; i++) {
        path.data = (const uint8_t *) paths[i];
        path.len = strlen(paths[i]);

        if (plum_plan_allow(rules->plan, &path, NULL, 0, &err) != PLUM_OK) {
            micro_die(err.text);
        }
    }

    for (i = 0; i < ncaptures; i++) {
        path.data = (const uint8_t *) captures[i];
        path.len = strlen(captures[i]);

        if (plum_plan_probe(rules->plan, &path, &rules->slots[i], &err)
            != PLUM_OK)
        {
            micro_die(err.text);
        }
    }

    if (plum_plan_compile(rules->plan, &err) != PLUM_OK) {
        micro_die(err.text);
    }

    rules->scratch = plum_scratch_create(rules->plan);

    if (rules->scratch == NULL) {
        micro_die("out of memory");
    }
}


/* --- operations */

static size_t
project(const plum_str_t *text, const rules_t *rules)
{
    plum_projection_t  result;

    if (plum_project(rules->plan, rules->scratch, text->data, text->len, out,
                     values, &result)
        != PLUM_PROJECT_OK)
    {
        micro_die("a body that is no JSON");
    }

    return result.length;
}


static size_t
capture(const plum_str_t *text, const rules_t *rules)
{
    size_t   i, len, n;
    uint8_t  value[512];

    n = project(text, rules);

    for (i = 0; i < rules->nslots; i++) {
        if (plum_value_decode(&values[rules->slots[i]], value, sizeof(value),
                              &len)
            != PLUM_OK)
        {
            micro_die("nothing captured");
        }

        n += len;
    }

    return n;
}


static size_t
hmac(const plum_str_t *text, const rules_t *rules)
{
    uint8_t     bytes[PLUM_MAC_MAX];
    plum_str_t  pieces[2] = { PLUM_STR(STAMP), { NULL, 0 } };

    (void) rules;

    pieces[1] = *text;

    if (plum_key_mac(key, pieces, 2, bytes) != PLUM_OK) {
        micro_die("HMAC failed");
    }

    return bytes[0];
}


/* the yardsticks: what OpenSSL, the C library and jansson need */

static size_t
yard_hmac(const plum_str_t *text, const rules_t *rules)
{
    size_t   len;
    uint8_t  bytes[32];

    (void) rules;

    if (!EVP_MAC_init(mac, NULL, 0, NULL)
        || !EVP_MAC_update(mac, text->data, text->len)
        || !EVP_MAC_final(mac, bytes, &len, sizeof(bytes)))
    {
        micro_die("HMAC failed");
    }

    return bytes[0];
}


static size_t
yard_memcpy(const plum_str_t *text, const rules_t *rules)
{
    (void) rules;

    memcpy(out, text->data, text->len);

    return out[text->len / 2];
}


/* integers as reals, as jansson knows none of 20 digits */

static size_t
yard_jansson(const plum_str_t *text, const rules_t *rules)
{
    char    *dump;
    size_t   n;
    json_t  *json;

    (void) rules;

    json = json_loadb((const char *) text->data, text->len,
                      JSON_DECODE_INT_AS_REAL, NULL);
    dump = json_dumps(json, JSON_COMPACT);

    if (dump == NULL) {
        micro_die("jansson failed");
    }

    n = strlen(dump);

    free(dump);
    json_decref(json);

    return n;
}


/* --- measuring */

static double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}


static void
pass(operation_pt operation, const micro_body_t *body, const rules_t *rules)
{
    size_t  i;

    for (i = 0; i < body->ntexts; i++) {
        sum += operation(&body->texts[i], rules);
    }
}


static int
compare(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
count_instructions(const char *name, operation_pt operation,
    const micro_body_t *body, const rules_t *rules)
{
    char  label[128];

    snprintf(label, sizeof(label), "%s/%s/%zu", name, body->name,
             body->ntexts);

    CALLGRIND_ZERO_STATS;
    pass(operation, body, rules);
    CALLGRIND_DUMP_STATS_AT(label);
}


static void
measure(const char *name, operation_pt operation, const micro_body_t *body,
    const rules_t *rules)
{
    double  start, ns[ROUNDS];
    size_t  i, k, passes;

    pass(operation, body, rules);

    if (RUNNING_ON_VALGRIND) {
        count_instructions(name, operation, body, rules);
        return;
    }

    start = now();
    pass(operation, body, rules);
    passes = 1 + (size_t) (ROUND_NS / (now() - start));

    for (i = 0; i < ROUNDS; i++) {
        start = now();

        for (k = 0; k < passes; k++) {
            pass(operation, body, rules);
        }

        ns[i] = (now() - start) / (double) (passes * body->ntexts);
    }

    qsort(ns, ROUNDS, sizeof(double), compare);

    printf("{\"operation\":\"%s\",\"body\":\"%s\",\"bytes\":%zu,"
           "\"ns\":%.1f,\"least_ns\":%.1f,\"gbps\":%.4f}\n",
           name, body->name, body->bytes / body->ntexts, ns[ROUNDS / 2], ns[0],
           (double) body->bytes / (double) body->ntexts / ns[ROUNDS / 2]);
    fflush(stdout);
}


static void
prepare(void)
{
    EVP_MAC     *hmac_type;
    OSSL_PARAM   params[2];
    static char  digest[] = "SHA256";

    key = plum_key_create(PLUM_ALGORITHM_SHA256, (const uint8_t *) SECRET,
                          sizeof(SECRET) - 1);

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    hmac_type = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac = EVP_MAC_CTX_new(hmac_type);

    if (key == NULL || mac == NULL
        || !EVP_MAC_init(mac, (const uint8_t *) SECRET, sizeof(SECRET) - 1,
                         params))
    {
        micro_die("no HMAC-SHA256");
    }
}


static void
all_of(const micro_body_t *body)
{
    rules_t  orders, captures, nothing, everything;

    static const char *const  paths[] = {
        "id", "type", "createdAt", "data.orderId", "data.currency",
        "data.amount", "data.items[].sku", "data.items[].qty"
    };

    static const char *const  captured[] = { "id", "type", "data.orderId" };
    static const char *const  absent[] = { "nothing.of.this" };
    static const char *const  whole[] = { "**" };

    make_rules(&orders, paths, 8, NULL, 0);
    make_rules(&captures, paths, 8, captured, 3);
    make_rules(&nothing, absent, 1, NULL, 0);
    make_rules(&everything, whole, 1, NULL, 0);

    measure("projector", project, body, &orders);

    if (strchr(body->name, 'k') != NULL) {
        measure("projector and captures", capture, body, &captures);
        measure("projector, nothing kept", project, body, &nothing);
        measure("projector, everything kept", project, body, &everything);
        measure("HMAC", hmac, body, NULL);
        measure("yardstick: HMAC-SHA256", yard_hmac, body, NULL);
        measure("yardstick: memcpy", yard_memcpy, body, NULL);
    }

    measure("yardstick: jansson", yard_jansson, body, NULL);

    plum_scratch_destroy(orders.scratch);
    plum_scratch_destroy(captures.scratch);
    plum_scratch_destroy(nothing.scratch);
    plum_scratch_destroy(everything.scratch);
    plum_plan_destroy(orders.plan);
    plum_plan_destroy(captures.plan);
    plum_plan_destroy(nothing.plan);
    plum_plan_destroy(everything.plan);
}


int
main(int argc, char **argv)
{
    size_t        i;
    micro_body_t  body;

    static const char *const  sizes[] = { "1k", "16k", "256k" };
    static const char *const  others[] = {
        "strings", "utf8", "escapes", "numbers", "deep", "spaces"
    };

    if (argc != 2) {
        micro_die("usage: micro FOLDER");
    }

    out = malloc(1024 * 1024);

    if (out == NULL) {
        micro_die("out of memory");
    }

    prepare();

    for (i = 0; i < 3; i++) {
        micro_read(&body, sizes[i], argv[1]);
        all_of(&body);
    }

    for (i = 0; i < 6; i++) {
        micro_make(&body, others[i]);
        all_of(&body);
    }

    return 0;
}
