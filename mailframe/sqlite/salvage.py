"""A new database from all that can be read of one whose pages are damaged: row by row, around what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from .errors import EngineError
from .migrate import Migration, open_writer
from .rows import Row, fetch

_BATCH = 10_000             # rows to a commit
_LAST = 1 << 62             # beyond every number in use
_FAR = 1 << 48              # no gap between numbers is wider


def salvage(source: Path, target: Path, components: Mapping[str, Sequence[Migration]]) -> list[str]:
    """Write `target`, which must not be there, with the tables of `components` and what can be read of them; one sentence for
    each thing that is lost. What other components kept is left behind. Raises EngineError when nothing can be read at all."""
    try:
        old = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        fetch(old, "SELECT name FROM sqlite_schema")
    except apsw.Error as error:
        raise EngineError(f"nothing can be read of {source} ({error}); restore a backup") from error
    new = open_writer(target, components)
    try:
        lost: list[str] = []
        for table, in fetch(new, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            if table == "components":
                continue
            lost += _Table(old, new, table).copy()
        _numbers(old, new)
        return lost
    finally:
        new.close()
        old.close()


class _Table:
    """One table's way from the old file into the new one."""

    def __init__(self, old: apsw.Connection, new: apsw.Connection, name: str) -> None:
        self._old = old
        self._new = new
        self._name = name
        told = fetch(new, f"PRAGMA table_info({name})")
        there = {row[1] for row in _quietly(lambda: fetch(old, f"PRAGMA table_info({name})"))}
        self._columns = [row[1] for row in told if row[1] in there]
        self._keys = [row[1] for row in sorted(told, key=lambda row: int(row[5])) if row[5]]
        self._lost: list[str] = []

    def copy(self) -> list[str]:
        if not self._columns or not self._keys:
            return [f"the table {self._name} cannot be read at all"]
        marks = ", ".join("?" * len(self._columns))
        insert = f"INSERT INTO {self._name} ({', '.join(self._columns)}) VALUES ({marks})"
        self._new.execute("BEGIN")
        for number, row in enumerate(self._rows()):
            self._keep(insert, row)
            if number % _BATCH == _BATCH - 1:
                self._new.execute("COMMIT")
                self._new.execute("BEGIN")
        self._new.execute("COMMIT")
        return self._lost

    def _keep(self, insert: str, row: Row) -> None:
        try:
            self._new.execute(insert, row)
        except apsw.ConstraintError as error:       # a name that is there twice, say: it is kept under another one
            other = tuple(f"{value} (found {row[0]})" if isinstance(value, str) else value for value in row)
            try:
                self._new.execute(insert, other)
                self._lost.append(f"a row of {self._name} got another name: {_words(other)}")
            except apsw.ConstraintError:
                self._lost.append(f"a row of {self._name} cannot be kept ({error}): {_words(row)}")

    def _rows(self) -> Iterator[Row]:
        """All that can be read, in the order of the key."""
        places = [self._columns.index(key) for key in self._keys]
        after: Row = (-1,) * len(self._keys)
        while True:
            try:
                for row in self._old.execute(self._select(), after):
                    after = tuple(row[place] for place in places)
                    yield row
                return
            except apsw.Error as error:
                if isinstance(error, apsw.ConstraintError):
                    raise
            beyond = self._beyond(after)
            self._lost.append(f"rows of {self._name} cannot be read after {_words(after)}"
                              + (f", up to {_words(beyond)}" if beyond else ", to the end"))
            if beyond is None:
                return
            after = beyond

    def _select(self, limit: str = "") -> str:
        keys, marks = ", ".join(self._keys), ", ".join("?" * len(self._keys))
        return f"SELECT {', '.join(self._columns)} FROM {self._name} WHERE ({keys}) > ({marks}) ORDER BY {keys} {limit}"

    def _beyond(self, after: Row) -> Row | None:
        """A key after which there is something to be read again, as near as can be found."""
        if len(after) == 1:
            return self._within((), after)
        found = self._within(after[:1], after[1:])
        for first in range(after[0] + 1, self._last() + 1) if found is None else ():
            found = self._within((first,), (-1,) * (len(after) - 1))
            if found is not None:
                break
        return found

    def _last(self) -> int:
        """The greatest number that the first key can have: that of the table which it is named after."""
        name = self._keys[0]
        known = [*_quietly(lambda: fetch(self._new, f"SELECT max(id) FROM {name}")),
                 *_quietly(lambda: fetch(self._old, "SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)))]
        return max((row[0] for row in known if isinstance(row[0], int)), default=0)

    def _within(self, before: Row, after: Row) -> Row | None:
        """As `_beyond`, among the rows whose key begins with `before`: by steps that double, then by halves."""
        start, rest = after[0], (_LAST,) * (len(after) - 1)
        if start == -1 and self._answers((*before, *after)):
            return (*before, *after)
        if isinstance(start, str):
            return None
        step = 1
        while not self._answers((*before, start + step, *rest)):
            step *= 2
            if step > _FAR:
                return None
        low, high = step // 2, step
        while high - low > 1:
            middle = (low + high) // 2
            if self._answers((*before, start + middle, *rest)):
                high = middle
            else:
                low = middle
        return (*before, start + high, *rest)

    def _answers(self, key: Row) -> bool:
        """Whether the next row after `key` can be read and begins as it does."""
        try:
            found = fetch(self._old, self._select("LIMIT 1"), key)
        except apsw.Error:
            return False
        return bool(found) and (len(key) == 1 or found[0][self._columns.index(self._keys[0])] == key[0])


def _numbers(old: apsw.Connection, new: apsw.Connection) -> None:
    """Numbers that were given once are not given again, though what they stood for may be lost."""
    for name, last in _quietly(lambda: fetch(old, "SELECT name, seq FROM sqlite_sequence")):
        if isinstance(last, int):
            fetch(new, """
                INSERT INTO sqlite_sequence SELECT ?1, 0
                WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)""", (name,))
            fetch(new, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name))


def _quietly(ask: Callable[[], list[Row]]) -> list[Row]:
    rows: list[Row] = []
    with suppress(apsw.Error):
        rows = ask()
    return rows


def _words(values: Sequence[object]) -> str:
    shown = [f"{len(value)} octets" if isinstance(value, bytes) else str(value) for value in values if value != -1]
    return f"({', '.join(shown)})" if shown else "its beginning"
