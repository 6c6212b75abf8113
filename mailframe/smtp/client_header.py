"""Whether a message's header needs SMTPUTF8 of the next hop (RFC 6531 section 3.6)."""

from __future__ import annotations

from typing import Any

from mailframe.interfaces.maybe import settled

_MAX_OCTETS = 1_048_576         # searched for the header's end, as long as IMessageOctets.header may be
_BLOCK_OCTETS = 65_536


async def ascii_header(head: bytes, source: Any) -> bool:
    """Whether no octet of the header is beyond ASCII, so that the message needs no SMTPUTF8."""
    if not head.isascii():
        return False
    offset, last = 0, b""
    while offset < min(source.size, _MAX_OCTETS):
        octets: bytes = await settled(source.read(offset, _BLOCK_OCTETS))
        if not octets:
            break
        seen = last + octets
        end = seen.find(b"\r\n\r\n") if not seen.startswith(b"\r\n") or offset else 0
        if end >= 0:
            return seen[:end].isascii()
        if not octets.isascii():
            return False
        offset += len(octets)
        last = seen[-3:]
    return True
