"""Content-Type, Content-Disposition and their parameters (RFC 2045 section 5.1, RFC 2183, RFC 2231)."""

from __future__ import annotations

import re
from itertools import islice

from .limits import LIMITS
from .tokens import strip_comments, unescape

Parameters = tuple[tuple[bytes, bytes], ...]

# What nearly all are: a type and at most one plain parameter. Says the same as the long way, in half the time.
_COMMON = re.compile(
    rb'\s*+([A-Za-z]++)/([A-Za-z0-9.+-]++)\s*+(?:;\s*+([A-Za-z]++)=(?:"([^"\\\r\n]*+)"|([^\s"();]++))\s*+)?\Z',
)
_TYPE = re.compile(rb"\s*+([^\s/;\"=]++)\s*+/\s*+([^\s/;\"]++)\s*+")
_WORD = re.compile(rb"\s*+([^\s;\"=]++)\s*+")
_PARAMETER = re.compile(
    rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)[^;]*+|([^;]*+))', re.DOTALL,
)
_PIECE = re.compile(rb"([^*]+)\*(\d{1,3})(\*?)")
_UNSAFE = re.compile(rb"[^A-Za-z0-9!#$&+.^_`{|}~-]")


def content_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """(type, subtype, parameters) with names in lower case and values without quotes; None when it is none.

    RFC 2231 pieces are joined: `title*0`, `title*1` come back as `title`, or, if any piece is percent-encoded, as
    `title*` with the value ``charset'language'percent-encoded``, the form that IMAP shows (RFC 3501 section 7.4.2).
    """
    match = _COMMON.match(value)
    if match is None:
        return _any_content_type(value)
    maintype, subtype, name, quoted, bare = match.groups()
    if name is None:
        return maintype.lower(), subtype.lower(), ()
    return maintype.lower(), subtype.lower(), ((name.lower(), bare if quoted is None else quoted),)


def _any_content_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    value = _plain(value)
    match = _TYPE.match(value)
    if match is None:
        return None
    return match[1].lower(), match[2].lower(), _parameters(value, match.end())


def disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """(type, parameters) of a Content-Disposition, as `content_type` gives them."""
    value = _plain(value)
    match = _WORD.match(value)
    if match is None:
        return None
    return match[1].lower(), _parameters(value, match.end())


def _plain(value: bytes) -> bytes:
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return strip_comments(value)


def _parameters(value: bytes, at: int) -> Parameters:
    if at >= len(value):
        return ()
    found: list[tuple[bytes, bytes]] = []
    pieces = False
    for match in islice(_PARAMETER.finditer(value, at), LIMITS.parameters):
        name, quoted, bare = match.groups()
        found.append((name.lower(), unescape(quoted) if quoted is not None else bare.strip()))
        pieces = pieces or b"*" in name
    return _joined(found) if pieces else tuple(found)


def _joined(found: list[tuple[bytes, bytes]]) -> Parameters:
    """Put RFC 2231 continuations together in the place of the first piece; pieces after a gap stay as they came."""
    pieces: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    order: list[tuple[bytes, bytes | None]] = []
    for name, value in found:
        match = _PIECE.fullmatch(name)
        if match is None:
            order.append((name, value))
            continue
        if match[1] not in pieces:
            pieces[match[1]] = {}
            order.append((match[1], None))
        pieces[match[1]].setdefault(int(match[2]), (bool(match[3]), value))
    joined: list[tuple[bytes, bytes]] = []
    for name, plain in order:
        joined += [(name, plain)] if plain is not None else _whole(name, pieces[name])
    return tuple(joined)


def _whole(name: bytes, pieces: dict[int, tuple[bool, bytes]]) -> list[tuple[bytes, bytes]]:
    kept: list[tuple[bool, bytes]] = []
    while (piece := pieces.get(len(kept))) is not None:
        kept.append(piece)
    whole: list[tuple[bytes, bytes]] = []
    if any(encoded for encoded, _ in kept):
        # The charset stands only in an encoded first piece; plain pieces become percent-encoded too.
        start = b"" if kept[0][0] else b"''"
        whole.append((name + b"*", start + b"".join(text if encoded else _UNSAFE.sub(_percent, text) for encoded, text in kept)))
    elif kept:
        whole.append((name, b"".join([text for _, text in kept])))
    for number in sorted(pieces)[len(kept):]:
        encoded, text = pieces[number]
        whole.append((b"%b*%d%b" % (name, number, b"*" if encoded else b""), text))
    return whole


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match.group()[0]
