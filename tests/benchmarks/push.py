"""How soon a delivery reaches who waits for it, and what waiting costs: idlers of IMAP beside SMTP, over sockets.

    python tests/benchmarks/push.py [--deliveries 200] [--idlers 1 100 1000] [--storage sqlite] [--profile FOLDER]

One delivery after another; the time is from the read of SMTP's 250 until an idler's EXISTS has been read (below 0: it came first),
and from the message's last octet; CPU is the server's for one delivery, whatever else the machine does. The server is a process of
its own; memory is what its resident set grew by for each connection.
"""

from __future__ import annotations

import argparse
import resource
import selectors
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from memory import Memory
from run import BENCH, OCTETS, PATIENCE_S, READER, Line, Server, connected, message, opened, serving

MARK_MS, MARK_KIB = 5.0, 20.0
BATCH = 50                  # logins under way at once
KINDS = (
    ("no command, INBOX selected", b"NOOP"), ("IDLE, INBOX selected", b"IDLE"),
    ("NOTIFY of all mailboxes", b"NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))"),
)


class Deliverer:
    """A kept SMTP connection, one message at a time."""

    def __init__(self, port: int) -> None:
        self.socket = connected(port)
        self._replies = self.socket.makefile("rb")
        self._replies.readline()
        self._say(b"HELO client.example.org\r\n", b"250")

    def _say(self, octets: bytes, code: bytes) -> None:
        self.socket.sendall(octets)
        self.reply(code)

    def reply(self, code: bytes) -> None:
        line = self._replies.readline()
        if not line.startswith(code):
            raise RuntimeError(line)

    def send(self, number: int) -> float:
        """All but the 250; when the last octet was sent."""
        self._say(b"MAIL FROM:<a@example.org>\r\n", b"250")
        self._say(b"RCPT TO:<%s>\r\n" % READER, b"250")
        self._say(b"DATA\r\n", b"354")
        self.socket.sendall(message(OCTETS, number) + b".\r\n")
        return time.perf_counter()


def idlers(port: int, user: bytes, count: int, command: bytes) -> list[Line]:
    """Connections that have INBOX selected and wait, by IDLE or by a NOTIFY."""
    found: list[Line] = []
    while len(found) < count:
        lines = [opened(port, user)[0] for _ in range(min(BATCH, count - len(found)))]
        for line in lines:
            line.socket.sendall(b"i " + command + b"\r\n")
        for line in lines:
            if not line.line().startswith((b"+", b"i OK")):
                raise RuntimeError("not idle")
        found += lines
    return found


def delivered(deliverer: Deliverer, waiting: list[Line], number: int) -> tuple[float, list[float]]:
    """From the last octet to the 250, and from the 250 to each one's EXISTS; in milliseconds."""
    sent = deliverer.send(number)
    selector = selectors.DefaultSelector()
    selector.register(deliverer.socket, selectors.EVENT_READ, None)
    for line in waiting:
        selector.register(line.socket, selectors.EVENT_READ, line)
    accepted, told = 0.0, []
    while not accepted or len(told) < len(waiting):
        ready = selector.select(PATIENCE_S)
        if not ready:
            raise RuntimeError("a delivery was not told")
        now = time.perf_counter()
        for key, _ in ready:
            if key.data is None:
                deliverer.reply(b"250")
                accepted = now
            elif b" EXISTS\r\n" in key.data.more():
                told.append(now)
                selector.unregister(key.fileobj)
    selector.close()
    return 1000 * (accepted - sent), [1000 * (when - accepted) for when in told]


def row(server: Server, name: str, waiting: list[Line], others: int, deliveries: int, profile: Path | None) -> None:
    deliverer = Deliverer(server.ports["smtp"])
    for number in range(10):
        delivered(deliverer, waiting, number)
    server.report()
    if profile is not None:
        server.say("profile")
    taken, first, last = [], [], []
    for number in range(deliveries):
        accepted, told = delivered(deliverer, waiting, number)
        taken.append(accepted)
        first.append(told[len(told) // 2])
        last.append(told[-1])
    if profile is not None:
        server.say(f"profile {profile / (name.replace(' ', '-') + '.pstats')}")
    report = server.report()
    late = sorted(report["heartbeat_ms"])
    print(f"| {name}, {others} others idle | {statistics.median(taken):.1f} | {statistics.median(first):.1f} | "
          f"{statistics.median(last):.1f} | {sorted(last)[int(len(last) * 0.99)]:.1f} | {MARK_MS:.0f} | "
          f"{late[int(len(late) * 0.999)]:.1f} | {1e3 * report['cpu_s'] / deliveries:.1f} |", flush=True)
    deliverer.socket.close()


def close(lines: list[Line]) -> None:
    for line in lines:
        line.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=200)
    parser.add_argument("--idlers", type=int, nargs="+", default=[1, 100, 1_000])
    parser.add_argument("--storage", default="sqlite")
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with serving(arguments.storage) as server:
        measure(server, arguments)
    print("\n| what waits | KiB each | mark |\n|---|---:|---:|")
    for name, command in KINDS:
        with serving(arguments.storage) as server:      # a server keeps the memory that it once had
            memory(server, name, command, max(arguments.idlers))


def measure(server: Server, arguments: argparse.Namespace) -> None:
    port, deliveries, profile = server.ports["imap"], arguments.deliveries, arguments.profile
    print("| who waits | 250 after the last octet, ms | EXISTS after that, median | the last one's | its p99 | mark | late p99.9 "
          "| CPU, ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    watch = b"NOTIFY SET (selected-delayed (MessageNew (UID) MessageExpunge))"
    for count in arguments.idlers:
        others = idlers(port, BENCH, count - 1, b"IDLE")
        waiting = idlers(port, READER, 1, b"IDLE")
        row(server, "one by IDLE", waiting, count - 1, deliveries, profile)
        close(waiting)
        waiting = idlers(port, READER, 1, watch)
        row(server, "one by NOTIFY", waiting, count - 1, deliveries, profile)
        close(waiting + others)
        if 1 < count <= 100:
            waiting = idlers(port, READER, count, b"IDLE")
            row(server, f"{count} by IDLE in one mailbox", waiting, 0, deliveries, profile)
            close(waiting)


def memory(server: Server, name: str, command: bytes, count: int) -> None:
    port, used = server.ports["imap"], Memory(server.process.pid)
    deliverer = Deliverer(server.ports["smtp"])
    for number in range(20):
        deliverer.send(number)
        deliverer.reply(b"250")
    close(idlers(port, READER, BATCH, command))         # what is kept for good is not theirs
    before = used.now()
    lines = idlers(port, READER, count, command)
    print(f"| {count} connections: {name} | {(used.now() - before) * 1024 / count:.1f} | {MARK_KIB:.0f} |", flush=True)
    close(lines)


if __name__ == "__main__":
    main()
