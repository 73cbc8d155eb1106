/*
 * Inside of the micro-benchmark: kinds of bodies.
 */

#ifndef _MICRO_H_INCLUDED_
#define _MICRO_H_INCLUDED_


#include <plum_project.h>


#define MICRO_TEXTS      64


typedef struct {
    const char          *name;
    plum_str_t           texts[MICRO_TEXTS];
    size_t               ntexts;
    size_t               bytes;          /* of all texts */
    size_t               longest;
} micro_body_t;


void micro_die(const char *what)
    __attribute__((noreturn));

/* all *.json of a folder, at most MICRO_TEXTS */

void micro_read(micro_body_t *body, const char *name, const char *folder);

/* strings, utf8, escapes, numbers, deep, spaces: 16 KB each */

void micro_make(micro_body_t *body, const char *name);


#endif /* _MICRO_H_INCLUDED_ */
