"""The lexical small change of structured header fields: comments, quoted strings (RFC 5322 section 3.2)."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(rb'(?:[^"(]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+', re.DOTALL)
_INSIDE = re.compile(rb"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def unescape(octets: bytes) -> bytes:
    """`octets` with each quoted-pair replaced by what it stands for."""
    return b"".join(_ESCAPED.split(octets)) if b"\\" in octets else octets        # a third of the time of `sub`


def comment_end(value: bytes, start: int) -> int:
    """Where the comment that opens at `start` is over, nested ones included; the end of `value` when it never closes."""
    depth = 0
    for found in _INSIDE.finditer(value, start):
        octets = found[0]
        if octets == b"(":
            depth += 1
        elif octets == b")":
            depth -= 1
            if not depth:
                return found.end()
    return len(value)


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
