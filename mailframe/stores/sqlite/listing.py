"""Rows from the tables as columns: one statement for a page, no object per message."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

from mailframe.model.mailbox import Field, Rows, UidRanges
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import Row

from .schema import EMAIL_ID, THREAD_ID, masks, uid_set

_INLINE = 1_024             # rows read in the reactor's thread: about a millisecond
_FEW_RANGES = 4             # more are asked for in one statement, where they are not too wide for that
_WIDE = 100_000

_COLUMNS: tuple[tuple[Field, str], ...] = (
    (Field.FLAGS, "m.flags"), (Field.MODSEQ, "m.modseq"), (Field.SIZE, "m.size"), (Field.DATE, "m.date"), (Field.SAVED, "m.saved"),
    (Field.ENVELOPE, "coalesce(a.envelope, x'')"), (Field.STRUCTURE, "coalesce(a.structure, x'')"),
    (Field.INDEX, "coalesce(a.mime_index, x'')"), (Field.PREVIEW, "coalesce(a.preview, x'')"),
    (Field.EMAILID, EMAIL_ID), (Field.THREADID, THREAD_ID),
)
_ATTRIBUTES = Field.ENVELOPE | Field.STRUCTURE | Field.INDEX | Field.PREVIEW


async def listing(
    engine: Engine, mailbox: int, ranges: UidRanges, limit: int, fields: Field, version: int | None,
) -> Rows:
    """As `IMailbox.rows`; attributes of another `version` of the renderer count as missing."""
    found: list[Row] = []
    select = _select(fields)
    for where, parameters in _conditions(ranges):
        wanted = limit - len(found)
        if wanted <= 0:
            break
        sql = f"{select} WHERE m.mailbox = ?2 AND {where} ORDER BY m.uid LIMIT ?3"
        rows = await engine.query(sql, (version, mailbox, min(wanted, _INLINE), *parameters))
        if len(rows) == _INLINE and wanted > _INLINE:
            rows = await engine.query(sql, (version, mailbox, wanted, *parameters), bulk=True)
        found += rows
    return columns(found, fields)


def columns(found: Sequence[Row], fields: Field) -> Rows:
    """Tuples of the UID and the columns of `fields`, in their order, as columns."""
    if not found:
        return Rows()
    by_column = iter(zip(*found))
    uids = next(by_column)
    known: dict[Field, Sequence[Any]] = {field: next(by_column) for field, _ in _COLUMNS if field in fields}
    if Field.FLAGS in known:
        known[Field.FLAGS] = masks(known[Field.FLAGS])
    return Rows.of(uids, fields, known)


def flag_columns(found: Sequence[Row]) -> Rows:
    """Tuples of UID, flags and mod-sequence as columns."""
    if not found:
        return Rows()
    uids, flags, modseqs = zip(*found)
    return Rows(array("I", uids), masks(flags), array("Q", modseqs))


def _select(fields: Field) -> str:
    wanted = ["m.uid", *(sql for field, sql in _COLUMNS if field in fields)]
    # Where no attributes are wanted their table is not read; ?1 is used all the same, so that parameters keep their places.
    joined = """ LEFT JOIN attributes AS a ON a.mailbox = m.mailbox AND a.uid = m.uid AND (?1 IS NULL OR a.version = ?1)"""
    return f"SELECT {', '.join(wanted)} FROM message AS m" + (joined if fields & _ATTRIBUTES else "")


def _conditions(ranges: UidRanges) -> list[tuple[str, tuple[Any, ...]]]:
    if len(ranges) > _FEW_RANGES and sum(last - first + 1 for first, last in ranges) <= _WIDE:
        uids = array("q", chain.from_iterable(range(first, last + 1) for first, last in ranges))
        return [("m.uid IN carray(?4)", (uid_set(uids),))]
    return [("m.uid BETWEEN ?4 AND ?5", (first, last)) for first, last in ranges]
