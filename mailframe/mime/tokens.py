"""The lexical small change of structured header fields: comments, quoted strings (RFC 5322 section 3.2)."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(rb'(?:[^"(]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+', re.DOTALL)
_INSIDE = re.compile(rb"(?:[^()\\]++|\\.)*+", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def unescape(octets: bytes) -> bytes:
    """`octets` with each quoted-pair replaced by what it stands for."""
    return _ESCAPED.sub(rb"\1", octets) if b"\\" in octets else octets


def comment_end(value: bytes, start: int) -> int:
    """Where the comment that opens at `start` is over, nested ones included; the end of `value` when it never closes."""
    depth, at, size = 0, start, len(value)
    while at < size:
        if value[at] == 0x28:
            depth += 1
        elif value[at] == 0x29:
            depth -= 1
            if not depth:
                return at + 1
        match = _INSIDE.match(value, at + 1)
        at = match.end() if match else size
    return size


def strip_comments(value: bytes) -> bytes:
    """`value` with a space in place of each comment; parentheses in quoted strings stay."""
    if b"(" not in value:
        return value
    pieces: list[bytes] = []
    at = 0
    while at < len(value):
        match = _OUTSIDE.match(value, at)
        assert match is not None  # it matches the empty string
        pieces.append(match.group())
        if match.end() == len(value):
            break
        at = comment_end(value, match.end())
        pieces.append(b" ")
    return b"".join(pieces)
