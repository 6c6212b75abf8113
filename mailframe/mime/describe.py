"""What a part's header says about the part, put into its `Part`."""

from __future__ import annotations

from .header import unfold
from .index import Part
from .parameters import content_type, disposition
from .tokens import strip_comments

CONTENT_FIELDS = frozenset({
    b"content-type", b"content-transfer-encoding", b"content-id", b"content-description", b"content-md5",
    b"content-disposition", b"content-language", b"content-location",
})
_MORE = CONTENT_FIELDS - {b"content-type", b"content-transfer-encoding"}
_IDENTITY = frozenset({b"7bit", b"8bit", b"binary", b""})


def describe(part: Part, found: list[tuple[bytes, bytes]], digest: bool) -> None:
    """Fill `part` from its header's fields; of a repeated one the first counts.

    A missing or unreadable Content-Type means text/plain in us-ascii (RFC 2045 section 5.2), in a digest
    message/rfc822 (RFC 2046 section 5.1.5).
    """
    content = dict(reversed(found))
    value = content.get(b"content-type")
    kind = None if value is None else content_type(value)
    if kind is not None:
        part.maintype, part.subtype, part.parameters = kind
    elif digest:
        part.maintype, part.subtype, part.parameters = b"message", b"rfc822", ()
    value = content.get(b"content-transfer-encoding")
    if value is not None:
        part.encoding = unfold(strip_comments(value)).partition(b";")[0].rstrip().lower() or b"7bit"
    if not _MORE.isdisjoint(content):
        _describe_more(part, content)


def _describe_more(part: Part, content: dict[bytes, bytes]) -> None:
    part.id = _text(content.get(b"content-id"))
    part.description = _text(content.get(b"content-description"))
    part.md5 = _text(content.get(b"content-md5"))
    location = _text(content.get(b"content-location"))
    part.location = None if location is None else b"".join(location.split())    # RFC 2557 section 4.4.2
    shown = content.get(b"content-disposition")
    part.disposition = None if shown is None else disposition(shown)
    language = content.get(b"content-language")
    if language is not None:
        part.language = tuple(strip_comments(unfold(language)).replace(b",", b" ").split()[:_LANGUAGES])


_LANGUAGES = 50     # of one part


def is_transparent(part: Part) -> bool:
    """Whether a message lies in `part` readable as it is: RFC 2046 section 5.2.1 allows no other encoding there."""
    return part.encoding in _IDENTITY


def _text(value: bytes | None) -> bytes | None:
    return None if value is None else unfold(value)
