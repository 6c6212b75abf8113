"""A message's octets as DATA wants them, dot-stuffed, with CRLF alone (RFC 5321 sections 4.5.2, 2.3.8), and as BDAT does. Pure."""

from __future__ import annotations

import re

from mailframe.mime.newlines import has_bare_newline

_LINE_END = re.compile(rb"\r\n|\r|\n")


class DotStuffer:
    """Feed it the message in any pieces, then `end`.

    A bare CR or LF becomes CRLF. No message that came in by our SMTP holds one, but what a plugin or another program put
    there must not end the data at a server that reads it as a line end (I5).
    """

    def __init__(self) -> None:
        self._tail = b"\r\n"    # the last octets sent, as far as they matter: "\r\n", or not
        self._held = b""        # a CR at a piece's end whose LF may come with the next

    def feed(self, data: bytes) -> bytes:
        if self._held:
            data, self._held = self._held + data, b""
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        return self._stuffed(data)

    def end(self) -> bytes:
        """The last octets with the end of the data, on a line of its own."""
        rest = self._stuffed(b"\r\n") if self._held else b""
        self._held = b""
        return rest + (b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n")

    def _stuffed(self, data: bytes) -> bytes:
        if not data:
            return b""
        if has_bare_newline(data):
            data = _LINE_END.sub(b"\r\n", data)
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._tail == b"\r\n" and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._tail = b"\r\n" if data.endswith(b"\r\n") else b""
        return stuffed


class Verbatim:
    """For BDAT (RFC 3030 section 2), which counts octets: none is changed, and none of them can be a command (I5)."""

    def __init__(self, opening: bytes) -> None:
        """`opening`: the command line, which goes out with the first octets."""
        self._opening = opening

    def feed(self, data: bytes) -> bytes:
        opening, self._opening = self._opening, b""
        return opening + data if opening else data

    def end(self) -> bytes:
        return b""
