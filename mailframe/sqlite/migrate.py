"""Opening connections, and bringing each component's tables to the version that this program knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import apsw

from .errors import EngineError
from .rows import fetch

#: One step of a component's schema: SQL, or a function of the connection. Steps are only ever added at the end.
Migration = str | Callable[[apsw.Connection], None]

_WRITER = """
    PRAGMA page_size = 8192;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
"""
_READER = """
    PRAGMA query_only = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -32768;
"""
_BUSY_MS = 5_000    # another connection recovering the log after a crash is waited for that long


def open_writer(path: Path, components: Mapping[str, Sequence[Migration]]) -> apsw.Connection:
    """The connection that writes, its tables ready. Raises EngineError with a sentence for people."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(_BUSY_MS)
        fetch(connection, _WRITER)       # the driver stops at the first row, until it is asked for more
        create(connection, components, path)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return connection
    except apsw.NotADBError:
        raise EngineError(f"{path} is not a mailframe database") from None
    except apsw.Error as error:
        raise EngineError(f"cannot open the database {path}: {error}") from error


def open_reader(path: Path) -> apsw.Connection:
    """A connection that cannot write, warmed by its first read."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    fetch(connection, _READER)
    connection.execute("SELECT count(*) FROM components").fetchall()
    return connection


def create(connection: apsw.Connection, components: Mapping[str, Sequence[Migration]], path: Path = Path(":memory:")) -> None:
    """Bring each component's tables to its newest version. Raises EngineError for what a newer program wrote."""
    for component, migrations in components.items():
        _migrate(connection, path, component, migrations)


def _migrate(connection: apsw.Connection, path: Path, component: str, migrations: Sequence[Migration]) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS components (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
    found = fetch(connection, "SELECT version FROM components WHERE name = ?", (component,))
    version = int(found[0][0]) if found else 0
    if version > len(migrations):
        raise EngineError(
            f"the database {path} was written by a newer version of mailframe "
            f"({component} has schema {version}, this program knows {len(migrations)})")
    for number in range(version, len(migrations)):
        step = migrations[number]
        with connection:
            if callable(step):
                step(connection)
            else:
                fetch(connection, step)
            connection.execute(
                "INSERT INTO components VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = ?2", (component, number + 1))
