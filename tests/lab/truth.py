# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the two ends of each connection saw, and from what was harmed when: the stalls.

A stall runs from the later of the flow's last progress and the first sending of what it then waits
for to its next progress, if that is longer than 0.2 s and twice the smoothed round trip before it.
Progress is new in-order bytes at either end (and the handshake's end); waiting is data unsent or
unacknowledged at the other end. A sender that pauses in mid-transfer waits by its own record.
"""
import re
from bisect import bisect_right

MIN_STALL_NS = 200_000_000
NEAR = 0.15            # a gap this close to the limit counts neither way
FULL_SEGMENT = 1000    # less than this is a remnant when the window is nearly closed
MARGIN_NS = 60_000_000
QUEUE_PAUSE_NS = 1_000_000_000  # a queue that is short for less than this is the same queue
HARMED = ("dropped", "corrupted", "held", "hold_full", "queue_full", "queued")
CLIENT_AT = {"cl2": "second", "nft:xenbrD": "dom0", "nft:input": "dom0"}


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


def is_of(row, client):
    return bool({str(client["client_port"]), str(client.get("nat_port"))}
                & {row["source_port"], row["destination_port"]})


def evidence(harm, rows, client, start, end, sender):
    """How well a cable's log shows that the harm struck what this stall waited for: 0 to 2."""
    toward = turned("to_client" if sender == "server" else "to_server", client)
    found = 0
    for row in rows:
        in_ns, out_ns = int(row["in_ns"]), int(row["out_ns"])
        if row["link"] != harm["place"] or row["event"] not in HARMED or not is_of(row, client) \
                or not harm["start_ns"] <= (out_ns - 1 if out_ns else in_ns) + MARGIN_NS \
                or not in_ns <= harm["end_ns"] or in_ns > end:
            continue
        if out_ns > start + MARGIN_NS / 4 if row["event"] == "held" else in_ns > start - 10**9:
            found = max(found, 2 if row["direction"] == toward else 1)
    return found


SENDS = {"to_client": "client", "to_server": "server"}


def turned(direction, client):
    """A direction of the path as the flow's own client calls it."""
    inward = {"to_client": "to_server", "to_server": "to_client"}
    return inward.get(direction, direction) if client["client"] == "outside" else direction


def find_harm(harms, rows, client, start, end, sender, pause):
    """(segment, cause, direction) of what explains a stall, or None."""
    near_server, near_client = client.get("ends", ("servers..eth0", "xenbrD..clients"))
    if pause:
        return ((near_server, "sender_idle", "to_client") if sender == "server" else
                (near_client, "sender_idle", "to_server"))
    reading = next((p for p in client["pauses"] + client["peer_pauses"]
                    if p[0] == "read" and p[1] < end and p[2] + MARGIN_NS > start), None)
    if reading:
        return ((near_client, "zero_window", "to_client") if sender == "server" else
                (near_server, "zero_window", "to_server"))
    best, best_rank = None, (-1, 0)
    for harm in harms:
        touches = start < harm["end_ns"] + 5 * MARGIN_NS and end > harm["start_ns"] - MARGIN_NS
        logged = evidence(harm, rows, client, start, end, sender)
        struck = logged if "rule" in harm else int(touches)  # the others keep no log
        overlap = min(end, harm["end_ns"]) - max(start, harm["start_ns"])
        if can_strike(harm, client) and (touches or struck) and (struck, overlap) > best_rank:
            best, best_rank = harm, (struck, overlap)
    overflow = None if best_rank[0] > 0 else log_explains(rows, client, start, end)
    if overflow or not best:
        return overflow
    is_session, direction = client["do"] in ("session", "idle"), turned(best["direction"], client)
    cause = best.get("cause_session", best["cause"]) if is_session else best["cause"]
    handshake = start == client["begin_ns"]  # a SYN that answers a SYN is one, too
    if not (is_session or handshake) and cause == "loss" and sender in SENDS.values() \
            and sender == SENDS.get(direction):
        cause = "ack_loss"  # what vanished went the other way than the data
    return best["segment"], cause, direction


def can_strike(harm, client):
    inside = client["server"] if client["client"] == "outside" else client["client"]
    ours = CLIENT_AT.get(harm["place"], inside)
    port = re.search(r"\b(?:port=|[sd]port )(\d+)", harm.get("rule", harm.get("nft", "")))
    if harm["place"] not in client.get("places", (harm["place"],)) \
            or harm.get("flows") and client["flow"] not in harm["flows"]:
        return False
    return (harm["cause"] != "none" and inside == ours
            and (not port or int(port[1]) == client["server_port"]))


def log_explains(rows, client, start, end):
    """Where a cable's own log shows this flow's packets lost with no harm planned: in its queue."""
    for row in rows:
        if row["event"] == "queue_full" and start - 2 * 10**9 < int(row["in_ns"]) < end \
                and is_of(row, client):
            return row["segment"], "loss", turned(row["direction"], client)
    return None


def queued_spans(rows, client, base_rtt_ns):
    """Yields (start, end, segment, direction): when this flow's packets came out of a queue that
    delayed them by more than the contract's limit, by the cables' logs."""
    limit = max(MIN_STALL_NS, 2 * base_rtt_ns)
    late = {}
    for row in rows:
        out_ns, delay_ns = int(row["out_ns"]), base_rtt_ns // 2 if row["link"] == "out" else 0
        if row["event"] == "queued" and is_of(row, client) \
                and out_ns - int(row["in_ns"]) - delay_ns > limit:
            late.setdefault((row["segment"], row["direction"]), []).append(out_ns)
    for where, times in late.items():
        times.sort()
        begin = times[0]
        for this, after in zip(times, times[1:] + [1 << 63]):
            if after - this > QUEUE_PAUSE_NS:
                if this - begin > MIN_STALL_NS:
                    yield begin, this, *where
                begin = after


def add_queueing(stalls, rows, client, base_rtt_ns):
    """A queue's span takes the place of the waits that it caused in this flow."""
    for start, end, segment, direction in queued_spans(rows, client, base_rtt_ns):
        begin_s, end_s = start / 1e9, end / 1e9
        stalls[:] = [stall for stall in stalls
                     if stall["client_port"] != client["client_port"]
                     or stall["cause"] != "queueing" or stall["end_unix_s"] < begin_s
                     or stall["start_unix_s"] > end_s]
        stalls.append({"start_unix_s": begin_s, "end_unix_s": end_s,
                       "client_port": client["client_port"], "segment": segment,
                       "cause": "queueing", "direction": turned(direction, client), "resumed": True,
                       "flow": client["flow"], "limit_s": MIN_STALL_NS / 1e9})


def unite(stalls):
    """One stall where both ends of a flow waited at the same time, for the same reason."""
    kept = {}
    for stall in sorted(stalls, key=lambda s: s["start_unix_s"]):
        key = stall["client_port"], stall["segment"], stall["cause"]
        before = kept.setdefault(key, [])
        if not before or stall["start_unix_s"] >= before[-1]["end_unix_s"]:
            before.append(stall)
        elif stall["end_unix_s"] > before[-1]["end_unix_s"]:
            before[-1].update(end_unix_s=stall["end_unix_s"], resumed=stall["resumed"])
    return [stall for stall in stalls if any(stall is one for one in kept[
        stall["client_port"], stall["segment"], stall["cause"]])]


def end_at(stalls, end_s):
    """What a capture that ends at end_s can show of the stalls."""
    for stall in stalls:
        if stall["end_unix_s"] > end_s:
            stall.update(end_unix_s=end_s, resumed=False)
    stalls[:] = [stall for stall in stalls
                 if stall["end_unix_s"] - stall["start_unix_s"] >= stall["limit_s"] * (1 - NEAR)]


def derive(records, harms, rows, base_rtt_ns):
    """(stalls, near, problems): stalls as truth.json has them; near ones count neither way."""
    servers = {(r.get("flow"), r.get("client_port")): r for r in records if r["role"] == "server"}
    stalls, near, problems = [], [], []
    for client in (r for r in records if r["role"] == "client"):
        if client.get("error") and not client.get("may_fail"):
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
            found = find_harm(harms, rows, client, start, end, sender, pause)
            segment, cause, direction = found or (None, None, None)
            stall = {"start_unix_s": start / 1e9, "end_unix_s": end / 1e9,
                     "client_port": client["client_port"], "segment": segment, "cause": cause,
                     "direction": direction, "resumed": resumed, "flow": client["flow"],
                     "limit_s": limit / 1e9}
            (near if end - start < limit * (1 + NEAR) else stalls).append(stall)
            if not found and end - start >= limit:
                problems.append(f"{client['flow']}: {(end - start) / 1e9:.3f} s unexplained")
        add_queueing(stalls, rows, client, base_rtt_ns)
    return stalls, near, problems
