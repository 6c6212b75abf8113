"""Conversations as data: plays a transcript file against a server protocol in memory.

    # a comment; also behind two spaces and "#"
    C: what the client sends, CRLF is added
    C| octets with escapes (\\r \\n \\x00), nothing is added
    S: what the server answers, one line; * stands for anything
    S: ...                          any number of lines
    S: <closed>                     it ends the connection
    S: <nothing>                    no answer waits
    T: 300                          so many seconds pass
    X: word                         calls the test's own action of that name
    E:                              the client half-closes: its end of what it says
    D:                              the client drops the connection
    #! name = value                 in the head: a setting of the server
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from .memory import MemoryTransport


@dataclass(frozen=True)
class Step:
    number: int
    kind: str
    text: str


def settings(transcript: str) -> dict[str, Any]:
    """Of the server that this conversation wants: ``#! name = value``, one a line."""
    found = re.findall(r"^#! (\w+) = (.+)$", transcript, re.MULTILINE)
    return {name: ast.literal_eval(value) for name, value in found}


def steps(transcript: str) -> Iterator[Step]:
    for number, line in enumerate(transcript.splitlines(), 1):
        line = re.sub(r"(^|\s\s+)#.*", "", line)
        if line.strip():
            kind, text = line[:2], line[2:].removeprefix(" ")
            assert kind in ("C:", "C|", "S:", "T:", "X:", "E:", "D:"), f"line {number}: {line}"
            yield Step(number, kind, text)


class Player:
    """One client's side. `cut` parts each sending into what arrives at once."""

    def __init__(
        self, protocol: Protocol, transport: MemoryTransport, clock: Clock, *,
        cut: Callable[[bytes], list[bytes]] = lambda sent: [sent],
        actions: Mapping[str, Callable[[], object]] = {},
    ) -> None:
        self.protocol, self.transport, self.clock, self.cut, self.actions = protocol, transport, clock, cut, actions
        self._answers: list[str] = []
        protocol.makeConnection(transport)
        transport.settle(protocol)

    def send(self, octets: bytes) -> None:
        for piece in self.cut(octets):
            if not self.transport.lost:
                self.protocol.dataReceived(piece)
                self.transport.settle(self.protocol)

    def play(self, transcript: str) -> None:
        for step in steps(transcript):
            match step.kind:
                case "C:":
                    self.send(step.text.encode() + b"\r\n")
                case "C|":
                    self.send(step.text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
                case "T:":
                    self.clock.advance(float(step.text))
                    self.transport.settle(self.protocol)
                case "X:":
                    self.actions[step.text.strip()]()
                    self.transport.settle(self.protocol)
                case "E:":
                    self.transport.end(self.protocol)
                case "D:":
                    self.transport.drop(self.protocol)
                case _:
                    self._check(step)
        self._collect()
        assert not self._answers, f"answers nobody expected: {self._answers}"

    def _collect(self) -> None:
        self._answers += self.transport.value().decode("utf-8").split("\r\n")[:-1]
        self.transport.clear()

    def _check(self, step: Step) -> None:
        self._collect()
        where = f"line {step.number}: expected {step.text!r}"
        if step.text == "<closed>":
            assert not self._answers and self.transport.lost, f"{where}, got {self._answers or 'an open connection'}"
        elif step.text == "<nothing>":
            assert not self._answers, f"{where}, got {self._answers}"
        elif step.text == "...":
            self._answers.clear()
        else:
            assert self._answers, f"{where}, got nothing"
            answer = self._answers.pop(0)
            assert fnmatchcase(answer, step.text.replace("[", "[[]")), f"{where}, got {answer!r}"


def whole(sent: bytes) -> list[bytes]:
    return [sent]


def bytewise(sent: bytes) -> list[bytes]:
    return [sent[place:place + 1] for place in range(len(sent))]
