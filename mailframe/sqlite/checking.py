"""Checks as data: a query that must yield no row, its words for a person, and how each row is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from .errors import EngineError
from .migrate import Migration, create
from .rows import fetch

#: SQL that is given the row's columns as named parameters, or a function of the connection and the row.
Mend = str | Callable[[apsw.Connection, Mapping[str, Any]], None]
_LINES = 100            # of what SQLite itself finds


@dataclass(frozen=True, slots=True)
class Check:
    """`sql` yields a row for each fault; `words` has its columns in braces: where, a colon, what. `remedy` is what `mend` does;
    an empty `mend` leaves it to people."""

    sql: str
    words: str
    remedy: str
    mend: Mend


@dataclass(frozen=True, slots=True)
class Finding:
    """One inconsistency, for a person."""

    words: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.words} (repair: {self.remedy})"


def found(con: apsw.Connection, checks: Sequence[Check]) -> Iterator[Finding]:
    """What the checks find, as it is found. Raises apsw.Error where pages cannot be read."""
    for check in checks:
        for row in _faults(con, check):
            yield Finding(check.words.format(**row), check.remedy)


def mended(con: apsw.Connection, checks: Sequence[Check]) -> list[Finding]:
    """Mend, check by check, in their order; what was found on the way. To be called inside a transaction."""
    findings = []
    for check in checks:
        if not check.mend:
            continue
        for row in list(_faults(con, check)):       # read to its end before anything changes under it
            if callable(check.mend):
                check.mend(con, row)
            else:
                fetch_named(con, check.mend, row)
            findings.append(Finding(check.words.format(**row), check.remedy))
    return findings


def fetch_named(con: apsw.Connection, sql: str, names: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """As `rows.fetch` with named parameters; names that the statement does not use are no harm."""
    return con.execute(sql, dict(names)).fetchall()


def unsound(con: apsw.Connection) -> list[Finding]:
    """What SQLite's own examination says of pages, order, indexes and constraints."""
    remedy = "build the indexes anew; if that is not enough, write a new database from all that can be read, and keep this one"
    try:
        lines = [str(row[0]) for row in fetch(con, f"PRAGMA integrity_check({_LINES})")]
    except apsw.Error as error:
        lines = [str(error)]
    return [] if lines == ["ok"] else [Finding(f"the file: {' '.join(line.split())}", remedy) for line in lines]


def misshapen(con: apsw.Connection, components: Mapping[str, Sequence[Migration]]) -> list[Check]:
    """A check for each table, index, view and trigger that `components` should have made and that is missing or different.

    Only a missing table's rows are lost with it; the rest is made anew. What others have added is left alone.
    """
    model = apsw.Connection(":memory:")
    try:
        create(model, components)
        right = _objects(model)
    finally:
        model.close()
    there = _objects(con)
    checks = []
    for (kind, name), sql in right.items():
        if (kind, name) not in there:
            checks.append(_shape(f"the file: the {kind} {name} is missing", f"make the {kind}", sql))
        elif kind != "table" and _flat(there[kind, name]) != _flat(sql):
            drop = f"DROP {kind.upper()} {name}; {sql}"
            checks.append(_shape(f"the file: the {kind} {name} is not as it should be", f"make the {kind} anew", drop))
    return checks


def versions(con: apsw.Connection) -> dict[str, int]:
    """Each component's schema version; nothing where the file is no mailframe database."""
    if not fetch(con, "SELECT 1 FROM sqlite_schema WHERE name = 'components'"):
        return {}
    return {str(name): int(version) for name, version in fetch(con, "SELECT name, version FROM components")}


def known(con: apsw.Connection, path: Path, components: Mapping[str, Sequence[Migration]]) -> dict[str, Sequence[Migration]]:
    """Of `components` those that are in this file. Raises EngineError when there are none, or one is not of this version."""
    here = versions(con)
    for name, version in here.items():
        if name in components and version != len(components[name]):
            age = "newer" if version > len(components[name]) else "older"
            hint = "" if age == "newer" else "; start the server once, which brings it up to date"
            article = "a" if age == "newer" else "an"
            raise EngineError(f"the database {path} was written by {article} {age} version of mailframe{hint}")
    present = {name: steps for name, steps in components.items() if name in here}
    if not present:
        raise EngineError(f"{path} is not a mailframe database")
    return present


def _faults(con: apsw.Connection, check: Check) -> Iterator[Mapping[str, Any]]:
    cursor = con.execute(check.sql)
    names: Sequence[str] = ()
    for row in cursor:
        names = names or [each[0] for each in cursor.get_description()]
        yield dict(zip(names, row, strict=True))


def _objects(con: apsw.Connection) -> dict[tuple[str, str], str]:
    return {(str(kind), str(name)): str(sql) for kind, name, sql in fetch(
        con, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")}


def _flat(sql: str) -> str:
    return " ".join(sql.split())


def _shape(words: str, remedy: str, sql: str) -> Check:
    return Check("SELECT 1 AS n", words.replace("{", "{{").replace("}", "}}"), remedy, sql)
