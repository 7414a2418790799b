/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers as text without printf, which takes twenty times as long: there may be millions. */
#ifndef WHICHHOP_BASE_DIGITS_H
#define WHICHHOP_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#define DIGITS_MAX 20u /* of 64 bits */

/* Writes a number's decimal digits at `to`, at most DIGITS_MAX, and no end behind them. Returns
 * where they end. */
static inline char *digits_put(char *to, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t length = 0;
    do {
        digits[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (length)
        *to++ = digits[--length];
    return to;
}

#endif
