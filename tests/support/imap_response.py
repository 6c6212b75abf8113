"""Reading IMAP answers back into values, for tests."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(rb'\(|\)|"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}\r\n|[^\s()"\[\]{}]*(?:\[[^\]]*\][^\s()"\[\]{}]*)?')


def value(octets: bytes, at: int = 0) -> tuple[Any, int]:
    """(an atom or string as bytes, NIL as None, a list as list; where it ends)."""
    match = _TOKEN.match(octets, at)
    assert match is not None and match.end() > at, octets[at:at + 60]
    if match.group() == b"(":
        items: list[Any] = []
        at = match.end()
        while octets[at:at + 1] != b")":
            item, at = value(octets, at)
            items.append(item)
            if octets[at:at + 1] == b" ":
                at += 1
        return items, at + 1
    if match[1] is not None:
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match[2] is not None:
        end = match.end() + int(match[2])
        assert len(octets) >= end, "a literal that is not whole"
        return octets[match.end():end], end
    return (None if match.group() == b"NIL" else match.group()), match.end()


def fetches(octets: bytes) -> dict[int, dict[bytes, Any]]:
    """All FETCH responses in `octets` by sequence number: item name to value. Other lines are passed over."""
    found: dict[int, dict[bytes, Any]] = {}
    at = 0
    while at < len(octets):
        match = re.compile(rb"\* (\d+) FETCH ").match(octets, at)
        if match is None:
            at = octets.index(b"\r\n", at) + 2
            continue
        items, at = value(octets, match.end())
        assert octets[at:at + 2] == b"\r\n", octets[at - 20:at + 20]
        at += 2
        found.setdefault(int(match[1]), {}).update(zip(items[::2], items[1::2], strict=True))
    return found
