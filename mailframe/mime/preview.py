"""The first words of a message, as a mail program shows them in a list (RFC 8970)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .charset import beginning, decode
from .index import Index, Part
from .text import decode_transfer, strip_markup
from .transfer import IDENTITIES, unquoted_printable

CHARACTERS = 200            # at most (RFC 8970 section 2)
LOOKED_AT = 16_384          # octets of an HTML part's body: links and styles take most of some
PLAIN_OCTETS = 1_024        # of a plain one
_GLANCE = 288               # octets of a plain one that nearly always hold `CHARACTERS`,
_GLANCE_QUOTED = 400        # and of a quoted-printable one
_PARTS = 5                  # text parts that are tried when the first ones say nothing
_UNSEEN = re.compile(r"[\s\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\x00-\x1f\x7f-\x9f]+")
_QUOTED = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_STYLE = re.compile(r"<(head|style|script|title)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def candidates(index: Index) -> Iterator[Part]:
    """The text parts to look at, in order: plain before HTML, nothing that is attached, nothing of a message inside."""
    left, others = _PARTS, []
    for number, part in enumerate(index.parts):
        if left and part.maintype == b"text" and _counts(index, number):
            if part.subtype == b"plain":
                left -= 1
                yield part                  # mostly the only one that is asked for, so that the others need no look
            else:
                others.append(part)
    yield from others[:left]


def _counts(index: Index, number: int) -> bool:
    part = index.parts[number]
    if part.maintype != b"text" or (part.disposition is not None and part.disposition[0] == b"attachment"):
        return False
    while part.parent >= 0:
        part = index.parts[part.parent]
        if part.is_message:
            return False
    return True


def octets_of(part: Part) -> int:
    """How many octets of the part's body are enough to see what it begins with."""
    return min(part.end - part.body, PLAIN_OCTETS if part.subtype == b"plain" else LOOKED_AT)


def preview_of(body: bytes, part: Part) -> str:
    """The words that `body`, the first `octets_of` of the part's, begins with; "" when it has none to show."""
    if len(body) < part.end - part.body and part.encoding != b"7bit":
        body = body[:body.rfind(b"\n") + 1] or body         # what the cut has left half: an encoded character's beginning
    html = part.subtype in (b"html", b"xhtml")
    text = None if html else _glance(body, part)
    if text is not None:
        return _cut(text)
    text = decode(decode_transfer(body, part.encoding), part.parameter(b"charset") or b"")
    if html:
        text = strip_markup(_STYLE.sub(" ", text))
        last = text.rfind("<")
        text = text[:last] if last > len(text) - 500 and ">" not in text[last:] else text
    elif ">" in text:
        text = _QUOTED.sub("", text)
    text = " ".join(text.split())
    return _cut(text if text.isprintable() else _UNSEEN.sub(" ", text).strip())


def _glance(body: bytes, part: Part) -> str | None:
    """What `preview_of` makes of plain text before it is cut, or at least more of it than `CHARACTERS`, from its first octets:
    half the time. None where they are not enough, or what follows might change it."""
    if part.encoding == b"quoted-printable":
        body = unquoted_printable(body[:body.rfind(b"\n", 0, _GLANCE_QUOTED) + 1])
    elif part.encoding in IDENTITIES:
        body = body[:_GLANCE]
    else:
        return None
    text = beginning(body, part.parameter(b"charset") or b"")
    if text is None or ">" in text or "\u034f" in text:          # the one of _UNSEEN but the space that counts as printable
        return None
    text = " ".join(text.split())
    return text if len(text) > CHARACTERS and text.isprintable() else None


def preview(octets: bytes, index: Index) -> str:
    """Of a whole message, or of as much of its beginning as is at hand."""
    for part in candidates(index):
        found = preview_of(octets[part.body:part.body + octets_of(part)], part)
        if found:
            return found
    return ""


def _cut(text: str) -> str:
    """At most `CHARACTERS`, cut between words where there are some, and never within a combined character."""
    if len(text) <= CHARACTERS:
        return text.rstrip("\ufffd")
    end = text.rfind(" ", CHARACTERS // 2, CHARACTERS + 1)
    return text[:end if end > 0 else CHARACTERS].rstrip()
