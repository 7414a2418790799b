#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations in datagrams: encrypted streams acknowledged as QUIC's are, and one-way ones.

    udp.py server ADDRESS PORT RECORDS     until its standard input closes
    udp.py client FLOWS RECORDS            FLOWS: a JSON list; begins at "start NS"

A flow with do=quic is a paced stream one way (way=down or up) that the other side acknowledges in
datagrams of its own; its sender stops when too much is unacknowledged, and then probes. One with
do=rtp is a paced stream that nobody answers, way=both is a call. What a datagram carries looks
random, as if it were encrypted. Each end keeps when it sent and received which datagram.
"""
import hashlib
import json
import os
import select
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True

from apps import family_of, name_of, names_of

HELLO, DATA, ACK, BYE = range(4)
KEY = b"the test network"
NONCE_BYTES, QUIC_ID_BYTES = 8, 8
ACK_EVERY, ACK_AFTER_S, HELLO_AGAIN_S = 2, 0.025, 0.3
PROBE_AFTER_S = 0.3


def mask(nonce, data):
    pad = hashlib.shake_256(KEY + nonce).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, pad))


class End:
    """One end of a conversation."""

    def __init__(self, plan, name, send, record):
        self.plan, self.name, self.put, self.record = plan, name, send, record
        self.sent, self.got = record.setdefault("sent", []), record.setdefault("got", [])
        self.next, self.largest, self.unacked = 0, -1, 0
        self.acked, self.ack_heard, self.over = -1, time.monotonic(), False
        self.lock = threading.Lock()

    def head(self, kind, number):
        if self.plan["do"] == "quic":
            return bytes([0x40 | os.urandom(1)[0] & 63]) + self.name
        stamp = int(time.monotonic() * 90000) & 0xFFFFFFFF
        return struct.pack("!BBHI", 0x80, 96 + (kind != DATA), number & 0xFFFF, stamp) + self.name

    def send(self, kind, body=b"", size=0):
        with self.lock:
            number, self.next = self.next, self.next + 1
            nonce = os.urandom(NONCE_BYTES)
            data = self.head(kind, number) + nonce + mask(nonce, struct.pack("!BI", kind, number)
                                                          + body)
            data += os.urandom(max(0, size - len(data)))
            self.sent.append([time.time_ns(), number])
            try:
                self.put(data)
            except OSError as problem:  # a full buffer, or what an ICMP error said of earlier ones
                self.record.setdefault("refused", []).append([time.time_ns(), str(problem)])

    def receive(self, kind, number, body):
        self.got.append([time.time_ns(), number])
        if kind == ACK:
            self.acked = max(self.acked, struct.unpack_from("!I", body)[0])
            self.ack_heard = time.monotonic()
        elif kind == DATA and self.plan["do"] == "quic":
            self.largest = max(self.largest, number)
            self.unacked += 1
            if self.unacked >= ACK_EVERY:
                self.acknowledge()
        elif kind == BYE:
            self.over = True

    def acknowledge(self):
        self.unacked = 0
        self.send(ACK, struct.pack("!I", self.largest), 38)

    def stream(self, until):
        """Sends at the planned rate; a stream that is acknowledged stops at its window."""
        size, rate = int(self.plan.get("size", 1200)), self.plan["rate_kbit"] * 1000
        window = self.plan.get("window", 400)
        due, probe_s = time.monotonic(), PROBE_AFTER_S
        self.ack_heard = due
        while (now := time.monotonic()) < until:
            blocked = self.plan["do"] == "quic" and self.next - 1 - self.acked > window
            if not blocked:
                probe_s = PROBE_AFTER_S
                if now < due:
                    time.sleep(min(due - now, until - now))
                    continue
                due = max(due + size * 8 / rate, now - 0.02)
                self.send(DATA, size=size)
            elif now - self.ack_heard > probe_s:
                self.send(DATA, size=size)
                probe_s *= 2
            else:
                time.sleep(0.002)

    def listen(self, until):
        """The side that is streamed to: acknowledges what the count has not."""
        while time.monotonic() < until and not self.over:
            time.sleep(ACK_AFTER_S)
            if self.unacked:
                self.acknowledge()

    def run(self, streams):
        until = time.monotonic() + self.plan["for"]
        if streams:
            self.stream(until)
            time.sleep(0.3)
            self.send(BYE, size=40)
            time.sleep(0.5)
        else:
            self.listen(until + 1.5)


def take_apart(data):
    """(name, kind, number, body) of a datagram."""
    place = 1 + QUIC_ID_BYTES if data[0] & 0xC0 == 0x40 else 12
    name = data[1:place] if place == 1 + QUIC_ID_BYTES else data[8:place]
    nonce = data[place:place + NONCE_BYTES]
    body = mask(nonce, data[place + NONCE_BYTES:place + NONCE_BYTES + 1100])
    return (name, *struct.unpack_from("!BI", body), body[5:])


def open_socket(address, port=0):
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if family_of(address) == socket.AF_INET:  # no path MTU discovery: fragments where too large
        sock.setsockopt(socket.IPPROTO_IP, 10, 0)
    sock.bind((address, port))
    return sock


def begin_answer(data, body, name, peer, sock, records):
    plan = json.loads(body[:body.index(b"\0")])
    record = {"role": "server", "protocol": "udp", "flow": plan["name"], "nat_port": peer[1],
              "client_port": plan["port"], "begin_ns": time.time_ns(), "own": name_of(
                  sock.getsockname()), "peer": name_of(peer), "bytes_hello": len(data)}
    records.append(record)
    end = End(plan, name, lambda out: sock.sendto(out, peer), record)
    threading.Thread(target=end.run, args=(plan["way"] in ("down", "both"),), daemon=True).start()
    return end


def server_main(address, port, path):
    sock, ends, records = open_socket(address, int(port)), {}, []
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        try:
            data, peer = sock.recvfrom(65535)
        except OSError:
            continue  # an ICMP error to an earlier one
        name, kind, number, body = take_apart(data)
        if name not in ends:
            if kind != HELLO:
                continue
            ends[name] = begin_answer(data, body, name, peer, sock, records)
        end = ends[name]
        moves = end.record.setdefault("moves", [])
        if (moves[-1][1] if moves else end.record["peer"]) != name_of(peer):
            moves.append([time.time_ns(), name_of(peer)])
            end.put = lambda out, to=peer: sock.sendto(out, to)
        end.receive(kind, number, body)
    for record in records:
        record["end_ns"] = time.time_ns()
    with open(path, "w", encoding="utf-8") as out:
        json.dump(records, out)
    os._exit(0)


def read_forever(sock, end):
    while True:
        try:
            _, kind, number, body = take_apart(sock.recv(65535))
        except ConnectionRefusedError as problem:
            end.record.setdefault("refused", []).append([time.time_ns(), str(problem)])
            continue
        except OSError as problem:
            if end.over:
                return
            end.record.setdefault("refused", []).append([time.time_ns(), str(problem)])
            time.sleep(0.001)
            continue
        end.receive(kind, number, body)


def flow_main(plan, start_ns, records):
    time.sleep(max(0, start_ns / 1e9 + plan.get("from", 0) - time.time()))
    sock = open_socket(plan["source"], plan.get("bind", 0))
    sock.connect((plan["address"], plan["connect_port"]))
    record = {"role": "client", "protocol": "udp", "flow": plan["name"], "do": plan["do"],
              "client": plan["client"], "server": plan["server"],
              "server_port": plan["server_port"], "client_port": sock.getsockname()[1],
              "pauses": [],
              "begin_ns": time.time_ns(), **names_of(sock)}
    records.append(record)
    end = End(plan, os.urandom(QUIC_ID_BYTES if plan["do"] == "quic" else 4), sock.send, record)
    threading.Thread(target=read_forever, args=(sock, end), daemon=True).start()
    hello = json.dumps({**plan, "port": record["client_port"]}).encode() + b"\0"
    for _ in range(20):
        end.send(HELLO, hello, 1200 if plan["do"] == "quic" else 0)
        time.sleep(HELLO_AGAIN_S)
        if end.got or plan["way"] == "up":
            break
    end.run(plan["way"] in ("up", "both"))
    record["end_ns"] = time.time_ns()
    end.over = True


def client_main(flows, path):
    with open(flows, encoding="utf-8") as file:
        plans = json.load(file)
    records = []
    print("ready", flush=True)
    start_ns = int(sys.stdin.readline().split()[1])
    threads = [threading.Thread(target=flow_main, args=(plan, start_ns, records))
               for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open(path, "w", encoding="utf-8") as out:
        json.dump(records, out)
    os._exit(0)


if __name__ == "__main__":
    {"server": server_main, "client": client_main}[sys.argv[1]](*sys.argv[2:])
