"""What SORT looks at of a message: dates, size, first addresses, base subject (RFC 5256)."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from mailframe.mime.casemap import fold
from mailframe.mime.header import decode_words, fields, parse_addresses, parse_date, unfold
from mailframe.pacing.breath import Breath

_SPACE = re.compile(r"[ \t\r\n]+")            # white space of mail; others are characters like any other
_TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE)
_LEADER = re.compile(r"(?:\[[^\[\]]*+\] *+)*+(?:re|fwd?+) *+(?:\[[^\[\]]*+\] *+)?+: *+| ++", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\] *+(?=.)", re.DOTALL)
MAX_ADDRESSES = 2_000       # octets of a field in which its first address is looked for
MAX_SUBJECT = 2_000         # characters that are looked at: folded subjects of people stay below 300
CHUNK = 2_000               # messages sorted or merged without a pause: some milliseconds (I2)


Fields = Mapping[bytes, bytes]      # the first field of each name, in lower case
Value = int | str


def first_fields(block: bytes) -> dict[bytes, bytes]:
    """The first field of each name in a header block."""
    first: dict[bytes, bytes] = {}
    for name, value in fields(block):
        first.setdefault(name, value)
    return first


def sent(header: Fields, arrival: int) -> int:
    """The Date field in seconds since the epoch; without a readable one the INTERNALDATE (RFC 5256 section 2.2)."""
    date = parse_date(unfold(header.get(b"date", b"")))
    return arrival if date is None else date[0]


def subject(header: Fields) -> str:
    """The base subject, folded."""
    return fold(base_subject(decode_words(header.get(b"subject", b""))))


def mailbox(header: Fields, name: bytes) -> str:
    """The local part of the field's first address, folded; "" without one."""
    return _person(header, name)[0]


def shown(header: Fields, name: bytes) -> str:
    """The name that is shown for the field's first address, else the address (RFC 5957 section 3), folded."""
    return _person(header, name)[1]


def base_subject(words: str) -> str:
    """The subject without "Re:", "[list]", "(fwd)" and the like (RFC 5256 section 2.1)."""
    return reduced(words)[0]


def reduced(words: str) -> tuple[str, bool]:
    """(the base subject, whether "Re:", "Fwd:" or "(fwd)" had to go)."""
    text, replies = _SPACE.sub(" ", words[:MAX_SUBJECT]), False
    while True:
        while found := _TRAILER.search(text):
            text, replies = text[:found.start()], replies or found.group() != " "
        while True:
            leader = _LEADER.match(text)
            found = leader or _BLOB.match(text)
            if found is None:
                break
            text, replies = text[found.end():], replies or (leader is not None and leader.group() != " ")
        if text[:5].lower() != "[fwd:" or text[-1:] != "]":
            return text, replies
        text, replies = text[5:-1], True


def _person(header: Fields, field: bytes) -> tuple[str, str]:
    found = parse_addresses(header.get(field, b"")[:MAX_ADDRESSES])
    if not found:
        return "", ""
    name, _, local, domain = found[0]
    address = (local or b"").decode("utf-8", "replace")
    words = decode_words(name) if name else f"{address}@{(domain or b'').decode('utf-8', 'replace')}"
    return fold(address), fold(words)


#: SORT's keys that come from the header; ARRIVAL and SIZE are columns of the store (RFC 5256 section 3, RFC 5957 section 3).
HEADER_KEYS: dict[bytes, Callable[[Fields, int], Value]] = {
    b"DATE": sent,
    b"SUBJECT": lambda header, _: subject(header),
    b"FROM": lambda header, _: mailbox(header, b"from"),
    b"TO": lambda header, _: mailbox(header, b"to"),
    b"CC": lambda header, _: mailbox(header, b"cc"),
    b"DISPLAYFROM": lambda header, _: shown(header, b"from"),
    b"DISPLAYTO": lambda header, _: shown(header, b"to"),
}
SORT_KEYS = frozenset(HEADER_KEYS) | {b"ARRIVAL", b"SIZE"}


@dataclass(frozen=True, slots=True)
class Descending:
    """A value that sorts the other way round."""

    value: Value

    def __lt__(self, other: Descending) -> bool:
        return self.value > other.value     # type: ignore[operator]    # values of one key are of one type


async def ordered(columns: Sequence[tuple[Sequence[Value], bool]], count: int, breath: Breath) -> list[int]:
    """The places 0 to `count`-1 by (values, whether reversed), the first column first; equal ones stay in order."""
    places = list(range(count))
    for column, reverse in reversed(columns):
        key = column.__getitem__
        chunks = []
        for start in range(0, count, CHUNK):
            chunks.append(sorted(places[start:start + CHUNK], key=key, reverse=reverse))
            await breath.take()
        merged = heapq.merge(*chunks, key=key, reverse=reverse)
        places = []
        while part := list(islice(merged, CHUNK)):
            places += part
            await breath.take()
    return places
