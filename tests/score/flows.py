# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows: the same conversation under its names at each point, and connections that a proxy joins."""
from collections import Counter

from stalls import client_ports, port_of

INNER = "xenbrD"  # in the test network, from here on clients have the ports they chose


def true_name(item, true, point):
    """What a true flow's client is called at a point: a whole name, a port, or None if unknown."""
    if true.get("at"):
        return true["at"].get(point)
    if INNER not in item.points:
        return None
    inside = item.points.index(point) >= item.points.index(INNER)
    return true.get("client_port") if inside else true.get("nat_port")


def without_doubt(flows):
    """A port used twice by one client: which connection had which outer port was not recorded."""
    names = Counter((true.get("client"), true.get("client_port")) for true in flows)
    return [{**true, "nat_port": None} if names[true.get("client"), true.get("client_port")] > 1
            and not true.get("at") else true for true in flows]


def carries(item, true, point, name):
    expected = true_name(item, true, point)
    return expected == (port_of(name) if isinstance(expected, int) else name)


def candidates(item, point, name):
    """The numbers of the true flows that have this name at this point."""
    return {number for number, true in enumerate(item.flows)
            if carries(item, true, point, name)}


def judge_flow(item, flow):
    """Returns the one true flow that the reported one can be; None when unknown or wrong."""
    known = {point: found for point, seen in flow["at"].items() if point in item.points
             for found in [candidates(item, point, seen["client"])]}
    of_truth = [found for found in known.values() if found]
    if not of_truth:
        return None
    common = set.intersection(*known.values())
    if not common:
        # A name that truth does not have is a stranger's, unless truth never learnt the flow's own.
        maybe = set.union(*of_truth)
        common = {number for number in maybe if all(
            number in found or true_name(item, item.flows[number], point) is None
            for point, found in known.items())}
    if len(known) > 1:
        item.count("flows_right" if common else "flows_wrong")
        item.given["flows"].append((float(flow["nat"]["confidence"]), bool(common)))
    if not common:
        item.wrong.append(f"flow {flow['id']} is several: " + ", ".join(
            f"{seen['client']} at {point}" for point, seen in flow["at"].items()))
    return common.pop() if len(common) == 1 else None


def judge_unmatched(item, flows_of):
    """One true flow as two reported ones that no point saw both of."""
    for number, flows in sorted(flows_of.items()):
        apart = [(a, b) for i, a in enumerate(flows) for b in flows[i + 1:]
                 if not set(a["at"]) & set(b["at"])]
        if apart:
            item.count("flows_unmatched")
            item.wrong.append(f"port {item.flows[number]['client_port']} is several flows: "
                              + ", ".join(f"{flow['id']} at {' '.join(flow['at'])}"
                                          for flow in flows))


def judge_joined(item, report):
    """Legs of one group share a number, and nobody else has it."""
    groups = [set(group) for group in item.truth.get("joined") or ()]
    numbers = {}
    for flow in report.facts["flows"]:
        ports = client_ports(item, flow) | {port_of(s["client"]) for s in flow["at"].values()}
        numbers.setdefault(flow["joined"], []).append(ports)
    joined = {number: legs for number, legs in numbers.items() if number is not None}
    for group in groups:
        right = any(all(ports & group for ports in legs) and
                    group <= set.union(*legs) for legs in joined.values())
        item.count("joined_right" if right else "joined_wrong")
        if not right:
            item.wrong.append(f"not joined: {', '.join(map(str, sorted(group)))}")
    for number, legs in sorted(joined.items()):
        if not any(all(ports & group for ports in legs) for group in groups):
            item.count("joined_wrong")
            item.wrong.append(f"joined {number}: " + ", ".join(str(min(p)) for p in legs))


def judge_flows(item, report):
    flows_of, item.flows = {}, without_doubt(item.truth.get("flows", []))
    for flow in report.facts["flows"]:
        number = judge_flow(item, flow)
        if number is not None:
            flows_of.setdefault(number, []).append(flow)
    judge_unmatched(item, flows_of)
    judge_joined(item, report)
