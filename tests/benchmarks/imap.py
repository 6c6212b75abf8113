"""How fast IMAP is over a real socket: each row beside its mark, and beside Dovecot on the same machine if that is wanted.

    python tests/benchmarks/imap.py [--runs 5] [--messages 10000] [--rows TEXT] [--dovecot] [--profile FOLDER]

One server process as twistd runs it, in another process than the clients; INBOX holds varied messages of 10 KiB. A figure is the
median of the runs. "CPU" is the server's own, all its processes together, for each operation, and holds on a busy machine, too;
"client" is the client's, which should be the smaller. "Late" is the server's heartbeat (I2). "Cold": a new process, nothing of its
files in memory, from SELECT on. Text for SEARCH is kept, as it is by default. The table printed is Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from imapload import Done, Load
from mails import ABSENT, RARE, Mails
from peers import INDEX, SQLITE, Peer, cpu_s, peers
from store_seam import machine

Work = Callable[[Load], Done]


@dataclass(frozen=True)
class Row:
    """`mark`: operations a second; with `in_ms` milliseconds of one, and less is better. `before` prepares a run, unmeasured;
    `storage`: what we keep."""

    title: str
    mark: float
    work: Work
    in_ms: bool = False
    before: Callable[[Peer], object] | None = None
    storage: str = SQLITE
    warm: bool = True


@dataclass
class Figures:
    """Of one row and one server."""

    figures: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    client_us: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


def commands() -> list[Row]:
    listing = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"
    return [
        Row("LOGIN, SELECT, LOGOUT, 20 connections", 2_500, lambda load: load.logins(1_000)),
        Row("`FETCH 1:* (UID FLAGS)`, again, messages", 2_500_000, lambda load: load.listed(b"UID FLAGS", 50)),
        Row("the same, cold", 140_000, lambda load: load.first_listed(b"UID FLAGS"), before=Peer.cold, warm=False),
        Row(f"`FETCH 1:* ({listing})`, again, messages", 400_000, lambda load: load.listed(listing.encode(), 5)),
        Row("the same, for the first time and cold", 40_000, lambda load: load.first_listed(listing.encode()), before=_first,
            warm=False),
        Row("`UID FETCH n BODY.PEEK[]`, 10 connections, 16 in flight", 30_000, lambda load: load.bodies(20_000, 10, 16)),
        Row("the same, one connection, one at a time", 0, lambda load: load.bodies(4_000, 1, 1)),
        Row("STORE of one flag, 20 connections, one at a time each", 9_000, lambda load: load.stores(5_000, 20, 1)),
        *searches(),
        Row("APPEND of 10 KiB, 20 connections, one at a time each", 3_000, lambda load: load.appends(2_000, 20)),
        *indexed(),
    ]


def search(key: bytes, mark: float, storage: str = SQLITE) -> Row:
    beside = "" if storage == SQLITE else ", with the index"
    times = 20 if mark < 20 else 5
    return Row(f"`SEARCH {key.decode()}`{beside}", mark, lambda load: load.searches(key, times), True, storage=storage)


def searches() -> list[Row]:
    return [
        search(b"FLAGGED", 1), search(b"SINCE 1-Jun-2023", 15), search(b"SENTSINCE 1-Jun-2023", 15),
        search(b"SUBJECT lomir", 15), search(b"FROM person7@", 15), search(b"BODY " + RARE, 250), search(b"TEXT " + ABSENT, 250),
    ]


def indexed() -> list[Row]:
    return [search(b"BODY " + RARE, 20, INDEX), search(b"TEXT " + ABSENT, 20, INDEX)]


def _first(peer: Peer) -> None:
    peer.stop()
    peer.forget()
    peer.start(peer.storage)
    peer.cold()


class Bench:
    def __init__(self, with_dovecot: bool, runs: int, messages: int, profiles: Path | None) -> None:
        self.peers = peers(with_dovecot)
        mails = Mails()
        self.loads = {peer: Load(peer, mails, messages) for peer in self.peers}
        self.runs, self.profiles = runs, profiles

    def fill(self) -> None:
        for peer, load in self.loads.items():
            peer.start()
            load.fill()
        self.loads[self.peers[0]].settle()

    def head(self) -> None:
        others = "".join(f" {peer.name} | its CPU, us |" for peer in self.peers[1:])
        print(f"{machine()}; median of {self.runs} runs\n")
        print("| what | a second | of the runs | mark | CPU, us | client, us | late p99.9, ms | max, ms |" + others)
        print("|---|---:|---:|---:|---:|---:|---:|---:|" + "---:|---:|" * (len(self.peers) - 1), flush=True)

    def row(self, row: Row, number: int) -> None:
        found = [self.measured(row, peer, number) for peer in self.peers]
        own = found[0]
        span = f"{_shown(min(own.figures))}-{_shown(max(own.figures))}"
        late = sorted(own.late) or [0.0]
        cells = [
            row.title + (" (ms)" if row.in_ms else ""), _median(own.figures), span, _shown(row.mark) if row.mark else "-",
            _median(own.cpu_us), _median(own.client_us), f"{late[int((len(late) - 1) * 0.999)]:.1f}", f"{late[-1]:.1f}",
        ]
        for other in found[1:]:
            cells += _median(other.figures), _median(other.cpu_us)
        _print(cells)

    def measured(self, row: Row, peer: Peer, number: int) -> Figures:
        figures = Figures()
        load = self.loads[peer]
        if peer.storage != row.storage and peer is self.peers[0]:
            peer.stop()
            peer.start(row.storage)
            load.settle()
        if row.warm:
            row.work(load)
        if self.profiles and peer is self.peers[0]:
            peer.profile(None)
        for _ in range(self.runs):
            if row.before is not None:
                row.before(peer)
            peer.late()
            server, client = cpu_s(peer.pid), time.process_time()
            done, rate = row.work(load)
            figures.figures.append(1000 / rate if row.in_ms else rate)
            figures.client_us.append(1e6 * (time.process_time() - client) / done)
            figures.late += peer.late()
            figures.cpu_us.append(1e6 * (cpu_s(peer.pid) - server) / done)
        if self.profiles and peer is self.peers[0]:
            peer.profile(self.profiles / f"row{number}.prof")
        return figures

    def memory(self) -> None:
        """A thousand who are logged in and wait; and one who asks for a gigabyte and takes nothing of it."""
        loads = list(self.loads.values())
        print()
        _print(["what", *(peer.name for peer in self.peers), "mark"])
        print("|---|" + "---:|" * (len(loads) + 1))
        idle = [f"{load.idle(1_000):.1f}" for load in loads]
        _print(["1,000 connections that idle in a small mailbox, KiB each", *idle, "20"])
        for title, ask in (("10 `FETCH 1:* BODY.PEEK[]`", Load.ask_whole), ("100,000 `UID FETCH n BODY.PEEK[]`", Load.ask_each)):
            deaf = [load.deaf(ask) for load in loads]
            _print([f"who asks for 1 GB by {title} and does not read, MiB", *(f"{one.mib:.1f}" for one in deaf), "2"])
            waits = [f"{one.median_ms:.2f} ({one.max_ms:.1f}); {one.before_ms:.2f}" for one in deaf]
            _print(["meanwhile another's FETCH of a message, median (max); before, ms", *waits, "-"])
            _print(["meanwhile the heartbeat, late at most, ms", f"{deaf[0].late_ms:.1f}", *["-"] * (len(deaf) - 1), "50"])


def _print(cells: Sequence[str]) -> None:
    print("|", " | ".join(cells), "|", flush=True)


def _median(figures: Sequence[float]) -> str:
    return _shown(statistics.median(figures))


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each row")
    parser.add_argument("--messages", type=int, default=10_000, help="in INBOX")
    parser.add_argument("--rows", default="", help='only rows whose title contains this; "memory" is the second table')
    parser.add_argument("--dovecot", action="store_true", help="the same beside, with Debian's Dovecot and a Maildir")
    parser.add_argument("--profile", type=Path, help="write a profile of our reactor's thread for each row there")
    arguments = parser.parse_args()
    bench = Bench(arguments.dovecot, arguments.runs, arguments.messages, arguments.profile)
    try:
        bench.fill()
        bench.head()
        for number, row in enumerate(commands()):
            if arguments.rows in row.title:
                bench.row(row, number)
        if arguments.rows in "memory":
            bench.memory()
    finally:
        for peer in bench.peers:
            peer.close()


if __name__ == "__main__":
    main()
