/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The joined connections as people and scripts get to see them, with a sentence for each. */
#include <stdlib.h>

#include "analysis.h"

static int compare_joints(const void *left, const void *right)
{
    const struct wh_joint *a = left, *b = right;
    return a->flows[0] < b->flows[0] ? -1 : a->flows[0] > b->flows[0];
}

static const char *how_alike(const struct joint *joint, struct arena *arena)
{
    if (!joint->by_content)
        return "bytes and times alike; there is no content to compare";
    if (joint->alike_bytes < 1000)
        return arena_printf(arena, "content of %u bytes alike", (unsigned)joint->alike_bytes);
    return arena_printf(arena, "content of %.0f KB alike", (double)joint->alike_bytes / 1e3);
}

static bool make_joint(struct wh_analysis *analysis, const struct joint *joint, const uint32_t *ids,
                       const unsigned *place, struct wh_joint *out)
{
    uint32_t a = ids[joint->server_leg], b = ids[joint->client_leg];
    unsigned here = place[joint->server_point], there = place[joint->client_point];
    unsigned low = here < there ? here : there, high = here < there ? there : here;
    const char *alike = how_alike(joint, &analysis->arena);
    *out = (struct wh_joint){
        .flows = {a < b ? a : b, a < b ? b : a},
        .server_leg = a,
        .segment = low + 1,
        .segment_span = high - low,
        .by_content = joint->by_content,
        .alike_bytes = joint->alike_bytes,
        .confidence = joint->confidence,
        .text = alike
                    ? arena_printf(&analysis->arena,
                                   "flow %u and flow %u are the two legs of one connection "
                                   "through a proxy between %s and %s (%s)",
                                   a < b ? a : b, a < b ? b : a,
                                   analysis->captures[analysis->alignment.order[low]].name,
                                   analysis->captures[analysis->alignment.order[high]].name, alike)
                    : NULL};
    return out->text != NULL;
}

bool joined_make(struct wh_analysis *analysis, const uint32_t *ids, const unsigned *place,
                 struct wh_flow *flows)
{
    uint32_t count = analysis->flows.joint_count;
    struct wh_joint *joints = arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *joints);
    for (uint32_t i = 0; joints && i < count; i++)
        if (!make_joint(analysis, &analysis->flows.joints[i], ids, place, &joints[i]))
            return false;
    if (joints && count)
        qsort(joints, count, sizeof *joints, compare_joints);
    for (uint32_t i = 0; joints && i < count; i++) {
        joints[i].number = i + 1;
        for (unsigned leg = 0; leg < 2; leg++)
            flows[joints[i].flows[leg] - 1].joined = i + 1;
    }
    analysis->result.joints = joints;
    analysis->result.joint_count = count;
    return joints != NULL;
}
