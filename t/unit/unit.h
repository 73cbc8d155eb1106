/*
 * What every unit test needs: cmocka with its headers in the right order,
 * strings, and a request's headers.
 */

#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <plum_types.h>


#define UNIT_HEADERS   8

#define unit_nelts(table)  (sizeof(table) / sizeof((table)[0]))


typedef struct {
    const char  *name;
    plum_str_t   value;
} unit_header_t;

typedef struct {
    unit_header_t  list[UNIT_HEADERS];
    size_t         n;
} unit_headers_t;


static inline plum_str_t
unit_str(const char *text)
{
    plum_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    return str;
}


static inline void
unit_add_header(unit_headers_t *headers, const char *name, const char *value)
{
    assert_true(headers->n < UNIT_HEADERS);

    headers->list[headers->n].name = name;
    headers->list[headers->n].value = unit_str(value);
    headers->n++;
}


/* a plum_header_pt over unit_headers_t */

static inline size_t
unit_find_header(void *data, const plum_str_t *name, plum_str_t *value)
{
    char             a, b;
    size_t           i, k, found;
    const char      *p;
    unit_headers_t  *headers;

    headers = data;
    found = 0;

    for (i = 0; i < headers->n; i++) {
        p = headers->list[i].name;

        if (strlen(p) != name->len) {
            continue;
        }

        for (k = 0; k < name->len; k++) {
            a = p[k];
            b = (char) name->data[k];
            a = (char) ((a >= 'A' && a <= 'Z') ? a + 32 : a);
            b = (char) ((b >= 'A' && b <= 'Z') ? b + 32 : b);

            if (a != b) {
                break;
            }
        }

        if (k == name->len && found++ == 0) {
            *value = headers->list[i].value;
        }
    }

    return found;
}


#endif /* _UNIT_H_INCLUDED_ */
