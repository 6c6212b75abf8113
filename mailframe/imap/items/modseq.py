"""MODSEQ as a FETCH item (RFC 7162 section 3.1.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailframe.model.mailbox import Field, Rows

from .item import Scene

_IN_PARENTHESES: Callable[[int], bytes] = b"(%d)".__mod__


@dataclass(frozen=True, slots=True)
class Modseq:
    label: bytes = b"MODSEQ"
    fields: Field = Field.MODSEQ

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        return map(_IN_PARENTHESES, rows.modseqs)
