"""`mailframe store` where large messages rest in plain files: these are examined, backed up and dealt out with the rest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import apsw
import pytest
from support.sampledata import ADA, BOB, LARGE, fill
from support.storecommand import run

from mailframe.stores.directory.place import Place
from mailframe.stores.sqlite.sharding import shard_of, shard_paths


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """As `fill` makes it, with all large content moved into files."""
    path, place = fill(tmp_path / "data"), Place(tmp_path / "data" / "content")
    place.open()
    con = apsw.Connection(str(path))
    for number, in con.execute("SELECT id FROM content WHERE size > 300000").fetchall():
        name, descriptor = place.begin()
        os.write(descriptor, LARGE)
        kept = place.keep(name, descriptor, hashlib.sha256(LARGE).hexdigest())
        os.close(descriptor)
        con.execute("DELETE FROM piece WHERE id >> 16 = ?", (number,))
        con.execute("UPDATE content SET outside = ? WHERE id = ?", (kept, number))
    con.close()
    place.close()
    return tmp_path / "data"


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    con = apsw.Connection(str(path))
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def large(folder: Path, path: Path) -> list[bytes]:
    """The octets of each large message in `path`."""
    found = []
    for number, name in rows(path, """
            SELECT content.id, outside FROM message JOIN content ON content.id = content WHERE content.size > 300000"""):
        if name is not None:
            target = Place(folder / "content").path(str(name))
            assert target is not None
            found.append(target.read_bytes())
        else:
            pieces = rows(path, f"SELECT octets FROM piece WHERE id >> 16 = {number} ORDER BY id")
            found.append(b"".join(bytes(piece) for piece, in pieces))  # type: ignore[call-overload]
    return found


def test_a_backup_has_the_files(data: Path, tmp_path: Path) -> None:
    assert run("check", "-d", data)[0] == 0
    assert run("backup", "-d", data, tmp_path / "copy")[0] == 0
    assert run("check", "-d", tmp_path / "copy")[0] == 0
    assert large(tmp_path / "copy", tmp_path / "copy" / "mailframe.db") == [LARGE, LARGE]
    running, copy = Place(data / "content"), Place(tmp_path / "copy" / "content")
    running.open()
    copy.open()         # tried out while the server runs on: its lock is its own
    copy.close()
    running.close()


def test_a_lost_file_is_named_and_its_message_stays(data: Path) -> None:
    name = rows(data / "mailframe.db", "SELECT outside FROM content WHERE outside IS NOT NULL AND refs = 2")[0][0]
    target = Place(data / "content").path(str(name))
    assert target is not None
    target.unlink()
    code, said, _ = run("check", "-d", data)
    assert code == 1 and "there is no such file" in said
    assert run("check", "--repair", "-d", data)[0] == 0
    assert [len(octets) for octets in large(data, data / "mailframe.db")] == [len(LARGE), len(LARGE)]


def test_a_folder_that_is_not_there_is_misnamed_before_it_is_lost(data: Path, tmp_path: Path) -> None:
    """A repair would write all large messages off, a backup would leave them out and be called complete."""
    files, config = data / "content", tmp_path / "mailframe.toml"
    text = f'hostname = "mail.example.org"\ndata = "{data}"\ndomains = ["example.org"]\n'
    actions = (["check"], ["check", "--repair"], ["backup", tmp_path / "copy"], ["reshard", "2"])
    for content, said in (("sqlite", "which is not named now"), (f"directory:{tmp_path / 'other'}", "there is no folder")):
        config.write_text(f'content = "{content}"\n{text}')
        for action in actions:
            code, _, wrong = run(*action, "--config", config)
            assert code == 1 and said in wrong, action
    assert not (tmp_path / "copy").exists()
    config.write_text(f'content = "directory:{files}"\n{text}')
    assert run("check", "--config", config)[0] == 0


def test_dealt_out_each_file_has_one_owner(data: Path) -> None:
    """Else one database's sweeper would take away what the other still needs."""
    assert shard_of(ADA, 2) != shard_of(BOB, 2)
    code, _, wrong = run("reshard", "-d", data, "2")
    assert (code, wrong) == (0, "")
    files = shard_paths(data / "mailframe.db", 2)
    names = [name for path in files for name, in rows(path, "SELECT outside FROM content WHERE outside IS NOT NULL")]
    assert len(names) == len(set(names))
    assert [octets for path in files for octets in large(data, path)] == [LARGE, LARGE]
