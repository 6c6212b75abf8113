"""Encoded words in header text (RFC 2047): for people and for searching, never for the wire."""

from __future__ import annotations

import binascii
import re

from .charset import decode, guess

_FOLDING = re.compile(rb"\r?\n[ \t]*+")
_WORD = re.compile(rb"=\?([^?\s]*+)\?([bBqQ])\?([^?]*+)\?=")


def decode_words(value: bytes) -> str:
    """Text of a header value: unfolded, encoded words decoded, raw 8-bit read as UTF-8 or else Latin-1. Never raises.

    Where it was folded stands one space, whatever tabs and spaces the folding has brought in.

    White space between encoded words is dropped (RFC 2047 section 6.2); a character cut in two between
    neighbours of one charset is made whole.
    """
    if b"\n" in value:
        value = _FOLDING.sub(b" ", value)
    if b"=?" not in value:
        return guess(value).strip()
    text: list[str] = []
    held: list[bytes] = []
    charset, at = b"", 0
    for match in _WORD.finditer(value):
        between = value[at:match.start()]
        name = match[1].partition(b"*")[0].lower()          # RFC 2231 section 5: charset*language
        if held and (between.strip() or name != charset):
            text.append(decode(b"".join(held), charset))
            held = []
        if between.strip() or not at:
            text.append(guess(between))
        held.append(_octets(match[3], match[2] in b"bB"))
        charset, at = name, match.end()
    text += (decode(b"".join(held), charset), guess(value[at:]))
    return "".join(text).strip()


def _octets(encoded: bytes, base64: bool) -> bytes:
    if not base64:
        return binascii.a2b_qp(encoded, header=True)
    return unbase64(encoded)


def unbase64(encoded: bytes) -> bytes:
    """What base64 text holds up to its padding: foreign characters, missing padding, a lone last character are passed over."""
    try:
        return binascii.a2b_base64(encoded + b"===")
    except binascii.Error:          # one character more than whole groups
        clean = encoded.translate(None, FOREIGN)
        return binascii.a2b_base64(clean[:-1])


FOREIGN = bytes(octet for octet in range(256) if octet not in
                 b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
