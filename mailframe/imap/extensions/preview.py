"""PREVIEW (RFC 8970): the first words of a message, made when it came or when they are first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailframe.model.mailbox import Field, Rows

from ..cursor import Cursor
from ..items.item import Column, FetchItem, Scene
from ..registry import Extension, State

_LAZY = re.compile(rb" \(LAZY(?: LAZY)*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Preview:
    label: bytes = b"PREVIEW"
    fields: Field = Field.PREVIEW

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return rows.previews


def _parse(cursor: Cursor) -> Column:
    """``"PREVIEW" [SP "(" "LAZY" ")"]`` (section 6). Lazy or not, it is there: the few that are not kept are quickly made.

    Other parentheses behind it are FETCH's own: ``FETCH 1 PREVIEW (CHANGEDSINCE 5)``."""
    lazy = _LAZY.match(cursor.data, cursor.position)
    if lazy is not None:
        cursor.position = lazy.end()
    return Preview()


EXTENSION = Extension(
    capability=b"PREVIEW", rfc="8970", announced=State.LOGGED_IN, items=(FetchItem(b"PREVIEW", _parse),),
)
