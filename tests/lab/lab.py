#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs scenarios in the test network and keeps the captures with the truth. Needs root.

    lab.py list
    lab.py run SCENARIO... --out DIR [--seed N]
    lab.py all --out DIR [--seed N]

SCENARIO is a name in scenarios/, or with --scenarios FOLDER in that folder. Each run leaves
DIR/SCENARIO/{eth0,xenbrE,xenbrD}.pcap.gz, truth.json and links.csv.gz. A run in which the
applications saw what the scenario cannot explain is repeated with another seed. Exit status 75 when
that did not help: the machine was not steady enough.
"""
import argparse
import csv
import gzip
import io
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # a test run leaves nothing in the tree

import legs
import pcapfile
import truth
import udptruth
from network import HERE, NAMESPACES, PATH, POINTS, SEGMENTS, Network, sweep_dead
from plan import Plan

SCENARIOS = os.path.join(HERE, "scenarios")
TRIES = 4
NOT_AS_PLANNED = os.EX_TEMPFAIL
SOURCES = ("taplink.c", "rules.c")


def build_taplink(folder):
    program = os.path.join(folder, "taplink")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o",
                    program, *(os.path.join(HERE, name) for name in SOURCES)], check=True)
    return program


def nft_begin(net, harm):
    """Drops by nftables: at a device, in a bridge, in the firewall's or the host's own path."""
    ingress = "ingress" if harm["direction"] == "to_client" else "egress"
    device = harm["place"].split(":")[1]
    space, family, hook = {"nft:bridge": ("dom", "bridge", "forward"),
                           "nft:forward": ("fw", "ip", "forward"),
                           "nft:input": ("dom", "ip", "input")}.get(
                               harm["place"], ("dom", "netdev", f"{ingress} device {device}"))
    net.inside(space, "nft", f"add table {family} harm; add chain {family} harm harm {{ type "
               f"filter hook {hook} priority 0; }}; add rule {family} harm harm {harm['nft']} "
               "counter drop")
    return space, family


def nft_end(net, harm, space, family):
    rules = net.inside(space, "nft", "list", "table", family, "harm")
    net.inside(space, "nft", f"delete table {family} harm")
    harm["dropped_packets"] = int(rules.split("counter packets ")[1].split()[0])


def mtu_set(net, *mtu):
    """Makes the firewall's inner side narrower, or as it was: it says so by ICMP (RFC 1191)."""
    inner = ipaddress.ip_interface(net.plan.net["inner"])
    net.inside("fw", "ip", "route", "replace", str(inner.network), "dev", "ethD", "proto",
               "kernel", "scope", "link", "src", str(inner.ip), *mtu)


def timed_harm(net, harm, start_ns):
    """A harm that is no cable's: does and undoes it; notes when it truly began and ended."""
    begin = start_ns / 1e9 + harm["from"]
    time.sleep(max(0, begin - time.time()))
    if "nft" in harm:
        table = nft_begin(net, harm)
    else:
        mtu_set(net, "mtu", "lock", harm["bytes"])
    harm["start_ns"] = time.time_ns()
    time.sleep(max(0, begin + harm["for"] - time.time()))
    if "nft" in harm:
        nft_end(net, harm, *table)
    else:
        mtu_set(net)
    harm["end_ns"] = time.time_ns()


def run_harm(net, harm, start_ns):
    """A harm that commands in the firewall make and unmake."""
    for when, what in ((harm["from"], "run"), (harm["from"] + harm["for"], "undo")):
        time.sleep(max(0, start_ns / 1e9 + when - time.time()))
        if what == "run":
            harm["start_ns"] = time.time_ns()
        if what in harm:
            net.inside("fw", "sh", "-ec", harm[what])
        harm["end_ns"] = time.time_ns()


def program_of(flow):
    return "udp.py" if flow["do"] in ("quic", "rtp") else "apps.py"


def start(net, short, name, *arguments):
    return net.spawn([sys.executable, os.path.join(HERE, name), *map(str, arguments)], short,
                     "ready", stdout=subprocess.PIPE)


def start_clients(net, plan, folder):
    clients = []
    for place, program in sorted({(flow["client"], program_of(flow)) for flow in plan.flows}):
        path = os.path.join(folder, f"{place}.{program}")
        with open(f"{path}.flows", "w", encoding="utf-8") as out:
            json.dump([flow for flow in plan.flows
                       if (flow["client"], program_of(flow)) == (place, program)], out)
        more = [plan.net.get("congestion", "cubic")] if program == "apps.py" else []
        clients.append(start(net, NAMESPACES[place], program, "client", f"{path}.flows",
                             f"{path}.records", *more))
    return clients


def start_servers(net, plan, folder):
    servers, congestion = [], plan.net.get("congestion", "cubic")
    for place, address, port, program in sorted({
            (flow["server"], flow["listen_address"], flow["server_port"], program_of(flow))
            for flow in plan.flows}):
        more = [plan.net.get("server_rcvbuf", "0"), congestion] if program == "apps.py" else []
        path = os.path.join(folder, f"{place}.{port}.{program}.records")
        servers.append(start(net, NAMESPACES[place], program, "server", address, port, path, *more))
    if "proxy" in plan.net:
        servers.append(start(net, "fw", "proxy.py", plan.host("inner"), plan.net["proxy"],
                             os.path.join(folder, "proxy.records"),
                             plan.net.get("proxy_buffer", "131072"), congestion))
    return servers


def traffic(net, plan, folder):
    """Runs the applications and the harm; returns when it began and what tcpdump counted."""
    servers = start_servers(net, plan, folder)
    clients = start_clients(net, plan, folder)
    net.start_captures()
    start_ns = time.time_ns() + 300_000_000
    for harm in plan.harms:
        harm["start_ns"] = start_ns + round(harm["from"] * 1e9)
        harm["end_ns"] = harm["start_ns"] + round(harm["for"] * 1e9)
    net.start_links(start_ns)
    threads = [threading.Thread(target=run_harm if "run" in harm else timed_harm,
                                args=(net, harm, start_ns))
               for harm in plan.harms if "rule" not in harm]
    for thread in threads:
        thread.start()
    for client in clients:
        client.stdin.write(f"start {start_ns}\n")
        client.stdin.flush()
    for process in clients:
        process.wait(90)
    counters = net.stop_captures()  # before the servers, who would close what a fault left open
    for process in servers:
        process.stdin.close()
        process.wait(30)
    for thread in threads:
        thread.join()
    net.stop_links()
    return start_ns, counters


def read_records(folder):
    records = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".records"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                records += json.load(file)
    return records


def read_links(folder, names):
    rows = []
    for name in names:
        with open(os.path.join(folder, f"{name}.csv"), encoding="utf-8", newline="") as file:
            rows += [{"link": name, "segment": SEGMENTS[name], **row}
                     for row in csv.DictReader(file)]
    return rows


def open_any(folder):
    """What tcpdump -i any wrote, as it is."""
    with open(os.path.join(folder, "any.raw"), "rb") as file:
        return file.read()


def write_links(path, rows):
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with gzip.GzipFile(path, "wb", mtime=0) as out:
        out.write(text.getvalue().encode())


def derive(records, harms, rows, base_rtt_ns):
    """(stalls, near, problems, caused): what the records of all the applications say."""
    legs.mark(records)
    tcp = [r for r in records if r.get("protocol") != "udp"]
    udp = [r for r in records if r.get("protocol") == "udp"]
    stalls, near, problems = truth.derive(tcp, harms, rows, base_rtt_ns)
    more = udptruth.derive(udp, harms, rows)
    stalls, near, problems = stalls + more[0], near + more[1], problems + more[2]
    stalls, caused, unexplained = legs.separate(stalls, records)
    return stalls, near + caused, problems + unexplained, caused


def describe_flow(client):
    return {key: client.get(key) for key in
            ("flow", "do", "client", "client_port", "nat_port", "pauses", "error", "leg", "moves",
             "refused") if key in client}


def dominant(stalls):
    """What a report's verdict must name: the (segment, cause) with the most time stalled."""
    spans = {}
    for stall in stalls:
        spans.setdefault((stall["segment"], stall["cause"]), []).append(
            (stall["start_unix_s"], stall["end_unix_s"]))
    if not spans:
        return None
    return list(max(spans, key=lambda key: union_s(spans[key])))


def union_s(spans):
    total, reach = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reach))
        reach = max(reach, end)
    return total


def harm_record(harm):
    return {"place": harm["place"], "segment": harm["segment"], "cause": harm["cause"],
            "direction": harm["direction"], "what": next(
                (harm[key] for key in ("rule", "nft", "run") if key in harm),
                f"mtu {harm.get('bytes')}"),
            "start_unix_s": harm["start_ns"] / 1e9, "end_unix_s": harm["end_ns"] / 1e9,
            **({"dropped_packets": harm["dropped_packets"]} if "dropped_packets" in harm else {})}


def judge(plan, stalls, problems, counters, drops):
    low, high = plan.expect_stalls
    problems = list(problems)
    if not low <= len(stalls) <= high:
        problems.append(f"{len(stalls)} stalls, not {low}..{high}")
    problems += [f"{point}: tcpdump dropped {count['dropped_by_kernel']}"
                 for point, count in counters.items() if count.get("dropped_by_kernel")]
    return problems + [f"{device} dropped {count}" for device, count in drops.items()]


def judge_captures(plan, seen):
    """Whether what the captures show is what the scenario did: there, and nowhere else."""
    problems = []
    # Where several links freeze at once, the first one that a packet meets may hold them all.
    frozen = {harm["segment"] for harm in plan.harms if harm["cause"] == "freeze"}
    for segment, directions in (seen or {}).items():
        if segment in plan.unchecked or (segment == "xenbrE..xenbrD" and "proxy" in plan.net):
            continue
        seen_s = max(passage["delay_max_s"] for passage in directions.values())
        for direction, passage in directions.items():
            harms = [harm for harm in plan.harms if harm["segment"] == segment
                     and harm["direction"] in (direction, "both")]
            freezes = [harm["for"] for harm in harms if harm["cause"] == "freeze"]
            rules = [(harm.get("rule") or "both drop").split() for harm in harms]
            kinds = {rule[1] for rule in rules}
            must_lose = any(rule[1] == "drop" and harm["cause"] != "none"
                            for rule, harm in zip(rules, harms))
            may_lose = ("drop" in kinds or "corruption" in {h["cause"] for h in plan.harms}
                        or any("hold=" in word or "queue_bytes=" in word
                               for rule in rules for word in rule))
            where = f"{segment} {direction}"
            if passage["appeared"] and "duplicate" not in kinds:
                problems.append(f"{where}: {passage['appeared']} packets came from nowhere")
            if passage["lost"] and not may_lose:
                problems.append(f"{where}: {passage['lost']} packets lost without harm")
            if must_lose and not passage["lost"]:
                problems.append(f"{where}: nothing was lost")
            both = all(harm["direction"] == "both" for harm in harms)
            held_s = max(passage["delay_max_s"], seen_s if both else 0)
            if len(frozen) == 1 and freezes and held_s < 0.5 * max(freezes):
                problems.append(f"{where}: nothing was held")
            if not kinds & {"freeze", "link", "reorder"} and passage["delay_max_s"] > 0.1:
                problems.append(f"{where}: held {passage['delay_max_s']:.3f} s without harm")
    return problems


def cut(points, end_ns):
    """The captures, ended before the traffic."""
    return {point: [packet for packet in packets if packet[0] <= end_ns]
            for point, packets in points.items()}


def run_once(scenario, seed, out, taplink):
    name = os.path.basename(scenario)[:-4]
    plan = Plan(scenario, name, seed)
    with tempfile.TemporaryDirectory(prefix="whlab-") as folder:
        with Network(plan, taplink, folder) as net:
            start_ns, counters = traffic(net, plan, folder)
            drops = net.device_drops()
        records, rows = read_records(folder), read_links(folder, net.links)
        stalls, near, problems, caused = derive(records, plan.harms, rows,
                                                round(plan.delay_ms * 2e6))
        points = {point: pcapfile.read(os.path.join(folder, f"{point}.raw")) for point in POINTS}
        everything = open_any(folder) if plan.any else None
    if plan.stop:
        points = cut(points, start_ns + round(plan.stop * 1e9))
    end_s = max(packets[-1][0] for packets in points.values() if packets) / 1e9
    truth.end_at(stalls, end_s)  # what waits longer is not to be seen
    truth.end_at(near, end_s)
    stalls = truth.unite(stalls)
    seen = None if plan.offload else pcapfile.compare(points, POINTS,
                                                      net.senders())
    problems = judge(plan, stalls, problems, counters, drops) + judge_captures(plan, seen)
    where = os.path.join(out, name)
    os.makedirs(where, exist_ok=True)
    for point, packets in points.items():
        pcapfile.write(os.path.join(where, f"{point}.pcap.gz"), packets, plan.snap,
                       plan.formats.get(point, "ethernet"), plan.clocks.get(point, [0]))
    if everything:
        with gzip.GzipFile(os.path.join(where, "any.pcap.gz"), "wb", mtime=0) as out:
            out.write(everything)
    inward = plan.net.get("path") == "inward"
    write_links(os.path.join(where, "links.csv.gz"),
                legs.turn_rows(rows, PATH) if inward else rows)
    names = legs.names_at(records)
    legs.add_middle(names, net.middle_names)
    facts = {
        "what": plan.what, "path": list(PATH), "harmed": dominant(stalls),
        "link_mbit_s": round(plan.rate_mbit, 3), "one_way_delay_ms": round(plan.delay_ms, 3),
        "stalls_the_applications_saw": stalls, "near_stalls": near, "problems": problems,
        "caused_stalls": caused, "joined": legs.joined(records),
        "scenario": name, "seed": seed, "start_unix_s": start_ns / 1e9,
        "harms": [harm_record(harm) for harm in plan.harms],
        "clock": plan.clocks, "merged_at": plan.offload, "tcpdump": counters,
        "flows": [{**describe_flow(r), "protocol": r.get("protocol", "tcp"),
                   **legs.as_strings(names.get((r["flow"], r.get("client_port")), {}))}
                  for r in records if r["role"] == "client"],
        "seen": seen, **({"interfaces": net.numbers} if net.numbers else {})}
    if inward:
        facts = legs.turn(facts, PATH)
    with open(os.path.join(where, "truth.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    return facts


def run(scenario, seed, out, taplink):
    name = os.path.basename(scenario)[:-4]
    for attempt in range(TRIES):
        facts = run_once(scenario, seed + 1000 * attempt, out, taplink)
        stalls = facts["stalls_the_applications_saw"]
        kinds = sorted({f"{s['segment']} {s['cause']}" for s in stalls})
        print(f"{name}: {len(stalls)} stalls, {len(facts['near_stalls'])} near; "
              f"{'; '.join(kinds) or 'none'}" + "".join(f"\n    {p}" for p in facts["problems"]),
              flush=True)
        if not facts["problems"]:
            return True
    return False


def names(folder):
    return sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".ini"))


def stop(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=("list", "run", "all"))
    parser.add_argument("scenario", nargs="*")
    parser.add_argument("--out", default="lab-out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenarios", default=SCENARIOS, metavar="FOLDER")
    args = parser.parse_args()
    if args.action == "list":
        print("\n".join(names(args.scenarios)))
        return 0
    if os.geteuid():
        sys.exit("lab.py: the test network needs root")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    sweep_dead()
    folder = tempfile.mkdtemp(prefix="whlab-build-")
    try:
        taplink = build_taplink(folder)
        chosen = names(args.scenarios) if args.action == "all" else args.scenario
        bad = [name for name in chosen
               if not run(os.path.join(args.scenarios, f"{name}.ini"), args.seed, args.out, taplink)]
    finally:
        shutil.rmtree(folder)
    if bad:
        print("not as planned: " + " ".join(bad))
    return NOT_AS_PLANNED if bad else 0


if __name__ == "__main__":
    sys.exit(main())
