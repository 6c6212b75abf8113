"""What the server does in a second: durable intake, IMAP listings, POP3 downloads, beside the marks they should reach.

    python tests/benchmarks/run.py [--runs 5] [--messages 10000] [--rows SMTP] [--stores] [--profile FOLDER]

The server runs in a process of its own and logs to a file as under twistd, the clients are here. Each row is warmed up and
then run several times: its figure is the median of the runs, its heartbeat that of all of them together.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from smtpload import PATIENCE_S, Manner, handed_in, with_dot

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

BENCH, READER, PASSWORD = b"bench@bench.example", b"reader@bench.example", b"benchmark"
BODY = b"The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n"
OCTETS = 10_240                 # of a message

Who = tuple[bytes, bytes]       # user, password


def message(octets: int, number: int) -> bytes:
    head = (
        b"From: Alice Example <alice@example.org>\r\nTo: Bench <bench@bench.example>\r\n"
        b"Subject: Message number %d of the benchmark\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" % (number, number)
    )
    return head + BODY * ((octets - len(head)) // len(BODY))


class Server:
    """The measured process."""

    def __init__(self, data: Path, storage: str = "sqlite") -> None:
        command = [sys.executable, str(Path(__file__).with_name("server.py")), str(data), storage]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.ports: dict[str, int] = json.loads(self.process.stdout.readline())

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def report(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        self.say("report")
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


@contextmanager
def serving(storage: str = "sqlite") -> Iterator[Server]:
    """One with a folder of its own, and the accounts BENCH and READER."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        os.chmod(data, 0o700)
        for user in (BENCH, READER):
            add(data / "accounts", user.decode(), hash_password(PASSWORD.decode()))
        server = Server(data, storage)
        try:
            yield server
        finally:
            server.stop()


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def intake(port: int, total: int, connections: int, keep: bool, user: bytes = BENCH) -> float:
    """Durable messages a second; exactly `total` are handed in."""
    mails = [with_dot(message(OCTETS, n)) for n in range(total)]
    return handed_in(Manner(port, user, each=-(-total // connections) if keep else 1), mails, connections)


class Line:
    """A blocking connection that speaks in lines; anything but success is an error here."""

    def __init__(self, port: int) -> None:
        self.socket = connected(port)
        self.buffer = b""
        self.line()

    def more(self) -> bytes:
        octets = self.socket.recv(1 << 20)
        if not octets:
            raise RuntimeError("the server closed the connection")
        return octets

    def line(self) -> bytes:
        """The next line, without its end; the rest waits."""
        while b"\r\n" not in self.buffer:
            self.buffer += self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def ok(self, command: bytes) -> bytes:
        """A POP3 command with an answer of one line."""
        self.socket.sendall(command + b"\r\n")
        line = self.line()
        if not line.startswith(b"+OK"):
            raise RuntimeError(line)
        return line

    def multiline(self) -> int:
        """Octets of a POP3 answer up to its dot."""
        seen = 0
        while (end := self.buffer.find(b"\r\n.\r\n", seen)) < 0:
            seen = max(0, len(self.buffer) - 4)
            self.buffer += self.more()
        if not self.buffer.startswith(b"+OK"):
            raise RuntimeError(self.buffer[:80])
        self.buffer = self.buffer[end + 5:]
        return end + 5

    def tagged(self, tag: bytes, command: bytes) -> bytes:
        """An IMAP command's whole answer. `tag` must not begin a line in it."""
        self.socket.sendall(tag + b" " + command + b"\r\n")
        chunks, tail, mark = [], b"\r\n", b"\r\n" + tag + b" "
        while True:
            chunks.append(self.more())
            tail = (tail + chunks[-1])[-1_000:]
            at = tail.rfind(mark)
            if at >= 0 and tail.endswith(b"\r\n"):
                if not tail.startswith(b"OK", at + len(mark)):
                    raise RuntimeError(tail[at:])
                return b"".join(chunks)

    def close(self) -> None:
        self.socket.close()


def opened(port: int, user: bytes = READER, password: bytes = PASSWORD) -> tuple[Line, int]:
    """A session with its INBOX selected, and how many messages are there."""
    line = Line(port)
    line.tagged(b"a", b"LOGIN %s %s" % (user, password))
    return line, int(line.tagged(b"b", b"SELECT INBOX").partition(b" EXISTS")[0].rpartition(b" ")[2])


def imap(port: int, items: bytes, times: int, who: Who = (READER, PASSWORD)) -> Callable[[], float]:
    def run() -> float:
        line, messages = opened(port, *who)
        begun = time.perf_counter()
        for _ in range(times):
            answer = line.tagged(b"tag", b"FETCH 1:* (%s)" % items)
            if answer.count(b" FETCH (") != messages:
                raise RuntimeError("messages are missing in the answer")
        took = time.perf_counter() - begun
        line.close()
        return messages * times / took
    return run


def imap_flight(
    port: int, command: Callable[[int, int], bytes], octets: int, total: int, connections: int = 10, flight: int = 16,
    who: Who = (READER, PASSWORD),
) -> float:
    """Commands a second, `flight` of them under way on each connection; each answer has at least so many octets."""
    selector = selectors.EpollSelector()
    lines, tails, received = [], {}, 0
    for _ in range(connections):
        line, messages = opened(port, *who)
        selector.register(line.socket, selectors.EVENT_READ)
        lines.append(line)
        tails[line.socket] = b""
    numbers = iter(range(10**9))

    def commands(count: int) -> bytes:
        return b"".join(b"tag " + command(next(numbers), messages) + b"\r\n" for _ in range(count))

    begun = time.perf_counter()
    for line in lines:
        line.socket.sendall(commands(flight))
    sent, done = connections * flight, 0
    while done < total:
        for key, _ in selector.select(PATIENCE_S) or [(None, 0)]:
            if key is None:
                raise RuntimeError("the server is silent")
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            chunk = sock.recv(1 << 18)
            if not chunk:
                raise RuntimeError("the server closed the connection")
            received += len(chunk)
            tails[sock] += chunk
            answers = tails[sock].count(b"\r\ntag OK ") + tails[sock].startswith(b"tag OK ")
            tails[sock] = tails[sock][-8:]
            done += answers
            if answers and sent < total:
                sent += answers
                sock.sendall(commands(answers))
    took = time.perf_counter() - begun
    if received < done * octets:
        raise RuntimeError("octets are missing in the answers")
    for line in lines:
        line.close()
    return done / took


def pop3(port: int, pipelined: bool) -> float:
    """Messages a second: log in, download 100, QUIT."""
    begun = time.perf_counter()
    line = Line(port)
    line.ok(b"USER " + READER)
    line.ok(b"PASS " + PASSWORD)
    if pipelined:
        line.socket.sendall(b"".join(b"RETR %d\r\n" % n for n in range(1, 101)))
    for n in range(1, 101):
        if not pipelined:
            line.socket.sendall(b"RETR %d\r\n" % n)
        if line.multiline() < OCTETS - 200:
            raise RuntimeError("octets are missing")
    line.ok(b"QUIT")
    line.close()
    return 100 / (time.perf_counter() - begun)


@dataclass(frozen=True)
class Row:
    """One line of the table. `warm` runs once before; `mark` is what it should reach, 0 if nobody said."""

    title: str
    mark: float
    run: Callable[[], float]
    warm: Callable[[], object] | None = None


def rows(ports: dict[str, int], runs: int, messages: int, stores: bool) -> list[Row]:
    smtp, imap_port, pop_port = ports["smtp"], ports["imap"], ports["pop3"]
    part = max(200, messages // runs)

    def fetch(number: int, messages: int) -> bytes:
        return b"UID FETCH %d (BODY.PEEK[])" % (number * 7 % messages + 1)

    def store(number: int, messages: int) -> bytes:
        return b"UID STORE %d %bFLAGS.SILENT (\\Seen)" % (number * 7 % messages + 1, (b"+", b"-")[number % 2])

    made = [
        Row("SMTP intake, 10 KiB, 20 kept connections", 2_450, lambda: intake(smtp, part, 20, True)),
        Row("SMTP intake, 10 KiB, a connection each, 20 at once", 1_350, lambda: intake(smtp, part, 20, False)),
        Row(f"IMAP FETCH 1:* (UID FLAGS) of {messages:,}", 2_300_000, imap(imap_port, b"UID FLAGS", 20)),
        Row("IMAP FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 290_000, imap(imap_port, b"ENVELOPE BODYSTRUCTURE", 5)),
        Row("IMAP bodies of 10 KiB, 10 connections, 16 in flight", 19_750,
            lambda: imap_flight(imap_port, fetch, OCTETS - 200, 2 * messages)),
        Row("POP3 download of 100, one after another", 0, lambda: pop3(pop_port, False)),
        Row("POP3 download of 100, pipelined", 0, lambda: pop3(pop_port, True)),
    ]
    if stores:
        made.append(Row("IMAP STORE of one flag, 10 connections, 16 in flight", 0,
                        lambda: imap_flight(imap_port, store, 0, messages // 2)))
    return made


class Meter:
    """Runs rows and prints them."""

    def __init__(self, server: Server, runs: int, profile: Path | None) -> None:
        self.server, self.runs, self.profile = server, runs, profile

    def head(self) -> None:
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {self.runs} runs")
        print(f"{'':<54}{'a second':>11}{'mark':>11}{'late p99.9':>12}{'max ms':>9}{'CPU us each':>13}", flush=True)

    def row(self, number: int, row: Row) -> None:
        (row.warm or row.run)()
        self.server.report()
        if self.profile:
            self.server.say("profile")
        figures, cpu = [], []
        late: list[float] = []
        for _ in range(self.runs):
            begun = time.perf_counter()
            figures.append(row.run())
            took = time.perf_counter() - begun
            report = self.server.report()
            late += report["heartbeat_ms"]
            cpu.append(1e6 * report["cpu_s"] / (figures[-1] * took))
        if self.profile:
            self.server.say(f"profile {self.profile.absolute() / f'row{number}.prof'}")
        late.sort()
        shown = f"{row.mark:,}" if row.mark else "-"
        beat = late[min(len(late) - 1, int(len(late) * 0.999))]
        print(f"{row.title:<54}{statistics.median(figures):>11,.0f}{shown:>11}{beat:>12.2f}{late[-1]:>9.2f}"
              f"{statistics.median(cpu):>13.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each row")
    parser.add_argument("--messages", type=int, default=10_000, help="in the mailbox that is read")
    parser.add_argument("--rows", default="", help="only rows whose title contains this")
    parser.add_argument("--stores", action="store_true", help="IMAP STORE as well")
    parser.add_argument("--profile", type=Path, help="write a profile of the server's reactor thread for each row there")
    arguments = parser.parse_args()
    with serving() as server:
        measure(server, arguments)


def measure(server: Server, arguments: argparse.Namespace) -> None:
    meter = Meter(server, arguments.runs, arguments.profile)
    meter.head()
    intake(server.ports["smtp"], arguments.messages, 20, True, READER)      # what is read later; and SMTP is warm
    before = after = server.report()
    for number, row in enumerate(rows(server.ports, arguments.runs, arguments.messages, arguments.stores)):
        if arguments.rows in row.title:
            meter.row(number, row)
            if "SMTP" in row.title:
                after = server.report()
    jobs, commits = (after[key] - before[key] for key in ("jobs", "commits"))
    if commits:
        print(f"SMTP: {jobs:,} durable messages in {commits:,} commits, {jobs / commits:.1f} each")
    print(f"peak memory of the server {server.report()['rss_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
