"""How fast IMAP is over a real socket: each row beside its mark, and beside Dovecot on the same machine if that is wanted.

    python tests/benchmarks/imap.py [--runs 5] [--messages 10000] [--rows TEXT] [--dovecot] [--profile FOLDER]

One server process as twistd runs it, in another process than the clients; INBOX holds varied messages of 10 KiB. A figure is the
median of the runs. "CPU" is the server's own, all its processes together, for each operation, and holds on a busy machine, too;
"client" is the client's, which should be the smaller. "Late" is the server's heartbeat (I2), in one run more, since it takes
some CPU itself. "Cold": a new process, nothing of its files in memory, from SELECT on. Text for SEARCH is kept, as it is by
default, and made before it is searched. The table printed is Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from imapload import Load
from mails import ABSENT, RARE, Mails
from peers import INDEX, SQLITE, Peer, peers
from table import Row, Table, line

ImapRow = Row[Load]


def commands() -> list[ImapRow]:
    listing = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"
    return [
        ImapRow("LOGIN, SELECT, LOGOUT, 20 connections", 2_500, lambda load: load.logins(1_000)),
        ImapRow("`FETCH 1:* (UID FLAGS)`, again, messages", 2_500_000, lambda load: load.listed(b"UID FLAGS", 50)),
        ImapRow("the same, cold", 140_000, lambda load: load.first_listed(b"UID FLAGS"), before=Peer.cold, warm=False),
        ImapRow(f"`FETCH 1:* ({listing})`, again, messages", 400_000, lambda load: load.listed(listing.encode(), 5)),
        ImapRow("the same, for the first time and cold", 40_000, lambda load: load.first_listed(listing.encode()), before=_first,
            warm=False),
        ImapRow("`UID FETCH n BODY.PEEK[]`, 10 connections, 16 in flight", 30_000, lambda load: load.bodies(20_000, 10, 16)),
        ImapRow("the same, one connection, one at a time", 0, lambda load: load.bodies(4_000, 1, 1)),
        ImapRow("STORE of one flag, 20 connections, one at a time each", 9_000, lambda load: load.stores(5_000, 20, 1)),
        *searches(),
        ImapRow("APPEND of 10 KiB, 20 connections, one at a time each", 3_000, lambda load: load.appends(2_000, 20)),
        *indexed(),
    ]


def search(key: bytes, mark: float, storage: str = SQLITE) -> ImapRow:
    beside = "" if storage == SQLITE else ", with the index"
    times = 20 if mark < 20 else 5
    return ImapRow(f"`SEARCH {key.decode()}`{beside}", mark, lambda load: load.searches(key, times), True, storage=storage)


def searches() -> list[ImapRow]:
    return [
        search(b"FLAGGED", 1), search(b"SINCE 1-Jun-2023", 15), search(b"SENTSINCE 1-Jun-2023", 15),
        search(b"SUBJECT lomir", 15), search(b"FROM person7@", 15), search(b"BODY " + RARE, 250), search(b"TEXT " + ABSENT, 250),
    ]


def indexed() -> list[ImapRow]:
    return [search(b"BODY " + RARE, 20, INDEX), search(b"TEXT " + ABSENT, 20, INDEX)]


def _first(peer: Peer) -> None:
    peer.stop()
    peer.forget()
    peer.start(peer.storage)
    peer.cold()


class Bench(Table[Load]):
    def __init__(self, with_dovecot: bool, runs: int, messages: int, profiles: Path | None) -> None:
        mails = Mails()
        super().__init__({peer: Load(peer, mails, messages) for peer in peers(with_dovecot)}, runs, profiles)

    def fill(self) -> None:
        for peer, load in self.loads.items():
            peer.start()
            load.fill()
        self.loads[self.peers[0]].settle()

    def prepare(self, row: ImapRow, peer: Peer) -> None:
        """Keep what the row wants kept."""
        if peer.storage != row.storage and peer is self.peers[0]:
            peer.stop()
            peer.start(row.storage)
            self.loads[peer].settle()

    def memory(self) -> None:
        """A thousand who are logged in and wait; and one who asks for a gigabyte and takes nothing of it."""
        loads = list(self.loads.values())
        print()
        line(["what", *(peer.name for peer in self.peers), "mark"])
        print("|---|" + "---:|" * (len(loads) + 1))
        idle = [f"{load.idle(1_000):.1f}" for load in loads]
        line(["1,000 connections that idle in a small mailbox, KiB each", *idle, "20"])
        for title, ask in (("10 `FETCH 1:* BODY.PEEK[]`", Load.ask_whole), ("100,000 `UID FETCH n BODY.PEEK[]`", Load.ask_each)):
            deaf = [load.deaf(ask) for load in loads]
            line([f"who asks for 1 GB by {title} and does not read, MiB", *(f"{one.mib:.1f}" for one in deaf), "2"])
            waits = [f"{one.median_ms:.2f} ({one.max_ms:.1f}); {one.before_ms:.2f}" for one in deaf]
            line(["meanwhile another's FETCH of a message, median (max); before, ms", *waits, "-"])
            line(["meanwhile the heartbeat, late at most, ms", f"{deaf[0].late_ms:.1f}", *["-"] * (len(deaf) - 1), "50"])


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
