"""Shared mailboxes of a whole server: over every storage, across its files, after a restart, a backup and a move between files."""

from __future__ import annotations

import imaplib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from support.servers import PATIENCE_S, MailServer, listeners, running
from support.storecommand import run
from twisted.internet.testing import MemoryReactorClock

from mailframe.app.build import build
from mailframe.app.config import Config
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import SharedStore
from mailframe.stores.sqlite.sharding import shard_of

ADA, BOB = "ada@example.org", "bob@example.org"
PASSWORD = "correct horse"
CONFIG = """
hostname = "mail.example.org"
domains = ["example.org"]
data = "data"
[storage]
{storage}
[imap]
admins = ["ada@example.org"]
{more}
""" + listeners("imap")
SQLITE = 'plugin = "sqlite"'
TEAM = f'"Other Users/{ADA}/Team"'
LARGE = b"Subject: large\r\n\r\n" + b"all work and no play\r\n" * 20_000


def configured(folder: Path, storage: str, more: str = "") -> Path:
    path = folder / "mailframe.toml"
    path.write_text(CONFIG.format(storage=storage, more=more))
    (folder / "data").mkdir(exist_ok=True)
    if not (folder / "data" / "accounts").exists():
        for name in (ADA, BOB):
            add(folder / "data" / "accounts", name, hash_password(PASSWORD))
    return path


@contextmanager
def served(folder: Path, storage: str, more: str = "") -> Iterator[tuple[imaplib.IMAP4, imaplib.IMAP4]]:
    """Clients of ada's and of bob's."""
    with running(MailServer(folder, "--config", str(configured(folder, storage, more)))) as server:
        assert isinstance(server, MailServer)
        clients = [imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S) for _ in range(2)]
        for client, name in zip(clients, (ADA, BOB)):
            client.login(name, PASSWORD)
        yield clients[0], clients[1]
        for client in clients:
            client.logout()


def shared(bob: imaplib.IMAP4) -> list[bytes]:
    """The names of what others share with bob."""
    return [line.partition(b'"/" ')[2] for line in bob.list('""', '"Other Users/*"')[1] if isinstance(line, bytes)]


def together(ada: imaplib.IMAP4, bob: imaplib.IMAP4) -> None:
    """One mailbox, used by both."""
    assert {b"ACL", b"RIGHTS=kxte", b"LIST-MYRIGHTS"} <= set(ada.capability()[1][0].split())
    assert ada.create("Team")[0] == "OK"
    assert bob.select(TEAM)[0] == "NO"
    assert ada.setacl("Team", BOB, "lrswi")[0] == "OK"
    assert bob.append(TEAM, r"(\Flagged)", None, LARGE)[0] == "OK"         # type: ignore[arg-type]
    assert bob.select(TEAM) == ("OK", [b"1"])
    assert bob.copy("1", "INBOX")[0] == "OK"
    assert octets(bob) == LARGE
    assert ada.select("Team") == ("OK", [b"1"])
    assert octets(ada) == LARGE


def octets(client: imaplib.IMAP4) -> bytes:
    """Of the first message."""
    found = client.fetch("1", "(BODY.PEEK[])")[1][0]
    assert isinstance(found, tuple)
    return found[1]


def test_over_maildir_folders(tmp_path: Path) -> None:
    with served(tmp_path, 'plugin = "maildir"\npath = "mail"') as clients:
        together(*clients)


def test_from_one_file_to_another_and_after_a_restart(tmp_path: Path) -> None:
    assert shard_of(ADA, 2) != shard_of(BOB, 2)
    storage, common = SQLITE + "\nshards = 2", TEAM.replace("Team", "Common")
    with served(tmp_path, storage) as (ada, bob):
        together(ada, bob)
        ada.rename("Team", "Common")
    with served(tmp_path, storage) as (ada, bob):
        assert shared(bob) == [TEAM.replace("/Team", "").encode(), common.encode()]
        for name in (common, "INBOX"):
            bob.select(name)
            assert octets(bob) == LARGE
        ada.deleteacl("Common", BOB)
        assert shared(bob) == []
        assert bob.select(common)[0] == "NO"


def test_backup_other_files_and_damage(tmp_path: Path) -> None:
    with served(tmp_path, SQLITE) as (ada, bob):
        for who in (BOB, "eve@example.org"):
            ada.setacl("Archive", who, "lr")
        bob.setacl("Archive", ADA, "lrs")
        assert run("check", "-c", tmp_path / "mailframe.toml")[0] == 0
        assert run("backup", "-c", tmp_path / "mailframe.toml", tmp_path / "copy")[0] == 0
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "copy").rename(tmp_path / "data")
    for number in (2, 1):
        assert run("reshard", "-c", tmp_path / "mailframe.toml", str(number))[0] == 0
    con = apsw.Connection(str(tmp_path / "data" / "mailframe.db"))
    con.execute("UPDATE acl SET rights = 'everything' WHERE identifier LIKE 'eve%'")
    con.close()
    code, said, _ = run("check", "-c", tmp_path / "mailframe.toml")
    assert code == 1
    assert "sharing: 'eve@example.org' has 'everything' on a mailbox of ada@example.org, which are no rights" in said
    assert run("check", "-c", tmp_path / "mailframe.toml", "--repair")[0] == 0
    with served(tmp_path, SQLITE) as (ada, bob):
        assert ada.getacl("Archive")[1] == [f"Archive {ADA} lrswipkxteacd {BOB} lr".encode()]
        assert bob.select(f'"Other Users/{ADA}/Archive"', readonly=True)[0] == "OK"
        assert ada.myrights(f'"Other Users/{BOB}/Archive"')[1] == [f'"Other Users/{BOB}/Archive" lrs'.encode()]


def test_by_setting(tmp_path: Path) -> None:
    with served(tmp_path, SQLITE, '[sharing]\nprefix = "Kollegen"\nanyone = false') as (ada, bob):
        assert bob.namespace()[1] == [b'(("" "/")) (("Kollegen/" "/")) NIL']
        assert ada.setacl("INBOX", "anyone", "lr")[0] == "NO"
        assert ada.setacl("INBOX", BOB, "lr")[0] == "OK"
        assert bob.select(f'"Kollegen/{ADA}/INBOX"', readonly=True)[0] == "OK"
        assert ada.xatom("SETQUOTA", BOB, "(STORAGE 1)")[0] == "OK"
        assert bob.append("INBOX", None, None, LARGE)[0] == "NO"                # type: ignore[arg-type]
        assert bob.xatom("SETQUOTA", ADA, "(STORAGE 1)")[0] == "NO"


@pytest.mark.parametrize("enabled", [True, False])
def test_switched_on_and_off(enabled: bool, tmp_path: Path) -> None:
    config = Config(domains=("example.org",), data=tmp_path, sharing=SharingSettings(enabled=enabled))
    parts = build(config, MemoryReactorClock())     # type: ignore[no-untyped-call]
    realm: Any = parts.portal.realm
    assert isinstance(realm._store, SharedStore) == enabled


@pytest.mark.parametrize("prefix", ["", "INBOX", "inbox/Others", "a//b", "Others/", "Others*", "Ot\ners"])
def test_a_prefix_that_is_no_name(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix is "):
        SharingSettings(prefix=prefix)
