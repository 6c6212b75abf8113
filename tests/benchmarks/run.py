"""What the server does in a second: durable intake, IMAP listings, POP3 downloads, beside the marks they should reach.

    python tests/benchmarks/run.py [--runs 5] [--messages 10000]

The server runs in a process of its own, the clients here; figures are medians of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

USER, PASSWORD = "bench@bench.example", "benchmark"
BODY = b"The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n"


def message(octets: int, number: int) -> bytes:
    head = (
        b"From: Alice Example <alice@example.org>\r\nTo: Bench <bench@bench.example>\r\n"
        b"Subject: Message number %d of the benchmark\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" % (number, number)
    )
    return head + BODY * ((octets - len(head)) // len(BODY))


class Server:
    """The measured process."""

    def __init__(self, data: Path) -> None:
        script = Path(__file__).with_name("server.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.ports: dict[str, int] = json.loads(self.process.stdout.readline())

    def report(self) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"report\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


class Sender:
    """One SMTP connection that hands in messages one after another, commands pipelined where the protocol lets them be."""

    def __init__(self, port: int, octets: Iterator[bytes], keep: bool, count: Callable[[], bool]) -> None:
        self.port, self.octets, self.keep, self.count = port, octets, keep, count
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.wait: list[tuple[bytes, bytes]] = [(b"220", b"EHLO client.example.org\r\n")]
        self.greeted = False

    def fileno(self) -> int:
        return self.socket.fileno()

    TRANSACTION = b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bench@bench.example>\r\nDATA\r\n"

    def readable(self) -> bool:
        """Take an answer and go on; False when this connection is done."""
        octets = self.socket.recv(65536)
        if not octets:
            raise RuntimeError("the server closed the connection")
        self.buffer += octets
        while b"\r\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            if line[3:4] == b"-":
                continue
            code = line[:3]
            if code == b"220":
                self.socket.sendall(b"EHLO client.example.org\r\n")
            elif code == b"354":
                self.socket.sendall(next(self.octets) + b".\r\n")
                self.pending = True
            elif code == b"250" and not self.greeted:
                self.greeted, self.pending = True, False
                self.socket.sendall(self.TRANSACTION)
            elif code == b"250" and self.pending:
                self.pending = False
                if not self.count():
                    self.socket.sendall(b"QUIT\r\n")
                elif self.keep:
                    self.socket.sendall(self.TRANSACTION)
                else:
                    self.socket.sendall(b"QUIT\r\n")
            elif code == b"221":
                self.socket.close()
                return False
            elif code != b"250":
                raise RuntimeError(line)
        return True


def intake(port: int, total: int, connections: int, keep: bool, octets: int = 10_240) -> float:
    """Durable messages a second."""
    bodies = iter(message(octets, n) for n in range(10 ** 9))
    left = [total]

    def count() -> bool:
        left[0] -= 1
        return left[0] >= connections

    selector = selectors.EpollSelector()
    begun = time.perf_counter()
    for _ in range(connections):
        sender = Sender(port, bodies, keep, count)
        selector.register(sender, selectors.EVENT_READ, sender)
    done = 0
    while selector.get_map():
        for key, _ in selector.select():
            sender = key.data
            fd = sender.fileno()
            if not sender.readable():
                selector.unregister(fd)
                if not keep and left[0] >= connections:
                    sender.connect()
                    selector.register(sender, selectors.EVENT_READ, sender)
    done = total - left[0]
    return done / (time.perf_counter() - begun)


class Line:
    """A blocking connection that speaks in lines."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.until(b"\r\n")

    def ask(self, octets: bytes, end: bytes) -> int:
        """Send, and count the octets of the answer that ends with a line that begins with `end`."""
        self.socket.sendall(octets)
        return self.until(end)

    def until(self, end: bytes) -> int:
        size, tail = 0, b"\r\n"
        while True:
            octets = self.socket.recv(1 << 20)
            if not octets:
                raise RuntimeError("closed")
            size += len(octets)
            tail = (tail + octets)[-400:]
            at = tail.rfind(b"\r\n" + end) if end != b"\r\n" else 0
            if at >= 0 and tail.endswith(b"\r\n"):
                return size


def imap(port: int, items: bytes) -> Callable[[], float]:
    def run() -> float:
        line = Line(port)
        line.ask(b"a LOGIN %s %s\r\n" % (USER.encode(), PASSWORD.encode()), b"a OK")
        line.ask(b"b SELECT INBOX\r\n", b"b OK")
        line.ask(b"c FETCH 1:* (%s)\r\n" % items, b"c OK")       # warm
        line.socket.sendall(b"d STATUS INBOX (MESSAGES)\r\n")
        text = line.socket.recv(65536)
        messages = int(text.partition(b"MESSAGES ")[2].partition(b")")[0])
        begun = time.perf_counter()
        line.ask(b"e FETCH 1:* (%s)\r\n" % items, b"e OK")
        took = time.perf_counter() - begun
        line.socket.close()
        return messages / took
    return run


def imap_bodies(port: int, connections: int = 10, flight: int = 16, total: int = 20_000, messages: int = 10_000) -> float:
    """10 KiB bodies a second, `flight` commands in flight on each connection."""
    selector = selectors.EpollSelector()
    state: dict[int, list[int]] = {}
    lines = [Line(port) for _ in range(connections)]
    for line in lines:
        line.ask(b"a LOGIN %s %s\r\n" % (USER.encode(), PASSWORD.encode()), b"a OK")
        line.ask(b"b EXAMINE INBOX\r\n", b"b OK")
        selector.register(line.socket, selectors.EVENT_READ, line)
        state[line.socket.fileno()] = [0]
    number = iter(range(10 ** 9))

    def command() -> bytes:
        return b"x UID FETCH %d (BODY.PEEK[])\r\n" % (next(number) * 7 % messages + 1)

    begun = time.perf_counter()
    for line in lines:
        line.socket.sendall(b"".join(command() for _ in range(flight)))
    sent, done = connections * flight, 0
    while done < total:
        for key, _ in selector.select():
            octets = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
            if not octets:
                raise RuntimeError("closed")
            answers = octets.count(b"x OK")
            done += answers
            if answers and sent < total + connections * flight:
                sent += answers
                key.fileobj.sendall(b"".join(command() for _ in range(answers)))  # type: ignore[union-attr]
    took = time.perf_counter() - begun
    for line in lines:
        line.socket.close()
    return done / took


def pop3(port: int, pipelined: bool) -> float:
    """Messages a second: log in, download 100, QUIT."""
    begun = time.perf_counter()
    line = Line(port)
    line.ask(b"USER %s\r\n" % USER.encode(), b"+OK")
    line.ask(b"PASS %s\r\n" % PASSWORD.encode(), b"+OK")
    if pipelined:
        line.socket.sendall(b"".join(b"RETR %d\r\n" % n for n in range(1, 101)))
        got = 0
        while got < 100:
            got += line.socket.recv(1 << 18).count(b"\r\n.\r\n")
    else:
        for n in range(1, 101):
            line.ask(b"RETR %d\r\n" % n, b".\r\n")
    line.ask(b"QUIT\r\n", b"+OK")
    line.socket.close()
    return 100 / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        os.chmod(data, 0o700)
        add(data / "accounts", USER, hash_password(PASSWORD))
        server = Server(data)
        try:
            measure(server, arguments.runs, arguments.messages)
        finally:
            server.stop()


def measure(server: Server, runs: int, messages: int) -> None:
    smtp, imap_port, pop_port = (server.ports[name] for name in ("smtp", "imap", "pop3"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {runs} runs")
    print(f"{'what':<52}{'a second':>12}{'mark':>12}{'beat p99.9':>12}{'max ms':>9}{'CPU s':>8}")
    part = max(200, messages // runs)
    rows: list[tuple[str, float, Callable[[], float]]] = [
        ("SMTP intake, 10 KiB, 20 kept connections", 2450, lambda: intake(smtp, part, 20, True)),
        ("SMTP intake, 10 KiB, a connection each, 20 at once", 1350, lambda: intake(smtp, part // 2, 20, False)),
        (f"IMAP FETCH 1:* (UID FLAGS) of {messages}+", 2_300_000, imap(imap_port, b"UID FLAGS")),
        ("IMAP FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 290_000, imap(imap_port, b"ENVELOPE BODYSTRUCTURE")),
        ("IMAP bodies of 10 KiB, 10 connections, 16 in flight", 19_750, lambda: imap_bodies(imap_port, messages=messages // 2)),
        ("POP3 download of 100, one after another", 0, lambda: pop3(pop_port, False)),
        ("POP3 download of 100, pipelined", 0, lambda: pop3(pop_port, True)),
    ]
    before = server.report()
    for title, mark, run in rows:
        figures, reports = [], []
        for _ in range(runs):
            figures.append(run())
            reports.append(server.report())
        beat = statistics.median(r["heartbeat"]["p999_ms"] for r in reports)
        worst = max(r["heartbeat"]["max_ms"] for r in reports)
        cpu = statistics.median(r["cpu_s"] for r in reports)
        shown = f"{mark:,}" if mark else "-"
        print(f"{title:<52}{statistics.median(figures):>12,.0f}{shown:>12}{beat:>12.2f}{worst:>9.2f}{cpu:>8.2f}")
    after = server.report()
    jobs, commits = (after[key] - before[key] for key in ("jobs", "commits"))
    print(f"{jobs} durable jobs in {commits} commits; peak memory {after['rss_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
