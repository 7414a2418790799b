/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "align/links.h"
bool steps_find(struct context *context, struct alignment *alignment)
{
    (void)context;
    (void)alignment;
    return true;
}
