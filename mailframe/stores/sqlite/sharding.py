"""Which of several database files an account's mail is in, and what each file says of its place among them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import apsw

from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.rows import fetch

COMPONENT = "shards"
#: One row in each file: its place, from 0 on, how many there are, and how often they were dealt out anew.
#: No row: all mail is in this one file.
MIGRATIONS = ("CREATE TABLE shard (place INTEGER NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL);",)

MOST = 64               # files: more threads and fsyncs than any one machine's disks make use of
_IDS = 33               # bits of ids for a place in one generation: with the other 13 a content's fit into its 46
_GENERATIONS = 128


@dataclass(frozen=True, slots=True)
class Shard:
    """A file's place among all."""

    place: int = 0
    number: int = 1
    generation: int = 0

    def __str__(self) -> str:
        return f"{self.place + 1} of {self.number}"


def shard_of(account: str, number: int) -> int:
    """The place of the account's mail, 0 to number-1: the same in every process and version."""
    return int.from_bytes(sha256(account.encode("utf-8", "surrogatepass")).digest()[:8], "big") % number


def shard_path(first: Path, place: int, number: int) -> Path:
    """The file at `place`: the first keeps its name, the others say which they are (mailframe-2of4.db)."""
    return first if place == 0 else first.with_name(f"{first.stem}-{place + 1}of{number}{first.suffix}")


def shard_paths(first: Path, number: int) -> list[Path]:
    return [shard_path(first, place, number) for place in range(number)]


def kept(con: apsw.Connection) -> Shard:
    """What this file says."""
    if not fetch(con, "SELECT 1 FROM sqlite_schema WHERE name = 'shard'"):
        return Shard()
    found = fetch(con, "SELECT place, number, generation FROM shard")
    return Shard(*found[0]) if found else Shard()


def settle(con: apsw.Connection, path: Path, place: int, number: int) -> None:
    """Make sure that this file is at `place` of `number`; a new one is told so. Raises EngineError, a sentence with the way out."""
    there = kept(con)
    if (there.place, there.number) == (place, number):
        return
    if there.number == 1 and not fetch(con, "SELECT 1 FROM account LIMIT 1"):
        write(con, Shard(place, number))
        return
    if there.number != number:
        raise EngineError(f"the mail of {path} is in {_files(there.number)} and not in {_files(number)}: "
                          f"set shards = {there.number}, or stop the server and move it with: mailframe store reshard {number}")
    raise EngineError(f"the database {path} is {there} and not {Shard(place, number)}: were files renamed?")


def write(con: apsw.Connection, shard: Shard) -> None:
    """Say so in the file. Its ids begin where no other file's are, so that mail can be moved between files as it is."""
    if shard.generation >= _GENERATIONS:
        raise EngineError(f"the mail was moved between files {_GENERATIONS} times, and no numbers are left to do it again")
    con.execute("DELETE FROM shard")
    con.execute("INSERT INTO shard VALUES (?, ?, ?)", (shard.place, shard.number, shard.generation))
    first = shard.generation * MOST + shard.place << _IDS
    for table in ("account", "mailbox", "content"):
        fetch(con, "DELETE FROM sqlite_sequence WHERE name = ? AND seq < ?", (table, first))
        fetch(con, """
            INSERT INTO sqlite_sequence SELECT ?1, ?2
            WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)""", (table, first))


def _files(number: int) -> str:
    return "one file" if number == 1 else f"{number} files"
