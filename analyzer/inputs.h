/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words POINT=FILE of the command line. */
#ifndef WHICHHOP_INPUTS_H
#define WHICHHOP_INPUTS_H

#include "whichhop.h"

#define INPUTS_NAME_SIZE 256

/* The first `length` bytes of `text` as a point's name; one that is too long is refused, not cut:
 * two cut ones could be alike. */
int inputs_name(const char *text, size_t length, char name[INPUTS_NAME_SIZE],
                struct wh_error *error);

/* Adds the captures that the words of `inputs` (up to a NULL) name: files, patterns, folders. A
 * file that is not there is said by wh_run, which can do without it. */
int inputs_add(struct wh_analysis *analysis, char **inputs, struct wh_error *error);

#endif
