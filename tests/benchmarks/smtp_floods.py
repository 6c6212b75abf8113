"""What floods do to the server and to others (I2, I3).

    python tests/benchmarks/smtp_floods.py [--seconds 5] [--rows TEXT] [--watch FILE]

One server process as twistd runs it, its default filters on; one process floods it, another hands in a message of 1 KiB after the
other on one connection, and one more with a connection for each. "Late" is the reactor's heartbeat inside the server, which is
due every millisecond; "busy" is the CPU that its thread took at most between two beats, which holds on a busy machine, too.
Memory is what the peak exceeds that in use before. The clients take CPU of the same machine: on two cores an answer may wait
for them, which the heartbeat does, too. The table printed is Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parent))

from memory import Memory
from run import BENCH, Line, Server, connected, message, serving
from table import line

_BEGUN = b"EHLO flood.example\r\nMAIL FROM:<a@example.org>\r\n"
_RCPT = b"RCPT TO:<%b>\r\n" % BENCH
_CROWD = 2_000
Flood = Callable[[int, float], None]


def crowd(port: int, until: float) -> None:
    """2,000 connections at once, again and again."""
    while time.monotonic() < until:
        _part(_crowd(port, _CROWD), b"")


def slow(port: int, until: float) -> None:
    """2,000 connections that say an octet each in turn, of a message each."""
    wires = _crowd(port, _CROWD)
    talk = _BEGUN + _RCPT + b"DATA\r\nX: y\r\n\r\n" + b"slow\r\n" * 10_000
    for octet in talk:
        for wire in wires:
            with suppress(OSError):
                wire.send(bytes([octet]))
            if time.monotonic() > until:
                _part(wires, b"")
                return


def recipients(port: int, until: float) -> None:
    """RCPTs, 100,000 and more in a connection, from four of them."""
    _pumps(port, until, _BEGUN, _RCPT * 1_000)


def lines(port: int, until: float) -> None:
    """Lines of 1 MB, from four connections."""
    _pumps(port, until, b"EHLO flood.example\r\n", b"x" * 1_000_000 + b"\r\n")


def junk(port: int, until: float) -> None:
    """Pipelined junk behind a message."""
    _pumps(port, until, _BEGUN + _RCPT + b"DATA\r\ntext\r\n.\r\n", b"\xff\0junk\r\n.\r\nmore <junk>\r\n" * 1_000)


def handshakes(port: int, until: float) -> None:
    """STARTTLS and a first flight each, 50 at once, and then they go."""
    while time.monotonic() < until:
        wires = _crowd(port, 50)
        for wire in wires:
            wire.sendall(b"EHLO flood.example\r\nSTARTTLS\r\n")
        for wire in wires:
            found = b""
            while b"220 2.0.0" not in found:
                found += wire.recv(4_096)
            wire.sendall(_first_flight())
        for wire in wires:
            wire.recv(4_096)
        _part(wires, b"")


def nothing(port: int, until: float) -> None:
    time.sleep(max(0.0, until - time.monotonic()))


FLOODS: tuple[tuple[str, Flood], ...] = (
    ("nothing", nothing), ("2,000 connections at once, again and again", crowd), ("2,000 slow senders, octet by octet", slow),
    ("RCPTs without end, 4 connections", recipients), ("lines of 1 MB, 4 connections", lines),
    ("pipelined junk, 4 connections", junk), ("TLS handshakes that are left", handshakes),
)


def _crowd(port: int, count: int) -> list[socket.socket]:
    """So many, each with its greeting read, none waiting for another."""
    chosen = selectors.DefaultSelector()
    for _ in range(count):
        wire = socket.socket()
        wire.setblocking(False)
        wire.connect_ex(("127.0.0.1", port))
        chosen.register(wire, selectors.EVENT_READ)
    wires = []
    while chosen.get_map():
        for key, _ in chosen.select(20):
            wire = cast("socket.socket", key.fileobj)
            with suppress(OSError):
                wire.recv(4_096)
            chosen.unregister(wire)
            wire.setblocking(True)
            wire.settimeout(20)
            wires.append(wire)
    return wires


def _part(wires: list[socket.socket], words: bytes) -> None:
    for wire in wires:
        with suppress(OSError):
            if words:
                wire.sendall(words)
            wire.close()


def _pumps(port: int, until: float, first: bytes, then: bytes) -> None:
    """Four connections send `then` as fast as it is taken and read what is answered; who is shown the door comes again."""
    def pump() -> None:
        while time.monotonic() < until:
            wire = connected(port)
            reader = threading.Thread(target=_drain, args=(wire,))
            reader.start()
            with suppress(OSError):
                wire.sendall(first)
                while time.monotonic() < until:
                    wire.sendall(then)
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            reader.join()
            wire.close()

    threads = [threading.Thread(target=pump) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drain(wire: socket.socket) -> None:
    with suppress(OSError):
        while wire.recv(1 << 16):
            pass


def _first_flight() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="bench.example").do_handshake()
    return outgoing.read()


class Good(threading.Thread):
    """A well-behaved client; `took` are the seconds of each message, from the connection's beginning where it has one."""

    def __init__(self, port: int, until: float, *, keep: bool) -> None:
        super().__init__()
        self.port, self.until, self.keep = port, until, keep
        self.took: list[float] = []

    def run(self) -> None:
        kept = self._opened() if self.keep else None
        mail = message(1_024, 1)
        while time.monotonic() < self.until:
            begun = time.monotonic()
            opened = kept or self._opened()
            for said, code in ((b"MAIL FROM:<good@example.org>\r\n", b"250"), (_RCPT, b"250"), (b"DATA\r\n", b"354"),
                               (mail + b".\r\n", b"250")):
                opened.socket.sendall(said)
                answer = opened.line()
                if not answer.startswith(code):
                    raise RuntimeError(answer)
            self.took.append(time.monotonic() - begun)
            if kept is None:
                opened.socket.close()
            time.sleep(0.002)

    def _opened(self) -> Line:
        opened = Line(self.port)
        opened.socket.sendall(b"HELO good.example\r\n")
        opened.line()
        return opened


@dataclass
class Row:
    """What one flood has done; seconds and MiB."""

    late: list[float]
    kept: list[float]
    anew: list[float]
    grown: float
    busy: float             # milliseconds


def measured(server: Server, flood: Flood, seconds: float) -> Row:
    port, memory = server.ports["smtp"], Memory(server.process.pid)
    before = memory.now()
    memory.reset()
    server.report()
    until = time.monotonic() + seconds
    flooding = multiprocessing.get_context("fork").Process(target=flood, args=(port, until))
    flooding.start()
    good = [Good(port, until, keep=True), Good(port, until, keep=False)]
    for each in good:
        each.start()
    for each in good:
        each.join()
    report = server.report()
    flooding.join(30)
    flooding.kill()
    return Row(sorted(report["heartbeat_ms"]), sorted(good[0].took), sorted(good[1].took), memory.peak() - before,
               report["busiest_ms"])


def cells(title: str, row: Row) -> Iterator[str]:
    yield title
    yield f"{_at(row.late, 0.999):.1f}"
    yield f"{row.late[-1]:.1f}"
    yield f"{row.busy:.1f}"
    for took in (row.kept, row.anew):
        yield f"{1000 * _at(took, 0.5):.1f}"
        yield f"{1000 * _at(took, 0.99):.1f}"
        yield f"{1000 * _at(took, 1):.1f}"
    yield f"{row.grown:.1f}"


def _at(found: list[float], part: float) -> float:
    return found[int((len(found) - 1) * part)] if found else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each flood")
    parser.add_argument("--rows", default="", help="only rows whose title contains this")
    parser.add_argument("--watch", type=Path, help="write there what the server was at whenever a beat was late")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print("| flood | late p99.9, ms | max, ms | busy, ms | kept: median, ms | p99 | worst "
          "| anew: median, ms | p99 | worst | MiB more |")
    print("|---|" + "---:|" * 10)
    with serving() as server:
        if arguments.watch:
            server.say(f"watch {arguments.watch}")
        for title, flood in FLOODS:
            if arguments.rows in title:
                line(list(cells(title, measured(server, flood, arguments.seconds))))


if __name__ == "__main__":
    main()
