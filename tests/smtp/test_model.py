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

HONOURED = {"RRVS", "DELIVERBY", "MT-PRIORITY", "FUTURERELEASE", "REQUIRETLS"}
_HELD = {"submission": "250 2.1.0", "": "555 5.5.4"}
#: What may stand behind MAIL's address, and the answer (a role's own, under TLS another).
PARAMETERS: list[tuple[str, str | dict[str, str]]] = [
    ("SIZE=60", "250 2.1.0"), ("SIZE=61", "552 5.3.4"), ("SIZE=x", "501 5.5.4"), ("SIZE", "501 5.5.4"),
    ("SIZE=1 SIZE=1", "501 5.5.4"),
    ("RET=HDRS ENVID=a+2B", "250 2.1.0"), ("RET=ALL", "501 5.5.4"), ("ENVID=+41+4", "501 5.5.4"),
    ("BY=60;R", "250 2.1.0"), ("BY=0;R", "501 5.5.4"), ("BY=60;X", "501 5.5.4"), ("BY=-1;N", "250 2.1.0"),
    ("MT-PRIORITY=-3", "250 2.1.0"), ("MT-PRIORITY=10", "501 5.5.2"), ("MT-PRIORITY=9", {"lmtp": "250 2.1.0", "": "250 2.3.6"}),
    ("HOLDFOR=60", _HELD), ("HOLDFOR=0", {**_HELD, "submission": "501 5.5.4"}),
    ("HOLDFOR=60 BY=30;R", {**_HELD, "submission": "501 5.5.4"}), ("REQUIRETLS", {"tls": "250 2.1.0", "": "555 5.5.4"}),
    ("REQUIRETLS=1", {"tls": "501 5.5.4", "": "555 5.5.4"}), ("XYZZY=1", "555 5.5.4"), ("=", "501 5.5.4"),
]
RCPT_PARAMETERS = [
    ("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b", "250 2.1.5"), ("NOTIFY=NEVER,DELAY", "501 5.5.4"), ("ORCPT=b", "501 5.5.4"),
    ("RRVS=2014-04-03T23:01:00Z;C", "250 2.1.5"), ("RRVS=yesterday", "501 5.5.4"), ("SIZE=1", "555 5.5.4"),
]


class Sessions(RuleBasedStateMachine):
    """Rules say what is sent and what is due; what they say waits in `wire` until it is sent, cut anywhere."""

    @initialize(role=st.sampled_from(["mx", "submission", "lmtp"]), tls=st.booleans())
    def connect(self, role: str, tls: bool) -> None:
        self.world = SmtpWorld(
            role=role, max_errors=10_000, max_refused_recipients=10_000, max_auth_failures=10_000,
            max_idle_commands=10_000, max_message_octets=LIMIT,
            max_recipients=3, bare_newlines="refuse", portal=make_portal())
        self.world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
        self.world.reception.honours |= HONOURED
        self.player = self.world.connect(encrypted=tls)
        self.model = Model(LIMIT, role, tls=tls)
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
        if initial or due[0].startswith(("503", "538")):
            self.say(b"AUTH PLAIN %b\r\n" % secret, due)
        else:
            self.say(b"AUTH PLAIN\r\n%b\r\n" % secret, ["334 ", *due])

    @rule(body=st.sampled_from(["7BIT", "8BITMIME", "BINARYMIME", "BINARYMIME", "9BIT"]))
    def mail(self, body: str) -> None:
        self.say(b"MAIL FROM:<a@far.example> BODY=%b\r\n" % body.encode(), self.model.mail(body))

    @rule(what=st.sampled_from(PARAMETERS))
    def parameter(self, what: tuple[str, str | dict[str, str]]) -> None:
        """A code for all, or by role, or for who is under TLS ("tls") and others ("")."""
        word, code = what
        if not isinstance(code, str):
            code = code.get(self.model.role, code[""]) if "tls" not in code else code["tls" if self.model.tls else ""]
        self.say(b"MAIL FROM:<a@far.example> %b\r\n" % word.encode(), self.model.parameter(code))

    @rule(injected=st.sampled_from([False, False, False, True]))
    def start_tls(self, injected: bool) -> None:
        """What was said before has been answered: nothing may follow in the same segment, and with `injected` something does."""
        self.send([1, 2, 3])
        due = self.model.start_tls(injected)
        self.say(b"STARTTLS\r\n" + (b"NOOP\r\n" if due == ["421 4.7.0"] else b""), [])
        self.due += due if not self.player.transport.lost else []
        if due == ["421 4.7.0"]:
            self.player.send(self.wire)
            self.wire = b""
        self.send([4])

    @rule(line=st.sampled_from([b"VRFY bob", b"EXPN all", b"ETRN mx.example", b"XCLIENT ADDR=192.0.2.9", b"XFORWARD NAME=x"]))
    def ask(self, line: bytes) -> None:
        self.say(line + b"\r\n", [self.model.asks(line.partition(b" ")[0])])

    @rule(known=st.sampled_from([True, True, False]))
    def rcpt(self, known: bool) -> None:
        self.say(b"RCPT TO:<%b@mx.example>\r\n" % (b"bob" if known else b"nobody"), self.model.rcpt(known))

    @rule(what=st.sampled_from(RCPT_PARAMETERS))
    def rcpt_parameter(self, what: tuple[str, str]) -> None:
        word, code = what
        if self.model.state in ("sender", "recipient") and self.model.accepted < self.model.most and not code.startswith("250"):
            due = [code]
        else:
            due = self.model.rcpt(True)
        self.say(b"RCPT TO:<bob@mx.example> %b\r\n" % word.encode(), due)

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
        (b"HELP\r\n", "214 2.0.0"), (b"HELP XYZZY\r\n", "504 5.5.4"), (b"VRFY \xff\r\n", "vrfy"),
        (b"NOOP\r\n", "250 2.0.0"), (b"XYZZY\r\n", "500 5.5.1"), (b"NOOP\n", "500 5.5.2"), (b"NO\0OP\r\n", "500 5.5.2"),
        (b"x" * 3_000 + b"\r\n", "500 5.5.2"), (b"\r\n", "500 5.5.1"), (b"N\rOOP\r\n", "500 5.5.2"), (b"DATA now\r\n", ""),
    ]))
    def other(self, line: tuple[bytes, str]) -> None:
        """Nothing of this changes where the session stands."""
        wire, code = line
        if code == "vrfy":
            code = "501 5.5.4" if self.model.asks(b"VRFY").startswith("252") else "530 5.7.0"
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
        """In TLS: AUTH, also after a login (for the parameter of MAIL), REQUIRETLS and no STARTTLS; in the clear the reverse."""
        self.player.transport.clear()
        self.player.send(self.verb + b" c.example\r\n")
        words = set(re.findall(r"(?m)^250[- ]([A-Z0-9]+)", self.player.transport.value().decode()))
        assert {"PIPELINING", "SIZE", "CHUNKING", "BINARYMIME", "DSN", "LIMITS", "RRVS", "DELIVERBY"} <= words
        assert ("FUTURERELEASE" in words) == (self.model.role == "submission") and "XCLIENT" not in words
        assert {"AUTH", "REQUIRETLS"} & words == ({"AUTH", "REQUIRETLS"} if self.model.tls else set())
        assert ("STARTTLS" in words) == (not self.model.tls)

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
