"""Address lists as ENVELOPE wants them (RFC 5322 sections 3.4 and 4.4, RFC 3501 section 7.4.2)."""

from __future__ import annotations

import re

from .limits import LIMITS
from .tokens import comment_end, unescape

#: (display name, source route, local part, domain), all without quoting. A group begins with (None, None, its name, None)
#: and ends with (None, None, None, None). The domain is b"" where an address lacks one: None would make it a group.
Address = tuple[bytes | None, bytes | None, bytes | None, bytes | None]

_GROUP_END: Address = (None, None, None, None)

# The forms that nearly all addresses have, each up to its comma; anything else is read token by token.
_COMMON = re.compile(
    rb'\s*+(?:(?:"([^"\\]*+)"|([^\x00-\x1f"(),:;<>@\[\\\]]*+))\s*+<([^\s"(),:;<>@\[\\\]]++)@([^\s"(),:;<>@\[\\\]]++)>'
    rb'|([^\s"(),:;<>@\[\\\]]++)@([^\s"(),:;<>@\[\\\]]++))\s*+(?:,|\Z)',
)
_TOKEN = re.compile(rb'\s++|"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)|[<>,:;@(]|\[(?:[^\]\\]++|\\.)*+\]?|[^\s"(\[<>,:;@]++', re.DOTALL)
_ROUTE = re.compile(rb"\s*+(@[^:<>;\"]*+):")


def parse_addresses(value: bytes) -> list[Address]:
    """The addresses of a From, To, Cc... value, tolerantly; encoded words stay encoded. Never raises."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    found: list[Address] = []
    reader: _Reader | None = None
    at, size = 0, len(value)
    while at < size and len(found) < LIMITS.addresses and (reader is None or reader.tokens < LIMITS.address_tokens):
        match = _COMMON.match(value, at)
        if match is None:
            reader = reader or _Reader(value, found)
            at = reader.element(at)
            continue
        quoted, plain, local, domain, bare, bare_domain = match.groups()
        if bare is not None:
            found.append((None, None, bare, bare_domain))
        else:
            name = quoted if quoted is not None else plain.strip() if b"  " not in plain else b" ".join(plain.split())
            found.append((name or None, None, local, domain))
        at = match.end()
    if reader is not None:
        reader.finish()
    return found


class _Reader:
    """Reads what stands between two commas token by token, appending to `found`; knows whether a group is open."""

    def __init__(self, value: bytes, found: list[Address]) -> None:
        self.value, self.found = value, found
        self.at = self.tokens = 0              # tokens read so far
        self.group = False
        self.clear()

    def clear(self) -> None:
        self.words: list[bytes] = []           # of the display name, or of the local part
        self.domain: list[bytes] | None = None
        self.name: bytes | None = None
        self.route: bytes | None = None
        self.comment: bytes | None = None
        self.angle = self.closed = False

    def element(self, at: int) -> int:
        """Read from `at` until after the next comma; returns where that is."""
        self.at = at
        while (match := _TOKEN.match(self.value, self.at)) and self.tokens < LIMITS.address_tokens:
            self.at = match.end()
            self.tokens += 1
            token = match.group()
            if token == b",":
                break
            if token in _SPECIALS:
                self.special(token)
            elif not token.isspace():
                self.word(unescape(match[1]) if match[1] is not None else token)
        self.emit()
        return self.at

    def finish(self) -> None:
        if self.group:
            self.found.append(_GROUP_END)

    def word(self, text: bytes) -> None:
        if not self.closed:
            (self.words if self.domain is None else self.domain).append(text)

    def special(self, token: bytes) -> None:
        if token == b"(":
            end = comment_end(self.value, self.at - 1)
            if self.closed or not self.angle:   # within the brackets it says nothing about the person
                self.comment = unescape(self.value[self.at:end].removesuffix(b")")).strip()
            self.at = end
        elif token == b"<":
            self.open_angle()
        elif token == b">":
            self.closed = self.angle
        elif token == b"@":
            if self.domain is not None:        # "a@b@c": the last one parts them
                self.words += (b"@", *self.domain)
            self.domain = []
        elif token == b";":
            self.emit()
            self.finish()
            self.group = False
        elif not (self.group or self.angle or self.domain):
            self.found.append((None, None, b" ".join(self.words), None))
            self.group = True
            self.clear()
        else:
            self.word(token)

    def open_angle(self) -> None:
        if self.angle:
            self.emit()
        name = [*self.words, b"@", *self.domain] if self.domain is not None else self.words
        self.name = b" ".join(name) or None if self.domain is None else b"".join(name)
        self.words, self.domain, self.angle, self.closed = [], None, True, False
        route = _ROUTE.match(self.value, self.at)
        if route is not None:
            self.route, self.at = route[1].strip(), route.end()

    def emit(self) -> None:
        """Take what was read since the last comma for one address, if there was anything."""
        if self.words or self.angle or self.domain is not None:
            name, local = self.name, b"".join(self.words)
            if not self.angle:
                words = _closed_up(self.words) if self.domain is not None else [b" ".join(self.words)]
                name, local = b" ".join(words[:-1]), words[-1] if words else b""
            host = b"".join(self.domain or ())
            self.found.append((name or self.comment or None, self.route, local, host))
        self.clear()


_SPECIALS = frozenset({b"<", b">", b":", b";", b"@", b"("})


def _closed_up(words: list[bytes]) -> list[bytes]:
    """Close the white space around dots (RFC 5322 section 4.4: ``john . doe@example.org``), and around a surplus "@"."""
    runs: list[list[bytes]] = []
    for word in words:
        if runs and (word.startswith(_CLOSING) or runs[-1][-1].endswith(_CLOSING)):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [b"".join(run) for run in runs]


_CLOSING = (b".", b"@")
