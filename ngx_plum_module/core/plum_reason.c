/*
 * Why a request was not forwarded.
 */

#include <plum_reason.h>
#include <plum_str.h>


typedef struct {
    plum_str_t   name;
    unsigned     status;
    const char  *text;
} plum_reason_row_t;


static const plum_reason_row_t  plum_reasons[] = {

    { PLUM_STR(""), 0, "" },

#define PLUM_REASON_ROW(id, name, status, text)                               \
    { PLUM_STR(name), status, text },
    PLUM_REASONS(PLUM_REASON_ROW)
#undef PLUM_REASON_ROW
};


const char *
plum_reason_name(plum_reason_t reason)
{
    return (reason < PLUM_REASON_MAX)
           ? (const char *) plum_reasons[reason].name.data : "";
}


const char *
plum_reason_text(plum_reason_t reason)
{
    return (reason < PLUM_REASON_MAX) ? plum_reasons[reason].text : "";
}


unsigned
plum_reason_status(plum_reason_t reason)
{
    return (reason < PLUM_REASON_MAX) ? plum_reasons[reason].status : 0;
}


plum_reason_t
plum_reason_find(const plum_str_t *name)
{
    unsigned  i;

    for (i = PLUM_REASON_NONE + 1; i < PLUM_REASON_MAX; i++) {
        if (plum_str_equal(&plum_reasons[i].name, name)) {
            return (plum_reason_t) i;
        }
    }

    return PLUM_REASON_NONE;
}
