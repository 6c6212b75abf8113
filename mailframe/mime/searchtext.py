"""What SEARCH looks through: the decoded, folded text of a message, and the form in which it can be kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from .casemap import fold
from .header import decode_words, fields, split_header
from .index import Index, Part
from .scan import scan
from .text import header_text, part_text

VERSION = 2                 # of everything made here; raise it whenever any text changes, so that kept ones are made anew
MAX_PIECE = 262_144         # octets of a text part that are decoded at once: some 3 ms
MAX_TEXT = 16 * 1_048_576   # octets of a message's text parts that are looked through: more is somebody's data
KEPT_OCTETS = 65_536        # of a header that is kept; and lines of it: beyond, limits of reading might depend on what
KEPT_LINES = 1_000          # stands in front of the content

#: Yields (offset, size) of the octets it wants next, at most MAX_PIECE; fewer may be sent at the end. Returns the text.
Steps = Generator[tuple[int, int], bytes, str]


def body_text(index: Index) -> Steps:
    """All text parts, HTML without its tags, and the headers of messages inside (RFC 3501 section 6.4.4: BODY is all but the
    header); a few milliseconds' work at a time."""
    found: list[str] = []
    room = MAX_TEXT
    for part in index.parts:
        if part.parent >= 0 and index.parts[part.parent].is_message:
            block = yield part.start, min(part.body - part.start, MAX_PIECE)
            found.append(fold(header_text(block)))
        if part.maintype == b"text" and room:
            size = min(part.end - part.body, room)
            room -= size
            found.append((yield from _part_text(part, size)))
    return "\n".join(found)


def _part_text(part: Part, size: int) -> Steps:
    """The first `size` octets of a text part, in pieces that are cut at line ends."""
    pieces: list[str] = []
    offset, end = part.body, part.body + size
    while offset < end:
        octets = yield offset, min(end - offset, MAX_PIECE)
        if not octets:
            break
        if offset + len(octets) < end:
            octets = octets[:line_end(octets)]
        pieces.append(fold(part_text(octets, part)))
        offset += len(octets)
    return "".join(pieces)


def taken(steps: Steps, read: Callable[[int, int], bytes]) -> str:
    """The text of `steps` where `read(offset, size)` has the octets at hand."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(read(*wanted))
    except StopIteration as done:
        text: str = done.value
        return text


def search_text(octets: bytes, index: Index | None = None) -> tuple[str, str]:
    """(header, body) of a whole message as text to be searched: decoded and folded (fold what is searched for as well).

    The header is its fields, unfolded, one a line; for the body see `body_text`.
    """
    index = index or scan(octets)
    root = index.parts[0]
    header = fold(header_text(octets[root.start:root.body]))
    return header, taken(body_text(index), lambda offset, size: octets[offset:offset + size])


def field_holds(found: Sequence[tuple[bytes, bytes]], name: bytes, text: str) -> bool:
    """Whether one of the fields `found` (`header.fields`) is a `name` (lower case) with `text` (folded) in its value."""
    return any(name == field and text in fold(decode_words(value)) for field, value in found)


def kept_header(content: bytes) -> str | None:
    """The header of a message's content to be kept: each field as ``NAME: value`` in a line, with a line end in front of all.

    None where other lines in front of it (a message's head) might change what it says: then it has to be read together with
    them. `content` is the content's first octets. No value in what is returned holds a line end, so its lines are its fields.
    """
    end = split_header(content[:KEPT_OCTETS])
    block = content[:end]
    if end >= KEPT_OCTETS or block.startswith((b" ", b"\t")) or block.count(b"\n") > KEPT_LINES:
        return None
    lines = header_text(block)
    if lines.count("\n") >= max(len(fields(block)), 1):         # an encoded word that brings line ends of its own
        return None
    return fold(f"\n{lines}\n")


def line_end(octets: bytes) -> int:
    """Where a piece of an encoded text can be cut: after its last line end that no quoted-printable "=" takes away."""
    cut = octets.rfind(b"\n") + 1
    for _ in range(100):
        if not octets.endswith((b"=\r\n", b"=\n"), 0, cut):
            break
        cut = octets.rfind(b"\n", 0, cut - 1) + 1
    return cut or len(octets)
