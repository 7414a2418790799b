#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy (HTTP CONNECT) for the firewall: two connections where NAT would have one.

    proxy.py ADDRESS PORT RECORDS BUFFER_BYTES CONGESTION     until its standard input closes

Each of its two connections is recorded as the applications record theirs. When one of them has
nothing to do because of the other, that is noted as a pause: "send" where the proxy, in
mid-transfer, has nothing to send on; "read" where it has no room for what could be read.
"""
import json
import os
import select
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

from apps import CHUNK_BYTES, IDLE_AFTER_BYTES, SLICE_S, Connection, family_of, names_of

SPELL_NS = 80_000_000  # shorter ones are nobody's stall


class Spell:
    """A pause that lasts as long as its condition holds."""

    def __init__(self, kind, record):
        self.kind, self.record, self.begin = kind, record, None

    def update(self, holds):
        now = time.time_ns()
        if holds and self.begin is None:
            self.begin = now
        elif not holds and self.begin is not None:
            if now - self.begin > SPELL_NS:
                self.record["pauses"].append([self.kind, self.begin, now])
            self.begin = None


class Side:
    """One of the two connections, and what waits in the proxy to be sent on it."""

    def __init__(self, conn, room):
        self.conn, self.room = conn, room
        self.pending, self.closed, self.shut = b"", False, False
        self.sent_since_peer = 0
        self.idle = Spell("send", conn.record)
        self.full = Spell("read", conn.record)

    def wants(self, other):
        can_read = not self.closed and len(other.pending) < other.room
        return (select.POLLIN if can_read else 0) | (select.POLLOUT if self.pending else 0)

    def read_into(self, other):
        try:
            data = self.conn.sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        other.pending += data
        self.closed = not data
        self.sent_since_peer = 0

    def write(self):
        try:
            sent = self.conn.sock.send(self.pending)
        except BlockingIOError:
            return
        self.pending = self.pending[sent:]
        self.sent_since_peer += sent

    def note(self, other):
        self.conn.sample()
        mid_transfer = self.sent_since_peer >= IDLE_AFTER_BYTES and not other.closed
        self.idle.update(mid_transfer and not self.pending and not self.conn.last[1])
        self.full.update(not self.closed and len(other.pending) >= other.room)
        if other.closed and not self.pending and not self.shut:
            self.shut = True
            self.conn.sock.shutdown(socket.SHUT_WR)


def relay(inner, outer, room):
    sides = Side(inner, room), Side(outer, room)
    pairs = (sides, sides[::-1])
    while not all(side.shut for side in sides):
        poll = select.poll()
        for side, other in pairs:
            if side.wants(other):
                poll.register(side.conn.sock, side.wants(other))
        ready = dict(poll.poll(SLICE_S * 1000))
        for side, other in pairs:
            state = ready.get(side.conn.sock.fileno(), 0)
            if state & (select.POLLIN | select.POLLHUP | select.POLLERR) and not side.closed:
                side.read_into(other)
            if state & select.POLLOUT:
                side.write()
        for side, other in pairs:
            side.note(other)
    inner.settle()
    outer.settle()


def read_request(conn):
    """(address, port, what the client says of its flow), or None."""
    lines = []
    while (line := conn.receive_line()) is not None and line.strip():
        lines.append(line.decode().strip())
    if len(lines) < 2 or not lines[0].startswith("CONNECT "):
        return None
    host, port = lines[0].split()[1].rsplit(":", 1)
    return host.strip("[]"), int(port), json.loads(lines[1].split(":", 1)[1])


def connect_out(address, port, about, inner, records, buffer, congestion):
    sock = socket.socket(family_of(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    begin = time.time_ns()
    sock.settimeout(30)
    sock.connect((address, port))
    record = {"role": "client", "leg": "outer", "server": "outside", "server_port": port,
              **about, "flow": f"{about['flow']} outer",
              "client_port": sock.getsockname()[1], "joined_to": inner.record["client_port"],
              "begin_ns": begin, "connected_ns": time.time_ns(), "pauses": [], **names_of(sock)}
    return Connection(sock, record, records, congestion)


def serve(sock, peer, records, buffer, congestion):
    record = {"role": "server", "leg": "inner", "nat_port": peer[1], "client_port": peer[1],
              "begin_ns": time.time_ns(), "pauses": [], **names_of(sock)}
    inner, outer, error = Connection(sock, record, records, congestion), None, None
    try:
        request = read_request(inner)
        if request:
            record["flow"] = request[2]["flow"]
            outer = connect_out(*request, inner, records, buffer, congestion)
            inner.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if inner.buffer:
                outer.send(inner.buffer)
            relay(inner, outer, buffer)
    except (OSError, ValueError) as problem:
        error = problem
    for conn in (inner, outer):
        if conn:
            conn.finish(error)


def main(address, port, path, buffer, congestion):
    records, threads = [], []
    listener = socket.socket(family_of(address))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen(128)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        sock, peer = listener.accept()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(buffer))
        threads.append(threading.Thread(
            target=serve, args=(sock, peer, records, int(buffer), congestion), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(10)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(list(records), out)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
