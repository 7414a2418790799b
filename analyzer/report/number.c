/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers as people and scripts read them. All through integers: neither the locale's decimal
 * comma nor the rounding of a double gets into a report.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "report/parts.h"

static const uint64_t POWERS[10] = {1,      10,      100,      1000,      10000,
                                    100000, 1000000, 10000000, 100000000, 1000000000};

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* A whole number of 10^-scale, rounded half up to `digits` decimals. */
static struct words fixed(bool negative, uint64_t value, unsigned scale, unsigned digits)
{
    uint64_t step = POWERS[scale - digits];
    value = value / step + (value % step >= (step + 1) / 2 && step > 1);
    struct words words;
    const char *sign = negative && value ? "-" : "";
    if (digits)
        snprintf(words.text, sizeof words.text, "%s%" PRIu64 ".%0*" PRIu64, sign,
                 value / POWERS[digits], (int)digits, value % POWERS[digits]);
    else
        snprintf(words.text, sizeof words.text, "%s%" PRIu64, sign, value);
    return words;
}

struct words number_seconds(int64_t ns, unsigned digits)
{
    if (ns == WH_NONE)
        return (struct words){"-"};
    return fixed(ns<0, magnitude(ns), 9, digits> 9 ? 9 : digits);
}

struct words number_decimal(double value)
{
    if (!isfinite(value) || fabs(value) > 1e12)
        return (struct words){"null"};
    struct words words = fixed(value < 0, (uint64_t)llround(fabs(value) * 1e6), 6, 6);
    char *end = words.text + strlen(words.text);
    while (end[-1] == '0' && end[-2] != '.')
        *--end = '\0';
    return words;
}

struct words number_count(uint64_t count)
{
    struct words words;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = words.text;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return words;
}

struct words number_bytes(uint64_t bytes)
{
    static const char *const UNITS[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    struct words words;
    if (bytes < 1000) {
        snprintf(words.text, sizeof words.text, "%" PRIu64 " B", bytes);
        return words;
    }
    unsigned unit = 0;
    uint64_t divisor = 1000;
    while (unit + 1 < sizeof UNITS / sizeof *UNITS && bytes / divisor >= 1000) {
        divisor *= 1000;
        unit++;
    }
    uint64_t tenths = bytes / (divisor / 10);
    snprintf(words.text, sizeof words.text, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
             UNITS[unit]);
    return words;
}

struct words number_delay(int64_t ns)
{
    static const struct {
        uint64_t below_ns; /* what would not round up to the next unit's first number */
        unsigned scale, digits;
        const char *unit;
    } RANGES[] = {
        {999500, 3, 0, "us"},
        {999950000, 6, 1, "ms"},
        {UINT64_MAX, 9, 3, "s"},
    };
    if (ns == WH_NONE)
        return (struct words){"-"};
    unsigned i = 0;
    while (magnitude(ns) >= RANGES[i].below_ns)
        i++;
    struct words number = fixed(ns < 0, magnitude(ns), RANGES[i].scale, RANGES[i].digits), words;
    snprintf(words.text, sizeof words.text, "%.40s %s", number.text, RANGES[i].unit);
    return words;
}

struct words number_percent(double part)
{
    if (!isfinite(part) || part < 0 || part > 1)
        return (struct words){"-"};
    long percent = lround(part * 100);
    struct words words;
    if (percent == 100 && part < 0.9999995)
        return (struct words){">99 %"};
    if (percent == 0 && part > 0.0000005)
        return (struct words){"<1 %"};
    snprintf(words.text, sizeof words.text, "%ld %%", percent);
    return words;
}

struct words number_loss(uint64_t lost, uint64_t packets)
{
    if (!packets)
        return (struct words){"-"};
    double percent = (double)lost * 100 / (double)packets;
    if (lost && percent < 0.005)
        return (struct words){"<0.01 %"};
    struct words number = fixed(false, (uint64_t)llround(percent * 100), 2, 2), words;
    snprintf(words.text, sizeof words.text, "%.40s %%", number.text);
    return words;
}

int64_t number_sum(int64_t a_ns, int64_t b_ns)
{
    int64_t sum;
    if (__builtin_add_overflow(a_ns, b_ns, &sum))
        return a_ns < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

struct words number_utc(int64_t unix_ns, char separator, unsigned digits)
{
    int64_t seconds = unix_ns / NS_PER_S, rest = unix_ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        seconds--;
    }
    time_t at = (time_t)seconds;
    struct tm utc;
    if (!gmtime_r(&at, &utc))
        return (struct words){"-"};
    struct words words;
    /* Cut, not rounded: what happened at 59.9999 s did not happen in the next minute. */
    snprintf(words.text, sizeof words.text, "%04d-%02d-%02d%c%02d:%02d:%02d.%0*" PRId64 "%s",
             (utc.tm_year + 1900) % 10000, utc.tm_mon + 1, utc.tm_mday, separator, utc.tm_hour,
             utc.tm_min, utc.tm_sec, (int)digits, rest / (int64_t)POWERS[9 - digits],
             separator == ' ' ? "" : "Z");
    return words;
}
