/*
 * Timestamps: whatever is taken for one is spelt again from its instant by
 * the C library, and must read as it did.
 */

#define _DEFAULT_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <plum_time.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        spelt[64];
    time_t      instant;
    int64_t     any, unix_seconds;
    struct tm   tm;
    plum_str_t  text;

    text.data = data;
    text.len = size;

    if (plum_time_unix(&text, &unix_seconds) == PLUM_OK
        && (plum_time_any(&text, &any) != PLUM_OK || any != unix_seconds
            || any < 0 || any > 999999999999))
    {
        abort();
    }

    if (plum_time_any(&text, &any) != PLUM_OK || size < 19
        || memchr(data, '+', size) != NULL || memchr(data + 11, '-', size - 11)
        || memcmp(data + 17, "60", 2) == 0)
    {
        return 0;
    }

    instant = (time_t) any;

    if (gmtime_r(&instant, &tm) == NULL) {
        abort();
    }

    (void) snprintf(spelt, sizeof(spelt), "%04d-%02d-%02d%c%02d:%02d:%02d",
                    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                    data[10], tm.tm_hour, tm.tm_min, tm.tm_sec);

    if (memcmp(spelt, data, 19) != 0) {
        abort();
    }

    return 0;
}
