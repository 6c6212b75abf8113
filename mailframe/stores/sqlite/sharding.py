"""Which of several database files an account's mail is in, and what each file says of its place among them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import apsw

from mailframe.sqlite.rows import fetch

COMPONENT = "shards"
#: One row in each file: its place, from 0 on, and how many there are. No row: all mail is in this one file.
MIGRATIONS = ("CREATE TABLE shard (place INTEGER NOT NULL, number INTEGER NOT NULL);",)

MOST = 64               # files: more threads and fsyncs than any one machine's disks make use of


def shard_of(account: str, number: int) -> int:
    """The place of the account's mail, 0 to number-1: the same in every process and version."""
    return int.from_bytes(sha256(account.encode("utf-8", "surrogatepass")).digest()[:8], "big") % number


def shard_path(first: Path, place: int, number: int) -> Path:
    """The file at `place`: the first keeps its name, the others say which they are (mailframe-2of4.db)."""
    return first if place == 0 else first.with_name(f"{first.stem}-{place + 1}of{number}{first.suffix}")


def shard_paths(first: Path, number: int) -> list[Path]:
    return [shard_path(first, place, number) for place in range(number)]


def kept(con: apsw.Connection) -> tuple[int, int]:
    """(place, number) as this file says; (0, 1) where it says nothing."""
    if not fetch(con, "SELECT 1 FROM sqlite_schema WHERE name = 'shard'"):
        return 0, 1
    found: Sequence[tuple[int, int]] = fetch(con, "SELECT place, number FROM shard")
    return found[0] if found else (0, 1)
