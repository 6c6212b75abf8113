"""The table of a filter's stages in docs/plugin-authors.md is the interface, and tells what a session does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from support.documents import AUTHORS
from support.guardworld import STRANGER, GuardWorld
from zope.interface import implementer
from zope.interface.interface import InterfaceClass

from mailframe.interfaces import filter as interfaces
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Pass, Refuse, Verdict

ROWS = [[cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\| `I\w+Filter\..*\|$", AUTHORS.read_text(), re.MULTILINE)]
METHODS = [row[0].strip("`") for row in ROWS]
SESSION = """\
S: 220 *
C: EHLO client.example
S: ...
C: MAIL FROM:<a@far.example>
S: 250 *
C: RCPT TO:<bob@example.org>
S: 250 *
C: RCPT TO:<eve@example.org>
S: 250 *
C: NOSUCH
S: 500 *
C: DATA
S: 354 *
C: Subject: x
C: .
"""
NO = "550 5.7.1 Not here"


def spoken(role: str, bob: str = "250 *") -> str:
    """The session up to the answer to its message, where bob is answered so."""
    session = SESSION.replace("EHLO", "LHLO") if role == "lmtp" else SESSION
    return session.replace("bob@example.org>\nS: 250 *", f"bob@example.org>\nS: {bob}")


@implementer(*(getattr(interfaces, name.partition(".")[0]) for name in METHODS))
class Every:
    """Notes each stage that it is asked at, and refuses at one."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses, self.asked, self.delay_s = refuses, [], 1.0 if refuses == "early" else 0.0  # type: ignore[var-annotated]

    def verdict(self, stage: str) -> Verdict:
        self.asked.append(stage)
        return Refuse(Refusal("Not here", smtp=(550, "5.7.1"))) if stage == self.refuses else Pass()

    def connection(self, peer: Any) -> Verdict:
        return self.verdict("connection")

    def greeting_delay(self, peer: Any) -> float:
        self.asked.append("greeting_delay")
        return self.delay_s

    def early(self, peer: Any, octets: bytes) -> Verdict:
        return self.verdict("early")

    def hello(self, peer: Any) -> Verdict:
        return self.verdict("hello")

    def sender(self, envelope: Any) -> Verdict:
        return self.verdict("sender")

    def recipient(self, envelope: Any, recipient: Any) -> Verdict:
        return self.verdict("recipient") if recipient.address.local == "bob" else Pass()

    def message(self, envelope: Any, recipients: Any, message: Any) -> Verdict:
        return self.verdict("message")

    def erred(self, peer: Any, verb: str, code: int) -> float:
        self.asked.append("erred")
        return 0.0

    def disconnected(self, peer: Any) -> None:
        self.asked.append("disconnected")


def test_it_has_each_method_once() -> None:
    methods = [f"{name}.{method}" for name, interface in vars(interfaces).items()
               if isinstance(interface, InterfaceClass) and name.endswith("Filter") for method in interface]
    assert sorted(METHODS) == sorted(methods)


def test_it_says_which_may_wait() -> None:
    tree = ast.parse(Path(interfaces.__file__).read_text())
    answers = {f"{interface.name}.{method.name}": ast.unparse(method.returns or ast.Constant(None)) for interface in tree.body
               if isinstance(interface, ast.ClassDef) for method in interface.body if isinstance(method, ast.FunctionDef)}
    assert {row[0].strip("`"): row[-1] for row in ROWS} == {
        name: "yes" if answer == "Answer" else "no" for name, answer in answers.items() if name in METHODS}


@pytest.mark.parametrize("ip", [STRANGER, "127.0.0.1"])
@pytest.mark.parametrize("role", ["mx", "submission", "lmtp", "relay-in"])
def test_it_is_in_the_order_of_a_session_whatever_the_role_and_the_client(role: str, ip: str) -> None:
    every = Every()
    own = ("192.0.2.0/24", "127.0.0.0/8") if role == "relay-in" else ()
    world = GuardWorld([every], role=role, require_login=False, networks=own)
    world.says(spoken(role) + "S: ...\nD:\n", ip)
    stages = [name.partition(".")[2] for name in METHODS if not name.endswith(("early", "erred"))]
    assert [stage for stage in dict.fromkeys(every.asked) if stage != "erred"] == stages
    assert every.asked.count("erred") == 1


@pytest.mark.parametrize(("stage", "role", "transcript"), [
    ("connection", "mx", f"S: {NO}\nC: EHLO a.example\nS: 503 *\nC: QUIT\nS: 221 *\n"),
    ("hello", "mx", f"S: 220 *\nC: EHLO a.example\nS: {NO}\nC: MAIL FROM:<a@far.example>\nS: 503 *\n"),
    ("sender", "mx", f"S: 220 *\nC: EHLO a.example\nS: ...\nC: MAIL FROM:<a@far.example>\nS: {NO}\n"),
    ("recipient", "mx", spoken("mx", NO) + "S: 250 2.*\n"),
    ("recipient", "lmtp", spoken("lmtp", NO) + "S: 250 2.1.5 <eve@example.org> *\n"),
    ("message", "mx", spoken("mx") + f"S: {NO}\nC: NOOP\nS: 250 *\n"),
    ("message", "lmtp", spoken("lmtp") + "S: 550 5.7.1 <bob@example.org> Not here\nS: 550 5.7.1 <eve@example.org> Not here\n"),
])
def test_a_refusal_is_answered_where_it_says(stage: str, role: str, transcript: str) -> None:
    GuardWorld([Every(stage)], role=role).says(transcript)


def test_who_speaks_before_the_greeting_is_told_in_its_place_and_gone() -> None:
    world = GuardWorld([Every("early")])
    player = world.connect()
    player.protocol.dataReceived(b"EHLO a.example\r\n")
    world.clock.advance(1.0)
    assert player.transport.value().startswith(NO.encode() + b"\r\n") and player.transport.disconnecting


def test_the_verdicts_are_told_each_once() -> None:
    told = re.findall(r"^\| `([A-Z]\w+)\(", AUTHORS.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(each.__name__ for each in get_args(Verdict))
