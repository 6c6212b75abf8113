"""One octet string as IMAP writes it (RFC 3501 section 4.3)."""

from __future__ import annotations

import re

PLAIN = re.compile(rb"[ !#-\[\]-~]*+\Z")      # what may stand between quotes as it is
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*+\Z")


def imap_string(octets: bytes | None) -> bytes:
    """NIL for None; quoted where 7-bit without CR, LF and NUL; else a literal, with "?" for NUL, which IMAP cannot carry."""
    if octets is None:
        return b"NIL"
    if PLAIN.match(octets):
        return b'"%b"' % octets
    if _QUOTABLE.match(octets):
        return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"?"))
