"""Random sessions, valid and not, pipelined and cut anywhere, against a model of what must be answered and delivered (I4, I5)."""

from __future__ import annotations

import base64
import re
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.smtpmodel import Model
from support.smtpworld import SmtpWorld, make_portal

from mailframe.model.refusal import UnknownRecipient

LIMIT = 60
bits = st.lists(st.sampled_from([
    b"\r\n", b"text", b".", b"\r\n.\r\n", b"NOOP\r\n", b"\r\nRSET\r\n", b"QUIT\r\n", b"BDAT 3\r\n", b"\n.\n", b"\r", b"\n", b"\0",
    b"x" * 30,
]), max_size=5).map(b"".join)
decent = st.lists(st.sampled_from([
    b"text\r\n", b".\r\n", b"..\r\n", b"\r\n", b"RSET\r\n", b"\0\xff\r\n",
]), max_size=5).map(b"".join)


class Sessions(RuleBasedStateMachine):
    """Rules say what is sent and what is due; what they say waits in `wire` until it is sent, cut anywhere."""

    @initialize(role=st.sampled_from(["mx", "submission", "lmtp"]))
    def connect(self, role: str) -> None:
        self.world = SmtpWorld(
            role=role, max_errors=10_000, max_refused_recipients=10_000, max_auth_failures=10_000, max_message_octets=LIMIT,
            max_recipients=3, bare_newlines="refuse", portal=make_portal())
        self.world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
        self.player = self.world.connect(encrypted=True)
        self.model = Model(LIMIT, role)
        self.verb = b"LHLO" if role == "lmtp" else b"EHLO"
        self.wire = b""
        self.due = ["220 "]

    def say(self, wire: bytes, due: list[str]) -> None:
        self.wire += wire
        if self.model.state != "closed":        # else it is said, and must not be heard
            self.due += due

    @rule(verb=st.sampled_from([b"EHLO", b"HELO", b"LHLO"]))
    def hello(self, verb: bytes) -> None:
        self.say(verb + b" c.example\r\n", self.model.hello(verb))

    @rule(right=st.booleans(), initial=st.booleans())
    def login(self, right: bool, initial: bool) -> None:
        """RFC 4954: with the initial response, or after 334."""
        due = self.model.login(right)
        secret = base64.b64encode(b"\0bob\0secret" if right else b"\0bob\0wrong")
        if initial or due[0].startswith("503"):
            self.say(b"AUTH PLAIN %b\r\n" % secret, due)
        else:
            self.say(b"AUTH PLAIN\r\n%b\r\n" % secret, ["334 ", *due])

    @rule(body=st.sampled_from(["7BIT", "8BITMIME", "BINARYMIME", "BINARYMIME", "9BIT"]))
    def mail(self, body: str) -> None:
        self.say(b"MAIL FROM:<a@far.example> BODY=%b\r\n" % body.encode(), self.model.mail(body))

    @rule(known=st.sampled_from([True, True, False]))
    def rcpt(self, known: bool) -> None:
        self.say(b"RCPT TO:<%b@mx.example>\r\n" % (b"bob" if known else b"nobody"), self.model.rcpt(known))

    @rule(octets=bits | decent)
    def data(self, octets: bytes) -> None:
        message = octets.replace(b"\r\n.\r\n", b"\r\n") + b"\r\n"
        sent = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n" if self.model.takes_data() else b""
        self.say(b"DATA\r\n" + sent, self.model.data(message))

    @rule(octets=bits | decent, last=st.booleans(), word=st.sampled_from([b"", b"", b"", b" FIRST"]))
    def bdat(self, octets: bytes, last: bool, word: bytes) -> None:
        line = b"BDAT %d%b%b\r\n" % (len(octets), word, b" LAST" if last else b"")
        self.say(line + octets, self.model.bdat(octets, last, not word))

    @rule(octets=decent)
    def whole(self, octets: bytes) -> None:
        """A transaction as a client means it, so that there are some."""
        self.hello(self.verb)
        self.login(True, True)
        self.mail("8BITMIME")
        self.rcpt(True)
        self.bdat(octets[:7], False, b"")
        self.bdat(octets[7:], True, b"")

    @rule(line=st.sampled_from([
        (b"NOOP\r\n", "250 2.0.0"), (b"XYZZY\r\n", "500 5.5.1"), (b"NOOP\n", "500 5.5.2"), (b"NO\0OP\r\n", "500 5.5.2"),
        (b"x" * 3_000 + b"\r\n", "500 5.5.2"), (b"\r\n", "500 5.5.1"), (b"N\rOOP\r\n", "500 5.5.2"), (b"DATA now\r\n", ""),
    ]))
    def other(self, line: tuple[bytes, str]) -> None:
        """Nothing of this changes where the session stands."""
        wire, code = line
        self.say(wire, [code or ("501 5.5.4" if self.model.state == "recipient" else "503 5.5.1")])

    @rule()
    def rset(self) -> None:
        self.say(b"RSET\r\n", self.model.rset())

    @rule(line=st.sampled_from([(b"BDAT x\r\n", "501 5.5.4"), (b"bdat 4\n", "500 5.5.2"), (b"BDAT 1\0\r\n", "500 5.5.2")]))
    def lost(self, line: tuple[bytes, str]) -> None:
        """Nobody knows what is a command from here on."""
        self.say(line[0], [line[1], "421 4.7.0"])
        self.model.state = "closed"

    @rule(places=st.lists(st.integers(0, 200), max_size=8))
    def send(self, places: list[int]) -> None:
        wire, self.wire = self.wire, b""
        edges = [0, *sorted({place for place in places if place < len(wire)}), len(wire)]
        for low, high in pairwise(edges):
            if not self.player.transport.lost:
                self.player.send(wire[low:high])
                self.settle()
        said = [line[:len(due)] for line, due in zip(self.replies(), self.due)]
        assert said == self.due and len(self.replies()) == len(self.due)

    def settle(self) -> None:
        """A hundred commands in one go are enough (I2): the rest has its turn when others have had theirs."""
        clock = self.world.clock
        while True:
            if self.player.protocol.working is not None:        # a wrong login is held back for a second
                clock.advance(1)
            elif any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
                clock.advance(0)
            else:
                return
            self.player.transport.settle(self.player.protocol)

    def replies(self) -> list[str]:
        """The last line of each."""
        return re.findall(r"^\d{3} .*$", self.player.transport.value().decode().replace("\r\n", "\n"), re.MULTILINE)

    @invariant()
    def delivered_is_what_was_meant(self) -> None:
        if not self.wire:
            assert [delivery.octets for delivery in self.world.reception.committed] == self.model.delivered

    def announced_is_what_can_be_done(self) -> None:
        """In TLS: AUTH, also after a login (for the parameter of MAIL), and no STARTTLS."""
        self.player.transport.clear()
        self.player.send(self.verb + b" c.example\r\n")
        words = set(re.findall(r"(?m)^250[- ]([A-Z0-9]+)", self.player.transport.value().decode()))
        assert {"PIPELINING", "SIZE", "CHUNKING", "BINARYMIME", "DSN", "LIMITS", "AUTH"} <= words and "STARTTLS" not in words

    def teardown(self) -> None:
        self.send([1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
        self.delivered_is_what_was_meant()
        assert self.player.transport.lost == (self.model.state == "closed")
        if not self.player.transport.lost:
            self.announced_is_what_can_be_done()
            self.player.transport.drop(self.player.protocol)
        assert self.world.clock.getDelayedCalls() == [] and self.world.factory.connections == 0


def test_sessions(request: pytest.FixtureRequest) -> None:
    often = 4_000 if request.config.getoption("--long") else 80
    run_state_machine_as_test(Sessions, settings=settings(max_examples=often, stateful_step_count=30, deadline=None))
