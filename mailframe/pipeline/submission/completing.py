"""Addresses without a domain in a header, made whole (RFC 6409 section 8.8) [pure]."""

from __future__ import annotations

import re
from functools import partial

from mailframe.mime.header import Address, parse_addresses, with_fields_changed
from mailframe.mime.limits import LIMITS

_NAMES = frozenset(
    prefix + name for prefix in (b"", b"resent-") for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))
_DOT_ATOM = re.compile(rb"[\w!#$%&'*+/=?^`{|}~\x80-\xff-]+(?:\.[\w!#$%&'*+/=?^`{|}~\x80-\xff-]+)*")
_PHRASE = re.compile(rb"[\w!#$%&'*+/=?^`{|}~\x80-\xff -]+")     # words, encoded ones among them


def completed(header: bytes, domain: bytes) -> bytes:
    """`header`, in which addresses that are bare local parts are at `domain`.

    A field stays as it is when there is none in it, or one of which nobody knows whether it is one.
    """
    return with_fields_changed(header, _NAMES, partial(_field, domain))


def _field(domain: bytes, field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    if len(value) > LIMITS.address_tokens:
        return field                    # perhaps not read to its end
    found = parse_addresses(value)
    if any(_is_doubtful(each, value) for each in found):
        return field
    whole = [(title, route, local, domain) if _is_bare(each) else each for each in found for title, route, local, _ in (each,)]
    if whole == found:
        return field
    end = b"\r\n" if field.endswith(b"\r\n") else b"\n" if field.endswith(b"\n") else b""
    return name + b": " + _written(whole) + end


def _is_bare(address: Address) -> bool:
    """A word without a domain."""
    _, _, local, domain = address
    return domain == b"" and local is not None and _DOT_ATOM.fullmatch(local) is not None


def _is_doubtful(address: Address, value: bytes) -> bool:
    """Of several words, none of them in angle brackets, nobody knows which is the address."""
    title, _, local, _ = address
    return title is not None and local is not None and _is_bare(address) and b"<" + local + b">" not in value


def _written(addresses: list[Address]) -> bytes:
    text, separator = b"", b""
    for title, _, local, domain in addresses:
        if local is None:                       # a group ends
            text, separator = text + b";", b",\r\n\t"
        elif domain is None:                    # and begins
            text, separator = text + separator + _phrase(local) + b": ", b""
        else:
            spec = (local if _DOT_ATOM.fullmatch(local) else _quoted(local)) + (b"@" + domain if domain else b"")
            text += separator + (spec if title is None else _phrase(title) + b" <" + spec + b">")
            separator = b",\r\n\t"
    return text


def _phrase(text: bytes) -> bytes:
    return text if _PHRASE.fullmatch(text) else _quoted(text)


def _quoted(text: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'
