# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the two ends of each connection saw, and from what was harmed when: the stalls.

A stall runs from the later of the flow's last progress and the first sending of what it then waits
for to its next progress, if that is longer than 0.2 s and twice the smoothed round trip before it.
Progress is new in-order bytes at either end (and the handshake's end); waiting is data unsent or
unacknowledged at the other end. A sender that pauses in mid-transfer waits by its own record.
"""
from bisect import bisect_right

MIN_STALL_NS = 200_000_000
NEAR = 0.15            # a gap this close to the limit counts neither way
FULL_SEGMENT = 1000    # less than this is a remnant when the window is nearly closed
MARGIN_NS = 60_000_000


def progress_of(record, side):
    """The times at which this end received new bytes, without the remnants of a closing window."""
    steps, before, last_ns = [], None, 0
    closed = [(a, b) for kind, a, b in record["pauses"] if kind == "read"]
    for when, received, _, _ in record["events"]:
        if before is not None and received > before:
            remnant = received - before < FULL_SEGMENT and when - last_ns > MARGIN_NS
            if not (remnant and any(a < when < b for a, b in closed)):
                steps.append((when, side))
                last_ns = when
        before = received
    return steps


def busy_spans(record):
    """The spans in which this end had something unsent or unacknowledged."""
    spans, begin = [], None
    for when, _, outstanding, _ in record["events"]:
        if outstanding and begin is None:
            begin = when
        elif not outstanding and begin is not None:
            spans.append((begin, when))
            begin = None
    if begin is not None:
        spans.append((begin, record["end_ns"]))
    return spans


def rtt_before(record, when):
    place = bisect_right(record["events"], when, key=lambda event: event[0])
    known = [event[3] for event in record["events"][:place] if event[3]]
    return known[-1] * 1000 if known else 0


def waiting_from(spans, last_ns, next_ns):
    """When the sender began to wait for the progress at next_ns."""
    for begin, end in reversed(spans):
        if begin < next_ns:
            return max(begin, last_ns) if end >= next_ns - MARGIN_NS / 4 else next_ns
    return next_ns  # a FIN: its sender has closed its socket, and can no longer be asked


def gaps_of(client, server):
    """Yields (start, end, limit, sender's side, pause) for every wait between two progresses."""
    ends = {"client": client, "server": server}
    steps = [(client["connected_ns"], "client")]
    for side, record in ends.items():
        if record:
            steps += progress_of(record, side)
    steps.sort()
    yield client["begin_ns"], client["connected_ns"], MIN_STALL_NS, "client", None
    spans = {side: busy_spans(record) if record else [] for side, record in ends.items()}
    other = {"client": "server", "server": "client"}
    for (last_ns, _), (next_ns, receiver) in zip(steps, steps[1:]):
        sender = ends[other[receiver]]
        if not sender or next_ns - last_ns < MIN_STALL_NS / 2:
            continue
        begin = waiting_from(spans[other[receiver]], last_ns, next_ns)
        pause = next((p for p in sender["pauses"] if p[0] == "send" and p[1] < next_ns
                      and p[2] > last_ns), None)
        limit = max(MIN_STALL_NS, 2 * rtt_before(sender, last_ns))
        yield (last_ns if pause else begin), next_ns, limit, other[receiver], pause
    yield from last_gap(ends, steps, spans)


def last_gap(ends, steps, spans):
    """The wait that no progress ended, if there is one."""
    last_ns = steps[-1][0]
    for side, record in ends.items():
        if record and spans[side] and spans[side][-1][1] >= record["end_ns"]:
            begin = max(last_ns, spans[side][-1][0])
            limit = max(MIN_STALL_NS, 2 * rtt_before(record, last_ns))
            yield begin, -record["end_ns"], limit, side, None


def find_harm(harms, client, start, end, sender, pause):
    """(segment, cause, direction) of what explains a stall, or None."""
    if pause:
        return (("servers..eth0", "sender_idle", "to_client") if sender == "server" else
                ("xenbrD..clients", "sender_idle", "to_server"))
    reading = next((p for p in client["pauses"] + client["peer_pauses"]
                    if p[0] == "read" and p[1] < end and p[2] + MARGIN_NS > start), None)
    if reading:
        return (("xenbrD..clients", "zero_window", "to_client") if sender == "server" else
                ("servers..eth0", "zero_window", "to_server"))
    for harm in harms:
        touches = start < harm["end_ns"] + 5 * MARGIN_NS and end > harm["start_ns"] - MARGIN_NS
        ours = {"cl2": "second", "nft:xenbrD": "dom0"}.get(harm["place"], client["client"])
        if touches and client["client"] == ours:
            cause = harm["cause"]
            if client["do"] in ("session", "idle"):
                cause = harm.get("cause_session", cause)
            return harm["segment"], cause, harm["direction"]
    return None


def log_explains(rows, client, start, end):
    """Where a cable's own log shows this flow's packets lost with no harm planned: in its queue."""
    ports = {str(client["client_port"]), str(client.get("nat_port"))}
    for row in rows:
        if row["event"] == "queue_full" and start - 2 * 10**9 < int(row["in_ns"]) < end \
                and ports & {row["source_port"], row["destination_port"]}:
            return row["segment"], "loss", row["direction"]
    return None


def derive(records, harms, rows):
    """(stalls, near, problems): stalls as truth.json has them; near ones count neither way."""
    servers = {(r.get("flow"), r.get("client_port")): r for r in records if r["role"] == "server"}
    stalls, near, problems = [], [], []
    for client in (r for r in records if r["role"] == "client"):
        if client.get("error"):
            problems.append(f"{client['flow']}: {client['error']}")
        if "connected_ns" not in client:
            continue
        server = servers.get((client["flow"], client["client_port"]))
        client["peer_pauses"] = server["pauses"] if server else []
        client["nat_port"] = server["nat_port"] if server else None
        for start, end, limit, sender, pause in gaps_of(client, server):
            resumed, end = end > 0, abs(end)
            if end - start < limit * (1 - NEAR):
                continue
            found = (find_harm(harms, client, start, end, sender, pause)
                     or log_explains(rows, client, start, end))
            segment, cause, direction = found or (None, None, None)
            stall = {"start_unix_s": start / 1e9, "end_unix_s": end / 1e9,
                     "client_port": client["client_port"], "segment": segment, "cause": cause,
                     "direction": direction, "resumed": resumed, "flow": client["flow"],
                     "limit_s": limit / 1e9}
            (near if end - start < limit * (1 + NEAR) else stalls).append(stall)
            if not found and end - start >= limit:
                problems.append(f"{client['flow']}: {(end - start) / 1e9:.3f} s unexplained")
    return stalls, near, problems
