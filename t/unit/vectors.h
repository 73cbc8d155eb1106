/*
 * Files of vectors, which stay where they are.
 */

#ifndef _VECTORS_H_INCLUDED_
#define _VECTORS_H_INCLUDED_


#include "unit.h"

#include <jansson.h>


static inline const char *
vector_path(const char *name)
{
    const char   *folder;
    static char   path[1024];

    folder = getenv("PLUM_VECTORS");
    (void) snprintf(path, sizeof(path), "%s/%s",
                    folder ? folder : "../shared/vectors", name);

    return path;
}


static inline json_t *
vector_file(const char *name)
{
    json_t       *root;
    json_error_t  error;

    root = json_load_file(vector_path(name), 0, &error);

    if (root == NULL) {
        fail_msg("%s: %s", name, error.text);
    }

    return root;
}


static inline const char *
vector_text(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}


#endif /* _VECTORS_H_INCLUDED_ */
