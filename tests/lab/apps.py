#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications of the test network, and what they saw.

Each end of each connection asks its own kernel every few milliseconds (TCP_INFO) how many bytes
have arrived in order and whether anything it sent is unsent or unacknowledged, and keeps every
change. That is the truth the captures are held against: it comes from the end hosts alone.

    apps.py server ADDRESS PORT RECORDS RCVBUF CONGESTION   until its standard input closes
    apps.py client FLOWS RECORDS CONGESTION                 FLOWS: a JSON list; begins at "start NS"
"""
import json
import os
import select
import socket
import struct
import sys
import threading
import time

SLICE_S = 0.003
CHUNK_BYTES = 16384
NOISE = os.urandom(1 << 20)
TCP_NOTSENT_LOWAT, TCP_ESTABLISHED, TCP_CLOSE = 25, 1, 7
IDLE_AFTER_BYTES = 65536


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def name_of(address):
    host, port = address[0].split("%")[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def names_of(sock):
    """The two names of a connection as this end knows them."""
    return {"own": name_of(sock.getsockname()), "peer": name_of(sock.getpeername())}


class Connection:
    """One end of a connection: its socket and the record of what it saw."""

    def __init__(self, sock, record, records, congestion):
        self.sock, self.record, self.records = sock, record, records
        self.events = record.setdefault("events", [])
        self.last, self.rtt_us, self.patience_s = None, 0, 8.0
        self.buffer, self.state, self.died_ns = b"", TCP_ESTABLISHED, None
        self.may_fail = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 131072)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        self.sample()

    def set_patience(self, plan):
        self.patience_s = plan.get("give_up", self.patience_s)
        self.may_fail = "may_fail" in plan

    def sample(self):
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240)
        if info[0] == TCP_CLOSE and self.state == TCP_ESTABLISHED:  # reset: it waits no more
            self.died_ns = self.died_ns or time.time_ns()
            return
        self.state = info[0]
        unacked, = struct.unpack_from("=I", info, 24)
        rtt_us, = struct.unpack_from("=I", info, 68)
        received, = struct.unpack_from("=Q", info, 128)
        unsent, = struct.unpack_from("=I", info, 144)
        now = (received, unacked > 0 or unsent > 0)
        drifted = abs(rtt_us - self.rtt_us) > self.rtt_us / 16
        if now != self.last or drifted:
            self.last, self.rtt_us = now, rtt_us
            self.events.append([time.time_ns(), received, int(now[1]), rtt_us])

    def wait(self, mask, most_s=SLICE_S):
        poll = select.poll()
        poll.register(self.sock, mask)
        ready = poll.poll(most_s * 1000)
        self.sample()
        return bool(ready)

    def rest(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(SLICE_S, left))
            self.sample()

    def pause(self, kind, seconds):
        begin = time.time_ns()
        self.rest(seconds)
        self.record["pauses"].append([kind, begin, time.time_ns()])

    def send(self, data):
        view, begin = memoryview(data), time.monotonic()
        while view:
            self.give_up_after(begin)
            if self.wait(select.POLLOUT):
                try:
                    view = view[self.sock.send(view):]
                except BlockingIOError:
                    pass
        self.sample()

    def give_up_after(self, begin):
        """Ends a connection that a scenario lets die: one that may fail waits no longer."""
        if self.may_fail and time.monotonic() - begin > self.patience_s:
            raise TimeoutError("gave up")

    def receive(self):
        """What has come; nothing after a slice of silence; None at the end."""
        if not self.wait(select.POLLIN):
            return b""
        try:
            return self.sock.recv(CHUNK_BYTES) or None
        except BlockingIOError:
            return b""

    def receive_line(self):
        while b"\n" not in self.buffer:
            data = self.receive()
            if data is None:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def receive_exactly(self, count):
        begin = time.monotonic()
        while len(self.buffer) < count:
            self.give_up_after(begin)
            data = self.receive()
            if data is None:
                raise ConnectionError("ended in mid-answer")
            self.buffer += data
        self.buffer = self.buffer[count:]

    def settle(self):
        """Waits until everything sent is acknowledged."""
        until = time.monotonic() + self.patience_s
        while self.last[1] and not self.died_ns and time.monotonic() < until:
            self.rest(SLICE_S)

    def stream(self, plan, kind):
        """Sends for plan["for"] seconds (or plan["bytes"]), with a pause where the plan says so."""
        begin, sent = time.monotonic(), 0
        pause_at = plan.get("pause_send_at")
        while time.monotonic() - begin < plan["for"] and sent < plan.get("bytes", 1 << 62):
            if pause_at and time.monotonic() - begin >= pause_at and sent > IDLE_AFTER_BYTES:
                self.settle()
                self.pause(kind, plan["pause_send_for"])
                pause_at = None
            place = sent % (len(NOISE) - CHUNK_BYTES)
            chunk = NOISE[place:place + CHUNK_BYTES]
            self.send(chunk[:plan.get("bytes", 1 << 62) - sent])
            sent += CHUNK_BYTES

    def drain(self, plan):
        """Reads to the end, slowly or with pauses where the plan says so."""
        begin = time.monotonic()
        times = int(plan.get("pause_read_times", 1)) if "pause_read_at" in plan else 0
        pauses = [plan["pause_read_at"] + number * plan.get("pause_read_every", 0)
                  for number in range(times)]
        while True:
            if pauses and time.monotonic() - begin >= pauses[0]:
                self.pause("read", plan["pause_read_for"])
                pauses.pop(0)
            data = self.receive()
            if data is None:
                return
            if "read_kbit" in plan:
                self.rest(len(data) * 8 / plan["read_kbit"] / 1000)

    def finish(self, error=None):
        try:
            self.sample()
            if isinstance(error, TimeoutError):  # it gave up: its kernel shall not go on trying
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
        except OSError as problem:
            error = error or problem
        self.record.update(end_ns=self.died_ns or time.time_ns(),
                           error=str(error) if error else None)
        self.records.append(self.record)


def serve_session(conn, plan):
    while True:
        line = conn.receive_line()
        if line is None:
            return
        ask = json.loads(line)
        if ask["think"]:
            conn.rest(ask["think"])
        answer, pause_at = NOISE[:ask["answer"]], plan.get("pause_answer_at", 0)
        if pause_at:
            conn.send(answer[:pause_at])
            conn.settle()
            # A short answer's server thinks; only a long one's is idle in mid-transfer.
            conn.pause("send" if pause_at >= IDLE_AFTER_BYTES else "think",
                       plan["pause_answer_for"])
        part = -(-(len(answer) - pause_at) // plan.get("parts", 1))
        for begin in range(pause_at, len(answer), part):
            conn.send(answer[begin:begin + part])


def serve(conn):
    line = conn.receive_line()
    if line is None:
        return
    plan = json.loads(line)
    conn.set_patience(plan)
    conn.record.update(client_port=plan["port"] or conn.record["nat_port"], flow=plan["name"])
    if plan.get("nagle"):
        conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    if plan["do"] in ("download", "short"):
        conn.stream(plan, "send")
        conn.settle()
        conn.sock.shutdown(socket.SHUT_WR)
        conn.drain({})
    elif plan["do"] == "upload":
        conn.drain(plan)
    else:
        serve_session(conn, plan)


def guarded(work, conn, *more):
    error = None
    try:
        work(conn, *more)
    except (OSError, ValueError) as problem:
        error = problem
    conn.finish(error)


def server_main(address, port, path, rcvbuf, congestion):
    records = []
    listener = socket.socket(family_of(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if int(rcvbuf):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(rcvbuf))
    listener.bind((address, int(port)))
    listener.listen(128)
    print("ready", flush=True)
    threads, conns = [], []
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        sock, peer = listener.accept()
        record = {"role": "server", "nat_port": peer[1], "begin_ns": time.time_ns(), "pauses": [],
                  **names_of(sock)}
        conn = Connection(sock, record, records, congestion)
        conns.append(conn)
        threads.append(threading.Thread(target=guarded, args=(serve, conn), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(10)
    for conn in conns:
        if "end_ns" not in conn.record:
            conn.finish("still open at the end")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(list(records), out)


def client_open(plan, records, congestion):
    address = plan.get("proxy") or (plan["address"], plan["connect_port"])
    sock = socket.socket(family_of(plan["source"]))
    if plan.get("rcvbuf"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, plan["rcvbuf"])
    if plan["do"] == "idle":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    if plan.get("bind"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((plan["source"], plan.get("bind", 0)))
    begin = time.time_ns()
    sock.settimeout(30)
    sock.connect(tuple(address))
    port = sock.getsockname()[1]
    record = {"role": "client", "flow": plan["name"], "do": plan["do"], "client": plan["client"],
              "server": plan["server"], "may_fail": plan.get("may_fail"), "client_port": port,
              "server_port": plan["server_port"], "begin_ns": begin,
              "connected_ns": time.time_ns(), "pauses": [], **names_of(sock)}
    conn = Connection(sock, record, records, congestion)
    conn.set_patience(plan)
    if plan.get("proxy"):
        record["leg"] = "inner"
        ask_proxy(conn, plan)
        plan, port = {**plan, "name": plan["name"] + " outer"}, None
    conn.send(json.dumps({**plan, "port": port}).encode() + b"\n")
    return conn


def ask_proxy(conn, plan):
    about = {"flow": plan["name"], "do": plan["do"], "client": plan["client"]}
    host = f"[{plan['address']}]" if ":" in plan["address"] else plan["address"]
    conn.send(f"CONNECT {host}:{plan['connect_port']} HTTP/1.1\r\n"
              f"X-Flow: {json.dumps(about)}\r\n\r\n".encode())
    while (line := conn.receive_line()) is not None and line.strip():
        pass


def ask_once(conn, plan, answer):
    ask = {"answer": answer, "think": plan.get("think", 0), "text": "x" * plan.get("ask", 60)}
    conn.send(json.dumps(ask).encode() + b"\n")
    conn.receive_exactly(answer)
    if "quickack" in plan:
        conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, int(plan["quickack"]))


def run_session(conn, plan, end):
    number = 0
    while time.monotonic() < end:
        ask_once(conn, plan, plan.get("answer", 200) * (1 + number % 3))
        number += 1
        conn.rest(plan.get("every", 0.1))


def run_client(conn, plan, end):
    if plan["do"] in ("download", "short"):
        conn.drain(plan)
    elif plan["do"] == "upload":
        conn.stream(plan, "send")
        conn.settle()
        conn.sock.shutdown(socket.SHUT_WR)
        conn.drain({})
    elif plan["do"] == "session":
        run_session(conn, plan, end)
        conn.settle()
    elif plan["do"] == "idle":
        ask_once(conn, plan, 300)
        conn.rest(max(0, end - time.monotonic()))
        ask_once(conn, plan, 300)
        conn.settle()


def flow_main(plan, start_ns, records, congestion):
    time.sleep(max(0, start_ns / 1e9 + plan.get("from", 0) - time.time()))
    end = time.monotonic() + plan["for"]
    while True:
        try:
            conn = client_open(plan, records, congestion)
        except OSError as problem:
            records.append({"role": "client", "flow": plan["name"], "error": str(problem)})
            return
        guarded(run_client, conn, plan, end)
        if plan["do"] != "short" or time.monotonic() > end:
            return
        time.sleep(plan.get("every", 0.05))


def client_main(flows, path, congestion):
    with open(flows, encoding="utf-8") as file:
        plans = json.load(file)
    records = []
    print("ready", flush=True)
    start_ns = int(sys.stdin.readline().split()[1])
    threads = [threading.Thread(target=flow_main, args=(plan, start_ns, records, congestion))
               for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open(path, "w", encoding="utf-8") as out:
        json.dump(records, out)


if __name__ == "__main__":
    {"server": server_main, "client": client_main}[sys.argv[1]](*sys.argv[2:])
