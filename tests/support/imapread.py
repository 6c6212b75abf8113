"""A small strict reader of IMAP's parenthesised data, for tests: lists, bytes, numbers, None for NIL."""

from __future__ import annotations

import re
from typing import Any

_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_NUMBER = re.compile(rb"\d+")


def read_data(octets: bytes) -> Any:
    """The one datum that `octets` are. Raises ValueError for anything else (RFC 3501 section 9)."""
    stack: list[list[Any]] = [[]]
    at, space = 0, False        # space: whether a space stood just before
    while at < len(octets):
        here = stack[-1]
        char = octets[at:at + 1]
        if char == b"(":
            if here and not space and not isinstance(here[-1], list):
                raise ValueError(f"no space before a list at {at}")
            stack.append([])
            at += 1
        elif char == b")":
            if space or len(stack) == 1 or not stack[-1]:
                raise ValueError(f"list ends badly at {at}")
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif char == b" ":
            if space or not here:
                raise ValueError(f"stray space at {at}")
            space = True
            at += 1
            continue
        else:
            if here and not space:
                raise ValueError(f"no space at {at}")
            value, at = _atom(octets, at)
            here.append(value)
        space = False
    if len(stack) != 1 or len(stack[0]) != 1 or space:
        raise ValueError("not one datum")
    return stack[0][0]


def _atom(octets: bytes, at: int) -> tuple[Any, int]:
    if match := _QUOTED.match(octets, at):
        return re.sub(rb'\\(.)', rb"\1", match[1]), match.end()
    if match := _LITERAL.match(octets, at):
        end = match.end() + int(match[1])
        text = octets[match.end():end]
        if len(text) != int(match[1]) or b"\0" in text:
            raise ValueError("literal cut short or with NUL")
        return text, end
    if match := _NUMBER.match(octets, at):
        return int(match.group()), match.end()
    if octets[at:at + 3] == b"NIL":
        return None, at + 3
    raise ValueError(f"not IMAP data at {at}: {octets[at:at + 20]!r}")


def check_body(body: Any, extended: bool) -> None:
    """Raise AssertionError unless `body` is a body of RFC 3501 section 9's grammar. (Recursive: for tests only.)"""
    assert isinstance(body, list)
    if isinstance(body[0], list):
        parts = 0
        while isinstance(body[parts], list):
            check_body(body[parts], extended)
            parts += 1
        assert isinstance(body[parts], bytes)
        rest = body[parts + 1:]
        if extended:
            assert len(rest) == 4
            _check_params(rest[0])
            _check_extension(rest[1:])
        else:
            assert not rest
        return
    maintype, subtype, params, ident, description, encoding, size = body[:7]
    assert isinstance(maintype, bytes) and isinstance(subtype, bytes) and isinstance(encoding, bytes) and isinstance(size, int)
    _check_params(params)
    assert all(isinstance(text, bytes | None) for text in (ident, description))
    rest = body[7:]
    if maintype == b"message" and subtype in (b"rfc822", b"global"):
        check_envelope(rest[0])
        check_body(rest[1], extended)
        assert isinstance(rest[2], int)
        rest = rest[3:]
    elif maintype == b"text":
        assert isinstance(rest[0], int)
        rest = rest[1:]
    if extended:
        assert len(rest) == 4
        assert isinstance(rest[0], bytes | None)
        _check_extension(rest[1:])
    else:
        assert not rest


def check_envelope(envelope: Any) -> None:
    """Raise AssertionError unless it is an envelope of RFC 3501 section 9."""
    assert isinstance(envelope, list) and len(envelope) == 10
    for place in (0, 1, 8, 9):
        assert isinstance(envelope[place], bytes | None)
    for addresses in envelope[2:8]:
        assert addresses is None or addresses
        for address in addresses or ():
            assert len(address) == 4 and all(isinstance(text, bytes | None) for text in address)


def _check_params(params: Any) -> None:
    assert params is None or (params and len(params) % 2 == 0 and all(isinstance(text, bytes) for text in params))


def _check_extension(rest: list[Any]) -> None:
    shown, language, location = rest
    if shown is not None:
        assert len(shown) == 2 and isinstance(shown[0], bytes)
        _check_params(shown[1])
    assert language is None or all(isinstance(tag, bytes) for tag in language)
    assert isinstance(location, bytes | None)
