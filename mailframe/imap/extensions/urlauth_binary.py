"""URLAUTH=BINARY (RFC 5524): URLFETCH of parts without their transfer encoding, and of what they are."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from mailframe.mime.index import Index
from mailframe.mime.section import locate_part
from mailframe.mime.structure import render_part

from ..append.referring import Referred
from ..append.urlfetching import UrlDatum, Where
from ..items.item import Ready
from ..registry import Extension, State
from .binary import Decoded, UnknownEncoding, decoded_part


async def _body(referred: Referred, _: Collection[bytes]) -> Where:
    """The octets as they are, as without any parameter."""
    return referred.where


async def _binary(referred: Referred, _: Collection[bytes]) -> Where:
    """As FETCH BINARY has it (RFC 3516); a part whose encoding is not known is NIL."""
    item = referred.item
    if item.text:
        return None
    try:
        return await Decoded(b"", False, item.part, item.partial).find(referred.message)
    except UnknownEncoding:
        return None


async def _structure(referred: Referred, asked: Collection[bytes]) -> Where:
    """BODYPARTSTRUCTURE, of a whole message that of its outermost part; a header or a text is no part. Beside BINARY it is
    that of the octets which come: decoded (section 4)."""
    item = referred.item
    if item.text:
        return None
    index = await referred.message.index()
    number = locate_part(index, item.part) if item.part else 0
    if number is None:
        return None
    if item.part and b"BINARY" in asked:
        with suppress(UnknownEncoding):
            parts = list(index.parts)
            parts[number] = await decoded_part(referred.message, parts[number])
            index = Index(parts)
    return Ready(render_part(index, number))


EXTENSION = Extension(
    capability=b"URLAUTH=BINARY", rfc="5524", announced=State.LOGGED_IN, when=lambda context: context.keys is not None,
    url_data=(UrlDatum(b"BODYPARTSTRUCTURE", _structure, told=False), UrlDatum(b"BINARY", _binary), UrlDatum(b"BODY", _body)),
)
