"""A database held still for one who reads all of it, and its copy, while a server goes on writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from . import files
from .errors import EngineError
from .rows import fetch

_BUSY_MS = 5_000
_PAGES = 2_000              # copied in one step


@contextmanager
def held(path: Path) -> Iterator[apsw.Connection]:
    """A connection that cannot write and sees one moment only, however long it is used. Raises EngineError.

    Until it is over, a running server's log grows by what is written meanwhile.
    """
    if not path.is_file():
        raise EngineError(f"there is no database {path}")
    try:
        con = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        con.set_busy_timeout(_BUSY_MS)
        con.execute("BEGIN")
        fetch(con, "SELECT count(*) FROM sqlite_schema")        # now is the moment
    except apsw.NotADBError:
        raise EngineError(f"{path} is not a mailframe database") from None
    except apsw.Error as error:
        raise EngineError(f"cannot read the database {path}: {error}") from error
    try:
        yield con
    finally:
        con.close()


def copy(con: apsw.Connection, target: Path) -> None:
    """The database of `con`, held still, page by page into the new file `target` (0600); not yet synced."""
    files.prepare(target)
    new = apsw.Connection(str(target))
    try:
        with new.backup("main", con, "main") as backup:
            while not backup.done:
                backup.step(_PAGES)
    finally:
        new.close()
