# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario file, read and varied by a seed.

    [about]    what=, expect_stalls=FROM..TO (the run is repeated when the applications saw others)
    [net]      delay_ms= (one way), rate_mbit=, queue_kb=, server=, outer=, inner= (address/length),
               dom0=, second=, port=, nat=masquerade|random|none, congestion=, timestamps=, sack=,
               server_rcvbuf=, bridge=direct (eth0 is a port of xenbrE, no cable between them),
               links= (more cables to be taplinks), conntrack_checksum=0 (the firewall passes on
               what is corrupt), vary=no (seeds change nothing),
               proxy= (its port at the firewall's inner address), proxy_buffer=,
               path=inward (all flows run inward: the clients are outside), isp=, isp_inner=
               (address/length of a second translator between eth0 and xenbrE), outer_mtu=,
               inner_mtu= (the firewall's), df=no (TCP without it), server_mute=yes (it sends no
               resets)
    [firewall] rules for nftables at the firewall, one a line: in= (nat, prerouting), out= (nat,
               postrouting), forward=, raw=, input= (filter)
    [capture]  snap=, offload= (points with merged frames), stop= (when it ends), any=yes (of all
               interfaces of dom0, too); per point "link[+be][+us]", link: ethernet, sll, sll2, raw,
               vlan, or a tunnel of tunnels.py
    [clock]    per point "SECONDS [PPM]": how wrong that point's clock is
    [flow ...] client=, server= (dom0, second or outside), to=firewall (connects to the firewall's
               outer address) or gateway (its inner one), connect_port= (where the server's is
               changed), bind= (the client's port), via=proxy, may_fail=yes, give_up= (seconds),
               do=download|upload|session|short|idle, from=, for=, bytes=,
               rcvbuf=, read_kbit=, pause_read_at=, pause_read_for=, pause_send_at=,
               pause_send_for=, ask=, answer=, think=, every=, pause_answer_at= (bytes),
               pause_answer_for=, parts= (an answer's writes), pause_read_every= and
               pause_read_times= (again and again), nagle=, quickack=;
               do=quic|rtp, way=down|up|both, rate_kbit=, size=, window=
    [harm ...] place= (see network.SEGMENTS), from=, for=, every= and times= (again and again),
               cause= (or none), cause_session= (for sessions), rule= (of a taplink, without
               times), or direction= with nft= (at the nft: places), bytes= (at mtu) or run= and
               undo= (commands in the firewall at its begin and end); flows= (those it concerns;
               without it, all that pass the place)
"""
import configparser
import ipaddress
import random

from network import SEGMENTS

NIC_DELAY_US = 160

NUMBERS = ("from", "for", "bytes", "rcvbuf", "pause_read_at", "pause_read_for", "pause_send_at",
           "pause_send_for", "ask", "answer", "think", "every", "read_kbit", "pause_read_every",
           "pause_read_times", "pause_answer_at", "pause_answer_for", "parts", "nagle",
           "quickack", "rate_kbit", "size", "window", "bind", "give_up")


class Plan:
    def __init__(self, path, name, seed):
        ini = configparser.ConfigParser(interpolation=None)
        ini.optionxform = str
        with open(path, encoding="utf-8") as file:
            ini.read_file(file)
        self.name, self.seed = name, seed
        self.random = random.Random(f"{name} {seed}")
        self.net = dict(ini["net"])
        self.vary = self.net.get("vary") != "no"
        self.what = ini["about"]["what"]
        low, high = ini["about"].get("expect_stalls", "0..1000").split("..")
        self.expect_stalls = (int(low), int(high))
        self.unchecked = ini["about"].get("unchecked", "").split()
        self.rules = {chain: [line for line in lines.splitlines() if line.strip()]
                      for chain, lines in (ini["firewall"].items() if "firewall" in ini else ())}
        self.family = ipaddress.ip_interface(self.net["server"]).version
        capture = dict(ini["capture"]) if "capture" in ini else {}
        self.snap = int(capture.pop("snap", 128))
        self.offload = capture.pop("offload", "").split()
        self.stop = float(capture.pop("stop", 0))
        self.any = capture.pop("any", "no") == "yes"
        self.formats = capture
        self.clocks = {point: [float(word) for word in text.split()]
                       for point, text in (ini["clock"].items() if "clock" in ini else ())}
        self.delay_ms = float(self.net["delay_ms"]) * self.wobble(0.15)
        self.rate_mbit = float(self.net["rate_mbit"]) * self.wobble(0.15)
        self.queue_bytes = int(self.net["queue_kb"]) * 1000
        self.flows = [self.read_flow(ini[s], s) for s in ini.sections() if s.startswith("flow")]
        self.harms = [harm for s in ini.sections() if s.startswith("harm")
                      for harm in self.repeat(self.read_harm(ini[s]))]
        self.links = self.write_schedules()

    def wobble(self, part):
        return 1 + self.random.uniform(-part, part) if self.vary else 1

    def read_flow(self, section, name):
        flow = {key: float(value) if key in NUMBERS else value for key, value in section.items()}
        for key in ("bytes", "rcvbuf", "ask", "answer", "parts", "pause_answer_at",
                    "pause_read_times", "bind"):
            if key in flow:
                flow[key] = int(flow[key])
        for key in ("pause_read_at", "pause_read_for", "pause_send_at", "pause_send_for",
                    "pause_answer_for"):
            if key in flow:
                flow[key] *= self.wobble(0.1)
        port = int(flow.get("port", self.net.get("port", 8080)))
        place = flow.get("server", "outside")
        to = self.host({"firewall": "outer", "gateway": "inner"}.get(flow.get("to"), place))
        if flow.get("via") == "proxy":
            flow["proxy"] = [self.host("inner"), int(self.net["proxy"])]
        return {"from": 0, "way": "down", **flow, "name": name, "server": place,
                "server_port": port, "connect_port": int(flow.get("connect_port", port)),
                "source": self.host(flow["client"]), "address": to,
                "listen_address": self.host(place)}

    def host(self, place):
        return self.net["server" if place == "outside" else place].split("/")[0]

    def read_harm(self, section):
        harm = dict(section)
        harm["from"] = float(harm["from"]) + (self.wobble(0.15) - 1)
        harm["for"] = float(harm["for"]) * self.wobble(0.1)
        harm["segment"] = SEGMENTS[harm["place"]]
        harm.setdefault("direction", harm.get("rule", "both").split()[0])
        harm["flows"] = [f"flow {name}" for name in harm.get("flows", "").split()]
        return harm

    def repeat(self, harm):
        every, times = float(harm.pop("every", 0)), int(harm.pop("times", 1))
        return [{**harm, "from": harm["from"] + number * every} for number in range(times)]

    def write_schedules(self):
        base = f"delay_us={self.delay_ms * 1000:.0f} rate_kbit={self.rate_mbit * 1000:.0f} " \
               f"queue_bytes={self.queue_bytes}"
        links = {"out": [f"both link {base}"], "fwE": []}
        direct = any(harm["place"] == "nft:eth0" for harm in self.harms)
        if not direct and self.net.get("bridge") != "direct":
            links["nic"] = [f"both link delay_us={NIC_DELAY_US}"]
        for place in self.net.get("links", "").split():
            links.setdefault(place, [])
        for harm in self.harms:
            if "rule" in harm:
                links.setdefault(harm["place"], []).append(
                    f"{harm['rule']} from_ms={harm['from'] * 1000:.0f} "
                    f"for_ms={harm['for'] * 1000:.0f}")
        return links
