"""One large message in and out, in the clear and under TLS: what a MiB costs the server, and how many pass in a second.

    python tests/benchmarks/bulk_tls.py [--mib 100] [--runs 3] [--profile FOLDER]

STARTTLS or STLS on kept connections, the server in a process of its own. CPU is the server's; it and the client share the machine.
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from memory import BLOCK, HEADER
from run import BENCH, PASSWORD, PATIENCE_S, READER, Server, connected

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

MIB = 1 << 20


class Bulk:
    """A blocking client of one port."""

    def __init__(self, port: int, greeting: bytes, start: bytes, *, tls: bool) -> None:
        self.socket = connected(port)
        self.socket.settimeout(10 * PATIENCE_S)
        self.until(b"\r\n")
        if greeting:
            self.say(greeting)
        if tls:
            self.say(start)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            if greeting:
                self.say(greeting)

    def until(self, end: bytes) -> int:
        """Octets up to `end`, behind which nothing comes."""
        tail, size = b"", 0
        while not tail.endswith(end):
            octets = self.socket.recv(MIB)
            if not octets:
                raise RuntimeError(tail)
            size += len(octets)
            tail = (tail + octets)[-200:]
        return size

    def say(self, command: bytes, end: bytes = b"\r\n") -> int:
        self.socket.sendall(command + b"\r\n")
        return self.until(end)


Made = tuple[Bulk, Callable[[], object]]


def submission(port: int, mib: int, *, tls: bool) -> Made:
    client = Bulk(port, b"EHLO bench", b"STARTTLS", tls=tls)

    def send() -> None:
        client.say(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nDATA" % READER, b"<LF>\r\n")
        for block in (HEADER, *[BLOCK] * mib):
            client.socket.sendall(block)
        client.say(b".")
    return client, send


def retrieval(port: int, *, tls: bool) -> Made:
    client = Bulk(port, b"", b"STLS", tls=tls)
    client.say(b"USER " + READER)
    client.say(b"PASS " + PASSWORD)          # the maildrop is one session's, until it ends
    return client, lambda: client.say(b"RETR 1", b"\r\n.\r\n")


def fetching(port: int, *, tls: bool) -> Made:
    client = Bulk(port, b"", b"s STARTTLS", tls=tls)
    client.say(b"l LOGIN %s %s" % (READER, PASSWORD))
    client.say(b"e EXAMINE INBOX\r\nn NOOP", b"n OK NOOP completed\r\n")
    return client, lambda: client.say(b"f FETCH 1 BODY.PEEK[]\r\nn NOOP", b"n OK NOOP completed\r\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        os.chmod(data, 0o700)
        for user in (BENCH, READER):
            add(data / "accounts", user.decode(), hash_password(PASSWORD.decode()))
        server = Server(data)
        try:
            measure(server, arguments)
        finally:
            server.stop()


def measure(server: Server, arguments: argparse.Namespace) -> None:
    ports, mib = server.ports, arguments.mib
    print(f"| one message of {mib} MiB | MiB/s | CPU of the server, ms a MiB |\n|---|---:|---:|")
    makers: dict[str, Callable[[bool], Made]] = {
        "SMTP DATA": lambda tls: submission(ports["smtp"], mib, tls=tls),
        "IMAP FETCH": lambda tls: fetching(ports["imap"], tls=tls),
        "POP3 RETR": lambda tls: retrieval(ports["pop3"], tls=tls),
    }
    for name, make in makers.items():
        for tls in (False, True):
            (client, work), rates, costs = make(tls), [], []
            for _ in range(arguments.runs):
                server.report()
                begun = time.perf_counter()
                work()
                rates.append(mib / (time.perf_counter() - begun))
                costs.append(server.report()["cpu_s"] * 1_000 / mib)
            what = f"{name}, TLS" if tls else name
            print(f"| {what} | {statistics.median(rates):.0f} | {statistics.median(costs):.1f} |", flush=True)
            if arguments.profile and tls:
                server.say("profile")
                work()
                server.say(f"profile {arguments.profile / (name.replace(' ', '_') + '.prof')}")
                server.report()
            client.socket.close()


if __name__ == "__main__":
    main()
