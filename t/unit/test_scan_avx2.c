/*
 * What plum_scan.h has for AVX2 stands the tests of test_scan.c.
 */

#define PLUM_WITH_AVX2  1

#include "test_scan.c"
