"""`mailframe store backup`, `import` and `export` killed at moments drawn by lot, or their server: begun again, all is there."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.crash.client import Score
from support.crash.ledger import Ledger
from support.crash.messages import content
from support.crash.senders import Sender
from support.disks import prepare, start
from support.hostile import DOMAIN
from support.servers import PATIENCE_S, Child, running
from support.storecommand import run
from support.wires import complaints

KILLS, LONG_KILLS = 1, 25
ALICE = f"alice@{DOMAIN}"
KEYS = [f"import-{number}" for number in range(120)]


def command(folder: Path, *words: object) -> Child:
    return Child([sys.executable, "-m", "mailframe.app.command", *map(str, words)], folder)


def ended(child: Child) -> int:
    """Its exit code."""
    code = child.process.wait(3 * PATIENCE_S)
    child.stop()
    assert "Traceback" not in child.output, child.output
    return code


@pytest.fixture
def lot() -> random.Random:
    """Its seed is printed when a test fails; MAILFRAME_SEED gives it again."""
    seed = int(os.environ.get("MAILFRAME_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"MAILFRAME_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return LONG_KILLS if request.config.getoption("--long") else KILLS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(tmp_path)
    with (tmp_path / "mail.mbox").open("wb") as mbox:
        for key in KEYS:
            mbox.write(b"From somebody Mon Jan  1 10:00:00 2024\n" + content(key).replace(b"\r\n", b"\n") + b"\n")
    return tmp_path


def wait(lot: random.Random, most_s: float) -> None:
    """The moment of a kill, not of a promise."""
    threading.Event().wait(lot.random() * most_s)


def keys_of(texts: Iterable[bytes]) -> Counter[str]:
    return Counter(text.split(b"X-Key: ")[1].split()[0].decode() for text in texts)


def sound(folder: Path) -> None:
    code, said, wrong = run("check", "--config", folder / "mailframe.toml")
    assert code == 0, said + wrong


IMPORT = ("import", "mbox", "--config", "mailframe.toml", ALICE, "mail.mbox")


def imported(folder: Path) -> Counter[str]:
    server = start(folder)
    with running(server.child), server.imap() as imap:
        name, = (line.rstrip(b"\r\n").rpartition(b" ")[2].decode() for line in imap.ok('LIST "" "mail*"')[1])
        imap.ok(f"EXAMINE {name}")
        return keys_of([each for each in imap.ok("FETCH 1:* (BODY.PEEK[])")[1] if b"BODY[]" in each])


@pytest.fixture
def long(request: pytest.FixtureRequest) -> None:
    """Once each is in tests/transfer/test_recovery.py."""
    if not request.config.getoption("--long"):
        pytest.skip("only with --long")


@pytest.mark.usefixtures("long")
def test_an_import_that_is_killed_goes_on_where_it_was(folder: Path, lot: random.Random, kills: int) -> None:
    """Without a server: the command itself writes the databases."""
    for _ in range(kills):
        child = command(folder, *IMPORT)
        wait(lot, 1.5)
        child.kill()
        if (folder / "data" / "mailframe.db").exists():
            sound(folder)
    child = command(folder, *IMPORT)
    assert ended(child) == 0, child.output
    sound(folder)
    assert imported(folder) == Counter(KEYS)


@pytest.mark.usefixtures("long")
def test_an_import_whose_server_is_killed_goes_on_where_it_was(folder: Path, lot: random.Random, kills: int) -> None:
    for _ in range(kills):
        server = start(folder)
        child = command(folder, *IMPORT)
        wait(lot, 1.5)
        server.child.kill()
        ended(child)                # it may have been done, have found the server dead, or have taken its place
        sound(folder)
    server = start(folder)
    with running(server.child):
        child = command(folder, *IMPORT)
        assert ended(child) == 0, child.output
    sound(folder)
    assert imported(folder) == Counter(KEYS)


def test_an_export_that_is_killed_goes_on_where_it_was(folder: Path, lot: random.Random, kills: int) -> None:
    child = command(folder, *IMPORT)
    assert ended(child) == 0, child.output
    for kind in ("maildir", "mbox"):
        export = ("export", kind, "--config", "mailframe.toml", ALICE, kind)
        for _ in range(kills):
            child = command(folder, *export)
            wait(lot, 1.0)
            child.kill()
        child = command(folder, *export)
        assert ended(child) == 0, child.output
    files = [path.read_bytes() for path in (folder / "maildir").rglob("*") if path.parent.name in ("cur", "new")]
    assert keys_of(files) == Counter(KEYS)
    boxes = b"".join(path.read_bytes() for path in (folder / "mbox").rglob("*") if path.is_file())
    assert Counter(line.split()[1].decode() for line in boxes.splitlines() if line.startswith(b"X-Key: ")) == Counter(KEYS)


def test_a_backup_while_mail_flows_survives_the_kill_of_its_server_and_its_own(
    folder: Path, lot: random.Random, kills: int,
) -> None:
    score, ledger = Score(), Ledger()
    for life in range(kills):
        server = start(folder)
        clients = [Sender(f"sender{life}-{number}", number, score, ledger, ("alice", "bob")) for number in range(2)]
        for client in clients:
            client.start(server.ports)
        assert score.wait(score.promises + 10, PATIENCE_S)
        killed = command(folder, "store", "backup", "--config", "mailframe.toml", "killed")
        wait(lot, 0.8)
        killed.kill()
        whole = command(folder, "store", "backup", "--config", "mailframe.toml", "copy", "--replace")
        wait(lot, 0.8)
        server.child.kill()
        for client in clients:
            client.join()
        assert ended(whole) == 0, whole.output
        assert not complaints(server.child.lines)
        sound(folder)
        for copy in ("copy", "killed"):
            if (folder / copy).exists():        # under its name it is complete
                assert run("check", "--data", folder / copy)[0] == 0
    again = command(folder, "store", "backup", "--config", "mailframe.toml", "killed", "--replace")
    assert ended(again) == 0, again.output
    assert not list(folder.glob(".*.unfinished"))
    server = start(folder)
    with running(server.child):
        for account in ("alice", "bob"):
            ledger.check(account, server.ports["imap"])
