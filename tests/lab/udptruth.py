# SPDX-License-Identifier: GPL-3.0-or-later
"""The stalls of datagram flows, from when each end sent and received which datagram.

Progress is a datagram received; a direction waits from the first datagram sent after the last one
received, or from that one's arrival if it is later, until the next one arrives. Where both
directions wait at once, the flow stalls while both do.
"""
from truth import MIN_STALL_NS, NEAR, find_harm


def gaps_of(sender, receiver):
    """Yields (start, end, resumed) for every wait of one direction."""
    sends = sorted(sender["sent"])
    sent_at = {number: when for when, number in sends}
    numbers = {number: place for place, (_, number) in enumerate(sends)}
    gots = sorted(receiver["got"])
    if not sends:
        return
    newest = -1
    steps = [(sends[0][0], -1)] + [(when, number) for when, number in gots]
    for place, (when, number) in enumerate(steps):
        newest = max(newest, numbers.get(number, -1))
        following = sends[newest + 1][0] if newest + 1 < len(sends) else None
        if following is None:
            continue
        start = max(when, following)
        if place + 1 < len(steps):
            yield start, steps[place + 1][0], True
        elif following > sent_at.get(number, 0):
            yield start, sends[-1][0], False


def long_gaps(sender, receiver, direction):
    return [(start, end, resumed, direction) for start, end, resumed in gaps_of(sender, receiver)
            if end - start >= MIN_STALL_NS * (1 - NEAR)]


def merge(down, up):
    """Waits of both directions that overlap are one."""
    merged, used = [], set()
    for start, end, resumed, direction in down:
        for place, other in enumerate(up):
            if min(end, other[1]) > max(start, other[0]):
                used.add(place)
                start, end, direction = max(start, other[0]), min(end, other[1]), "both"
                resumed = resumed or other[2]
        merged.append((start, end, resumed, direction))
    return merged + [gap for place, gap in enumerate(up) if place not in used]


def derive(records, harms, rows):
    """(stalls, near, problems) as truth.derive gives them, for datagram flows."""
    servers = {(r["flow"], r["client_port"]): r for r in records if r["role"] == "server"}
    stalls, near, problems = [], [], []
    for client in (r for r in records if r["role"] == "client"):
        server = servers.get((client["flow"], client["client_port"]))
        if not server:
            problems.append(f"{client['flow']}: the server never heard of it")
            continue
        client["peer_pauses"], client["nat_port"] = [], server["nat_port"]
        client["moves"] = server.get("moves", [])
        gaps = merge(long_gaps(server, client, "to_client"), long_gaps(client, server, "to_server"))
        for start, end, resumed, direction in gaps:
            sender = "client" if direction == "to_server" else "server"
            found = find_harm(harms, rows, client, start, end, sender, None)
            stall = {"start_unix_s": start / 1e9, "end_unix_s": end / 1e9, "protocol": "udp",
                     "client_port": client["client_port"], "segment": found and found[0],
                     "cause": found and found[1], "direction": found and found[2],
                     "waiting_direction": direction, "resumed": resumed, "flow": client["flow"],
                     "limit_s": MIN_STALL_NS / 1e9}
            is_near = end - start < MIN_STALL_NS * (1 + NEAR)
            (near if is_near else stalls).append(stall)
            if not found and not is_near:
                problems.append(f"{client['flow']}: {(end - start) / 1e9:.3f} s unexplained")
    return stalls, near, problems
