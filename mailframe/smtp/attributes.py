"""The attributes of XCLIENT and XFORWARD: ``NAME=value`` pairs in xtext, by which a trusted host speaks for another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address

from .syntax import SyntaxFault, decode_xtext, parse_hello

Reader = Callable[[str], str]

MAX_VALUE = 255                    # characters, encoded: as many as a domain name may have
_UNKNOWN = frozenset(("[UNAVAILABLE]", "[TEMPUNAVAIL]"))
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_PLAIN = re.compile(r"[!#-'*+\-.-:=?-Z\[\]^-~]+")        # neither space nor what is special in header lines: " ( ) , ; < > \
_IPV6 = "IPV6:"


def read_attributes(args: bytes, readers: Mapping[str, Reader]) -> dict[str, str]:
    """``NAME=spike.example ADDR=[UNAVAILABLE]`` -> {"NAME": "spike.example", "ADDR": ""}. Raises SyntaxFault."""
    try:
        words = args.decode("ascii").split()
    except UnicodeDecodeError:
        raise SyntaxFault("Attributes are ASCII") from None
    if not words:
        raise SyntaxFault("Attributes are missing")
    found: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        name = name.upper()
        reader = readers.get(name)
        if reader is None:
            raise SyntaxFault("Unknown attribute")
        if not 0 < len(value) <= MAX_VALUE:
            raise SyntaxFault(f"Attribute {name} wants a value of up to {MAX_VALUE} characters")
        if name in found:
            raise SyntaxFault(f"Attribute {name} is given twice")
        text = decode_xtext(value)
        found[name] = "" if text.upper() in _UNKNOWN else reader(text)
    return found


def plain(text: str) -> str:
    """What may stand in a log or header line. Raises SyntaxFault."""
    if not _PLAIN.fullmatch(text):
        raise SyntaxFault("Bad attribute value")
    return text


def host(text: str) -> str:
    """A host's name in DNS. Raises SyntaxFault."""
    if not _HOST.fullmatch(text):
        raise SyntaxFault("Bad host name")
    return text


def hello(text: str) -> str:
    """What was said with HELO or EHLO. Raises SyntaxFault."""
    return parse_hello(text.encode())


def address(text: str) -> str:
    """An IPv4 address, or an IPv6 address behind ``IPV6:``. Raises SyntaxFault."""
    six = text.upper().startswith(_IPV6)
    try:
        found = ip_address(text[len(_IPV6):] if six else text)
    except ValueError:
        raise SyntaxFault("Bad address") from None
    if six != isinstance(found, IPv6Address) or "%" in text:
        raise SyntaxFault("Bad address")
    return str(getattr(found, "ipv4_mapped", None) or found)


def port(text: str) -> str:
    """A port's number. Raises SyntaxFault."""
    if not (text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise SyntaxFault("Bad port")
    return text


def one_of(*words: str) -> Reader:
    """Reads one of `words`, in whatever case."""
    def read(text: str) -> str:
        if text.upper() not in words:
            raise SyntaxFault(f"Expected {' or '.join(words)}")
        return text.upper()

    return read
