"""The header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt), read from octets as they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

MAX_TEXT = 107      # octets of version 1's line with CRLF (section 2.1)
MAX_BINARY = 4_096  # of version 2's header: meant to fit 536, a TCP segment; a server name, a client's certificate and an id
                    # do not always, and haproxy sends them all the same (section 2.2: skip what the length says)
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_WORD = b"PROXY "
_FIXED = 16         # octets before the addresses: signature, version and command, family, length
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_LOCAL, _PROXY = 0, 1
_STREAM = 1
_SIZES = {1: 4, 2: 16}      # octets of an address by family: IPv4, IPv6
_UNIX_OCTETS = 216          # of both addresses of family 3, which name no host
_CRC32C = 3                 # the kind of the one additional value that is looked at


class BadHeader(ValueError):
    """This is no header of the PROXY protocol, says the text."""


@dataclass(frozen=True, slots=True)
class Told:
    """Both ends of the connection that the proxy was given."""

    ip: str                 # the client's
    port: int
    own_ip: str             # where the client connected to
    own_port: int


@dataclass(frozen=True, slots=True)
class Header:
    """A whole header; `told` is None where the proxy speaks for itself, or cannot say for whom."""

    size: int               # octets of it; what follows is the client's
    told: Told | None


def read_header(octets: bytes) -> Header | None:
    """The header at the start of `octets`; None: it is not all there yet. Raises BadHeader as soon as it is none.

    The more octets, the same answer: whatever has been read is not read otherwise when the rest has come (I4).
    """
    if octets.startswith(_SIGNATURE[:len(octets)]):
        return _binary(octets)
    if octets.startswith(_WORD[:len(octets)]):
        return _text(octets)
    raise BadHeader("no PROXY header")


def _text(octets: bytes) -> Header | None:
    """Version 1 (section 2.1): ``PROXY TCP4 192.0.2.7 198.51.100.1 40000 25``."""
    end = octets.find(b"\n", 0, MAX_TEXT)
    if end < 0:
        if len(octets) >= MAX_TEXT:
            raise BadHeader(f"the line is longer than {MAX_TEXT} octets")
        return None
    if octets[end - 1:end] != b"\r":
        raise BadHeader("the line does not end with CRLF")
    words = octets[:end - 1].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(end + 1, None)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise BadHeader("the line has not the words that it should")
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    ip, own_ip = (_address(kind, word) for word in words[2:4])
    port, own_port = (_port(word) for word in words[4:6])
    return Header(end + 1, Told(ip, port, own_ip, own_port))


def _address(kind: type[IPv4Address] | type[IPv6Address], word: bytes) -> str:
    try:
        return _plain(kind(word.decode("ascii")))
    except ValueError:
        raise BadHeader("an address cannot be read") from None


def _plain(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 address in its own notation, also where it came as an IPv6 one. Raises ValueError for one with a zone."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("a zone is nobody else's")
        return str(address.ipv4_mapped or address)
    return str(address)


def _port(word: bytes) -> int:
    if not _PORT.fullmatch(word) or int(word) > 65_535:
        raise BadHeader("a port cannot be read")
    return int(word)


def _binary(octets: bytes) -> Header | None:
    """Version 2 (section 2.2)."""
    if octets[12:13] and octets[12] >> 4 != 2:
        raise BadHeader(f"version {octets[12] >> 4} is not known")
    if len(octets) < _FIXED:
        return None
    command, family, transport = octets[12] & 15, octets[13] >> 4, octets[13] & 15
    size = _FIXED + int.from_bytes(octets[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise BadHeader(f"command {command} is not known")
    if size > MAX_BINARY:
        raise BadHeader(f"the header is longer than {MAX_BINARY} octets")
    if command == _PROXY and (family > 3 or transport > 2):
        raise BadHeader("the family of the addresses is not known")
    if len(octets) < size:
        return None
    if command == _LOCAL or 0 in (family, transport):
        return Header(size, None)
    return _addresses(octets[:size], family, transport)


def _addresses(header: bytes, family: int, transport: int) -> Header:
    width = _SIZES.get(family, 0)
    after = _FIXED + (2 * width + 4 if width else _UNIX_OCTETS)
    if len(header) < after:
        raise BadHeader("the header is too short for its addresses")
    _check(header, after)
    if not width or transport != _STREAM:
        return Header(len(header), None)
    kind = IPv4Address if width == 4 else IPv6Address
    first, second = (_plain(kind(header[at:at + width])) for at in (_FIXED, _FIXED + width))
    ports = (int.from_bytes(header[at:at + 2], "big") for at in (after - 4, after - 2))
    return Header(len(header), Told(first, next(ports), second, next(ports)))


def _check(header: bytes, at: int) -> None:
    """The additional values (section 2.2.3): each must be whole, and a checksum right. Others are for who wants them."""
    while at < len(header):
        start, end = at + 3, at + 3 + int.from_bytes(header[at + 1:at + 3], "big")
        if start > len(header) or end > len(header):
            raise BadHeader("an additional value is cut off")
        if header[at] == _CRC32C:
            summed = crc32c(header[:start] + bytes(end - start) + header[end:])
            if header[start:end] != summed.to_bytes(4, "big"):
                raise BadHeader("the checksum is wrong")
        at = end


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_ROWS = tuple(_row(value) for value in range(256))


def crc32c(octets: bytes) -> int:
    """Castagnoli's checksum (RFC 4960 appendix B)."""
    value = 0xFFFFFFFF
    for octet in octets:
        value = value >> 8 ^ _ROWS[(value ^ octet) & 255]
    return value ^ 0xFFFFFFFF
