/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of time in which throughput is counted. */
#ifndef WHICHHOP_PLOT_STEPS_H
#define WHICHHOP_PLOT_STEPS_H

#include <stdint.h>

struct steps {
    int64_t from_ns, step_ns, to_ns;
    uint32_t count;
};

/* Each a round number of nanoseconds, of a picture's time. */
struct steps steps_choose(int64_t start_ns, int64_t end_ns);

#endif
