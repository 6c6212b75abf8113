"""What XCLIENT and XFORWARD say: anything can be sent, and nothing of it can break out of a line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.smtp.attributes import MAX_VALUE, address, hello, host, one_of, plain, port, read_attributes
from mailframe.smtp.syntax import SyntaxFault

READERS = {"NAME": host, "ADDR": address, "PORT": port, "HELO": hello, "IDENT": plain, "PROTO": one_of("SMTP", "ESMTP")}
WORDS = st.sampled_from([f"{name}=".encode() for name in READERS])


@pytest.mark.parametrize(("said", "found"), [
    (b"name=spike.example addr=198.51.100.7", {"NAME": "spike.example", "ADDR": "198.51.100.7"}),
    (b"ADDR=IPV6:2001:DB8:0::1  PORT=0", {"ADDR": "2001:db8::1", "PORT": "0"}),
    (b"ADDR=ipv6:::ffff:198.51.100.7", {"ADDR": "198.51.100.7"}),
    (b"NAME=[unavailable] ADDR=[Unavailable] HELO=[TEMPUNAVAIL]", {"NAME": "", "ADDR": "", "HELO": ""}),
    (b"IDENT=a+2Bb+3Dc", {"IDENT": "a+b=c"}),
    (b"HELO=a+28b", {"HELO": "a?b"}),
    (b"PROTO=esmtp", {"PROTO": "ESMTP"}),
    (b"IDENT=" + b"x" * MAX_VALUE, {"IDENT": "x" * MAX_VALUE}),
])
def test_attributes_are_read(said: bytes, found: dict[str, str]) -> None:
    assert read_attributes(said, READERS) == found


@pytest.mark.parametrize("said", [
    b"", b"NAME", b"NAME=", b"=x", b"IDENT=" + b"x" * (MAX_VALUE + 1), b"IDENT=a+2", b"IDENT=a+2b", b"IDENT=a+0D+0A",
    b"IDENT=a+20b",
    b"IDENT=a<b>", b"IDENT=\xc3\xbc", b"IDENT=a+FF", b"ADDR=IPV6:fe80::1+25eth0", b"ADDR=[198.51.100.7]", b"PORT=+31x",
    b"PORT=123456",
    b"NAME=-", b"NAME=a/b", b"NAME=a NAME=b", b"NAME=a IDENT",
])
def test_what_cannot_be_read_is_refused(said: bytes) -> None:
    with pytest.raises(SyntaxFault):
        read_attributes(said, READERS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.builds(bytes.__add__, WORDS, st.binary(max_size=40))), max_size=4))
def test_no_value_breaks_out_of_a_line(words: list[bytes]) -> None:
    """I5, and nothing but SyntaxFault is raised."""
    try:
        found = read_attributes(b" ".join(words), READERS)
    except SyntaxFault:
        return
    assert all(re.fullmatch(r"[!-~]*", value) and not set(value) & set('()<>,;"\\') for value in found.values())
