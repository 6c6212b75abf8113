"""What a FETCH item is: a column rendered for a page of messages at once, or octets read for one message at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Protocol, TypeGuard

from mailframe.model.mailbox import Field, Rows

from .. import writer
from ..cursor import Cursor
from .message import Message


class FlagTable(dict[int, bytes]):
    """Rendered flag lists by their mask; a mailbox has few different ones."""

    MOST = 10_000

    def __init__(self, keywords: Sequence[str], recent: bool = False) -> None:
        super().__init__()
        self._keywords, self._recent = keywords, recent

    def __missing__(self, mask: int) -> bytes:
        if len(self) >= self.MOST:
            self.clear()
        rendered = self[mask] = writer.flags(mask, self._keywords, self._recent)
        return rendered


_SCENES = 100           # kept for all sessions of a process: mailboxes mostly have the same keywords, and none that is \\Recent


@dataclass(slots=True)
class Scene:
    """What rendering needs to know besides the messages."""

    flags: FlagTable
    recent_flags: FlagTable
    recent: Sequence[tuple[int, int]] = ()      # inclusive UID ranges that are \\Recent in this session

    @classmethod
    def of(cls, keywords: tuple[str, ...], recent: Sequence[tuple[int, int]]) -> Scene:
        return _quiet(keywords) if not recent else cls(FlagTable(keywords), FlagTable(keywords, True), recent)

    def table(self, uid: int) -> FlagTable:
        """The one that is right for this message."""
        return self.recent_flags if any(low <= uid <= high for low, high in self.recent) else self.flags


@lru_cache(_SCENES)
def _quiet(keywords: tuple[str, ...]) -> Scene:
    """Where nothing is \\Recent."""
    return Scene(FlagTable(keywords), FlagTable(keywords, True))


class Column(Protocol):
    """An immutable item whose value comes from the columns of the storage seam."""

    @property
    def label(self) -> bytes:
        """As the response spells it."""

    @property
    def fields(self) -> Field:
        """The columns it looks at; UIDs, flags and mod-sequences are always there."""

    def values(self, rows: Rows, scene: Scene) -> Iterable[bytes]:
        """One finished value for each of `rows`, in order. Called once for a page: a function of C speed is worth the care."""


def pieces(columns: Sequence[Column], rows: Rows, heads: list[bytes], scene: Scene) -> list[Iterable[bytes]]:
    """Columns of octets which, read across, are each message's FETCH response but for its end, ``)`` CRLF.

    `heads` are ``* n FETCH (``. Whoever joins them does it with zip and chain: no Python is run for a single message.
    """
    found: list[Iterable[bytes]] = [heads]
    before = b""
    for column in columns:
        found += repeat(before + column.label + b" "), column.values(rows, scene)
        before = b" "
    return found


def joined(columns: Sequence[Column], rows: Rows, heads: list[bytes], scene: Scene, backwards: bool = False) -> bytes:
    """The FETCH responses of messages whose items are all columns; `backwards`: the last message first."""
    responses: Iterable[tuple[bytes, ...]] = zip(*pieces(columns, rows, heads, scene), repeat(b")\r\n"))
    if backwards:
        responses = reversed(list(responses))
    return b"".join(chain.from_iterable(responses))


@dataclass(frozen=True, slots=True)
class Span:
    """Octets of the message from `offset` on, `size` of them."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A finished value: octets as they are to be sent, a number, a string or a literal with its mark."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """`size` octets that are made while they are sent, as a literal that may hold a NUL (RFC 3516)."""

    size: int
    pieces: AsyncIterator[bytes]


class Section(Protocol):
    """An immutable item whose value is made from the message's octets."""

    @property
    def label(self) -> bytes:
        """As the response spells it."""

    @property
    def fields(self) -> Field:
        """The columns that spare it reading: INDEX, if it has to know where the parts stand."""

    @property
    def sets_seen(self) -> bool:
        """Whether fetching it sets \\Seen."""

    async def find(self, message: Message) -> Span | bytes | Ready | Made | None:
        """Where the octets stand, or the octets themselves; None (told as NIL) if there is no such part."""


def is_section(item: Column | Section) -> TypeGuard[Section]:
    """Which of the two it is (a run-time check of the whole protocol costs 20 us)."""
    return hasattr(item, "find")


def is_column(item: Column | Section) -> TypeGuard[Column]:
    return hasattr(item, "values")


@dataclass(frozen=True, slots=True)
class FetchItem:
    """A word of FETCH. `parse` reads what follows the word in the command (a section, a partial, mostly nothing). The same
    words give the same item: what was parsed is kept and used again."""

    name: bytes
    parse: Callable[[Cursor], Column | Section]
