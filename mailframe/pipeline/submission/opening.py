"""The beginning of a submitted message as it streams in: its header is held until it is whole, and cleared of what tells
too much [pure]."""

from __future__ import annotations

import re

from mailframe.mime.header import parted, split_header
from mailframe.model.refusal import Refusal
from mailframe.pipeline.trace import begins_header

from .completing import completed

#: What no recipient is to see (RFC 5322 section 3.6.3), and what only the last hop writes (RFC 5321 section 4.4).
_BLIND = frozenset({b"bcc", b"resent-bcc"})
_RETURN_PATH = frozenset({b"return-path"})
_ANY = re.compile(rb"^(?:resent-bcc|bcc|return-path)[ \t]*+:", re.IGNORECASE | re.MULTILINE)
_END = re.compile(rb"\n\r?\n")
_LONGEST_END = 3


class HeaderTooLong(Refusal):
    public, smtp = "Message header is too long", (552, "5.3.4")


class Opening:
    """Feed it all octets of a message, in any pieces (I4); what comes out is the message as everybody gets it.

      O1  nothing comes out before the header is whole; from then on octets pass as they are.
      O2  a message that begins with text has no header: nothing is taken out of it.
    """

    __slots__ = ("_domain", "_held", "_limit", "_open", "_strip_bcc", "blind")

    def __init__(self, limit: int, strip_bcc: bool, complete_domain: str = "") -> None:
        self.blind = b""                       # the Bcc fields that were taken out, complete with their line ends
        self._domain = complete_domain.encode()
        self._limit = limit
        self._strip_bcc = strip_bcc
        self._held = bytearray()
        self._open = True

    def feed(self, octets: bytes) -> bytes:
        """The next octets of the message, or b"" while its header is not whole. Raises HeaderTooLong."""
        if not self._open:
            return octets
        held = self._held
        start = max(0, len(held) - _LONGEST_END)
        held += octets
        whole = _END.search(held, start) is not None or held.startswith((b"\n", b"\r\n")) or _is_text(held)
        if whole:
            return self.finish()
        if len(held) > self._limit:
            raise HeaderTooLong(detail=f"more than {self._limit} octets")
        return b""

    def finish(self) -> bytes:
        """The message is whole: what was held. Raises HeaderTooLong."""
        if not self._open:
            return b""
        held, self._held, self._open = bytes(self._held), bytearray(), False
        if not begins_header(held):
            return held
        end = split_header(held)
        if end > self._limit:
            raise HeaderTooLong(detail=f"{end} octets")
        header = held[:end]
        if self._domain:
            header = completed(header, self._domain)
        if _ANY.search(header) is None:
            return header + held[end:] if self._domain else held
        header, _ = parted(header, _RETURN_PATH)
        if self._strip_bcc:
            header, self.blind = parted(header, _BLIND)
            if self.blind and not self.blind.endswith(b"\n"):
                self.blind += b"\r\n"
        return header + held[end:]


def _is_text(held: bytearray) -> bool:
    """Its first line is whole, and no field."""
    return b"\n" in held and not begins_header(bytes(held[:held.find(b"\n") + 1]))
