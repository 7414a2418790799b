# SPDX-License-Identifier: GPL-3.0-or-later
"""Stalls and verdict: found, named, invented, and how far off in time."""

OVERLAP = 0.8      # intersection over union from which a stall counts as found
AS_GOOD = 0.95     # causes whose stalled times are this alike may change places in the verdict
INNERMOST = -1


def interval(item, report, stall):
    """A true stall as the report counts time: in the first point's clock, from its first step on
    as if it had not been set, so that no time is counted twice or left out."""
    return tuple(item.in_clock_of(report.order[0], float(stall[edge]), True) if report.order
                 else float(stall[edge]) for edge in ("start_unix_s", "end_unix_s"))


def overlap(a, b):
    """Intersection over union of two intervals."""
    inner = min(a[1], b[1]) - max(a[0], b[0])
    return inner / (max(a[1], b[1]) - min(a[0], b[0])) if inner > 0 else 0.0


def touches(a, b):
    return min(a[1], b[1]) > max(a[0], b[0])


def port_of(name):
    return int(name.rsplit(":", 1)[1])


def client_ports(item, flow):
    """The ports that truth may call the flow's client by: where it is innermost, by its names."""
    seen_at = flow["at"] if flow else {}
    places = [point for point in item.points if point in seen_at] or list(seen_at)
    if not places:
        return set()
    names = {point: seen_at[point]["client"] for point in places}
    ports = {port_of(names[places[INNERMOST]])}
    for true in item.truth.get("flows", []):
        known = true.get("at") or {}
        if any(known.get(point) == name for point, name in names.items()):
            ports.add(true["client_port"])
    return ports


def reported_stalls(item, report):
    return [(client_ports(item, report.flows.get(stall["flow"])),
             (report.unix(stall["start_s"]), report.unix(stall["end_s"])), stall)
            for stall in report.facts["stalls"]]


def match_stalls(item, report, stalls):
    """Pairs true and reported stalls of the same client port, the best overlaps first."""
    pairs = sorted(((overlap(interval(item, report, true), span), t, r)
                    for t, true in enumerate(item.true)
                    for r, (ports, span, _) in enumerate(stalls) if true["client_port"] in ports),
                   reverse=True)
    taken, matched = set(), {}
    for share, t, r in pairs:
        if share > 0 and t not in matched and r not in taken:
            taken.add(r)
            matched[t] = (r, share)
    return matched


def answers(true):
    """The (segment, cause) pairs that are right for a stall, the first one best."""
    return [(true["segment"], true["cause"])] + [tuple(pair) for pair in true.get("also") or ()]


def named_right(item, report, true, got):
    if (got["segment"], got["cause"]) not in answers(true):
        return f"called {got['segment']} {got['cause']}"
    if "caused_by" not in true:
        return None
    blamed = next((s for s in report.facts["stalls"] if s["id"] == got["caused_by"]), None)
    ports = client_ports(item, report.flows.get(blamed["flow"])) if blamed else {None}
    return None if true["caused_by"] in ports else f"caused by {got['caused_by']}"


def judge_true(item, report, stalls, matched, base):
    """Returns the reported stalls that are right."""
    right = set()
    for t, true in enumerate(item.true):
        span = interval(item, report, true)
        where = (f"port {true['client_port']}, {span[0] - base:.3f} to {span[1] - base:.3f} s, "
                 f"{true['segment']} {true['cause']}")
        if t not in matched:
            item.wrong.append(f"missed: {where}")
            continue
        _, got_span, got = stalls[matched[t][0]]
        if matched[t][1] < true.get("overlap", OVERLAP):
            item.wrong.append(f"missed: {where}: found {got_span[0] - base:.3f} to "
                              f"{got_span[1] - base:.3f} s, overlap {matched[t][1]:.2f}")
            continue
        item.count("found")
        item.start_errors.append(abs(got_span[0] - span[0]))
        item.end_errors.append(abs(got_span[1] - span[1]))
        problem = named_right(item, report, true, got)
        if problem:
            item.wrong.append(f"misnamed: {where}: {problem}")
        else:
            item.count("named")
            right.add(matched[t][0])
    return right


def judge_invented(item, report, stalls, base):
    """A reported stall is invented when no true one of its flow overlaps it."""
    for ports, span, stall in stalls:
        known = any(true["client_port"] in ports and touches(interval(item, report, true), span)
                    for true in item.true + item.near)
        if not known:
            item.count("invented")
            item.wrong.append(f"invented: port {min(ports, default=None)}, {span[0] - base:.3f} to "
                              f"{span[1] - base:.3f} s, {stall['segment']} {stall['cause']}")


def judge_given(item, report, stalls, right):
    """Confidence against outcome. What touches only a near stall was neither right nor wrong."""
    for r, (ports, span, stall) in enumerate(stalls):
        def near(others):
            return any(true["client_port"] in ports and
                       touches(interval(item, report, true), span) for true in others)
        if r in right or near(item.true) or not near(item.near):
            item.given["stalls"].append((float(stall["confidence"]), r in right))


def union_s(spans):
    total, reach = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reach))
        reach = max(reach, end)
    return total


def expected_verdicts(item):
    """The (segment, cause) pairs with the most time stalled; none without a stall."""
    spans = {}
    for true in item.true:
        spans.setdefault(answers(true)[0], []).append(
            (float(true["start_unix_s"]), float(true["end_unix_s"])))
    times = {key: union_s(found) for key, found in spans.items()}
    most = [key for key in times if times[key] >= AS_GOOD * max(times.values())]
    most.sort(key=lambda key: -times[key])
    return most + [other for true in item.true if answers(true)[0] in most
                   for other in answers(true)[1:]]


def judge_verdict(item, report):
    verdict, expected = report.facts["verdict"], expected_verdicts(item)
    got = (verdict["segment"], verdict["cause"]) if verdict["stalled"] else None
    only_near = not item.true and item.near and not item.counts.get("invented")
    item.verdict_right = got in expected if expected else got is None or bool(only_near)
    item.given["verdicts"].append((float(verdict["confidence"]), item.verdict_right))
    if not item.verdict_right:
        item.wrong.append(f"verdict: {' '.join(map(str, got)) if got else 'no stall'}, expected "
                          f"{' '.join(expected[0]) if expected else 'no stall'}")


def leave_out_unseen(item, report):
    """What was over before the first packet of any capture is nobody's to find."""
    begin = float(report.epoch)
    item.true = [true for true in item.true if interval(item, report, true)[1] > begin]


def judge_stalls(item, report):
    leave_out_unseen(item, report)
    if report.order != item.points:
        item.wrong.append(f"path order: {', '.join(report.order)}")
    base, stalls = float(report.epoch), reported_stalls(item, report)
    right = judge_true(item, report, stalls, match_stalls(item, report, stalls), base)
    judge_invented(item, report, stalls, base)
    judge_given(item, report, stalls, right)
    judge_verdict(item, report)
