/*
 * Paths that are written in another language: JSONPath ("$.data.id"), JSON
 * Pointer ("/data/id"), jq (".data.id"), indices ("items[0].id",
 * "items.0.id", "data['id']").  Most of them are names to the grammar of
 * plum_project.h, or nearly so; a configuration that uses them must be
 * refused with the path that its author meant.
 */

#ifndef _PLUM_PATH_HINT_H_INCLUDED_
#define _PLUM_PATH_HINT_H_INCLUDED_


#include <plum_types.h>


#define PLUM_PATH_HINT  120              /* bytes of a hint, with its NUL */


/*
 * Translates a path that the grammar refuses.  hint, of PLUM_PATH_HINT bytes,
 * gets a text that ends with a NUL; its length is returned.  0 where nothing
 * is known to be meant, or where it would not fit.  The hint looks like a path
 * and need not be one: the caller has to check it.
 */

size_t plum_path_hint(const plum_str_t *path, char *hint);


#endif /* _PLUM_PATH_HINT_H_INCLUDED_ */
