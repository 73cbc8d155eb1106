/*
 * Timestamps of senders, and the window in which they are fresh.
 */

#include <plum_str.h>
#include <plum_time.h>


#define PLUM_TIME_UNIX_DIGITS    12
#define PLUM_TIME_MS_DIGITS      13


typedef struct {
    const uint8_t  *pos;
    const uint8_t  *end;
} plum_time_reader_t;


static int plum_time_date(plum_time_reader_t *r, int64_t *days);
static int plum_time_clock(plum_time_reader_t *r, int64_t *seconds,
    int *leap);
static int plum_time_zone(plum_time_reader_t *r, int64_t *offset);
static int plum_time_digits(const plum_str_t *text, int64_t *value);
static int plum_time_number(plum_time_reader_t *r, size_t ndigits,
    int64_t *value);
static int plum_time_char(plum_time_reader_t *r, uint8_t ch);
static int64_t plum_time_days(int64_t year, int64_t month, int64_t day);


int
plum_time_unix(const plum_str_t *text, int64_t *seconds)
{
    if (text->len > PLUM_TIME_UNIX_DIGITS) {
        return PLUM_ERROR;
    }

    return plum_time_digits(text, seconds);
}


int
plum_time_any(const plum_str_t *text, int64_t *seconds)
{
    int64_t  value;

    if (plum_time_unix(text, seconds) == PLUM_OK) {
        return PLUM_OK;
    }

    if (text->len == PLUM_TIME_MS_DIGITS
        && plum_time_digits(text, &value) == PLUM_OK)
    {
        *seconds = value / 1000;
        return PLUM_OK;
    }

    return plum_time_date_time(text, seconds);
}


int
plum_time_date_time(const plum_str_t *text, int64_t *seconds)
{
    int                 leap;
    int64_t             days, clock, offset, value;
    plum_time_reader_t  r;

    if (text->len == 0) {
        return PLUM_ERROR;
    }

    r.pos = text->data;
    r.end = text->data + text->len;

    if (plum_time_date(&r, &days) != PLUM_OK
        || !(plum_time_char(&r, 'T') || plum_time_char(&r, ' '))
        || plum_time_clock(&r, &clock, &leap) != PLUM_OK
        || plum_time_zone(&r, &offset) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    value = days * 86400 + clock - offset;

    /* a leap second can only be the last one of a UTC day */

    if (leap && value % 86400 != 0) {
        return PLUM_ERROR;
    }

    *seconds = value;

    return PLUM_OK;
}


int
plum_time_fresh(int64_t stamp, int64_t now, int64_t tolerance)
{
    uint64_t  distance;

    /* unsigned, since the difference of two int64_t may not be one */

    distance = (stamp > now) ? (uint64_t) stamp - (uint64_t) now
                             : (uint64_t) now - (uint64_t) stamp;

    return tolerance >= 0 && distance <= (uint64_t) tolerance;
}


static int
plum_time_date(plum_time_reader_t *r, int64_t *days)
{
    int64_t               year, month, day, last;
    static const int64_t  lengths[] = { 31, 28, 31, 30, 31, 30,
                                        31, 31, 30, 31, 30, 31 };

    if (plum_time_number(r, 4, &year) != PLUM_OK
        || !plum_time_char(r, '-')
        || plum_time_number(r, 2, &month) != PLUM_OK
        || !plum_time_char(r, '-')
        || plum_time_number(r, 2, &day) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    if (month < 1 || month > 12) {
        return PLUM_ERROR;
    }

    last = lengths[month - 1];

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        last = 29;
    }

    if (day < 1 || day > last) {
        return PLUM_ERROR;
    }

    *days = plum_time_days(year, month, day);

    return PLUM_OK;
}


/* hours, minutes, seconds and a fraction, which is dropped */

static int
plum_time_clock(plum_time_reader_t *r, int64_t *seconds, int *leap)
{
    int64_t         hour, minute, second;
    const uint8_t  *fraction;

    if (plum_time_number(r, 2, &hour) != PLUM_OK
        || !plum_time_char(r, ':')
        || plum_time_number(r, 2, &minute) != PLUM_OK
        || !plum_time_char(r, ':')
        || plum_time_number(r, 2, &second) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    if (hour > 23 || minute > 59 || second > 60) {
        return PLUM_ERROR;
    }

    if (plum_time_char(r, '.')) {
        fraction = r->pos;

        while (r->pos != r->end && *r->pos >= '0' && *r->pos <= '9') {
            r->pos++;
        }

        if (r->pos == fraction) {
            return PLUM_ERROR;
        }
    }

    *leap = (second == 60);
    *seconds = hour * 3600 + minute * 60 + second;

    return PLUM_OK;
}


/* nothing (UTC), "Z" or an offset; must end the text */

static int
plum_time_zone(plum_time_reader_t *r, int64_t *offset)
{
    int      west;
    int64_t  hours, minutes;

    *offset = 0;

    if (r->pos == r->end) {
        return PLUM_OK;
    }

    if (plum_time_char(r, 'Z')) {
        return (r->pos == r->end) ? PLUM_OK : PLUM_ERROR;
    }

    west = plum_time_char(r, '-');

    if (!west && !plum_time_char(r, '+')) {
        return PLUM_ERROR;
    }

    if (plum_time_number(r, 2, &hours) != PLUM_OK
        || !plum_time_char(r, ':')
        || plum_time_number(r, 2, &minutes) != PLUM_OK
        || hours > 23 || minutes > 59 || r->pos != r->end)
    {
        return PLUM_ERROR;
    }

    *offset = (hours * 3600 + minutes * 60) * (west ? -1 : 1);

    return PLUM_OK;
}


static int
plum_time_digits(const plum_str_t *text, int64_t *value)
{
    plum_time_reader_t  r;

    if (text->len == 0) {
        return PLUM_ERROR;
    }

    r.pos = text->data;
    r.end = text->data + text->len;

    return plum_time_number(&r, text->len, value);
}


/* the caller bounds ndigits, so that nothing overflows */

static int
plum_time_number(plum_time_reader_t *r, size_t ndigits, int64_t *value)
{
    plum_str_t  text;

    if ((size_t) (r->end - r->pos) < ndigits) {
        return PLUM_ERROR;
    }

    text.data = r->pos;
    text.len = ndigits;

    if (plum_str_number(&text, value) != ndigits) {
        return PLUM_ERROR;
    }

    r->pos += ndigits;

    return PLUM_OK;
}


static int
plum_time_char(plum_time_reader_t *r, uint8_t ch)
{
    if (r->pos == r->end || *r->pos != ch) {
        return 0;
    }

    r->pos++;

    return 1;
}


/* days from 1970-01-01; years are taken to start in March (leap day last) */

static int64_t
plum_time_days(int64_t year, int64_t month, int64_t day)
{
    int64_t  cycle;

    if (month <= 2) {
        year--;
        month += 12;
    }

    /* 400 years ahead, so that the divisions below see no negative number */

    year += 400;
    cycle = year * 365 + year / 4 - year / 100 + year / 400;

    return cycle + (153 * (month - 3) + 2) / 5 + day - 1 - 719468 - 146097;
}
