/*
 * The projector's walk once more, for machines with AVX2; see plum_walk.h.
 */

#include <plum_types.h>


#if defined(__x86_64__) && defined(__GNUC__)

#define PLUM_WITH_AVX2       1
#define plum_walk            plum_walk_avx2

#include "plum_walk.c"

#endif
