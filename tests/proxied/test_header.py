"""The PROXY protocol's header: read alike however it is cut, and refused as soon as it is none."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.proxied.header import MAX_BINARY, BadHeader, Header, Told, crc32c, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = Told("192.0.2.7", 40_000, "198.51.100.1", 25)
SIX = Told("2001:db8::7", 40_000, "2001:db8::1", 25)
FOUR_OCTETS = IPv4Address(FOUR.ip).packed + IPv4Address(FOUR.own_ip).packed + struct.pack("!HH", 40_000, 25)
SIX_OCTETS = IPv6Address(SIX.ip).packed + IPv6Address(SIX.own_ip).packed + struct.pack("!HH", 40_000, 25)


def binary(block: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(block)) + block


def value(kind: int, octets: bytes) -> bytes:
    return struct.pack("!BH", kind, len(octets)) + octets


def with_checksum(block: bytes, wrong: int = 0) -> bytes:
    summed = crc32c(binary(block + value(3, bytes(4)))) ^ wrong
    return binary(block + value(3, summed.to_bytes(4, "big")))


GOOD: list[tuple[bytes, Told | None]] = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", FOUR),
    (b"PROXY TCP6 2001:DB8::7 2001:db8:0:0::1 40000 25\r\n", SIX),
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 40000 25\r\n", FOUR),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Told("0.0.0.0", 0, "255.255.255.255", 65_535)),
    (b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
     Told("ffff:" * 7 + "ffff", 65_535, "ffff:" * 7 + "ffff", 65_535)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n", None),       # 107 octets
    (binary(FOUR_OCTETS), FOUR),
    (binary(SIX_OCTETS, 0x21), SIX),
    (binary(IPv6Address("::ffff:192.0.2.7").packed + SIX_OCTETS[16:], 0x21), Told("192.0.2.7", 40_000, SIX.own_ip, 25)),
    (binary(b"", 0, 0x20), None),                           # LOCAL: the proxy asks whether we live
    (binary(FOUR_OCTETS, 0x11, 0x20), None),                # LOCAL with addresses, which are to be skipped
    (binary(b"anything", 0xFF, 0x20), None),
    (binary(b"", 0), None),                                 # UNSPEC
    (binary(FOUR_OCTETS, 0x12), None),                      # UDP
    (binary(bytes(216), 0x31), None),                       # a Unix socket
    (binary(FOUR_OCTETS + value(1, b"smtp") + value(4, b"")), FOUR),
    (binary(FOUR_OCTETS + value(4, bytes(MAX_BINARY - 16 - 12 - 3))), FOUR),
    (with_checksum(FOUR_OCTETS), FOUR),
]
BAD = [
    b"EHLO client.example\r\n", b"\x16\x03\x01", b"\r\n\r\nHELO", b"PROXY\r\n", b"PROXY TCP4\r\n",
    b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
    b"PROXY TCP5 192.0.2.7 198.51.100.1 40000 25\r\n", b"PROXY tcp4 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 \r\n", b"PROXY TCP4 192.0.2.07 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n", b"PROXY TCP6 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY TCP6 fe80::1%eth0 fe80::2 40000 25\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 040000 25\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 \xb2 25\r\n", b"PROXY TCP4 \xff 198.51.100.1 1 25\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",                # 108 octets
    b"PROXY UNKNOWN " + b"x" * 200,
    SIGNATURE + b"\x11\x11\0\x0c" + FOUR_OCTETS, SIGNATURE + b"\x31\x11\0\x0c" + FOUR_OCTETS,       # versions 1 and 3
    binary(FOUR_OCTETS, 0x11, 0x22), binary(FOUR_OCTETS, 0x41), binary(FOUR_OCTETS, 0x13),
    binary(FOUR_OCTETS[:-1]), binary(SIX_OCTETS[:-1], 0x21), binary(bytes(215), 0x31),
    binary(FOUR_OCTETS + b"\x04"), binary(FOUR_OCTETS + value(4, b"abc")[:-1]),
    SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_BINARY - 15),
    with_checksum(FOUR_OCTETS, wrong=1),
]


@pytest.mark.parametrize(("octets", "told"), GOOD)
def test_a_header_is_read(octets: bytes, told: Told | None) -> None:
    assert read_header(octets) == Header(len(octets), told)
    assert read_header(octets + b"EHLO client.example\r\n") == Header(len(octets), told)


@pytest.mark.parametrize("octets", BAD)
def test_what_is_no_header_is_refused(octets: bytes) -> None:
    with pytest.raises(BadHeader):
        read_header(octets)


@pytest.mark.parametrize("octets", [octets for octets, _ in GOOD] + BAD)
def test_octet_by_octet_it_is_the_same(octets: bytes) -> None:
    """I4: nothing is answered too early, and nothing otherwise."""
    whole = outcome(octets)
    first = next((found for end in range(len(octets)) if (found := outcome(octets[:end])) is not None), None)
    assert first in (None, whole) if whole == "bad" else first is None


@settings(max_examples=60, deadline=None)
@given(st.one_of(
    st.binary(max_size=200), st.binary(max_size=120).map(lambda octets: b"PROXY " + octets + b"\r\n"),
    st.builds(lambda block, rest: SIGNATURE + block + rest, st.binary(min_size=4, max_size=4), st.binary(max_size=60)),
    st.builds(lambda block, family: binary(block, family), st.binary(max_size=60), st.integers(0, 255))), st.data())
def test_any_octets_cut_anywhere_have_one_meaning(octets: bytes, data: st.DataObject) -> None:
    """I4, and nothing else is raised."""
    early = outcome(octets[:data.draw(st.integers(0, len(octets)))])
    assert early is None or early == outcome(octets)


def outcome(octets: bytes) -> Header | str | None:
    try:
        return read_header(octets)
    except BadHeader:
        return "bad"


def test_the_checksum_is_castagnolis() -> None:
    """RFC 3720 appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"123456789") == 0xE3069283
