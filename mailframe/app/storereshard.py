"""`mailframe store reshard`: from one number of files to another, with the server stopped; to be interrupted at any moment."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import apsw

from mailframe.app.config import Config
from mailframe.app.storecheck import Say, examine
from mailframe.app.storefiles import checks, files_of, mail_is_in, octets_of, present
from mailframe.sqlite import files
from mailframe.sqlite.checking import mended
from mailframe.sqlite.contentcheck import bring_inside
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.held import held
from mailframe.sqlite.rows import fetch
from mailframe.stores.annotated import schema as annotated
from mailframe.stores.shared import schema as shared
from mailframe.stores.sqlite.reshard import deal
from mailframe.stores.sqlite.sharding import MOST, Shard, kept, shard_paths

_UNFINISHED = ".dealing"
_FIRST_ALONE = ("queue", annotated.COMPONENT, shared.COMPONENT)     # what the server keeps on its own engine


def reshard(config: Config, number: int, say: Say) -> None:
    """Raises EngineError, and then everything is as it was. The old files count until the last step, which is one rename:
    the first file says how many there are."""
    store = files_of(config)
    old = store.mail_files()
    if not 1 <= number <= MOST or number == len(old):
        now = "one file" if len(old) == 1 else f"{len(old)} files"
        raise EngineError(f"the mail is in {now} now; another number can be 1 to {MOST}")
    with ExitStack() as stack:
        for path in dict.fromkeys((*store.databases, *old)):
            if files.in_use(path):
                raise EngineError(f"a server runs on {path}; stop it first")
            stack.callback(os.close, files.lock(path))
        if not mail_is_in(first := old[0]):
            raise EngineError(f"there are no mailboxes in {first}; only the sqlite storage is dealt out")
        messages = sum(_messages(path) for path in old)
        for path in old:
            if findings := examine(path, store.content):
                raise EngineError(f"{path.name}: {findings[0].words}; do mailframe store check --repair first")
        _deal(old, number, messages, store.content, say)
        _put_in_place(old, number)
    say(f"The number of files was {len(old)} and is {number}. "
        f"Set shards = {number} for the sqlite storage before you start the server.")


def _deal(old: list[Path], number: int, messages: int, content: Path | None, say: Say) -> None:
    first = old[0]
    with held(first) as con:
        components, generation = dict(present(con, first)), kept(con).generation + 1
    dealt, taken = 0, set[str]()
    for place, path in enumerate(shard_paths(first, number)):
        fresh = _unfinished(path)
        for suffix in ("", "-wal", "-shm", ".lock"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        if place:
            components = {name: steps for name, steps in components.items() if name not in _FIRST_ALONE}
        deal(old, fresh, Shard(place, number, generation), components)
        con = apsw.Connection(str(fresh))
        try:
            with con:
                _claim(con, taken, content)
                mended(con, checks(con, fresh))         # content is counted by who refers to it in this file
        finally:
            con.close()
        if findings := examine(fresh, content):
            raise EngineError(f"{fresh.name}: {findings[0].words}; the old files stay as they are")
        files.owned_like(fresh, first)
        files.sync(fresh)
        dealt += _messages(fresh)
        say(f"{path.name}: {_messages(fresh)} messages")
    if dealt != messages:
        raise EngineError(f"{dealt} messages of {messages} found a place; the old files stay as they are")


def _claim(con: apsw.Connection, taken: set[str], content: Path | None) -> None:
    """Octets beside the databases have one owner, who says when they may go: what another file has is taken in."""
    for number, name in fetch(con, "SELECT id, outside FROM content WHERE outside IS NOT NULL"):
        if name not in taken:
            taken.add(name)
        elif content is None:
            raise EngineError("large messages rest in a content store that is no folder, and cannot be dealt out")
        else:
            bring_inside(con, number, octets_of(content, name))


def _put_in_place(old: list[Path], number: int) -> None:
    first, *others = old
    new = shard_paths(first, number)
    con = apsw.Connection(str(first))
    con.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    con.close()                 # and its log is gone: it must not meet the new file
    for path in new[1:]:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        os.replace(_unfinished(path), path)
    files.sync(first.parent)
    for suffix in ("-wal", "-shm"):
        first.with_name(first.name + suffix).unlink(missing_ok=True)
    os.replace(_unfinished(first), first)
    files.sync(first.parent)
    for path in others:
        for suffix in ("", "-wal", "-shm", ".lock"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + _UNFINISHED)


def _messages(path: Path) -> int:
    with held(path) as con:
        return int(fetch(con, "SELECT count(*) FROM message JOIN mailbox ON mailbox.id = mailbox WHERE name IS NOT NULL")[0][0])

