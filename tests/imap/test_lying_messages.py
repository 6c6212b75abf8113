"""MIME that lies: whatever octets a message has, what is said of it is within the grammar and agrees with itself.

The clients of the world read every answer by the strict grammar. Here its parts are taken apart: the octets of each part that
BODYSTRUCTURE tells of are fetched, and have to be as many, on as many lines, as it said (RFC 3501 section 7.4.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_world import Client, World, run
from support.lying import LYING
from support.messages import corpus, crlf

from mailframe.mime.limits import LIMITS
from mailframe.mime.scan import scan
from mailframe.stores.memory import MemoryStore

MANY = 60               # parts of one message whose octets are fetched
WILD = [path for path in corpus() if path.stat().st_size]


def leaves(body: list[Any], path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    """(part number, its BODYSTRUCTURE) of what has octets of its own: all but multiparts (RFC 3501 section 6.4.5)."""
    if isinstance(body[0], list):
        for number, part in enumerate(body[0], 1):
            yield from leaves(part, (*path, number))
        return
    path = path or (1,)
    yield path, body
    if is_message(body):
        inner = body[8]
        yield from leaves(inner, path) if isinstance(inner[0], list) else leaves(inner, (*path, 1))


def is_message(body: list[Any]) -> bool:
    return body[0].lower() == b"message" and body[1].lower() in (b"rfc822", b"global")


async def fetch(client: Client, items: str) -> dict[bytes, Any]:
    """The one message's items."""
    before = len(client.responses)
    answer = await client.command(f"fetch7 UID FETCH 1 ({items})")
    assert answer[-1] == "fetch7 OK UID FETCH completed", answer
    told: dict[bytes, Any] = {}
    for response in client.responses[before:]:
        if response.kind == b"FETCH":
            told |= response.value
    return told


async def holds_together(client: Client, octets: bytes) -> None:
    """All that can be asked of the message agrees."""
    shown = octets.replace(b"\0", b"\x80")          # no literal can hold a NUL; the size stays
    told = await fetch(client, "RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT]")
    assert told[b"RFC822.SIZE"] == len(octets)
    assert told[b"BODY[]"] == shown
    assert told[b"BODY[HEADER]"] + told[b"BODY[TEXT]"] == shown
    structure = told[b"BODYSTRUCTURE"]
    assert stripped(structure) == told[b"BODY"]
    for path, body in list(leaves(structure))[:MANY]:
        await _part_holds(client, ".".join(map(str, path)), body)
    previewed = await fetch(client, "PREVIEW")
    assert previewed[b"PREVIEW"] is None or len(previewed[b"PREVIEW"].decode()) <= 256       # RFC 8970 section 3.1


def stripped(body: list[Any]) -> list[Any]:
    """BODY of a BODYSTRUCTURE: the same without extension data."""
    if isinstance(body[0], list):
        return [[stripped(part) for part in body[0]], body[1]]
    if is_message(body):
        return [*body[:8], stripped(body[8]), body[9]]
    return body[:8] if body[0].lower() == b"text" else body[:7]


async def _part_holds(client: Client, number: str, body: list[Any]) -> None:
    told = await fetch(client, f"BODY.PEEK[{number}] BODY.PEEK[{number}.MIME] BODY.PEEK[{number}]<1.7>")
    octets, size = told[b"BODY[%b]" % number.encode()], body[6]
    assert len(octets) == size, (number, body)
    assert told[b"BODY[%b]<1>" % number.encode()] == octets[1:8]
    if is_message(body):
        inside = await fetch(client, f"BODY.PEEK[{number}.HEADER] BODY.PEEK[{number}.TEXT]")
        assert inside[b"BODY[%b.HEADER]" % number.encode()] + inside[b"BODY[%b.TEXT]" % number.encode()] == octets
        lines = body[9]
    else:
        lines = body[7] if body[0].lower() == b"text" else None
    assert lines is None or lines == octets.count(b"\n")
    await _decoded_holds(client, number, octets, body[5].lower())


async def _decoded_holds(client: Client, number: str, octets: bytes, encoding: bytes) -> None:
    """BINARY.SIZE is what BINARY gives (RFC 3516 section 4.3), or both say that the encoding is not known."""
    before = len(client.responses)
    answer = (await client.command(f"binary7 UID FETCH 1 (BINARY.PEEK[{number}] BINARY.SIZE[{number}])"))[-1]
    told: dict[bytes, Any] = {}
    for response in client.responses[before:]:
        if response.kind == b"FETCH":
            told |= response.value
    if answer.startswith("binary7 NO [UNKNOWN-CTE]"):
        return
    assert answer.startswith("binary7 OK"), answer
    decoded = told[b"BINARY[%b]" % number.encode()] or b""
    assert len(decoded) == told[b"BINARY.SIZE[%b]" % number.encode()]
    if encoding in (b"7bit", b"8bit", b"binary"):
        assert decoded.replace(b"\0", b"\x80") == octets


async def _asked(world: World, octets: bytes) -> None:
    client = await world.login()
    answer = await client.command(b"a APPEND INBOX ~{%d+}\r\n%b" % (len(octets), octets))
    assert answer[-1].startswith("a OK"), answer
    await client.command("b SELECT INBOX")
    await holds_together(client, octets)
    for key in ("TEXT x", "BODY text", 'HEADER Content-Type ""', "SENTSINCE 1-Jan-2000", "FROM a SUBJECT b"):
        assert (await client.command(f"d SEARCH {key}"))[-1] == "d OK SEARCH completed"
    for command in ("SORT (DATE SUBJECT FROM DISPLAYTO SIZE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"):
        assert (await client.command(f"e {command}"))[-1].startswith("e OK")


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(LYING)
def test_what_is_said_of_any_octets_agrees_with_itself(store: type, octets: bytes) -> None:
    run(lambda world: _asked(world, octets), World(store()))


def test_many_more_of_them(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--long"):
        pytest.skip("20,000 lying messages: only with --long")

    @settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LYING)
    def tried(octets: bytes) -> None:
        run(lambda world: _asked(world, octets), World(MemoryStore()))

    tried()


@pytest.mark.parametrize("path", WILD, ids=[path.name for path in WILD])
def test_messages_from_the_wild(path: Any) -> None:
    octets = crlf(path.read_bytes())
    run(lambda world: _asked(world, octets), World(MemoryStore()))


def _nested(depth: int) -> bytes:
    heads = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)]
    return b"".join(heads) + b"\r\nthe innermost\r\n" + b"".join(b"\r\n--b%d--" % level for level in reversed(range(depth)))


HUGE = {
    "a million header lines": b"X-A: b\r\n" * 1_000_000 + b"\r\nbody\r\n",
    "one header line of ten million octets": b"Subject: " + b"y" * 10_000_000 + b"\r\n\r\nbody\r\n",
    "a folded header of a million lines": b"Subject: a\r\n" + b" b\r\n" * 1_000_000 + b"\r\nbody\r\n",
    "50,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000 + b"--b--\r\n",
    "50,000 parts without an end": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: a/b\r\n" * 50_000,
    "nested 5,000 deep": _nested(5_000),
    "5,000 messages within one another": b"Content-Type: message/rfc822\r\n\r\n" * 5_000 + b"Subject: in\r\n\r\nx\r\n",
    "100,000 addresses": b"To: " + b"a@b.example, " * 100_000 + b"c@d\r\n\r\nbody\r\n",
    "brackets": b"From: " + b"(" * 300_000 + b"\r\nTo: " + b"<" * 300_000 + b"\r\nCc: " + b'"\\' * 100_000 + b"\r\n\r\n",
    "100,000 parameters": b"Content-Type: text/plain" + b"; x*0*=%41" * 100_000 + b"\r\n\r\nbody\r\n",
    "100,000 encoded words": b"Subject: " + b"=?utf-8?Q?=C3=A9?= " * 100_000 + b"\r\n\r\nbody\r\n",
    "lines that almost are delimiters": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b-\r\n--bb\r\n--" * 200_000,
    "references": b"References: " + b"<a@b> " * 200_000 + b"\r\n\r\nbody\r\n",
    "only line ends": b"\r\n" * 1_000_000, "only NUL": b"\0" * 1_000_000, "only hyphens": b"-" * 1_000_000,
}


@pytest.mark.parametrize("octets", HUGE.values(), ids=HUGE.keys())
def test_of_what_is_far_too_much_the_stated_limits_are_told(octets: bytes) -> None:
    """Also that it ends: none of these takes more than some tenths of a second (tests/benchmarks/mime.py says how long)."""
    async def talk(world: World) -> None:
        client = await world.login()
        assert (await client.command(b"a APPEND INBOX ~{%d+}\r\n%b" % (len(octets), octets)))[-1].startswith("a OK")
        await client.command("b SELECT INBOX")
        await holds_together(client, octets)
        told = await fetch(client, "BODYSTRUCTURE ENVELOPE")
        assert sum(1 for _ in leaves(told[b"BODYSTRUCTURE"])) <= LIMITS.parts
        assert all(addresses is None or len(addresses) <= LIMITS.addresses for addresses in told[b"ENVELOPE"][2:8])
        assert (await client.command("c SEARCH TEXT zzz"))[-1] == "c OK SEARCH completed"

    run(talk)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(LYING, st.integers(1, 40))
def test_an_index_is_bounded_whatever_it_is_made_of(octets: bytes, times: int) -> None:
    index = scan(octets * times)
    assert len(index.parts) <= 2 * LIMITS.parts
    assert max((len(list(_above(index, number))) for number in range(len(index.parts))), default=0) <= LIMITS.depth + 1


def _above(index: Any, number: int) -> Iterator[int]:
    while number >= 0:
        yield number
        number = index.parts[number].parent
