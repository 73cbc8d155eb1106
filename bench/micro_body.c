/*
 * Bodies of the micro-benchmark: events from files, and texts that are all of
 * one kind.  Made by a generator with a fixed seed, the same each time.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micro.h"


#define LENGTH   16384
#define VARIANTS 16

#define LETTERS  "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ-012"


typedef struct {
    char    *data;
    size_t   len;
} text_t;


static uint64_t  seed;


static size_t
roll(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;

    return (size_t) (seed >> 33) % n;
}


static void
put(text_t *t, const char *bytes)
{
    size_t  len;

    len = strlen(bytes);
    memcpy(t->data + t->len, bytes, len);
    t->len += len;
}


static void
put_one_of(text_t *t, const char *const *list, size_t n)
{
    put(t, list[roll(n)]);
}


static void
put_letters(text_t *t, size_t n)
{
    while (n--) {
        t->data[t->len++] = LETTERS[roll(sizeof(LETTERS) - 1)];
    }
}


static void
put_number(text_t *t)
{
    char  number[64];

    switch (roll(4)) {
    case 0:
        snprintf(number, sizeof(number), "%zu", roll(100000));
        break;

    case 1:
        snprintf(number, sizeof(number), "-%zu.%02zu", roll(1000), roll(100));
        break;

    case 2:
        snprintf(number, sizeof(number), "1%09zu%010zu", roll(1000000000),
                 roll(1000000000));
        break;

    default:
        snprintf(number, sizeof(number), "%zu.%zue-%zu", roll(10),
                 roll(100000), roll(30));
        break;
    }

    put(t, number);
}


/* the inside of one line item's sku */

static void
put_string(text_t *t, const char *kind)
{
    size_t  n;

    static const char *const  letters[] = {
        "\xc3\xa9", "\xc3\xbc", "\xe2\x80\x93", "\xe4\xbd\xb3", "o",
        "\xf0\x9f\x8e\x81"
    };

    static const char *const  escapes[] = {
        "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83c\\udf81"
    };

    n = 100 + roll(900);

    if (strcmp(kind, "strings") == 0) {
        put_letters(t, n);
        return;
    }

    for (n /= 6; n > 0; n--) {
        if (strcmp(kind, "utf8") == 0) {
            put_one_of(t, letters, 6);

        } else {
            put_letters(t, roll(6));
            put_one_of(t, escapes, 6);
        }
    }
}


static void
put_item(text_t *t, const char *kind)
{
    size_t  i, n;

    if (strcmp(kind, "numbers") == 0) {
        put(t, "{\"sku\":");
        put_number(t);
        put(t, ",\"series\":[0");

        for (i = 0; i < 20; i++) {
            put(t, ",");
            put_number(t);
        }

        put(t, "]}");

    } else if (strcmp(kind, "deep") == 0) {

        /* with the three around it no more than the projector's 64 */

        n = 20 + roll(40);

        for (i = 0; i < n; i++) {
            put(t, i % 2 ? "[" : "{\"in\":");
        }

        put(t, "1");

        while (i--) {
            put(t, i % 2 ? "]" : "}");
        }

    } else if (strcmp(kind, "spaces") == 0) {
        put(t, "\n      {\n        \"lineId\": ");
        put_number(t);
        put(t, ",\n        \"sku\": \"");
        put_letters(t, 9);
        put(t, "\",\n        \"qty\": 1\n      }");

    } else {
        put(t, "{\"sku\":\"");
        put_string(t, kind);
        put(t, "\",\"qty\":1}");
    }
}


static void
add(micro_body_t *body, const char *data, size_t len)
{
    plum_str_t  *text;

    text = &body->texts[body->ntexts++];
    text->data = (const uint8_t *) data;
    text->len = len;

    body->bytes += len;

    if (body->longest < len) {
        body->longest = len;
    }
}


void
micro_make(micro_body_t *body, const char *name)
{
    size_t  i;
    text_t  t;

    memset(body, 0, sizeof(*body));
    body->name = name;
    seed = 20260304;

    for (i = 0; i < VARIANTS; i++) {
        t.data = malloc(LENGTH * 2);
        t.len = 0;

        if (t.data == NULL) {
            micro_die("out of memory");
        }

        put(&t, "{\"id\":\"12345678901234567890\",\"data\":{\"items\":[");

        do {
            put_item(&t, name);
            put(&t, ",");
        } while (t.len < LENGTH);

        t.len--;
        put(&t, "]}}");

        add(body, t.data, t.len);
    }
}


static int
is_body(const struct dirent *entry)
{
    return strstr(entry->d_name, ".json") != NULL;
}


static void
read_file(micro_body_t *body, const char *path)
{
    FILE  *file;
    char  *data;
    long   len;

    file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0
        || (len = ftell(file)) <= 0 || fseek(file, 0, SEEK_SET) != 0)
    {
        micro_die(path);
    }

    data = malloc((size_t) len);

    if (data == NULL || fread(data, 1, (size_t) len, file) != (size_t) len) {
        micro_die(path);
    }

    fclose(file);
    add(body, data, (size_t) len);
}


void
micro_read(micro_body_t *body, const char *name, const char *folder)
{
    int              i, n;
    char             path[4096];
    struct dirent  **entries;

    memset(body, 0, sizeof(*body));
    body->name = name;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    n = scandir(path, &entries, is_body, alphasort);

    if (n <= 0) {
        micro_die(path);
    }

    for (i = 0; i < n; i++) {
        if (body->ntexts < MICRO_TEXTS) {
            snprintf(path, sizeof(path), "%s/%s/%s", folder, name,
                     entries[i]->d_name);
            read_file(body, path);
        }

        free(entries[i]);
    }

    free(entries);
}
