# SPDX-License-Identifier: GPL-3.0-or-later
"""The test network: four namespaces, two bridges, a masquerading firewall, cables that misbehave.

    servers                       dom0 namespace                                     firewall
    [net0] --out-- [eth0 [--nic--] xenbrE vifE] --------------fwE------------------ [ethE]
                                                                                       | NAT
    second client [eth0] --cl2-- [vifC xenbrD vifD] ----------fwD------------------ [ethD]
                                       |
                                 dom0's own address

The firewall may run a proxy instead of translating (proxy.py), and another translator (isp) may
stand between eth0 and the nic's cable.

`out` (the wide area) and fwE are always taplinks; nic is one unless a scenario makes eth0 itself a
port of xenbrE; fwD and cl2 are where a scenario harms them or asks for it, else veth pairs. With
veth on both sides of a bridge, its tap stamps a frame microseconds after the port it left by.
"""
import ipaddress
import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
POINTS = ("eth0", "xenbrE", "xenbrD")
PATH = ("servers", "eth0", "xenbrE", "xenbrD", "clients")
NAMESPACES = {"dom0": "dom", "second": "cl2", "outside": "srv"}
SEGMENTS = {"out": "servers..eth0", "nic": "eth0..xenbrE", "nft:eth0": "eth0..xenbrE",
            "nft:bridge": "eth0..xenbrE", "fwE": "xenbrE..xenbrD", "fwD": "xenbrE..xenbrD",
            "nft:forward": "xenbrE..xenbrD", "mtu": "xenbrE..xenbrD",
            "firewall": "xenbrE..xenbrD",
            "cl2": "xenbrD..clients", "nft:xenbrD": "xenbrD..clients",
            "nft:input": "xenbrD..clients"}
# The two ends of each cable: the namespace and the device on the servers' side, then the clients'.
ENDS = {"out": ("srv", "net0", "dom", "eth0"), "nic": ("dom", "nic0", "dom", "nic1"),
        "fwE": ("dom", "vifE", "fw", "ethE"), "fwD": ("fw", "ethD", "dom", "vifD"),
        "cl2": ("dom", "vifC", "cl2", "eth0"), "isp": ("dom", "vifI", "isp", "up0")}
OFFLOADS = ("tso", "off", "gso", "off", "gro", "off", "lro", "off", "rx", "off", "tx", "off")


CHAINS = {"in": "type nat hook prerouting priority -100",
          "out": "type nat hook postrouting priority 100",
          "forward": "type filter hook forward priority 0",
          "raw": "type filter hook prerouting priority -300",
          "input": "type filter hook input priority 0",
          "output": "type filter hook output priority 0"}


def command(words, **more):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def hardware_address(cable, end):
    """That of the cable's first or second end."""
    return f"00:16:3e:{list(ENDS).index(cable) + 1:02x}:00:{end:02x}"


def sweep_dead():
    """Removes namespaces whose maker has died without tidying up."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        parts = name.split("-")
        if parts[0] == "whlab" and len(parts) == 3 and parts[1].isdigit() \
                and not os.path.exists(f"/proc/{parts[1]}"):
            command(["ip", "netns", "del", name])


class Network:
    def __init__(self, plan, taplink, folder):
        self.plan, self.taplink, self.folder = plan, taplink, folder
        self.has_isp = "isp" in plan.net
        self.names = {short: f"whlab-{os.getpid()}-{short}"
                      for short in ("srv", "dom", "fw", "cl2") + ("isp",) * self.has_isp}
        self.ends = dict(ENDS)
        if self.has_isp:  # another router, with a translation of its own, where the nic's cable was
            self.ends["nic"] = ("isp", *ENDS["nic"][1:])
        else:
            del self.ends["isp"]
        self.made, self.processes, self.links, self.captures = [], [], {}, {}
        self.numbers = {}  # of dom0's interfaces, where all are captured
        self.middle_names = {}

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], check=False)
        self.made = []

    # Building

    def inside(self, short, *words):
        return command(["ip", "netns", "exec", self.names[short], *words])

    def spawn(self, words, short=None, ready=None, **more):
        prefix = ["ip", "netns", "exec", self.names[short]] if short else []
        process = subprocess.Popen(prefix + words, stdin=subprocess.PIPE, text=True, **more)
        self.processes.append(process)
        if ready and process.stdout.readline().strip() != ready:
            raise RuntimeError(f"{words[0]} did not start")
        return process

    def build(self):
        for name in self.names.values():
            command(["ip", "netns", "add", name])
            self.made.append(name)
        for short in self.names:
            self.tune(short)
        for name in self.ends:
            self.cable(name)
        self.bridge("xenbrE", ("nic1" if "nic" in self.links else "eth0"), "vifE")
        if "nic" in self.links:
            self.bridge("nicbr", "eth0", "vifI" if self.has_isp else "nic0")
        self.bridge("xenbrD", "vifD", "vifC")
        self.address()
        self.firewall()
        for point in self.plan.offload:
            self.merge_at(point)

    def tune(self, short):
        net = self.plan.net
        off = int(self.plan.family == 4)
        settings = {"net.ipv6.conf.all.disable_ipv6": off,
                    "net.ipv6.conf.default.disable_ipv6": off,
                    "net.ipv6.conf.default.accept_dad": 0,
                    "net.ipv6.conf.default.router_solicitations": 0,
                    "net.ipv6.conf.default.accept_ra": 0,
                    "net.ipv6.conf.all.forwarding": int(short in ("fw", "isp")),
                    "net.ipv4.ip_no_pmtu_disc": int(net.get("df") == "no"),
                    "net.ipv4.tcp_timestamps": net.get("timestamps", "1"),
                    "net.ipv4.tcp_sack": net.get("sack", "1"),
                    "net.ipv4.tcp_rmem": "4096 131072 6291456",
                    "net.ipv4.tcp_wmem": "4096 65536 2097152",
                    "net.ipv4.tcp_no_metrics_save": 1,
                    "net.ipv4.ip_forward": int(short in ("fw", "isp"))}
        for key, value in settings.items():
            self.inside(short, "sysctl", "-qw", f"{key}={value}")
        self.inside(short, "ip", "link", "set", "lo", "up")

    def cable(self, name):
        near, near_device, far, far_device = self.ends[name]
        if name in self.plan.links:
            self.run_taplink(name)
        elif name != "nic":
            command(["ip", "link", "add", near_device, "netns", self.names[near], "type", "veth",
                     "peer", "name", far_device, "netns", self.names[far]])
        else:
            return
        for number, (short, device) in enumerate(((near, near_device), (far, far_device)), 1):
            self.inside(short, "ip", "link", "set", device, "address",
                        hardware_address(name, number), "txqueuelen", "5000", "up")
            self.plain(short, device)

    def plain(self, short, device):
        """Frames as on a wire: no merging, no checksums left to a card that is not there."""
        for key, value in zip(OFFLOADS[::2], OFFLOADS[1::2]):
            subprocess.run(["ip", "netns", "exec", self.names[short], "ethtool", "-K", device, key,
                            value], capture_output=True, check=False)

    def run_taplink(self, name):
        near, near_device, far, far_device = self.ends[name]
        schedule = os.path.join(self.folder, f"{name}.schedule")
        with open(schedule, "w", encoding="utf-8") as out:
            out.write("\n".join(self.plan.links[name]) + "\n")
        merge = "+gro" if name == "out" and "eth0" in self.plan.offload else ""
        self.links[name] = self.spawn(
            [self.taplink, f"{self.names[near]}:{near_device}",
             f"{self.names[far]}:{far_device}{merge}", schedule,
             os.path.join(self.folder, f"{name}.csv"), str(self.plan.seed)],
            ready="ready", stdout=subprocess.PIPE)

    def bridge(self, name, *ports):
        self.inside("dom", "ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0")
        for port in ports:
            self.inside("dom", "ip", "link", "set", port, "master", name)
        self.inside("dom", "ip", "link", "set", name, "up")
        self.plain("dom", name)

    def senders(self):
        """By point, the Ethernet address of those who send toward the clients there."""
        outer, middle, inside = (hardware_address(name, 1) for name in ("out", "nic", "fwD"))
        return {"eth0": outer, "xenbrE": middle if self.has_isp else outer, "xenbrD": inside}

    def address(self):
        net = self.plan.net
        outer = ipaddress.ip_interface(net["outer"])
        inner = ipaddress.ip_interface(net["inner"])
        length = inner.network.prefixlen
        self.inside("srv", "ip", "address", "add", net["server"], "dev", "net0")
        self.inside("fw", "ip", "address", "add", net["outer"], "dev", "ethE")
        self.inside("fw", "ip", "address", "add", net["inner"], "dev", "ethD")
        self.inside("dom", "ip", "address", "add", f"{net['dom0']}/{length}", "dev", "xenbrD")
        self.inside("cl2", "ip", "address", "add", f"{net['second']}/{length}", "dev", "eth0")
        for short in ("dom", "cl2"):
            self.inside(short, "ip", "route", "add", "default", "via", str(inner.ip))
        # Else the first packet over a long way waits for ARP as well.
        direct = (("fw", "ethE", net["server"], ("out", 1)),
                  ("srv", "net0", net["outer"], ("fwE", 2)))
        for short, device, other, end in () if self.has_isp else direct:
            self.inside(short, "ip", "neighbour", "add", other.split("/")[0], "lladdr",
                        hardware_address(*end), "dev", device)
        if net.get("nat") == "none":
            self.inside("srv", "ip", "route", "add", str(inner.network), "via", str(outer.ip))
        for device, key in (("ethE", "outer_mtu"), ("ethD", "inner_mtu")):
            if key in net:
                self.inside("fw", "ip", "link", "set", device, "mtu", net[key])
        if net.get("server_mute") == "yes":  # as behind a filter of its own
            self.inside("srv", "nft", f"add table ip lab; add chain ip lab output {{ "
                        f"{CHAINS['output']}; }}; add rule ip lab output tcp flags rst drop")
        if self.has_isp:
            below = ipaddress.ip_interface(net["isp_inner"])
            self.inside("isp", "ip", "address", "add", net["isp"], "dev", "up0")
            self.inside("isp", "ip", "address", "add", net["isp_inner"], "dev", "nic0")
            self.inside("fw", "ip", "route", "add", "default", "via", str(below.ip))
            self.translate("isp", {"out": ["oifname up0 masquerade"]})

    def firewall(self):
        kind, rules = self.plan.net.get("nat", "masquerade"), dict(self.plan.rules)
        if kind != "none":
            how = " fully-random" if kind == "random" else ""
            rules["out"] = rules.get("out", []) + [f"oifname ethE masquerade{how}"]
        self.translate("fw", rules)
        if self.plan.net.get("conntrack_checksum") == "0":
            self.inside("fw", "sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0")

    def translate(self, short, rules):
        table = "ip lab" if self.plan.family == 4 else "ip6 lab"
        lines = [f"add table {table}"]
        for chain in rules:
            lines.append(f"add chain {table} {chain} {{ {CHAINS[chain]}; }}")
            lines += [f"add rule {table} {chain} {rule}" for rule in rules[chain]]
        self.inside(short, "nft", "; ".join(lines))

    def merge_at(self, point):
        """Lets the kernel merge segments at a point, as a card with GRO or TSO would."""
        if point == "eth0":
            self.inside("dom", "ethtool", "-K", "eth0", "gro", "on")
            for key, value in (("gro_flush_timeout", 3000000), ("napi_defer_hard_irqs", 0)):
                self.inside("dom", "sh", "-c", f"echo {value} > /sys/class/net/eth0/{key}")
        else:
            self.inside("dom", "ethtool", "-K", point, "tx", "on", "sg", "on", "tso", "on", "gso",
                        "on")

    # Running

    def start_links(self, start_ns):
        for process in self.links.values():
            process.stdin.write(f"start {start_ns}\n")
            process.stdin.flush()

    def start_captures(self):
        if self.plan.any:
            self.numbers = self.interfaces()
        for point in (*POINTS, *(("any",) if self.plan.any else ())):
            path = os.path.join(self.folder, f"{point}.raw")
            log = open(os.path.join(self.folder, f"{point}.log"), "w+", encoding="utf-8")
            process = self.spawn(["tcpdump", "-i", point, "-s", str(self.plan.snap), "-B", "16384",
                                  "-Z", "root", "--time-stamp-precision=nano", "-w", path],
                                 "dom", stderr=log)
            self.captures[point] = (process, log, path)
        for process, log, _ in self.captures.values():
            while "listening on" not in open(log.name, encoding="utf-8").read():
                if process.poll() is not None:
                    raise RuntimeError(f"tcpdump: {open(log.name, encoding='utf-8').read()}")
                time.sleep(0.02)

    def stop_captures(self):
        """Ends the captures; returns tcpdump's own counters for each point."""
        time.sleep(1.3)  # tcpdump's last block waits up to a second
        counters = {}
        for point, (process, log, _) in self.captures.items():
            process.terminate()
            process.wait(10)
            log.seek(0)
            words = [line.split() for line in log if " packets " in line]
            counters[point] = {" ".join(w[2:]).replace(" ", "_"): int(w[0]) for w in words}
            log.close()
        return counters

    def interfaces(self):
        """The numbers of dom0's interfaces, as a capture of all of them bears."""
        lines = self.inside("dom", "ip", "-o", "link").splitlines()
        return {line.split(":")[0]: line.split()[1].rstrip(":").split("@")[0] for line in lines}

    def stop_links(self):
        if self.has_isp:  # now: a device that goes takes its part of the table with it
            self.middle_names = self.tracked()
        for process in self.links.values():
            process.terminate()
            process.wait(10)

    def tracked(self):
        """What the firewall's table calls the clients outside: by their names inside."""
        names = {}
        for line in self.inside("fw", "conntrack", "-L").splitlines():
            words = [word.split("=") for word in line.split() if "=" in word]
            first, second = ({key: value for key, value in words[i:i + 4]} for i in (0, 4))
            names[f"{first['src']}:{first['sport']}"] = f"{second['dst']}:{second['dport']}"
        return names

    def device_drops(self):
        """What the devices themselves lost: must be nothing."""
        lost = {}
        for near, near_device, far, far_device in self.ends.values():
            for short, device in ((near, near_device), (far, far_device)):
                text = self.inside(short, "sh", "-c",
                                   f"cd /sys/class/net/{device}/statistics 2>/dev/null && "
                                   "cat tx_dropped rx_dropped tx_errors rx_errors || echo 0")
                if any(int(number) for number in text.split()):
                    lost[f"{short}:{device}"] = [int(number) for number in text.split()]
        return lost
