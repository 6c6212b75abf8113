"""Who is traced, for how long and how much; what SMTP's traces show, and what they never do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smtpworld import HELLO, SmtpWorld, make_portal
from support.transcripts import Player
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from mailframe.tracing.choices import Choice, TraceSettings
from mailframe.tracing.traces import Traces

BEGUN = "C: MAIL FROM:<a@far.example>\nS: 250 *\nC: RCPT TO:<bob@mx.example>\nS: 250 *\nC: DATA\nS: 354 *\nC: private words\n"
MESSAGE = BEGUN + "C: .\nS: 250 *\n"


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        if event.get("log_namespace") == "mailframe.trace":
            self.lines.append(event["line"])

    @property
    def said(self) -> list[str]:
        """Without name and time."""
        return [line.split(" ", 3)[3] if line.count(" ") > 2 else line for line in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    found = Log()
    globalLogPublisher.addObserver(found)
    yield found
    globalLogPublisher.removeObserver(found)


def traced(portal: bool = False, **chosen: Any) -> SmtpWorld:
    world = SmtpWorld(portal=make_portal() if portal else None, max_errors=1_000, auth_failure_delay_s=0)
    world.factory.traces = Traces(TraceSettings(**chosen), world.clock)
    return world


def test_nobody_is_traced_and_nobody_asks() -> None:
    traces = Traces(TraceSettings(), Clock())
    assert not traces.active and traces.begin("smtp", "192.0.2.7", "smtp") is None


def test_a_session_is_told_line_by_line_but_for_the_message(log: Log) -> None:
    world = traced(clients=("192.0.2.0/28",))
    player = world.connect()
    player.play(HELLO + "T: 2\n" + MESSAGE + "C: XYZZY\nS: 500 *\nC: QUIT\nS: 221 *\nS: <closed>")
    assert log.lines[0] == "trace smtp-1 +0.000 -: session of 192.0.2.7 at a listener without a name begins"
    assert log.said[1] == "S: 220 mx.example ESMTP" and log.said[2] == "C: EHLO c.example"
    assert "trace smtp-1 +2.000 C: MAIL FROM:<a@far.example>" in log.lines
    assert "C: [a message, 15 octets]" in log.said and "C: [no command, 5 octets]" in log.said
    assert log.said[-3:] == ["C: QUIT", "S: 221 2.0.0 Bye", "-: session ends"]
    assert "private" not in "\n".join(log.lines) and world.factory.traces.running == 0


def test_a_message_that_breaks_off_is_an_octet_count_too(log: Log) -> None:
    world = traced(clients=("192.0.2.7",))
    player = world.connect()
    player.play(HELLO + BEGUN)
    player.transport.drop(player.protocol)
    assert log.said[-2:] == ["C: [13 octets of a message without an end]", "-: session ends"]


@pytest.mark.parametrize(("chosen", "traced_ips"), [
    ({"clients": ("192.0.2.7",)}, ["192.0.2.7"]), ({"clients": ("2001:db8::/32",)}, ["2001:db8::7"]),
    ({"listeners": ("other",)}, []), ({"listeners": ("",)}, ["192.0.2.7", "192.0.2.8", "2001:db8::7"]),
])
def test_only_those_who_are_chosen(log: Log, chosen: dict[str, Any], traced_ips: list[str]) -> None:
    world = traced(**chosen)
    for ip in ("192.0.2.7", "192.0.2.8", "2001:db8::7"):
        player = world.connect(ip)
        player.transport.drop(player.protocol)
    shown = "\n".join(log.lines)
    assert [ip for ip in ("192.0.2.7", "192.0.2.8", "2001:db8::7") if f"of {ip} at" in shown] == traced_ips


def log_in(world: SmtpWorld, words: str = "AUTH PLAIN AGJvYgBzZWNyZXQ=") -> Player:
    player = world.connect(encrypted=True)
    player.play(f"{HELLO}C: {words}\nS: ...\n")
    return player


def test_the_session_of_an_account_is_told_from_its_first_line_once_it_has_logged_in(log: Log) -> None:
    world = traced(True, accounts=("BOB",))
    stranger = world.connect(encrypted=True)
    stranger.play(HELLO)
    player = log_in(world)
    assert log.said[1:3] == ["S: 220 mx.example ESMTP", "C: EHLO c.example"]
    assert log.said[-3:] == ["C: AUTH PLAIN [16 octets]", "-: logged in as bob", "S: 235 2.7.0 Authentication successful"]
    assert world.factory.traces.running == 1 and world.factory.traces.held == 1
    for each in (player, stranger):
        each.transport.drop(each.protocol)
    assert world.factory.traces.running == world.factory.traces.held == 0
    assert {line.split()[1] for line in log.lines} == {"smtp-2"}


def test_a_choice_made_while_the_server_runs_ends_by_itself(log: Log) -> None:
    world = traced()
    world.factory.traces.add(Choice("client", "192.0.2.7", until=world.clock.seconds() + 60, protocol="smtp"))
    world.connect()
    world.clock.advance(61)
    world.connect()
    assert len([line for line in log.lines if "begins" in line]) == 1
    assert not world.factory.traces.active and world.factory.traces.choices == ()


def test_other_protocols_are_not_meant(log: Log) -> None:
    traces = Traces(TraceSettings(), Clock())
    traces.add(Choice("client", "192.0.2.7", protocol="smtp"))
    assert traces.begin("imap", "192.0.2.7", "") is None and traces.clear() == 1 and not traces.active


def test_it_is_bounded(log: Log) -> None:  # I3
    world = traced(clients=("0.0.0.0/0",), max_sessions=2, max_lines=20, max_line_octets=100)
    players = [world.connect() for _ in range(3)]
    assert world.factory.traces.running == 2
    players[0].send(b"EHLO c\r\n" + b"HELP " + b"x" * 1_000 + b"\r\n" + b"NOOP\r\n" * 50)
    mine = [line for line in log.lines if line.startswith(("trace smtp-1 ", "trace smtp-1:"))]
    assert len(mine) == 21 and mine[-1] == "trace smtp-1: no more of this session, it is too long"
    assert max(map(len, mine)) < 150 and world.factory.traces.running == 1
    players[0].transport.drop(players[0].protocol)
    assert world.factory.traces.running == 1


def test_what_cannot_be_shown_is_escaped(log: Log) -> None:
    world = traced(clients=("192.0.2.7",))
    world.connect().send(b"EHLO \xff\x1b[31m\xe2\x80\xa8\r\nNO\0OP\r\n")
    assert "C: EHLO \\xff\\x1b[31m\\u2028" in log.said
    assert "C: [a line that cannot be used: NUL is not allowed]" in log.said


@pytest.mark.parametrize("wrong", [{"clients": ("somewhere",)}, {"max_lines": 0}, {"max_sessions": -1}])
def test_wrong_settings_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TraceSettings(**wrong)


# I9: no password is ever in it.

PASSWORD = "hunter2-Geheim"


def spellings(password: str) -> list[str]:
    """A password as it may stand on the wire: plain, and in base64 of PLAIN (at each of the three shifts) and LOGIN."""
    found = {password}
    for before in (b"", b"\0bob\0", b"\0x\0", b"\0ab\0"):
        found.add(base64.b64encode(before + password.encode()).decode().rstrip("="))
    return sorted(found)


def base64_of(text: str) -> bytes:
    return base64.b64encode(text.encode())


CONVERSATIONS: dict[str, list[bytes]] = {
    "PLAIN with an initial response": [b"AUTH PLAIN " + base64_of(f"\0bob\0{PASSWORD}")],
    "plain, in small letters, with spaces": [b"auth   plain  " + base64_of(f"\0bob\0{PASSWORD}") + b"  "],
    "PLAIN with a line of its own": [b"AUTH PLAIN", base64_of(f"\0bob\0{PASSWORD}")],
    "LOGIN": [b"AUTH LOGIN", base64_of("bob"), base64_of(PASSWORD)],
    "LOGIN with the user at once": [b"AUTH LOGIN " + base64_of("bob"), base64_of(PASSWORD)],
    "a mechanism that there is not": [b"AUTH CRAM-MD5", base64_of(PASSWORD), PASSWORD.encode()],
    "an initial response instead of a mechanism": [b"AUTH " + base64_of(f"\0bob\0{PASSWORD}"), b"AUTH " + PASSWORD.encode()],
    "no mechanism at all": [b"AUTH  " + PASSWORD.encode(), b"AUTH\t" + PASSWORD.encode()],
    "not in base64": [b"AUTH LOGIN", b"bob", PASSWORD.encode()],
    "after a cancellation": [b"AUTH LOGIN", b"*", base64_of("bob"), base64_of(PASSWORD)],
    "one line too many": [b"AUTH PLAIN AA==", base64_of(f"\0bob\0{PASSWORD}")],
    "as somebody else": [b"AUTH PLAIN " + base64_of(f"admin\0bob\0{PASSWORD}")],
    "with a bare LF": [b"AUTH LOGIN", base64_of("bob"), base64_of(PASSWORD) + b"\nx"],
    "with a NUL": [b"AUTH PLAIN " + base64_of(f"\0bob\0{PASSWORD}") + b"\0"],
    "far too long": [b"AUTH PLAIN " + base64_of(f"\0bob\0{PASSWORD}") + b"A" * 20_000],
    "in two lines": [b"AUTH PLAIN", base64_of(f"\0bob\0{PASSWORD}")[:7], base64_of(f"\0bob\0{PASSWORD}")[7:]],
}


@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("name", sorted(CONVERSATIONS))
def test_no_password_is_ever_shown(log: Log, name: str, encrypted: bool) -> None:
    octets = b"EHLO c.example\r\n" + b"".join(line + b"\r\n" for line in CONVERSATIONS[name]) + b"QUIT\r\n"
    for cut in range(len(octets) if len(octets) < 1_000 else 200):
        world = traced(True, clients=("192.0.2.7",))
        player = world.connect(encrypted=encrypted)
        player.send(octets[:cut])
        player.send(octets[cut:])
        if not player.transport.lost:
            player.transport.drop(player.protocol)
    shown = "\n".join(log.lines)
    assert "EHLO c.example" in shown and "session ends" in shown
    for spelling in spellings(PASSWORD):
        assert spelling not in shown and spelling[3:-3] not in shown


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2fff, exclude_categories=["Cs"]), min_size=6, max_size=30),
    st.lists(st.integers(1, 60), max_size=8),
)
def test_whatever_the_password_and_wherever_it_is_cut(password: str, cuts: list[int]) -> None:
    password = f"pw-{password}"
    found = Log()
    globalLogPublisher.addObserver(found)
    try:
        world = traced(True, accounts=("bob",), clients=("192.0.2.7",))
        player = world.connect(encrypted=True)
        octets = b"EHLO c\r\nAUTH LOGIN\r\nYm9i\r\n" + base64_of(password) + b"\r\n"
        octets += b"AUTH PLAIN " + base64_of(f"\0bob\0{password}") + b"\r\n" + password.encode() + b"\r\n"
        for cut in cuts:
            player.send(octets[:cut])
            octets = octets[cut:]
        player.send(octets)
        player.transport.drop(player.protocol)
    finally:
        globalLogPublisher.removeObserver(found)
    shown = "\n".join(found.lines)
    assert "AUTH LOGIN" in shown
    assert password not in shown and base64_of(password).decode() not in shown
    assert base64_of(f"\0bob\0{password}").decode() not in shown
