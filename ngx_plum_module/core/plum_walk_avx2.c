/*
 * The projector's walk once more, for machines with AVX2: as plum_walk_avx2(),
 * with the inline functions of plum_scan.h that are made for them.
 */

#define PLUM_WITH_AVX2       1
#define plum_walk            plum_walk_avx2

#include <plum_scan.h>


#if (PLUM_HAVE_AVX2)

/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "plum_walk.c"

#endif
