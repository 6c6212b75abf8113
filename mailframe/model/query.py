"""SEARCH as a tree of frozen values: what is asked of a mailbox's messages, in no protocol's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .mailbox import UidRanges

EPOCH_ORDINAL = 719_163             # date(1970, 1, 1).toordinal()
SECONDS_PER_DAY = 86_400
LAST_DAY = 3_652_060                # one past date(9999, 12, 31).toordinal()
MAX_SIZE = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Everything:
    """Any message."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A set in the asking session's own terms (sequence numbers, "*", $, RECENT); `resolve` turns it into Uids."""

    given: object


@dataclass(frozen=True, slots=True)
class Uids:
    """Inclusive ranges, ascending and disjoint."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class HasFlags:
    """All system flags of the mask (`mailframe.model.flags`)."""

    mask: int


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """A keyword by its name, compared without case; a mailbox that never saw it has no such message."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """Octets of head and content, both bounds inclusive."""

    at_least: int = 0
    at_most: int = MAX_SIZE


@dataclass(frozen=True, slots=True)
class HasId:
    """The message's email id, or its thread's (RFC 8474)."""

    id: str
    thread: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """SAVEDATE in seconds since the epoch: first <= date < until (RFC 8514)."""

    first: int = -MAX_SIZE
    until: int = MAX_SIZE


@dataclass(frozen=True, slots=True)
class Received:
    """INTERNALDATE in seconds since the epoch: first <= date < until (`midnight` makes them from days, which are UTC's)."""

    first: int = -MAX_SIZE
    until: int = MAX_SIZE


@dataclass(frozen=True, slots=True)
class Sent:
    """The Date field's day in its own zone, as an ordinal (`datetime.date.toordinal`): first <= day < until.

    A message without a readable date is never meant.
    """

    first: int = 0
    until: int = LAST_DAY


@dataclass(frozen=True, slots=True)
class InHeader:
    """`text` (folded: `mailframe.mime.casemap`) in a field `name` (lower case) of the decoded header.

    "" asks only whether the field is there.
    """

    name: bytes
    text: str


@dataclass(frozen=True, slots=True)
class InBody:
    """`text` (folded) in the decoded text parts."""

    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """`text` (folded) in the decoded header or the decoded text parts."""

    text: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """The words of a text, each somewhere, in any order, without accents (`mailframe.mime.fuzzy`, RFC 6203)."""

    part: InHeader | InBody | InText


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Query, ...]


Query = (
    Everything | Numbers | Uids | HasFlags | HasKeyword | HasId | Size | Received | Saved | Sent | InHeader | InBody | InText
    | Fuzzy | Not | And | Or
)


def midnight(ordinal: int) -> int:
    """The second at which a day begins in UTC."""
    return (ordinal - EPOCH_ORDINAL) * SECONDS_PER_DAY


def all_of(parts: tuple[Query, ...]) -> Query:
    """The conjunction of `parts` without a useless node around a single one."""
    return parts[0] if len(parts) == 1 else And(parts)


def leaves(query: Query) -> Iterator[Query]:
    """Every node of the tree that is not Not, And or Or."""
    todo = [query]
    while todo:
        node = todo.pop()
        match node:
            case Not(part):
                todo.append(part)
            case And(parts) | Or(parts):
                todo.extend(parts)
            case _:
                yield node


def resolve(query: Query, meaning: Callable[[object], UidRanges]) -> Query:
    """The same tree with each `Numbers` turned into what `meaning(given)` says it names now."""
    match query:
        case Numbers(given):
            return Uids(tuple(meaning(given)))
        case Not(part):
            return Not(resolve(part, meaning))
        case And(parts):
            return And(tuple(resolve(part, meaning) for part in parts))
        case Or(parts):
            return Or(tuple(resolve(part, meaning) for part in parts))
        case _:
            return query
