"""Reads the replies of another SMTP server, who may be broken or hostile (RFC 5321 section 4.2). Pure."""

from __future__ import annotations

import re

from .reply import Reply

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$)")
_HIDDEN = re.compile(r"[^ -~\u00a0-\ud7ff\ue000-\U0010ffff]")


class PeerFault(Exception):
    """What came is no SMTP; the text says in what way, for the log and the sender of the message."""


class ReplyReader:
    """Turns octets into replies. Limits: `max_line` octets a line, `max_lines` lines a reply."""

    def __init__(self, max_line: int, max_lines: int) -> None:
        self._max_line = max_line
        self._max_lines = max_lines
        self._rest = b""
        self._lines: list[str] = []
        self._code = b""

    @property
    def midway(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now. Raises PeerFault, after which the reader is not to be used again.

        A line may end with LF alone: nothing that is unsafe follows from it here, and some servers do so.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        replies: list[Reply] = []
        for line in lines:
            reply = self._line(line.removesuffix(b"\r"))
            if reply is not None:
                replies.append(reply)
        if len(self._rest) > self._max_line:
            raise PeerFault("it sent an endless line")
        return replies

    def _line(self, line: bytes) -> Reply | None:
        if len(line) > self._max_line:
            raise PeerFault("it sent an endless line")
        match = _LINE.fullmatch(line)
        if match is None or (self._lines and match[1] != self._code):
            raise PeerFault("it sent something else than SMTP replies")
        self._code = match[1]
        self._lines.append(_readable(match[3] or b""))
        if match[2] == b"-":
            if len(self._lines) >= self._max_lines:
                raise PeerFault("it sent an endless reply")
            return None
        lines, self._lines = self._lines, []
        return _reply(int(match[1]), lines)


def _readable(text: bytes) -> str:
    """Safe to log and to quote: nothing in it is a control character or a broken code point."""
    return _HIDDEN.sub("?", text.decode("utf-8", "replace")).strip()


def _reply(code: int, lines: list[str]) -> Reply:
    """Take the enhanced code (RFC 2034 section 4) from the front of every line, if its class is the reply's."""
    match = _ENHANCED.match(lines[-1])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code, "", tuple(lines))
    return Reply(code, match[1], tuple(line[match.end():] if line.startswith(match.group()) else line for line in lines))
