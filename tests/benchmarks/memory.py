"""How much memory the server takes for large messages, large mailboxes and many sessions, beside the marks.

    python tests/benchmarks/memory.py [--mib 100] [--messages 100000] [--sessions 20] [--storage sqlite]

The server runs in a process of its own; its figures are the kernel's: the peak (VmHWM) is set back before each row, and a row
is what the peak exceeds the memory in use just before. Runs on Linux, where /proc tells.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from run import READER, Line, Server, connected, intake, opened, serving

MIB = 1 << 20
BLOCK = b"".join(b"%076d\r\n" % number for number in range(MIB // 78))
HEADER = b"From: a@example.org\r\nSubject: large\r\n\r\n"


class Memory:
    """Another process's, in MiB."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def now(self) -> float:
        return self._kib("VmRSS") / 1024

    def peak(self) -> float:
        return self._kib("VmHWM") / 1024

    def reset(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    def _kib(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", (self._folder / "status").read_text())
        assert found, name
        return int(found[1])


def append(port: int, mib: int) -> None:
    line, _ = opened(port)
    size = len(HEADER) + mib * len(BLOCK)
    line.socket.sendall(b"c APPEND INBOX {%d}\r\n" % size)
    if not line.line().startswith(b"+"):
        raise RuntimeError("no continuation")
    line.socket.sendall(HEADER)
    for _ in range(mib):
        line.socket.sendall(BLOCK)
    line.socket.sendall(b"\r\n")
    while not line.line().startswith(b"c OK"):
        pass
    line.close()


def submit(port: int, mib: int) -> None:
    with connected(port) as sock:
        replies = sock.makefile("rb")
        for command in (b"", b"HELO bench\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<%s>\r\n" % READER, b"DATA\r\n"):
            sock.sendall(command)
            replies.readline()
        sock.sendall(HEADER)
        for _ in range(mib):
            sock.sendall(BLOCK)
        sock.sendall(b".\r\n")
        answer = replies.readline()
        if not answer.startswith(b"250"):
            raise RuntimeError(answer)


def fetch(port: int, item: bytes, least: int) -> None:
    """The last message's; its octets are counted, not kept."""
    line, messages = opened(port)
    line.socket.sendall(b"c FETCH %d (%s)\r\n" % (messages, item))
    taken, tail = 0, b""
    while b"\r\nc OK" not in tail:
        chunk = line.more()
        taken += len(chunk)
        tail = (tail + chunk)[-100:]
    if taken < least:
        raise RuntimeError(f"{taken} octets instead of {least}")
    line.close()


def parts(port: int, mib: int) -> None:
    for offset in range(0, mib, max(1, mib // 20)):
        fetch(port, b"BODY.PEEK[]<%d.%d>" % (offset * MIB, MIB // 2), MIB // 2)


def row(memory: Memory, name: str, work: Callable[[], object], mark: str = "32") -> None:
    memory.reset()
    before = memory.now()
    work()
    print(f"| {name} | {memory.peak() - before:.1f} MiB | {mark} |", flush=True)


def sessions(port: int, memory: Memory, count: int) -> None:
    """What a session costs that has the mailbox selected, and has asked for all flags once."""
    first, messages = opened(port)
    first.tagged(b"tag", b"FETCH 1:* (FLAGS)")
    before = memory.now()
    lines: list[Line] = []
    for _ in range(count):
        lines.append(opened(port)[0])
    each = (memory.now() - before) * MIB / count
    print(f"| one more session with {messages:,} messages selected | {each / max(messages, 1):.1f} octets a message | 24 |")
    for line in (*lines, first):
        line.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=100)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--storage", default="sqlite")
    arguments = parser.parse_args()
    with serving(arguments.storage) as server:
        measure(server, arguments)


def measure(server: Server, arguments: argparse.Namespace) -> None:
    memory, mib = Memory(server.process.pid), arguments.mib
    imap, smtp = server.ports["imap"], server.ports["smtp"]
    intake(smtp, 200, 20, True, READER)         # warm
    opened(imap)[0].close()
    print("| what | memory beyond that before | mark |\n|---|---:|---:|")
    row(memory, f"{mib} MiB by APPEND", lambda: append(imap, mib))
    row(memory, f"{mib} MiB by SMTP", lambda: submit(smtp, mib))
    row(memory, f"{mib} MiB fetched whole", lambda: fetch(imap, b"BODY.PEEK[]", mib * len(BLOCK)))
    row(memory, f"{mib} MiB fetched in parts", lambda: parts(imap, mib))
    row(memory, f"{mib} MiB: ENVELOPE, BODYSTRUCTURE, a header", lambda: fetch(
        imap, b"ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)]", 100))
    fill(imap, arguments.messages)
    sessions(imap, memory, arguments.sessions)


def fill(port: int, messages: int) -> None:
    """As many small ones by APPEND, some hundred at a time."""
    line, there = opened(port)
    one = HEADER + b"short\r\n"
    for start in range(there, messages, 500):
        batch = b"".join(b" {%d+}\r\n%s" % (len(one), one) for _ in range(min(500, messages - start)))
        line.tagged(b"tag", b"APPEND INBOX" + batch)
    line.close()


if __name__ == "__main__":
    main()
