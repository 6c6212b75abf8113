"""A server under load from many clients, its next hop, and all that is checked when it was killed (I1)."""

from __future__ import annotations

import json
import math
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from support.hasty import hasty
from support.servers import PATIENCE_S, Child, MailServer, twistd
from support.soundness import faults
from support.storecommand import run
from support.wires import complaints

from .asker import Asker
from .author import Author
from .client import Client, Score
from .drafter import Drafter
from .editor import Editor
from .kinds import CONFIG, HANDED_OVER_AT_ONCE, PLAIN, Kind
from .ledger import Ledger
from .lmtp import Neighbour
from .messages import DOMAIN, PASSWORD
from .readers import Collector, Keeper
from .rest import Rest
from .senders import Sender, Submitter, User
from .stranger import Stranger

_TOOK = re.compile(r"took (\S+) from (\S+) at ([\d.]+): (.*)")
_BOXES = ("box1", "box2", "drop")


class World:
    """The server's folder, its next hop, and its clients."""

    def __init__(self, folder: Path, stack: ExitStack, seed: int, kind: Kind = PLAIN) -> None:
        self.folder, self.stack, self.kind = folder, stack, kind
        self.programs = hasty(folder / "bin") if kind.hasty else None
        self.lot = random.Random(seed)
        self.life = self.kills = 0
        self.ended = 0.0                # when the last one was killed; infinite when it was asked to end
        self.score, self.ledger = Score(), Ledger()
        (folder / "data").mkdir(mode=0o700)
        records = {"far.example": {"MX": ["10 mx.far.example."]}, "mx.far.example": {"A": ["127.0.0.1"]}}
        (folder / "records.json").write_text(json.dumps(records))
        path = {"PYTHONPATH": str(Path(__file__).parents[2])}
        self.sink = Child([sys.executable, "-m", "support.sinkchild"], folder, path)
        stack.callback(self.sink.stop)
        names = Child([sys.executable, "-m", "support.dnschild", "records.json"], folder, path)
        stack.callback(names.stop)
        self.sink_port, self.dns = self.sink.wait_for(r"sink on (\d+)")[1], names.wait_for(r"dns on (\d+)")[1]
        score, ledger = self.score, self.ledger
        atomic = kind.joined or "shards" in kind.tables
        self.editors = [Editor("editor1", seed, score, atomic=atomic), Editor("editor2", seed, score, atomic=atomic),
                        Drafter("drafter", seed, score, atomic=atomic)]
        self.author = Author("author", seed, score, ledger, "reader", joined=kind.joined)
        self.asker = Asker("asker", seed, score, ledger, "box1")
        self.writer = Submitter("writer", seed, score, ledger, "box2")
        self.users: list[User] = [self.author, self.asker, self.writer]
        self.stranger = Stranger("stranger", seed, score, ledger, "drop")
        self.clients: list[Client] = [
            *self.editors, *self.users, self.stranger,
            *(Sender(f"sender{number}", seed, score, ledger, _BOXES) for number in range(2)),
            *(Neighbour(f"neighbour{number}", seed, score, ledger, _BOXES, folder / "lmtp") for number in range(2)),
            Keeper("keeper", seed, score, ledger, "box1"), Collector("collector", seed, score, ledger, "drop"),
        ]
        hashed = hash_password(PASSWORD)
        for user in ("editor1", "editor2", "drafter", *_BOXES, "reader", *(user.name for user in self.users)):
            add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)

    def configure(self) -> None:
        """Each life has a name of its own, so that the next hop can tell them apart."""
        self.life += 1
        (self.folder / "mailframe.toml").write_text(CONFIG.format(
            life=self.life, folder=self.folder, sink=self.sink_port, dns=self.dns, top=self.kind.top, tables=self.kind.tables))

    def start(self) -> MailServer:
        self.configure()
        server = MailServer(self.folder, "--config", "mailframe.toml", programs=self.programs, env=self.kind.env)
        self.stack.callback(server.stop)
        return server

    def start_and_kill(self) -> None:
        """Pull the plug while it starts: after its first word, at a moment drawn by lot."""
        self.configure()
        command = twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml", programs=self.programs)
        server = Child(command, self.folder, self.kind.env)
        server.wait_for("twistd")
        threading.Event().wait(self.lot.random() * 0.3)
        server.kill()
        self.kills += 1
        assert not complaints(server.lines)

    def load_and_kill(self, server: MailServer, *, gently: bool = False) -> None:
        """Let all clients work at once, and pull the plug after some promises, or ask it to end."""
        for client in self.clients:
            client.start(server.ports)
        wanted = self.score.promises + self.lot.randint(20, 400)
        reached = self.score.wait(wanted, PATIENCE_S)
        idle = [client.name for client in self.clients if not client.works]
        self.ended = math.inf if gently else time.time()
        self.kills += not gently
        code = server.stop() if gently else server.kill()
        for client in self.clients:
            client.join()
        assert reached, f"no {wanted} promises in {PATIENCE_S} s"
        assert not idle, f"connections were lost to {idle} before it ended"
        assert not complaints(server.lines)
        assert not code

    def check(self, server: MailServer) -> None:
        for editor in self.editors:
            editor.check(server.ports["imap"])
        for account in (*_BOXES, "reader"):
            self.ledger.check(account, server.ports["imap"], self._again)
        self.author.check(server.ports["imap"])

    def check_at_rest(self) -> None:
        """While no server runs: all is well, also as an operator asks."""
        if self.kind.joined:
            assert faults(self.folder / "data", self.folder / "copy") == []
        code, said, wrong = run("check", "--config", self.folder / "mailframe.toml")
        assert code == 0, said + wrong
        rest = Rest(self.folder / "data", self.folder / "rest")
        self.asker.check_at_rest(rest.queued())
        self.stranger.check_at_rest(*rest.greylist())
        for user in self.users:
            user.check_counted(rest.sent(f"{user.name}@{DOMAIN}"), self.ended)

    def check_handed_over(self, server: MailServer) -> None:
        """What was promised to others has arrived, or its sender was told; not twice but for what was in hand at a kill."""
        for key in sorted(self.ledger.relayed - self.taken().keys()):
            self.sink.wait_for(rf"took {key} ")
        again = [key for key, lives in self.taken().items() if len(lives) > 1]
        assert all(len(set(lives)) == len(lives) for lives in self.taken().values()), "twice in one life"
        assert len(again) <= HANDED_OVER_AT_ONCE * (self.life - 1), "more than what was in hand at the kills went twice"
        self.asker.check_handed_over([(found[1], float(found[3]), found[4]) for found in self._took()])
        for name, keys in (("writer", self.ledger.refused), ("asker", self.asker.reports)):
            self._check_reports(server, name, {(name, f"report {key}") for key in keys})

    def _check_reports(self, server: MailServer, name: str, reports: set[tuple[str, str]]) -> None:
        self.ledger.note(self.ledger.taken, [*reports])
        until(lambda: len(self.ledger.keys(name, server.ports["imap"])) >= len(reports))
        self.ledger.check(name, server.ports["imap"], self._again)

    @property
    def _again(self) -> int:
        """So many of what was in hand at the kills may have been delivered again."""
        return 0 if self.kind.joined else HANDED_OVER_AT_ONCE * (self.life - 1)

    def _took(self) -> list[re.Match[str]]:
        return [found for line in list(self.sink.lines) if (found := _TOOK.match(line))]

    def taken(self) -> dict[str, list[str]]:
        """The lives in which each message was handed over."""
        lives: dict[str, list[str]] = {}
        for found in self._took():
            lives.setdefault(found[1], []).append(found[2])
        return lives


def until(found: Callable[[], object]) -> None:
    """Ask again until it is so; a hang fails."""
    end = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end, "it never came"
