"""How fast SMTP takes mail in over real sockets: each row beside its mark, and beside other servers in the same run.

    python tests/benchmarks/smtp.py [--runs 5] [--messages 2000] [--rows TEXT] [--postfix] [--aiosmtpd] [--profile FOLDER]

One server process as twistd runs it, its default filters on, in another process than the clients; plain TCP; varied messages of
10 KiB, or of 1 MiB. A run ends when every message can be read in the mailbox (or waits in the queue), which is looked at each
time. A figure is the median of the runs. "CPU" is the server's own, all its processes together, for each message, and
holds on a busy machine, too; "client" is the clients', all in one process, which should be the smaller. "Late" is the server's
heartbeat (I2), in one run more, since it takes some CPU itself. The table printed is Markdown.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mails import Mails
from peers import Peer, memory_kib
from run import PASSWORD, READER
from smtpload import Manner, crowd, handed_in, with_dot
from smtppeers import OursBySmtp, SmtpPeer, all_there, peers
from table import Done, Row, Table, line, shown

MIB = 1 << 20
_COMPARED = 4_000       # octets at the end of a message: others write some headers anew
_FROM = re.compile(rb"<person\d+@example\.org>")
_AWAY = b"someone@elsewhere.example"


class Load:
    """What is handed in at one server."""

    def __init__(self, peer: SmtpPeer, mails: list[bytes], large: list[bytes]) -> None:
        self.peer, self._mails, self._large = peer, mails, large
        self._own = [_FROM.sub(b"<%b>" % READER, mail, count=1) for mail in mails]     # what READER may submit

    def manner(self, listener: str = "smtp") -> Manner:
        return Manner(self.peer.ports[listener], READER)

    def login(self, each: int) -> Manner:
        return replace(self.manner("submission"), sender=READER, login=(READER, PASSWORD), each=each)

    def small(self, connections: int, manner: Manner) -> Done:
        """Messages of 10 KiB."""
        return len(self._mails), self._delivered(manner, self._mails if manner.login is None else self._own, connections)

    def large(self, connections: int) -> Done:
        """MiB, in messages of one."""
        manner = replace(self.manner(), each=len(self._large))
        return len(self._large), self._delivered(manner, self._large, connections)

    def away(self, connections: int, manner: Manner) -> Done:
        """Into the queue."""
        assert isinstance(self.peer, OursBySmtp)
        before = self.peer.queued()
        rate = handed_in(replace(manner, recipient=_AWAY), self._own, connections)
        if self.peer.queued() != before + len(self._mails):
            raise RuntimeError("the queue has not got all")
        return len(self._mails), rate

    def idle(self, connections: int, starttls: bool = False) -> float:
        """KiB that each of them costs who has said EHLO and waits; of a fresh process, for others have memory to spare."""
        self.peer.stop()
        self.peer.start(self.peer.storage)
        manner = replace(self.manner(), starttls=starttls)
        with crowd(manner, 20):
            pass
        before = memory_kib(self.peer.pid)
        with crowd(manner, connections):
            return (memory_kib(self.peer.pid) - before) / connections

    def _delivered(self, manner: Manner, mails: list[bytes], connections: int) -> float:
        peer, before = self.peer, self.peer.arrived()
        rate = handed_in(manner, mails, connections, lambda: all_there(peer, before, len(mails)))
        newest = peer.newest()
        if not any(mail[-100:-3] in newest and _text(mail)[-_COMPARED:] in newest for mail in mails):
            raise RuntimeError("the last message is not what was handed in")
        return rate


SmtpRow = Row[Load]


def _text(mail: bytes) -> bytes:
    """The message itself, of what goes after DATA."""
    return mail[:-3].replace(b"\r\n..", b"\r\n.")


def _ours(peer: Peer) -> bool:
    return isinstance(peer, OursBySmtp)


def rows() -> list[SmtpRow]:
    return [
        SmtpRow("a connection each, 20 at once", 1_500, lambda load: load.small(20, load.manner())),
        SmtpRow("20 kept connections, 50 messages each", 2_500, lambda load: load.small(20, replace(load.manner(), each=50))),
        SmtpRow("1 MiB, one session, MiB", 105, lambda load: load.large(1)),
        SmtpRow("1 MiB, four sessions, MiB", 143, lambda load: load.large(4)),
        SmtpRow("STARTTLS (ECDSA), a connection each, 20 at once", 500,
                lambda load: load.small(20, replace(load.manner(), starttls=True))),
        SmtpRow("AUTH, a connection each, 20 at once", 0, lambda load: load.small(20, load.login(1)), able=_ours),
        SmtpRow("AUTH, 20 kept connections, 50 messages each", 0, lambda load: load.small(20, load.login(50)), able=_ours),
        SmtpRow("AUTH, the same, but into the queue", 0, lambda load: load.away(20, load.login(50)), able=_ours),
    ]


def memory(loads: dict[Peer, Load]) -> None:
    """What waiting costs, after EHLO."""
    print()
    line(["KiB each, after EHLO", *(peer.name for peer in loads), "mark"])
    print("|---|" + "---:|" * (len(loads) + 1))
    for title, starttls, mark in (("idle connections", False, "15"), ("idle connections with TLS", True, "-")):
        for place in (0, -1):
            crowds = [(load, load.peer.crowds[place]) for load in loads.values()]
            line([title, *(f"{shown(load.idle(size, starttls))} ({size:,})" for load, size in crowds), mark])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each row")
    parser.add_argument("--messages", type=int, default=2_000, help="of 10 KiB in a run; of 1 MiB a twentieth")
    parser.add_argument("--rows", default="", help='only rows whose title contains this; "memory" is the second table')
    parser.add_argument("--postfix", action="store_true", help="the same beside, with Debian's Postfix and a Maildir")
    parser.add_argument("--aiosmtpd", action="store_true", help="the same beside, with aiosmtpd and a Maildir")
    parser.add_argument("--profile", type=Path, help="write a profile of our reactor's thread for each row there")
    arguments = parser.parse_args()
    if arguments.profile:
        arguments.profile.mkdir(parents=True, exist_ok=True)
    make = Mails().make
    mails = [with_dot(make(number)) for number in range(arguments.messages)]
    large = [with_dot(_mib(make, number)) for number in range(max(4, arguments.messages // 20))]
    loads: dict[Peer, Load] = {peer: Load(peer, mails, large) for peer in peers(arguments.postfix, arguments.aiosmtpd)}
    table = Table(loads, arguments.runs, arguments.profile)
    try:
        for peer in loads:
            peer.start()
        table.head()
        for number, row in enumerate(rows()):
            if arguments.rows in row.title:
                table.row(row, number)
        if arguments.rows in "memory":
            memory(loads)
    finally:
        for peer in loads:
            peer.close()


def _mib(make: Callable[[int], bytes], number: int) -> bytes:
    """A message of 1 MiB: one of 10 KiB with many others behind it."""
    numbers = count(100 * number)
    whole = make(next(numbers))
    while len(whole) < MIB:
        whole += make(next(numbers))
    return whole[:MIB - 2].removesuffix(b"\r") + b"\r\n"


if __name__ == "__main__":
    main()
