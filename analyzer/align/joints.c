/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Order and clocks of points that only a proxy's connections tie. */
#include "align/joints.h"

/* 1: the server leg was at a and the client leg at b; -1: the other way; 0: neither. */
static int lies(const struct flows *flows, const struct joint *joint, unsigned a, unsigned b)
{
    struct track_flow *const *server = flows->items[joint->server_leg].at;
    struct track_flow *const *client = flows->items[joint->client_leg].at;
    return server[a] && client[b] ? 1 : server[b] && client[a] ? -1 : 0;
}

uint32_t joints_between(const struct flows *flows, unsigned a, unsigned b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < flows->joint_count; i++)
        count += lies(flows, &flows->joints[i], a, b) != 0;
    return count;
}

double joints_vote(const struct flows *flows, unsigned a, unsigned b)
{
    double votes = 0;
    for (uint32_t i = 0; i < flows->joint_count; i++) {
        const struct joint *joint = &flows->joints[i];
        int side = lies(flows, joint, a, b);
        if (side == 0)
            continue;
        const struct track_flow *view = flows->items[joint->server_leg].at[side > 0 ? a : b];
        double bytes = 1 + (double)(view->stream[0].payload_bytes + view->stream[1].payload_bytes);
        votes += side > 0 ? bytes : -bytes;
    }
    return votes;
}

void joints_lags(const struct flows *flows, unsigned near, unsigned far, int64_t least_ns[2])
{
    least_ns[0] = least_ns[1] = INT64_MAX;
    for (uint32_t i = 0; i < flows->joint_count; i++) {
        const struct joint *joint = &flows->joints[i];
        bool ahead = joint->server_point == near && joint->client_point == far;
        if (!ahead && (joint->server_point != far || joint->client_point != near))
            continue;
        for (unsigned side = 0; side < 2; side++) { /* what servers say goes out, if ahead */
            int64_t *least = &least_ns[ahead ? side : !side];
            if (joint->lag_ns[side] != INT64_MAX && joint->lag_ns[side] < *least)
                *least = joint->lag_ns[side];
        }
    }
}

void joints_mark_reversed(struct flows *flows, const struct alignment *alignment)
{
    for (uint32_t i = 0; i < flows->joint_count; i++) {
        const struct joint *joint = &flows->joints[i];
        bool reversed = false;
        for (unsigned place = 0; place < flows->point_count; place++) {
            unsigned point = alignment->order[place];
            if (point == joint->server_point)
                break;
            reversed |= point == joint->client_point;
        }
        flows->items[joint->server_leg].reversed = reversed;
        flows->items[joint->client_leg].reversed = reversed;
    }
}
