/*
 * The projector as it is on a machine of which nothing is known: eight bytes
 * at a time, in plain C.  It stands the tests of test_scan.c, and agrees with
 * the walk for AVX2 where there is one.
 */

#undef __SSE2__

#define plum_json_decode        plain_json_decode
#define plum_json_exponent      plain_json_exponent
#define plum_json_number_long   plain_json_number_long
#define plum_json_space_rest    plain_json_space_rest
#define plum_project            plain_project
#define plum_project_typed      plain_project_typed
#define plum_scan_has_avx2      plain_scan_has_avx2
#define plum_scan_string        plain_scan_string
#define plum_walk               plain_walk
#define plum_walk_probe         plain_walk_probe

#include "../../ngx_plum_module/core/plum_json.c"
#include "../../ngx_plum_module/core/plum_project.c"
#include "../../ngx_plum_module/core/plum_scan.c"
#include "../../ngx_plum_module/core/plum_walk.c"

#include "test_scan.c"
