"""Large messages by SMTP: how many megabytes a second are durable and readable, and what many at once take of memory.

    python tests/benchmarks/smtp_big.py [--runs 5] [--messages 100] [--bdat] [--profile FOLDER]
    python tests/benchmarks/smtp_big.py --memory [--mib 100] [--connections 50] [--storage sqlite]

Plain TCP on kept connections, the server in a process of its own, one client thread for each connection; a client waits for
its answer before it sends the next message. MB are millions of octets. Memory is the kernel's peak beyond what was in use before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from memory import BLOCK, HEADER, Memory
from run import BENCH, PATIENCE_S, READER, Server, connected, message, serving

MIB = 1 << 20
MARKS = {1: "110", 4: "150"}


class Client(threading.Thread):
    """One connection that hands in `count` messages, each made of `blocks`; no two are equal, which would be kept once."""

    def __init__(self, port: int, blocks: Sequence[bytes], count: int, *, bdat: bool, user: bytes = BENCH) -> None:
        super().__init__(daemon=True)
        self.blocks, self.count, self.bdat, self.user = blocks, count, bdat, user
        self.socket = connected(port)
        self.socket.settimeout(10 * PATIENCE_S)
        self.replies = self.socket.makefile("rb")
        self.fault: BaseException | None = None
        self.expect(b"220")
        self.say(b"HELO bench")

    def expect(self, code: bytes) -> None:
        line = self.replies.readline()
        if not line.startswith(code):
            raise RuntimeError(line)

    def say(self, command: bytes, code: bytes = b"250") -> None:
        self.socket.sendall(command + b"\r\n")
        self.expect(code)

    def run(self) -> None:
        try:
            for _ in range(self.count):
                self.send()
        except BaseException as error:
            self.fault = error

    def send(self) -> None:
        blocks = [b"X-Number: %s\r\n" % uuid.uuid4().hex.encode() + self.blocks[0], *self.blocks[1:]]
        self.say(b"MAIL FROM:<a@example.org>")
        self.say(b"RCPT TO:<%s>" % self.user)
        if self.bdat:
            for block in blocks:
                self.socket.sendall(b"BDAT %d\r\n" % len(block))
                self.socket.sendall(block)
                self.expect(b"250")
            self.say(b"BDAT 0 LAST")
        else:
            self.say(b"DATA", b"354")
            for block in blocks:
                self.socket.sendall(block)
            self.say(b".")


def together(clients: Sequence[Client]) -> float:
    """Seconds until all are done."""
    begun = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        if client.fault is not None:
            raise client.fault
    took = time.perf_counter() - begun
    for client in clients:
        client.socket.close()
    return took


def speed(server: Server, arguments: argparse.Namespace) -> None:
    port = server.ports["smtp"]
    print("| 1 MiB messages | MB/s | mark | CPU of the server, ms a message |\n|---|---:|---:|---:|")
    for sessions, mark in MARKS.items():
        figures, costs = [], []
        for run in range(arguments.runs + 1):
            blocks = [message(MIB, 1_000 * sessions + run)]
            each = arguments.messages // sessions
            server.report()
            took = together([Client(port, blocks, each, bdat=arguments.bdat) for _ in range(sessions)])
            cost = server.report()["cpu_s"] * 1000 / (each * sessions)
            if run:
                figures.append(each * sessions * len(blocks[0]) / took / 1e6)
                costs.append(cost)
        name = f"{sessions} session{'s' if sessions > 1 else ''}, {'BDAT' if arguments.bdat else 'DATA'}"
        print(f"| {name} | {statistics.median(figures):.0f} | {mark} | {statistics.median(costs):.1f} |", flush=True)
    if arguments.profile:
        server.say("profile")
        together([Client(port, [message(MIB, 1)], 50, bdat=arguments.bdat) for _ in range(4)])
        server.say(f"profile {arguments.profile / 'smtp_big.prof'}")
        server.report()


def memory(server: Server, arguments: argparse.Namespace) -> None:
    port, seen = server.ports["smtp"], Memory(server.process.pid)
    together([Client(port, [message(MIB, 1)], 5, bdat=arguments.bdat, user=READER) for _ in range(4)])     # warm
    seen.reset()
    before = seen.now()
    blocks = [HEADER, *[BLOCK] * arguments.mib]
    took = together([Client(port, blocks, 1, bdat=arguments.bdat) for _ in range(arguments.connections)])
    octets = arguments.connections * sum(map(len, blocks))
    print("| what | memory beyond that before | mark |\n|---|---:|---:|")
    print(f"| {arguments.mib} MiB on each of {arguments.connections} connections at once ({octets / took / 1e6:.0f} MB/s) | "
          f"{seen.peak() - before:.1f} MiB | 64 |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--bdat", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--mib", type=int, default=100)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--storage", default="sqlite")
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    with serving(arguments.storage) as server:
        (memory if arguments.memory else speed)(server, arguments)


if __name__ == "__main__":
    main()
