"""Floods, crowds and half-done things at every SMTP role of a whole server: the right code, and good mail goes on beside it."""

from __future__ import annotations

import re
import resource
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from support.crowds import Beside, Place, pump
from support.hostile import DOMAIN
from support.wires import Wire

from mailframe.smtp.framer import AUTH_LIMIT, COMMAND_LIMIT

ROLES = ("mx", "submission", "lmtp")
EVERY = (*ROLES, "submissions")
RCPT = b"RCPT TO:<bob@one.example>\r\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("crowds"))
    try:
        yield place
    finally:
        place.child.stop()


@pytest.fixture(autouse=True)
def beside(place: Place) -> Iterator[Beside]:
    """Good mail goes on; memory is bounded; the log has no fault, and is not filled."""
    with Beside(place) as beside:
        yield beside
        assert beside.grown() < 30
        assert beside.logged() < 2_500
    place.assert_clean()


def codes(said: bytes) -> Counter[bytes]:
    """How often each last line's codes were said."""
    return Counter(re.findall(rb"(?m)^\d{3} (?:\d\.\d\.\d)?", said))


@pytest.fixture(scope="module")
def thousands(request: pytest.FixtureRequest) -> int:
    """Of what a flood is made."""
    return 100 if request.config.getoption("--long") else 10


@pytest.mark.parametrize("role", ROLES)
def test_recipients_without_end_in_one_connection(place: Place, beside: Beside, role: str, thousands: int) -> None:
    """RFC 5321 section 4.5.3.1.10: 452; and the log says so some times, not each time."""
    with place.ready(role) as wire:
        wire.expect(250, b"MAIL FROM:<alice@one.example>")
        said = codes(pump(wire, RCPT * 1_000, thousands))
    assert said == {b"250 2.1.5": 1_000, b"452 4.5.3": 1_000 * (thousands - 1), b"221 2.0.0": 1}
    place.child.wait_for(rf"and {1_000 * (thousands - 1) - 100} more refusals")
    assert beside.logged() < 150


def test_recipients_without_end_over_many_connections(place: Place, thousands: int) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(place.ready("mx")) for _ in range(thousands)]
        for wire in wires:
            wire.send(b"MAIL FROM:<a@far.example>\r\n" + RCPT * 1_100 + b"QUIT\r\n")
        for wire in wires:
            assert codes(wire.rest())[b"452 4.5.3"] == 100


@pytest.mark.parametrize("role", ROLES)
def test_guessing_recipients_ends_the_connection(place: Place, role: str) -> None:
    with place.ready(role) as wire:
        wire.expect(250, b"MAIL FROM:<alice@one.example>")
        said = codes(pump(wire, b"".join(b"RCPT TO:<guess%d@one.example>\r\n" % number for number in range(1_000)), 3))
    assert said == {b"550 5.1.1": 100, b"421 4.7.0": 1}


def test_senders_refused_without_end_end_the_connection(place: Place, beside: Beside) -> None:
    with place.ready("mx") as wire:
        said = codes(pump(wire, b"MAIL FROM:<a@far.example> SIZE=99999999999\r\n" * 500, 10))
    assert said == {b"552 5.3.4": 20, b"421 4.7.0": 1}
    assert beside.logged() < 150


def test_who_is_on_this_machine_may_say_nothing_as_long_as_he_likes(place: Place) -> None:
    with place.ready("mx") as wire:
        assert codes(pump(wire, b"NOOP\r\nMAIL FROM:<a@far.example>\r\nRSET\r\n", 200)) == {
            b"250 2.0.0": 400, b"250 2.1.0": 200, b"221 2.0.0": 1}


def test_who_is_elsewhere_may_not(place: Place) -> None:
    """100 such commands, then 20 errors; EHLO and its greeting by the proxy's word."""
    with place.ready("proxied") as wire:
        assert codes(pump(wire, b"NOOP\r\n", 200)) == {b"250 2.0.0": 119, b"421 4.7.0": 1}


@pytest.mark.parametrize("role", EVERY)
@pytest.mark.parametrize("octets", [b"x", b"AUTH PLAIN A", b"MAIL FROM:<"], ids=["nothing", "AUTH", "MAIL"])
def test_a_line_of_megabytes_and_one_without_end(place: Place, beside: Beside, role: str, octets: bytes) -> None:
    with place.ready(role) as wire:
        wire.send(octets + b"y" * 1_048_576 + b"\r\n")
        assert wire.reply()[1].startswith(b"500 5.5.6 " if octets.startswith(b"AUTH") else b"500 5.5.2 ")     # RFC 4954 section 4
        wire.expect(250, b"NOOP")
        wire.send(octets)
        for _ in range(64):
            wire.send(b"z" * 1_048_576)
        assert beside.grown() < 40        # a first login takes 19 MiB
        wire.end()
        assert wire.rest() == b"", "an unfinished line is none"


@pytest.mark.parametrize(("before", "limit", "code"), [
    (b"NOOP ", COMMAND_LIMIT, 250), (b"AUTH PLAIN ", AUTH_LIMIT, 501), (b"VRFY ", COMMAND_LIMIT, 252)])
def test_the_longest_line_and_one_octet_more(place: Place, before: bytes, limit: int, code: int) -> None:
    with place.wire("submission") as wire:
        wire.reply()
        wire.expect(250, b"EHLO c")
        if code == 252:
            wire.login(f"alice@{DOMAIN}", "correct horse")
        line = before + b"a" * (limit - len(before) - 2)
        assert wire.say(line)[0] in (code, 535)
        assert wire.say(line + b"a")[0] == 500


@pytest.mark.parametrize("role", EVERY)
@pytest.mark.parametrize("way", ["DATA", "BDAT"])
def test_junk_in_the_pipeline_after_a_message(place: Place, role: str, way: str) -> None:
    """The message is taken, and the junk is bad commands until there are too many."""
    with place.begun(role) as wire:
        message = b"BDAT 6 LAST\r\ntext\r\n" if way == "BDAT" else b"DATA\r\ntext\r\n.\r\n"
        said = codes(pump(wire, message + b"\xff\0junk\r\n.\r\nmore <junk>\r\n" * 20, 1))
    assert said.pop(b"354 ", 1) == 1
    assert said.pop(b"250 2.1.5" if role == "lmtp" else b"250 2.0.0") == 1
    assert sum(said[code] for code in (b"500 5.5.1", b"500 5.5.2")) == 20 and said[b"421 4.7.0"] == 1


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("size", "codes_due"), [
    (b"-1", (501, 421)), (b"", (501, 421)), (b"x", (501, 421)), (b"0x10", (501, 421)), (b"9" * 21, (501, 421)),
    (b"9" * 3_000, (500, 421)), (b"\xd9\xa3", (501, 421)), (b"1 2", (501,)),
], ids=lambda value: repr(value)[:20])
def test_sizes_of_chunks_that_are_none(place: Place, role: str, size: bytes, codes_due: tuple[int, ...]) -> None:
    """I5: when nobody can tell where a chunk ends, nothing after it is a command."""
    with place.begun(role) as wire:
        wire.send(b"BDAT " + size + b"\r\n1RSET\r\nNOOP\r\n")
        said = wire.rest() if codes_due[-1] == 421 else wire.reply()[1]
    assert tuple(int(code) for code in re.findall(rb"(?m)^(\d{3}) ", said))[:len(codes_due)] == codes_due, said


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("size", [99_999_999_999_999_999_999, 60_000_000, 2**63, 2**32])
def test_huge_chunks_are_refused_when_their_octets_have_come_and_cost_nothing(
    place: Place, beside: Beside, role: str, size: int, thousands: int,
) -> None:
    with place.begun(role) as wire:
        wire.send(b"BDAT %d LAST\r\n" % size)
        for _ in range(thousands):
            wire.send(b"y" * 1_048_576)
        assert beside.grown() < 10


PROXY_JUNK = [
    b"PROXY " + b"x" * 1_048_576, b"PROXY TCP4 1 2 3 4\r\n", b"PROXY TCP4 999.1.1.1 1.1.1.1 1 1\r\n", b"EHLO x\r\n",
    b"\0" * 100_000,
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + b"z" * 70_000, b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + b"z" * 12,
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04zzzz", b"PROXY TCP4 198.51.100.7 203.0.113.1 40000 99999\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"q" * 500,
]


@pytest.mark.parametrize("junk", PROXY_JUNK, ids=lambda junk: repr(junk[:24]))
def test_junk_for_a_proxys_header_ends_the_connection_without_a_word(place: Place, junk: bytes) -> None:
    with place.wire("proxied") as wire:
        assert pump(wire, junk, 1) == b""
    with place.wire("proxied") as wire:
        for at in range(min(len(junk), 120)):
            try:
                wire.send(junk[at:at + 1])
            except OSError:
                break               # it was cut already
        with suppress(OSError):
            wire.end()
        assert wire.rest() == b""


def test_who_says_xclient_again_and_again_is_counted_as_who_it_says(place: Place) -> None:
    """The guards' rates hold for it: 120 connections in a minute from one address."""
    with place.ready("mx") as wire:
        said = pump(wire, b"XCLIENT ADDR=203.0.113.9\r\n", 1_000)
    assert codes(said) == {b"220 ": 120, b"421 4.7.0": 1}


def test_names_in_xclient_that_are_none_are_bad_commands(place: Place) -> None:
    with place.ready("mx") as wire:
        said = pump(wire, b"XCLIENT ADDR=not.an.address\r\nXCLIENT NAME=\xff\r\nXCLIENT\r\nXCLIENT PORT=" + b"9" * 50 + b"\r\n", 50)
    assert codes(said)[b"421 4.7.0"] == 1 and sum(codes(said).values()) == 21


@pytest.mark.parametrize("role", ROLES)
def test_what_comes_before_the_handshake_is_never_obeyed(place: Place, role: str) -> None:
    """I5: after STARTTLS in one segment, and in the next one."""
    hello = b"LHLO x\r\n" if role == "lmtp" else b"EHLO x\r\n"
    with place.wire(role) as wire:
        wire.send(hello + b"STARTTLS\r\nMAIL FROM:<a@far.example>\r\n")
        said = wire.rest()
        assert b"2.1.0" not in said and b"220 2.0.0" not in said and re.search(rb"(?m)^421 4\.7\.0", said)
    with place.wire(role) as wire:
        wire.reply()
        wire.expect(250, hello.strip())
        wire.expect(220, b"STARTTLS")
        wire.send(b"MAIL FROM:<a@far.example>\r\n")
        assert b"250" not in wire.rest()


def _client_bio() -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_bio(incoming, outgoing, server_hostname="localhost"), incoming, outgoing


@pytest.mark.parametrize("role", ["mx", "submissions"])
def test_tls_octet_by_octet_and_in_records_of_one_octet(place: Place, role: str) -> None:
    with Wire(place.ports[role]) as wire:
        if role == "mx":
            wire.send(b"EHLO x\r\nSTARTTLS\r\n")
            while not wire.line().startswith(b"220 2"):
                pass
        tls, incoming, outgoing = _client_bio()

        def flush() -> None:
            for octet in outgoing.read():
                wire.send(bytes([octet]))

        def until(pattern: bytes) -> bytes:
            found = b""
            while not re.search(pattern, found):
                try:
                    found += tls.read(65_536)
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(wire.socket.recv(65_536))
            return found

        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                flush()
                incoming.write(wire.socket.recv(65_536))
        flush()
        if role == "submissions":
            until(rb"220 .*\r\n")
        for octet in b"EHLO y\r\nNOOP\r\n":
            tls.write(bytes([octet]))
        flush()
        assert until(rb"250 2\.0\.0 Ok\r\n").startswith(b"250-mail.one.example")


@pytest.mark.parametrize("role", ["mx", "submissions"])
def test_handshakes_that_never_end_hold_nobody_up(place: Place, role: str, thousands: int) -> None:
    with ExitStack() as stack:
        for number in range(thousands * 5):
            wire = stack.enter_context(Wire(place.ports[role]))
            if role == "mx":
                wire.send(b"EHLO x\r\nSTARTTLS\r\n")
            tls, _, outgoing = _client_bio()
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            wire.send(outgoing.read()[:1 + number * 7])
        place.ready("submissions").close()


_SENDER = b"EHLO x\r\nMAIL FROM:<a@far.example>\r\n"
STATES = {
    "greeting": b"", "EHLO": b"EHLO x\r\n", "MAIL": _SENDER, "RCPT": _SENDER + RCPT, "DATA": _SENDER + RCPT + b"DATA\r\n",
    "in DATA": _SENDER + RCPT + b"DATA\r\nhalf\r\n.\r", "in BDAT": _SENDER + RCPT + b"BDAT 100 LAST\r\nhalf",
    "between BDATs": _SENDER + RCPT + b"BDAT 4\r\nhalf", "STARTTLS": b"EHLO x\r\nSTARTTLS\r\n",
    "in staged DATA": _SENDER + RCPT + b"DATA\r\n" + b"half a line of it\r\n" * 40_000, "half a line": _SENDER[:-8],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("way", ["FIN", "RST", "half-close"])
def test_going_in_every_state_leaves_nothing_behind(place: Place, state: str, way: str) -> None:
    for role in ROLES:
        with Wire(place.ports[role]) as wire:
            wire.send(STATES[state].replace(b"EHLO", b"LHLO") if role == "lmtp" else STATES[state])
            if way == "RST":
                wire.reset()
            elif way == "half-close":
                wire.end()
                assert b"Ok: " not in wire.rest(), "half a message is none"
    assert not [line for line in place.child.lines if "from=<a@far.example>" in line and "accepted" in line]


@pytest.mark.parametrize("role", ROLES)
def test_who_never_reads_is_held_back(place: Place, beside: Beside, role: str) -> None:
    """I3."""
    with place.ready(role) as wire:
        wire.socket.settimeout(0.3)
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < 100_000_000:
                taken += wire.socket.send(b"HELP\r\n" * 1_000)
        assert beside.grown() < 10
        wire.reset()


def test_two_thousand_connections_half_of_them_talking_octet_by_octet(place: Place, beside: Beside) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2_000, most - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    talk = b"EHLO slow.example\r\nMAIL FROM:<a@far.example>\r\n" + RCPT + b"DATA\r\nX: y\r\n\r\nslow\r\n.\r\nQUIT\r\n"
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(place.ports["mx"])) for _ in range(count)]
        for wire in wires:
            assert wire.line().startswith(b"220 ")
        print(f"{beside.grown() / count * 1024:.1f} KiB for each of {count} connections")
        for octet in talk:
            for wire in wires[:len(wires) // 2]:
                wire.send(bytes([octet]))
        for wire in wires[:len(wires) // 2]:
            assert codes(wire.rest())[b"221 2.0.0"] == 1
        for wire in wires[len(wires) // 2:]:
            wire.send(b"QUIT\r\n")
        for wire in wires[len(wires) // 2:]:
            assert wire.rest().startswith(b"221 ")
