"""PREVIEW (RFC 8970): the first words of a message, made when it came or when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mailframe.model.mailbox import Field, Rows

from ..cursor import BadSyntax, Cursor
from ..items.item import Column, FetchItem, Scene
from ..registry import Extension, State


@dataclass(frozen=True, slots=True)
class Preview:
    label: bytes = b"PREVIEW"
    fields: Field = Field.PREVIEW

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return rows.previews


def _parse(cursor: Cursor) -> Column:
    """``"PREVIEW" [SP "(" "LAZY" ")"]`` (section 6). Lazy or not, it is there: the few that are not kept are quickly made."""
    if cursor.peek(2) == b" (":
        cursor.space()
        if set(cursor.list_of(cursor.keyword)) != {b"LAZY"}:
            raise BadSyntax("Unknown modifier of PREVIEW")
    return Preview()


EXTENSION = Extension(
    capability=b"PREVIEW", rfc="8970", announced=State.LOGGED_IN, items=(FetchItem(b"PREVIEW", _parse),),
)
