"""Conversations as data: ``1: a1 NOOP => * 2 EXPUNGE | OK``, one command a line (tests/transcripts/imap/README.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from twisted.internet.task import Clock

from mailframe.imap.settings import ImapSettings

from . import transcripts
from .imap_world import Client, World


@dataclass(frozen=True, slots=True)
class Line:
    """`who` said `command` and expects these."""

    number: int
    who: str
    command: bytes
    expected: tuple[str, ...]


def settings(path: Path) -> ImapSettings:
    """Of the server that this conversation wants: ``#! message_limit = 3``, one a line."""
    return replace(ImapSettings(), **transcripts.settings(path.read_text("utf-8")))


def read(path: Path) -> list[Line]:
    found = []
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if text.startswith("#! "):
            continue
        text = re.sub(r"(^|\s+)# .*$", "", text).rstrip()
        if not text:
            continue
        match = re.fullmatch(r"(\w+):\s+(.*?)\s+=>\s+(.*)", text)
        assert match, f"{path.name}:{number}: not a line of a conversation: {text!r}"
        command = match[2].replace("\\r\\n", "\r\n").encode("utf-8")
        found.append(Line(number, match[1], command, tuple(match[3].replace("\\r\\n", "\r\n").split(" | "))))
    return found


async def play(path: Path, world: World) -> None:
    """Digits are logged-in clients (alice's), "b..." is bob's, other words have just connected."""
    clients: dict[str, Client] = {}
    for line in read(path):
        client = clients.get(line.who)
        if client is None:
            client = await _client(world, line.who)
            clients[line.who] = client
        place = f"{path.name}:{line.number}"
        if line.command == b"(waits)":
            await _unasked(place, client, line.expected)
            continue
        answers = await client.command(line.command)
        _check(place, line, answers)


async def _client(world: World, who: str) -> Client:
    if who.isdigit():
        return await world.login()
    if who.startswith("bob"):
        return await world.login("bob")
    client = world.connect()
    client.pending()
    return client


def _check(place: str, line: Line, answers: list[str]) -> None:
    tag = line.command.split(b" ")[0].decode()
    status = answers[-1].removeprefix(tag + " ") if answers else ""
    assert _matches(line.expected[-1], status), f"{place}: expected {line.expected[-1]!r}, got {answers!r}"
    if len(line.expected) > 1:
        _untagged(place, answers[:-1], line.expected[:-1])


async def _unasked(place: str, client: Client, expected: tuple[str, ...]) -> None:
    """What comes without a command: all there is in a virtual second, or as soon as it is there."""
    clock = client.world.clock
    if isinstance(clock, Clock):
        clock.pump([0, 0.5, 0.5])
        return _untagged(place, client.pending(), expected)
    answers = client.pending()
    while True:
        try:
            return _untagged(place, answers, expected)
        except AssertionError as fault:
            try:
                answers += await client.more()
            except AssertionError:
                raise fault from None


def _untagged(place: str, answers: list[str], expected: tuple[str, ...]) -> None:
    """All of them in this order; "-" is none at all; "..." as one of them lets others stand there."""
    wanted = [text for text in expected if text != "-"]
    left = list(answers)
    loose = False
    for text in wanted:
        if text == "...":
            loose = True
            continue
        while left and loose and not _matches(text, left[0], whole=True):
            left.pop(0)
        assert left and _matches(text, left.pop(0), whole=True), f"{place}: expected {text!r} in {answers!r}"
        loose = False
    assert not left or loose, f"{place}: not expected: {left!r}"


def _matches(expected: str, answer: str, whole: bool = False) -> bool:
    """"..." stands for anything; a tagged status needs to agree only as far as it is written."""
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return bool(re.fullmatch(pattern if whole else pattern + r"(?:[\s\]:].*)?", answer, re.DOTALL))
