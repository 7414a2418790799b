/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Binary search. */
#ifndef WHICHHOP_BASE_PARTITION_H
#define WHICHHOP_BASE_PARTITION_H

#include <stddef.h>

/* Something holds of the first few of `count` things in a row, and of none behind them: how many
 * those are, which is the index of the first one that it does not hold of. `holds` is an expression
 * in which `i` is the index of the one that is asked about. */
#define PARTITION_POINT(i, count, holds)                                                           \
    ({                                                                                             \
        size_t low_ = 0, high_ = (count);                                                          \
        while (low_ < high_) {                                                                     \
            size_t i = low_ + (high_ - low_) / 2;                                                  \
            if (holds)                                                                             \
                low_ = (i) + 1;                                                                    \
            else                                                                                   \
                high_ = i;                                                                         \
        }                                                                                          \
        low_;                                                                                      \
    })

#endif
