"""POP3's answers as bytes (RFC 1939 section 3, response codes RFC 2449 section 8 and RFC 3206)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailframe.model.refusal import Refusal

IN_USE = b"IN-USE"
TEMPORARY = b"SYS/TEMP"
PERMANENT = b"SYS/PERM"
AUTH = b"AUTH"

_MAX_TEXT = 400                     # the whole line keeps below 512 octets (RFC 2449 section 4)
_UNSAFE = re.compile(rb"[^\x20-\x7e]")


def ok(text: bytes = b"") -> bytes:
    return b"+OK " + text + b"\r\n" if text else b"+OK\r\n"


def err(text: bytes, code: bytes | None = None) -> bytes:
    return b"-ERR [%b] %b\r\n" % (code, text) if code else b"-ERR " + text + b"\r\n"


def refused(refusal: Refusal) -> bytes:
    """A refusal in its own public words (I8), which cannot break out of the line."""
    text = _UNSAFE.sub(b"?", refusal.public.encode("ascii", "replace"))[:_MAX_TEXT]
    return err(text, refusal.pop_code or (TEMPORARY if refusal.temporary else PERMANENT))


def multiline(first: bytes, lines: Iterable[bytes]) -> bytes:
    """A whole multi-line answer; `lines` are ours and never begin with a dot."""
    return b"\r\n".join((first.removesuffix(b"\r\n"), *lines, b".\r\n"))
