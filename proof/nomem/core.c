/*
 * The core without memory: what allocates is done again and again, and the
 * first allocation fails, then the second, and so on until none does; once it
 * fails alone, once with all that follow.  OpenSSL's fail too, jansson's do
 * not: where its scanner cannot enlarge a buffer it goes on with the old one
 * and loses a character.  Whatever fails, nothing is touched that is not
 * there, nothing stays behind (a sanitizer looks), and there is never a wrong
 * success.
 *
 * Linked with --wrap=malloc, --wrap=calloc and --wrap=realloc.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plum_idempotency.h>
#include <plum_signature.h>
#include <plum_str.h>

#include <openssl/crypto.h>

#include "project.h"


void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);


/* allocations left until one fails; -1: none does */

static long      left = -1;
static unsigned  for_good, failed;


static int
fails(void)
{
    if (left < 0) {
        return 0;
    }

    if (left > 0) {
        left--;
        return 0;
    }

    left = for_good ? 0 : -1;
    failed = 1;

    return 1;
}


void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}


void *
__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}


void *
__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}


static void *
openssl_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return size ? __wrap_malloc(size) : NULL;
}


static void *
openssl_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    if (size == 0) {
        free(p);
        return NULL;
    }

    return __wrap_realloc(p, size);
}


static void
openssl_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;

    free(p);
}


static void
check(int ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        exit(1);
    }
}


static void
set(plum_str_t *str, const char *text)
{
    str->data = (const uint8_t *) text;
    str->len = strlen(text);
}


/* each returns 1 where all went well, and frees what it made */

static int
a_projection(void)
{
    int                 ok;
    size_t              i, len;
    char                text[4096];
    uint8_t            *out, *copy, value[16];
    plum_plan_t        *plan;
    plum_error_t        err;
    plum_value_t        probes[PLUM_PLAN_PROBES];
    plum_scratch_t     *scratch;
    plum_projection_t   result;
    plum_project_rc_t   rc;

    plan = project_plan("=type type all.* a.b.c.d.e.f g.h@x,y* a.*.c.d.* "
                        "[].i[].j k.l.m.n.o.p q r s t u v ?w \"a\\\"b\".**",
                        &err);
    if (plan == NULL) {
        return 0;
    }

    /* more names under "*" than a scratch begins with */

    len = (size_t) sprintf(text, "{\"w\":\"\\u0061\",\"type\":\"x\",\"all\":{");

    for (i = 0; i < 300; i++) {
        len += (size_t) sprintf(text + len, "%s\"n%zu\":1", i ? "," : "", i);
    }

    len += (size_t) sprintf(text + len, "}}");

    ok = 0;
    rc = PLUM_PROJECT_NOMEM;
    out = NULL;
    copy = NULL;
    scratch = plum_scratch_create(plan);

    if (scratch != NULL) {
        rc = project_run(plan, scratch, (uint8_t *) text, len, &out, probes,
                         &copy, &result);
        check(rc != PLUM_PROJECT_INVALID, "a valid text is refused");
    }

    if (rc == PLUM_PROJECT_OK) {
        check(result.length == len - strlen("\"w\":\"\\u0061\","),
              "another length");
        ok = plum_value_decode(&probes[1], value, sizeof(value), &len)
             == PLUM_OK;
        check(!ok || (len == 1 && value[0] == 'a'), "another value");
    }

    free(out);
    free(copy);
    plum_scratch_destroy(scratch);
    plum_plan_destroy(plan);

    return ok;
}


static int
a_key(void)
{
    int                       i, ok;
    size_t                    matched;
    uint8_t                   mac[PLUM_MAC_MAX];
    plum_key_t               *key;
    plum_str_t                body, token;
    plum_credential_rc_t      rc;
    static const uint8_t      secret[32] = { 1 };
    static const struct {
        plum_algorithm_t      algorithm;
        plum_credential_rc_t  expected;
    } kinds[] = {
        { PLUM_ALGORITHM_NONE, PLUM_CREDENTIAL_OK },
        { PLUM_ALGORITHM_SHA256, PLUM_CREDENTIAL_MISMATCH },
        { PLUM_ALGORITHM_SHA512, PLUM_CREDENTIAL_MISMATCH },
        { PLUM_ALGORITHM_ED25519, PLUM_CREDENTIAL_MISMATCH }
    };

    ok = 1;
    body.data = (const uint8_t *) "{}";
    body.len = 2;
    token.data = secret;
    token.len = sizeof(secret);

    for (i = 0; i < 4 && ok; i++) {
        key = plum_key_create(kinds[i].algorithm, secret, sizeof(secret));
        if (key == NULL) {
            return 0;
        }

        rc = plum_token_verify(&token, &key, 1, &matched);

        check(rc == kinds[i].expected || (failed && rc != PLUM_CREDENTIAL_OK),
              "another verdict on a token");

        if (kinds[i].algorithm == PLUM_ALGORITHM_NONE) {
            ok = (rc == PLUM_CREDENTIAL_OK);

        } else if (kinds[i].algorithm == PLUM_ALGORITHM_ED25519) {
            memset(mac, 0, sizeof(mac));
            check(plum_key_verify(key, &body, mac) != 1, "a forgery");

        } else {
            ok = plum_key_mac(key, &body, 1, mac) == PLUM_OK;
        }

        plum_key_destroy(key);
    }

    return ok;
}


/* the longest way of all: schemes, candidates, keys */

static int
a_signature(void)
{
    size_t                    matched;
    plum_key_t               *keys[2];
    plum_str_t                name, body;
    plum_scheme_t             scheme;
    plum_error_t              err;
    plum_credential_t         cred;
    plum_credential_rc_t      rc;
    static const uint8_t      secret[32] = { 1 };

    set(&name, "standard-webhooks");
    set(&body, "{}");

    scheme = *plum_scheme_find(&name);
    check(plum_scheme_finish(&scheme, &err) == PLUM_OK, "a scheme");

    memset(&cred, 0, sizeof(plum_credential_t));
    cred.ncandidates = 2;
    cred.candidates[0].algorithm = PLUM_ALGORITHM_SHA256;
    cred.candidates[0].len = 32;
    cred.candidates[1].algorithm = PLUM_ALGORITHM_ED25519;
    cred.candidates[1].len = 64;

    rc = PLUM_CREDENTIAL_NOMEM;
    keys[0] = plum_key_create(PLUM_ALGORITHM_SHA256, secret, 32);
    keys[1] = plum_key_create(PLUM_ALGORITHM_ED25519, secret, 32);

    if (keys[0] != NULL && keys[1] != NULL) {
        rc = plum_signature_verify(&scheme, &cred, keys, 2, &body,
                                   &matched);
        check(rc == PLUM_CREDENTIAL_MISMATCH
              || (failed && rc == PLUM_CREDENTIAL_NOMEM), "a forgery passes");
    }

    plum_key_destroy(keys[0]);
    plum_key_destroy(keys[1]);

    return rc == PLUM_CREDENTIAL_MISMATCH;
}


static int
an_answer(void)
{
    int             ok;
    plum_str_t      text;
    plum_answer_t   answer, again;

    answer.status = 200;
    set(&answer.type, "text/plain");
    set(&answer.body, "\"quoted\" and long enough to be a string");

    text.data = plum_answer_encode(&answer, &text.len);
    if (text.data == NULL) {
        return 0;
    }

    ok = plum_answer_decode(&text, &again) == PLUM_OK;

    if (ok) {
        check(again.status == 200 && again.body.len == answer.body.len,
              "another answer");
        plum_answer_free(&again);
    }

    free((void *) (uintptr_t) text.data);

    return ok;
}


static int
a_long_key(void)
{
    size_t      len;
    uint8_t     key[PLUM_KEY_MAX], bytes[2 * PLUM_KEY_MAX];
    plum_str_t  part;

    memset(bytes, 'x', sizeof(bytes));
    part.data = bytes;
    part.len = sizeof(bytes);

    return plum_key_join(&part, 1, key, &len) == PLUM_OK;
}


static int
an_owner(void)
{
    uint8_t     owner[PLUM_OWNER_LEN];
    plum_str_t  part;

    set(&part, "a gate");

    return plum_owner(&part, 1, owner) == PLUM_OK;
}


int
main(void)
{
    int     ok;
    long    n;
    size_t  i;

    static const struct {
        const char  *name;
        int        (*run)(void);
    } cases[] = {
        { "a projection", a_projection },
        { "keys of every kind", a_key },
        { "a signature", a_signature },
        { "a kept answer", an_answer },
        { "a long idempotency key", a_long_key },
        { "an owner", an_owner }
    };

    CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);

    printf("1..%zu\n", 2 * sizeof(cases) / sizeof(cases[0]));

    for (i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {

        /* what libraries make once is made before */

        check(cases[i / 2].run(), "with all memory there is");
        for_good = i & 1;
        n = 0;

        do {
            failed = 0;
            left = n++;
            ok = cases[i / 2].run();
            left = -1;

            check(ok || failed, "a failure that has no cause");

        } while (failed);

        printf("ok - %s, %ld allocations%s\n", cases[i / 2].name, n - 1,
               for_good ? ", and none after" : "");
    }

    return 0;
}
