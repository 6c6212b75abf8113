"""BODYSTRUCTURE and BODY as finished IMAP bytes (RFC 3501 sections 7.4.2 and 9)."""

from __future__ import annotations

from .envelope import NIL_ENVELOPE
from .imapstring import imap_string
from .index import Index, Part
from .parameters import Parameters


def render_bodystructure(index: Index) -> bytes:
    """BODYSTRUCTURE, with the extension data."""
    return _render(index, True)


def render_body(index: Index) -> bytes:
    """BODY: the same without extension data."""
    return _render(index, False)


def render_part(index: Index, number: int) -> bytes:
    """BODYSTRUCTURE of one part alone (BODYPARTSTRUCTURE, RFC 5524)."""
    return _render(index, True, number)


def _render(index: Index, extended: bool, root: int = 0) -> bytes:
    # From the last part to the first: children come after their parent, so each finds its own ready. No recursion.
    parts = index.parts
    inner: list[list[bytes]] = [[] for _ in parts]
    text = b""
    for number in range(len(parts) - 1, root - 1, -1):
        part = parts[number]
        children = inner[number]
        children.reverse()
        text = _multipart(part, children, extended) if part.is_multipart else _single(part, children, extended)
        if part.parent >= 0:
            inner[part.parent].append(text)
            inner[number] = []
    return text


def _multipart(part: Part, children: list[bytes], extended: bool) -> bytes:
    if not extended:
        return b"(%b %b)" % (b"".join(children), imap_string(part.subtype))
    return b"(%b %b %b %b)" % (b"".join(children), imap_string(part.subtype), _parameters(part.parameters), _extension(part))


def _single(part: Part, children: list[bytes], extended: bool) -> bytes:
    text = b"(%b %b %b %b %b %b %d" % (
        imap_string(part.maintype), imap_string(part.subtype), _parameters(part.parameters), imap_string(part.id),
        imap_string(part.description), imap_string(part.encoding), part.end - part.body,
    )
    if part.maintype == b"text":
        text = b"%b %d" % (text, part.lines)
    elif part.is_message:
        text = b"%b %b %b %d" % (text, part.envelope or NIL_ENVELOPE, children[0], part.lines)
    if not extended:
        return text + b")"
    return b"%b %b %b)" % (text, imap_string(part.md5), _extension(part))


def _extension(part: Part) -> bytes:
    """Disposition, language, location: the same for both kinds."""
    if part.disposition is None and not part.language and part.location is None:
        return b"NIL NIL NIL"
    shown = b"NIL"
    if part.disposition is not None:
        shown = b"(%b %b)" % (imap_string(part.disposition[0]), _parameters(part.disposition[1]))
    language = b"(%b)" % b" ".join(map(imap_string, part.language)) if part.language else b"NIL"
    return b"%b %b %b" % (shown, language, imap_string(part.location))


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (imap_string(name), imap_string(value)) for name, value in parameters])
