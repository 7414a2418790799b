/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WHICHHOP_BLAME_CAUSE_QUEUE_H
#define WHICHHOP_BLAME_CAUSE_QUEUE_H

#include "blame/case.h"
#include "blame/queue.h"

/* Appends a finding for each time in which a queue stood on the way of what the case's sender
 * sends. Of the case only timelines, flow, options and arena are used. False when memory is out. */
bool find_queues(struct stall_case *item, uint32_t flow_index, struct findings *findings);

#endif
