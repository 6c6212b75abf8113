"""Finding what is inconsistent in a server's databases, and mending it without losing what can be read."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from mailframe.app.storefiles import COMPONENTS, StoreFiles, checks, present
from mailframe.filters import greyschema
from mailframe.sqlite import files
from mailframe.sqlite.checking import Finding, found, mended, unsound
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.held import held
from mailframe.sqlite.migrate import Migration
from mailframe.sqlite.rows import fetch
from mailframe.sqlite.salvage import salvage
from mailframe.stores.annotated import schema as annotated
from mailframe.stores.shared import schema as shared
from mailframe.stores.sqlite.check import rows_lost
from mailframe.stores.sqlite.sharding import COMPONENT

Say = Callable[[str], None]
_ROUNDS = 4                 # mending one thing may bring another to light: a table that is made anew is empty
_INDEX = re.compile(r"missing from index|wrong # of entries in index|non-unique entry in index|values differ from index")


def examine(path: Path, content: Path | None = None) -> list[Finding]:
    """Everything that is wrong with one database, at one moment, and with what it refers to in the folder `content`.
    A server may be at work in it, or have been killed. Raises EngineError."""
    with held(path) as con:
        findings = unsound(con)
        try:
            findings += found(con, checks(con, path, content))
        except EngineError:
            if not findings:
                raise
        except apsw.Error as error:
            if not findings:
                raise EngineError(f"cannot read the database {path}: {error}") from error
    return findings


def repair(store: StoreFiles, say: Say, *, copy: bool = True) -> None:
    """Mend what is found, each database under its lock, after a copy was made. Raises EngineError: while a server runs, or
    when nothing can be read."""
    locks = []
    try:
        for path in store.databases:
            if files.in_use(path):
                raise EngineError(f"a server runs on {path}; stop it before the repair")
            locks.append(files.lock(path))
        for path in store.databases:
            _repair(path, store.content, say, copy)
    finally:
        for lock in locks:
            os.close(lock)


def _repair(path: Path, content: Path | None, say: Say, copy: bool) -> None:
    if not examine(path, content):
        return
    moment = time.strftime("%Y%m%dT%H%M%S")
    if copy:
        say(f"{path.name}: as it was it is kept as {_copied(path, moment).name}")
    _make_sound(path, say, moment)
    con = apsw.Connection(str(path))
    try:
        fetch(con, "PRAGMA synchronous = FULL")
        for _ in range(_ROUNDS):
            with con:
                done = mended(con, checks(con, path, content))
            for finding in done:
                say(f"{path.name}: {finding.words}; done: {finding.remedy}")
            if not done:
                break
        con.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:
        raise EngineError(f"the repair of {path} was not finished: {error}") from error
    finally:
        con.close()


def _make_sound(path: Path, say: Say, moment: str) -> None:
    """Pages, order and indexes: anew where that is enough, else all that can be read into a new file."""
    with held(path) as con:
        faults = unsound(con)
    if faults and all(_INDEX.search(fault.words) for fault in faults):
        con = apsw.Connection(str(path))
        try:
            with suppress(apsw.Error), con:         # names that are there twice: the new file parts them
                con.execute("REINDEX")
                say(f"{path.name}: its indexes were built anew")
            faults = unsound(con)
        finally:
            con.close()
    if faults:
        _rewrite(path, say, moment)


def _rewrite(path: Path, say: Say, moment: str) -> None:
    """A new database in the place of a damaged one, which stays beside it."""
    fresh = path.with_name(f"{path.name}.salvage-{moment}")
    components = _components(path)
    lines = salvage(path, fresh, components)
    new = apsw.Connection(str(fresh))
    try:
        if "store" in components:
            with new:
                lines += _rows_lost(path, new)
        new.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        new.close()
    aside = path.with_name(f"{path.name}.damaged-{moment}")
    os.link(path, aside)            # never a moment without a database: a server would begin an empty one
    if _log(path):
        shutil.copyfile(path.with_name(path.name + "-wal"), aside.with_name(aside.name + "-wal"))
        files.sync(aside.with_name(aside.name + "-wal"))
    for suffix in ("-wal", "-shm"):     # the old one's log must not meet the new file
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    files.owned_like(fresh, path)
    os.replace(fresh, path)
    files.sync(path.parent)
    say(f"{path.name}: written anew from what could be read; the damaged file is kept as {aside.name}")
    for line in lines:
        say(f"{path.name}: {line}")


def _rows_lost(damaged: Path, new: apsw.Connection) -> list[str]:
    old = apsw.Connection(str(damaged), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return rows_lost(old, new)
    finally:
        old.close(True)


def _components(path: Path) -> Mapping[str, Sequence[Migration]]:
    """What is in a damaged file: by its list, or where that cannot be read by its tables."""
    try:
        with held(path) as con:
            return present(con, path)
    except apsw.Error:
        pass
    with held(path) as con, suppress(apsw.Error):
        tables = {str(name) for name, in fetch(con, "SELECT name FROM sqlite_schema")}
        signs = {"content": "piece", "store": "message", "queue": "queue_message", COMPONENT: "shard",
                 annotated.COMPONENT: "metadata_entry", shared.COMPONENT: "acl", greyschema.COMPONENT: "greylist"}
        return {name: steps for name, steps in COMPONENTS.items() if signs[name] in tables}
    raise EngineError(f"nothing can be read of {path}; restore a backup")


def _log(path: Path) -> bool:
    """Whether anything is in the write-ahead log, as after a crash."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _copied(path: Path, moment: str) -> Path:
    """The file and its log, octet by octet, beside it."""
    copy = path.with_name(f"{path.name}.before-repair-{moment}")
    for suffix in ("", "-wal"):
        source, target = path.with_name(path.name + suffix), copy.with_name(copy.name + suffix)
        if not suffix or _log(path):
            target.touch(0o600)
            shutil.copyfile(source, target)
            files.owned_like(target, path)
            files.sync(target)
    files.sync(path.parent)
    return copy
