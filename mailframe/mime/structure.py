"""BODYSTRUCTURE and BODY as finished IMAP bytes (RFC 3501 sections 7.4.2 and 9)."""

from __future__ import annotations

from functools import lru_cache

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
        text = (_multipart if part.maintype == b"multipart" else _single)(part, children, extended)
        if part.parent >= 0:
            inner[part.parent].append(text)
            inner[number] = []
    return text


def _multipart(part: Part, children: list[bytes], extended: bool) -> bytes:
    if not extended:
        return b"(%b %b)" % (b"".join(children), imap_string(part.subtype))
    return b"(%b %b %b %b)" % (b"".join(children), imap_string(part.subtype), _parameters(part.parameters), _extension(part))


def _single(part: Part, children: list[bytes], extended: bool) -> bytes:
    maintype, subtype, encoding, parameters = part.maintype, part.subtype, part.encoding, part.parameters
    if part.id is part.description is None and _is_usual(maintype, subtype, encoding, parameters):
        opening = _remembered(maintype, subtype, encoding, parameters)
    else:
        opening = _opening(maintype, subtype, encoding, parameters, part.id, part.description)
    if maintype == b"text":
        text = b"%b %d %d" % (opening, part.end - part.body, part.lines)
    elif part.is_message:
        text = b"%b %d %b %b %d" % (opening, part.end - part.body, part.envelope or NIL_ENVELOPE, children[0], part.lines)
    else:
        text = b"%b %d" % (opening, part.end - part.body)
    if not extended:
        return text + b")"
    return b"%b %b %b)" % (text, b"NIL" if part.md5 is None else imap_string(part.md5), _extension(part))


def _is_usual(maintype: bytes, subtype: bytes, encoding: bytes, parameters: Parameters) -> bool:
    """Short, and at most one parameter, as a charset is: likely to come again."""
    size = len(maintype) + len(subtype) + len(encoding)
    return size < _SHORT and (not parameters or (len(parameters) == 1 and len(parameters[0][0]) + len(parameters[0][1]) < _SHORT))


def _opening(
    maintype: bytes, subtype: bytes, encoding: bytes, parameters: Parameters, identity: bytes | None = None,
    description: bytes | None = None,
) -> bytes:
    return b"(%b %b %b %b %b %b" % (
        imap_string(maintype), imap_string(subtype), _parameters(parameters), imap_string(identity), imap_string(description),
        imap_string(encoding),
    )


_SHORT = 64             # octets
_REMEMBERED = 512       # openings; one that is known takes a fifth of the time
_remembered = lru_cache(_REMEMBERED)(_opening)


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
    if len(parameters) == 1:
        name, value = parameters[0]
        return b"(%b %b)" % (imap_string(name), imap_string(value))
    return b"(%b)" % b" ".join([b"%b %b" % (imap_string(name), imap_string(value)) for name, value in parameters])
