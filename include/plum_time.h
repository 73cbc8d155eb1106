/*
 * Timestamps of senders, and the window in which they are fresh.  The clock
 * is the caller's.
 */

#ifndef _PLUM_TIME_H_INCLUDED_
#define _PLUM_TIME_H_INCLUDED_


#include <plum_types.h>


/*
 * Unix seconds: 1 to 12 decimal digits and nothing else (no sign, no white
 * space, no exponent).
 */

int plum_time_unix(const plum_str_t *text, int64_t *seconds);

/*
 * RFC 3339 with "T" or a space, an optional fraction, and "Z" or an offset;
 * or that without a zone ("2026-03-04 09:12:33"), which is taken as UTC.
 * Fields out of range are PLUM_ERROR.
 */

int plum_time_date_time(const plum_str_t *text, int64_t *seconds);

/*
 * Any timestamp of a header or a body: unix seconds, unix milliseconds
 * (exactly 13 digits), or a date and time.  No text is two of these, so the
 * unit need not be configured: a number of 13 digits, read as seconds, would
 * be after the year 33658.
 */

int plum_time_any(const plum_str_t *text, int64_t *seconds);

/* 1 if stamp is at most tolerance seconds before or after now */

int plum_time_fresh(int64_t stamp, int64_t now, int64_t tolerance);


#endif /* _PLUM_TIME_H_INCLUDED_ */
