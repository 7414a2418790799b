/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stretch of the path. */
#ifndef WHICHHOP_BLAME_PLACE_H
#define WHICHHOP_BLAME_PLACE_H

/* `span` segments from segment number `first` on; segment i lies between the places i - 1 and i, so
 * that 0 is servers..P0. */
struct place {
    unsigned first, span;
};

#endif
