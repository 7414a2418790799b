# SPDX-License-Identifier: GPL-3.0-or-later
"""What the truth says of a flow beyond its stalls: the legs at a proxy, its names at each point."""

# A leg ends at the proxy: its outer segments, and where it can be harmed.
LEGS = {"outer": (("servers..eth0", "xenbrE..xenbrD"), ("out", "nic", "nft:eth0", "fwE")),
        "inner": (("xenbrE..xenbrD", "xenbrD..clients"), ("fwD", "cl2", "nft:xenbrD"))}
AT_PROXY = {("outer", "zero_window"), ("inner", "sender_idle")}          # downloads
AT_PROXY_UP = {("inner", "zero_window"), ("outer", "sender_idle")}       # uploads
FLIPPED = {"to_client": "to_server", "to_server": "to_client"}
SHORT_S = 0.4  # a leg may pass its limit where the other stays within its own
OUTSIDE_POINTS, INSIDE_POINTS = ("eth0", "xenbrE"), ("xenbrD",)


def mark(records):
    """Tells the connections at a proxy where they end."""
    for record in records:
        if record["role"] == "client" and "leg" in record:
            record["ends"], record["places"] = LEGS[record["leg"]]
        elif record.get("client") == "outside":
            record["ends"] = ("xenbrD..clients", "servers..eth0")


def joined(records):
    """The client's ports of the two connections of each pair: the inner one's, the outer one's."""
    return [[r["joined_to"], r["client_port"]] for r in records if "joined_to" in r]


def separate(stalls, records):
    """(where it began, what followed on the other leg): the followers bear caused_by."""
    legs = {r["client_port"]: r for r in records if r["role"] == "client" and "leg" in r}
    partner = {a: b for pair in joined(records) for a, b in (pair, pair[::-1])}
    own, followers, problems = [], [], []
    for stall in stalls:
        leg = legs.get(stall["client_port"])
        at_proxy = AT_PROXY_UP if leg and leg["do"] == "upload" else AT_PROXY
        (followers if leg and (leg["leg"], stall["cause"]) in at_proxy else own).append(stall)
    for stall in followers:
        causes = [other for other in own if other["client_port"] == partner[stall["client_port"]]
                  and other["start_unix_s"] < stall["end_unix_s"]
                  and other["end_unix_s"] + 0.5 > stall["start_unix_s"]]
        names = ("client_port", "start_unix_s", "segment", "cause")
        stall["caused_by"] = {key: causes[0][key] for key in names} if causes else None
        if not causes and stall["end_unix_s"] - stall["start_unix_s"] > SHORT_S:
            problems.append(f"{stall['flow']}: a leg stalls because of nothing")
    return own, followers, problems


def describe(client, server):
    """A flow's names at each point, as far as its two ends know them."""
    if server and client.get("client") != "outside" and client.get("server") != "outside":
        return {"xenbrD": {"client": client["own"], "server": client["peer"]},
                "again": {"client": server["peer"], "server": server["own"]}}
    ends = {"client": client, "server": server}
    leg, inward = client.get("leg"), client.get("client") == "outside"
    outside, inside = (client, server) if inward else (server, client)
    names = {}
    for points, end in ((OUTSIDE_POINTS, outside), (INSIDE_POINTS, inside)):
        if not end or leg == ("inner" if end is outside else "outer"):
            continue
        role = next(key for key, value in ends.items() if value is end)
        other = "server" if role == "client" else "client"
        names.update({point: {role: end["own"], other: end["peer"]} for point in points})
    return names


def add_middle(names, tracked):
    """Between two translators a flow has names that neither end knows, but the table."""
    for at in names.values():
        middle = tracked.get((at.get("xenbrD") or {}).get("client"))
        if middle and at.get("xenbrE"):
            at["xenbrE"] = {"client": middle, "server": at["xenbrE"]["server"]}


def turned_path(path):
    """The path seen from the other side, and what each of its segments is called then."""
    back = ("servers",) + path[-2:0:-1] + ("clients",)
    return back, {f"{path[i]}..{path[i + 1]}": f"{back[-i - 2]}..{back[-i - 1]}"
                  for i in range(len(path) - 1)}


def turn_rows(rows, path):
    """The cables' logs of a path whose flows all run inward."""
    names = turned_path(path)[1]
    return [{**row, "segment": names[row["segment"]], "direction": FLIPPED[row["direction"]]}
            for row in rows]


def turn(facts, path):
    """The facts of a path whose flows all run inward: what was outside is the clients' side."""
    back, names = turned_path(path)
    facts = rename(facts, names)
    for harm in facts["harms"]:
        harm["direction"] = FLIPPED.get(harm["direction"], harm["direction"])
    for segment in (facts["seen"] or {}).values():
        segment["to_client"], segment["to_server"] = segment["to_server"], segment["to_client"]
    return {**facts, "path": list(back)}


def rename(value, names):
    if isinstance(value, dict):
        return {names.get(key, key): rename(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rename(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def as_strings(names):
    """As truth.json has them: what the client and what the server is called at each point."""
    return {key: {point: name[role] for point, name in names.items()}
            for key, role in (("at", "client"), ("server_at", "server"))}


def names_at(records):
    servers = {(r.get("flow"), r.get("client_port")): r for r in records if r["role"] == "server"}
    return {(r["flow"], r["client_port"]): describe(r, servers.get((r["flow"], r["client_port"])))
            for r in records if r["role"] == "client" and "own" in r}
