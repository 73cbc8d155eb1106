/*
 * The scratch memory of the projector: the member names of a text that must be
 * checked for duplicates, and the values that must be replaced; see
 * plum_trie.h.
 */

#include <stdlib.h>

#include <openssl/rand.h>

#include <plum_hash.h>
#include <plum_json.h>
#include <plum_trie.h>


#define PLUM_SEEN_SMALLEST   64


/* hexadecimal digits in ASCII: "8".."b" leaves out what is between 9 and a */

#define plum_seen_digit(c, low, high)                                         \
    (((c) | 0x20) >= (low) && ((c) | 0x20) <= (high))


static unsigned plum_seen_equal(const uint8_t *name, const uint8_t *decoded,
    size_t len);
static size_t plum_seen_spelt(const uint8_t *p);
static int plum_seen_grow(plum_scratch_t *scratch);


plum_scratch_t *
plum_scratch_create(const plum_plan_t *plan)
{
    size_t           i;
    plum_scratch_t  *scratch;

    if (plan->nodes == NULL) {
        return NULL;
    }

    scratch = calloc(1, sizeof(plum_scratch_t));
    if (scratch == NULL) {
        return NULL;
    }

    scratch->stamps = calloc(plan->nnodes, sizeof(uint64_t));

    if (scratch->stamps == NULL
        || RAND_bytes((unsigned char *) scratch->key, sizeof(scratch->key))
           != 1)
    {
        plum_scratch_destroy(scratch);
        return NULL;
    }

    scratch->avx2 = plum_scan_has_avx2();

    for (i = 0; i < PLUM_GUESSES; i++) {
        scratch->guesses[i].then[PLUM_GUESS_NEXT] = scratch->guesses;
        scratch->guesses[i].then[PLUM_GUESS_INNER] = scratch->guesses;
    }

    return scratch;
}


void
plum_scratch_destroy(plum_scratch_t *scratch)
{
    if (scratch == NULL) {
        return;
    }

    free(scratch->stamps);
    free(scratch->seen);
    free(scratch->marks);
    free(scratch);
}


void
plum_seen_start(plum_scratch_t *scratch)
{
    scratch->seen_used = 0;
    scratch->seen_since = scratch->serial + 1;
}


plum_mark_t *
plum_mark_add(plum_scratch_t *scratch)
{
    size_t        size;
    plum_mark_t  *marks;

    if (scratch->nmarks == scratch->marks_size) {
        size = scratch->marks_size ? scratch->marks_size * 2 : 16;

        marks = realloc(scratch->marks, size * sizeof(plum_mark_t));
        if (marks == NULL) {
            return NULL;
        }

        scratch->marks = marks;
        scratch->marks_size = size;
    }

    return &scratch->marks[scratch->nmarks++];
}


plum_project_rc_t
plum_seen_add(plum_scratch_t *scratch, uint64_t serial, const uint8_t *name,
    const uint8_t *decoded, size_t len)
{
    size_t        i;
    uint64_t      hash, key[2];
    plum_seen_t  *seen;

    if (scratch->seen == NULL
        || scratch->seen_used > scratch->seen_mask / 2)
    {
        if (plum_seen_grow(scratch) != PLUM_OK) {
            return PLUM_PROJECT_NOMEM;
        }
    }

    key[0] = scratch->key[0];
    key[1] = scratch->key[1] ^ serial;

    hash = plum_hash(key, decoded, len);

    i = (size_t) hash & scratch->seen_mask;

    for ( ;; ) {
        seen = &scratch->seen[i];

        if (seen->serial < scratch->seen_since) {
            break;
        }

        if (seen->serial == serial && seen->hash == hash
            && plum_seen_equal(seen->name, decoded, len))
        {
            return PLUM_PROJECT_INVALID;
        }

        i = (i + 1) & scratch->seen_mask;
    }

    seen->serial = serial;
    seen->hash = hash;
    seen->name = name;

    scratch->seen_used++;

    return PLUM_PROJECT_OK;
}


/* doubles the table and moves the entries of this text */

static int
plum_seen_grow(plum_scratch_t *scratch)
{
    size_t        i, k, old, size;
    plum_seen_t  *seen;

    old = (scratch->seen != NULL) ? scratch->seen_mask + 1 : 0;

    if (old > SIZE_MAX / sizeof(plum_seen_t) / 2) {
        return PLUM_ERROR;
    }

    size = (old == 0) ? PLUM_SEEN_SMALLEST : old * 2;

    seen = calloc(size, sizeof(plum_seen_t));
    if (seen == NULL) {
        return PLUM_ERROR;
    }

    for (i = 0; i < old; i++) {

        if (scratch->seen[i].serial < scratch->seen_since) {
            continue;
        }

        k = (size_t) scratch->seen[i].hash & (size - 1);

        while (seen[k].serial != 0) {
            k = (k + 1) & (size - 1);
        }

        seen[k] = scratch->seen[i];
    }

    free(scratch->seen);

    scratch->seen = seen;
    scratch->seen_mask = size - 1;

    return PLUM_OK;
}


/* 1 if a name as spelt decodes to the given decoded name */

static unsigned
plum_seen_equal(const uint8_t *name, const uint8_t *decoded, size_t len)
{
    size_t    n, spelt;
    uint8_t   part[8];
    unsigned  lone;

    /* entries with a serial number have a name, NOLINTNEXTLINE(*Dereference) */
    while (*name != '"') {

        spelt = plum_seen_spelt(name);
        n = plum_json_decode(name, spelt, part, &lone);

        if (n > len || memcmp(part, decoded, n) != 0) {
            return 0;
        }

        name += spelt;
        decoded += n;
        len -= n;
    }

    return len == 0;
}


/* the length of the next character; a surrogate pair is one character */

static size_t
plum_seen_spelt(const uint8_t *p)
{
    if (p[0] != '\\') {
        return 1;
    }

    if (p[1] != 'u') {
        return 2;
    }

    if ((p[2] | 0x20) == 'd' && plum_seen_digit(p[3], '8', 'b')
        && p[6] == '\\' && p[7] == 'u'
        && (p[8] | 0x20) == 'd' && plum_seen_digit(p[9], 'c', 'f'))
    {
        return 12;
    }

    return 6;
}
