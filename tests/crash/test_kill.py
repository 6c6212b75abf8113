"""A whole server under load from many clients is killed at random moments, again and again: no promise is broken (I1)."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.crashdrafts import Drafter
from support.crashload import DOMAIN, PASSWORD, Client, Collector, Editor, Keeper, Ledger, Score, Sender, Submitter
from support.hasty import hasty
from support.servers import PATIENCE_S, Child, MailServer, listeners, twistd
from support.soundness import faults
from support.storecommand import run
from support.wires import complaints

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ROUNDS, LONG_ROUNDS = 2, 30
HANDED_OVER_AT_ONCE = 10        # max_per_domain
ROOT = Path(__file__).parents[2]
CONFIG = """
hostname = "life{life}.one.example"
data = "data"
domains = "one.example"
{top}
""" + listeners("smtp", "submission", "imap", "pop3") + """
[queue]
first_delay_s = 0.3
max_per_domain = 10
[relay]
port = {sink}
nameservers = ["127.0.0.1:{dns}"]
{tables}
"""


@dataclass(frozen=True)
class Kind:
    """A way to set the server up."""

    top: str = ""
    tables: str = ""
    hasty: bool = False                 # content is swept all the time
    joined: bool = True                 # mailboxes and queue are one database: all may be changed, and `faults` knows it
    env: dict[str, str] = field(default_factory=dict)


SQLITE = '[storage]\nplugin = "sqlite"\n'
PLAIN = Kind()
KINDS = {
    "in_pieces": Kind('content = "sqlite"'),
    "searched_and_swept": Kind(tables=SQLITE + "search_text = true\nsearch_index = true\n", hasty=True),
    "shards": Kind(tables=SQLITE + "shards = 3\n", hasty=True, joined=False),
    "maildir": Kind(tables='[storage]\nplugin = "maildir"\npath = "mail"\n', joined=False),
    "beside": Kind(tables='[storage]\nplugin = "mailframe_json_store:JsonStore:mail"\n', joined=False,
                   env={"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "examples" / "json_store", ROOT, ROOT / "tests")))}),
}
SHORT = ("searched_and_swept", "shards")


class World:
    """The server's folder, its next hop, and its clients."""

    def __init__(self, folder: Path, stack: ExitStack, seed: int, kind: Kind = PLAIN) -> None:
        self.folder, self.stack, self.kind = folder, stack, kind
        self.programs = hasty(folder / "bin") if kind.hasty else None
        self.lot = random.Random(seed)
        self.life = 0
        self.score, self.ledger = Score(), Ledger()
        (folder / "data").mkdir(mode=0o700)
        records = {"far.example": {"MX": ["10 mx.far.example."]}, "mx.far.example": {"A": ["127.0.0.1"]}}
        (folder / "records.json").write_text(json.dumps(records))
        path = {"PYTHONPATH": str(Path(__file__).parents[1])}
        self.sink = Child([sys.executable, "-m", "support.sinkchild"], folder, path)
        stack.callback(self.sink.stop)
        names = Child([sys.executable, "-m", "support.dnschild", "records.json"], folder, path)
        stack.callback(names.stop)
        self.sink_port, self.dns = self.sink.wait_for(r"sink on (\d+)")[1], names.wait_for(r"dns on (\d+)")[1]
        score, ledger = self.score, self.ledger
        atomic = kind.joined or "shards" in kind.tables
        self.editors = [Editor("editor1", seed, score, atomic=atomic), Editor("editor2", seed, score, atomic=atomic),
                        Drafter("drafter", seed, score, atomic=atomic)]
        self.clients: list[Client] = [
            *self.editors,
            *(Sender(f"sender{number}", seed, score, ledger, ("box1", "box2", "drop")) for number in range(3)),
            Submitter("writer", seed, score, ledger, "box2"),
            Keeper("keeper", seed, score, ledger, "box1"), Collector("collector", seed, score, ledger, "drop"),
        ]
        hashed = hash_password(PASSWORD)
        for user in ("editor1", "editor2", "drafter", "box1", "box2", "drop", "writer"):
            add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)

    def configure(self) -> None:
        """Each life has a name of its own, so that the next hop can tell them apart."""
        self.life += 1
        (self.folder / "mailframe.toml").write_text(CONFIG.format(
            life=self.life, sink=self.sink_port, dns=self.dns, top=self.kind.top, tables=self.kind.tables))

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
        assert not complaints(server.lines)

    def load_and_kill(self, server: MailServer, *, gently: bool = False) -> None:
        """Let all clients work at once, and pull the plug after some promises, or ask it to end."""
        for client in self.clients:
            client.start(server.ports)
        wanted = self.score.promises + self.lot.randint(20, 400)
        reached = self.score.wait(wanted, PATIENCE_S)
        code = server.stop() if gently else server.kill()
        for client in self.clients:
            client.join()
        assert reached, f"no {wanted} promises in {PATIENCE_S} s"
        assert not complaints(server.lines)
        assert not code

    def check(self, server: MailServer) -> None:
        for editor in self.editors:
            editor.check(server.ports["imap"])
        for account in ("box1", "box2", "drop"):
            self.ledger.check(account, server.ports["imap"])

    def check_at_rest(self) -> None:
        """While no server runs: all is well, also as an operator asks."""
        if self.kind.joined:
            assert faults(self.folder / "data", self.folder / "copy") == []
        code, said, wrong = run("check", "--config", self.folder / "mailframe.toml")
        assert code == 0, said + wrong

    def check_handed_over(self, server: MailServer) -> None:
        """What was promised to others has arrived, or its sender was told; not twice but for what was in hand at a kill."""
        for key in sorted(self.ledger.relayed - self.taken().keys()):
            self.sink.wait_for(rf"took {key} ")
        again = [key for key, lives in self.taken().items() if len(lives) > 1]
        assert all(len(set(lives)) == len(lives) for lives in self.taken().values()), "twice in one life"
        assert len(again) <= HANDED_OVER_AT_ONCE * (self.life - 1), "more than what was in hand at the kills went twice"
        reports = {("writer", f"report {key}") for key in self.ledger.refused}
        self.ledger.taken |= reports
        until(lambda: len(self.ledger.keys("writer", server.ports["imap"])) >= len(reports))
        self.ledger.check("writer", server.ports["imap"], 0 if self.kind.joined else HANDED_OVER_AT_ONCE * (self.life - 1))

    def taken(self) -> dict[str, list[str]]:
        """The lives in which each message was handed over."""
        lives: dict[str, list[str]] = {}
        for line in list(self.sink.lines):
            if line.startswith("took "):
                _, key, _, life = line.split()
                lives.setdefault(key, []).append(life)
        return lives


def until(found: Callable[[], object]) -> None:
    """Ask again until it is so; a hang fails."""
    end = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end, "it never came"


@pytest.fixture
def seed() -> int:
    """Printed when a test fails; MAILFRAME_SEED gives it again."""
    chosen = int(os.environ.get("MAILFRAME_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"MAILFRAME_SEED={chosen}")
    return chosen


@pytest.fixture
def world(tmp_path: Path, seed: int) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack, seed)


def test_asked_to_end_under_load_it_breaks_no_promise(world: World, request: pytest.FixtureRequest) -> None:
    server = world.start()
    for _ in range(LONG_ROUNDS if request.config.getoption("--long") else 1):
        world.load_and_kill(server, gently=True)
        world.check_at_rest()
        server = world.start()
        world.check(server)
    world.check_handed_over(server)
    assert not complaints(server.lines)


def test_kill_9_under_load_breaks_no_promise(world: World, request: pytest.FixtureRequest) -> None:
    killed_again_and_again(world, LONG_ROUNDS if request.config.getoption("--long") else ROUNDS)


@pytest.mark.parametrize("name", KINDS)
def test_kill_9_breaks_no_promise_however_mail_rests(
    tmp_path: Path, seed: int, name: str, request: pytest.FixtureRequest,
) -> None:
    long = request.config.getoption("--long")
    if name not in SHORT and not long:
        pytest.skip("only with --long")
    with ExitStack() as stack:
        killed_again_and_again(World(tmp_path, stack, seed, KINDS[name]), LONG_ROUNDS if long else 1)


def killed_again_and_again(world: World, rounds: int) -> None:
    server = world.start()
    for _ in range(rounds):
        world.load_and_kill(server)
        world.start_and_kill()
        world.check_at_rest()
        server = world.start()
        world.check(server)
    world.check_handed_over(server)
    assert not complaints(server.lines)
