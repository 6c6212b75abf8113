"""A reply of SMTP (RFC 5321 section 4.2) as a value, and as octets that no text can break out of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailframe.model.refusal import Refusal

_MAX_TEXT = 490  # octets of one line's text: with codes and CRLF below the 512 of RFC 5321 section 4.5.3.1.5
_UNSAFE = re.compile(r"[^\x20-\x7e]")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Reply:
    """`enhanced` is "" where RFC 2034 section 4 wants none: the greeting, HELO, EHLO and all 3xx."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, enhanced: str, *lines: str) -> Reply:
        return cls(code, enhanced, lines or ("Ok",))

    @classmethod
    def from_refusal(cls, refusal: Refusal) -> Reply:
        """The public words of `refusal`; codes that are none for a refusal become 451 4.3.0 (a plugin's fault, I7)."""
        code, enhanced = refusal.smtp
        if not 400 <= code <= 599:
            code, enhanced = 451, "4.3.0"
        if not _ENHANCED.fullmatch(enhanced) or enhanced[0] != str(code)[0]:
            enhanced = f"{code // 100}.0.0"
        return cls(code, enhanced, tuple(refusal.public.splitlines()) or ("Refused",))

    @property
    def positive(self) -> bool:
        """2xx or 3xx: go on."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4xx: trying again later may succeed."""
        return 400 <= self.code < 500

    @property
    def text(self) -> str:
        """All lines as one, without codes."""
        return " ".join(self.lines)

    def encode(self, *, utf8: bool = False) -> bytes:
        """As octets for the wire; what is not printable ASCII (with `utf8`: not printable) in the text becomes "?"."""
        prefix = f"{self.enhanced} " if self.enhanced else ""
        line = self.lines[0]
        if len(self.lines) == 1 and len(line) < _MAX_TEXT - 11 and line.isascii() and line.isprintable():     # nearly always
            return f"{self.code} {prefix}{line}\r\n".encode()
        if utf8:
            texts = ["".join([c if c.isprintable() else "?" for c in prefix + line])[:_MAX_TEXT // 4] for line in self.lines]
        else:
            texts = [(prefix + line if line.isascii() and line.isprintable() else prefix + _UNSAFE.sub("?", line))[:_MAX_TEXT]
                     for line in self.lines]
        last = len(texts) - 1
        return "".join(
            f"{self.code}{' ' if place == last else '-'}{text}\r\n" for place, text in enumerate(texts)
        ).encode()

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}" if self.enhanced else f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Replies:
    """One after the other: what LMTP says after a message, one for each recipient (RFC 2033 section 4.2)."""

    each: tuple[Reply, ...]

    @property
    def code(self) -> int:
        """421 if one of them is, which is the end; otherwise the best one's."""
        codes = [reply.code for reply in self.each]
        return 421 if 421 in codes else min(codes)

    @property
    def positive(self) -> bool:
        """Somebody has got it."""
        return any(reply.positive for reply in self.each)

    def encode(self) -> bytes:
        """All of them as octets for the wire."""
        return b"".join([reply.encode() for reply in self.each])


Answer = Reply | Replies
