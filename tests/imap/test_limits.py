"""A client that knows RFC 9738 gets everything done, each message once, however low the limit and whatever it asks for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_strict import Response
from support.imap_world import Client, World, run

from mailframe.imap import fetchplan
from mailframe.imap.commands import store as storing
from mailframe.imap.settings import ImapSettings

MESSAGES = 24


class Knowing:
    """Repeats a command for what is left, as section 3.1 tells it to."""

    def __init__(self, client: Client, limit: int) -> None:
        self.client, self.limit = client, limit
        self._tag = 0

    async def say(self, command: str) -> tuple[list[Response], int]:
        """The answers, and the lowest UID done; 0: all was done."""
        self._tag += 1
        start = len(self.client.responses)
        await self.client.command(f"t{self._tag} {command}")
        answers = self.client.responses[start:]
        assert answers[-1].kind == b"OK", (command, answers)
        codes = [response.code_value for response in answers if response.code == b"MESSAGELIMIT"]
        assert len(codes) <= 1 and all(limit == self.limit for limit, _ in codes)
        return answers, codes[0][1] if codes else 0

    async def by_ranges(self, command: str, low: int, high: int) -> list[Response]:
        """With `command` for a shrinking range; no part of it is larger than the limit."""
        found: list[Response] = []
        while low <= high:
            answers, lowest = await self.say(command.format(f"{low}:{high}"))
            found += answers
            if not lowest:
                break
            assert low <= lowest <= high
            high = lowest - 1
        return found

    async def again_and_again(self, command: str, low: int, high: int) -> list[Response]:
        """With the same command, for what was done is gone."""
        found: list[Response] = []
        for _ in range(MESSAGES + 1):
            answers, lowest = await self.say(command.format(f"{low}:{high}"))
            found += answers
            if not lowest:
                return found
        raise AssertionError(f"no end of {command}")


def told(answers: list[Response], kind: bytes = b"FETCH") -> list[int]:
    return [response.value[b"UID"] for response in answers if response.kind == kind]


async def fetches(client: Knowing, low: int, high: int) -> list[int]:
    return told(await client.by_ranges("UID FETCH {} (UID RFC822.SIZE)", low, high))


async def stores(client: Knowing, low: int, high: int) -> list[int]:
    return told(await client.by_ranges("UID STORE {} +FLAGS (\\Flagged)", low, high))


async def searches(client: Knowing, low: int, high: int) -> list[int]:
    answers = await client.by_ranges("UID SEARCH UID {} UNDRAFT", low, high)
    return [uid for response in answers if response.kind == b"SEARCH" for uid in response.value[0]]


async def moves(client: Knowing, low: int, high: int) -> list[int]:
    answers = await client.again_and_again("UID MOVE {} Archive", low, high)
    return [uid for response in answers if response.code == b"COPYUID" for uid in numbers(response.code_value[1])]


async def expunges(client: Knowing, low: int, high: int) -> list[int]:
    known = [uid for response in (await client.say("UID SEARCH RETURN (ALL) ALL"))[0] if response.kind == b"ESEARCH"
             for uid in numbers(response.value.get(b"ALL", b""))]
    assert len(known) <= client.limit
    await client.by_ranges("UID STORE {} +FLAGS.SILENT (\\Deleted)", low, high)
    before = set(await fetches(client, 1, MESSAGES))
    await client.again_and_again("UID EXPUNGE {}", low, high)
    return sorted(before - set(await fetches(client, 1, MESSAGES)))


def numbers(told: bytes) -> list[int]:
    found: list[int] = []
    for low, high in re.findall(rb"(\d+)(?::(\d+))?", told):
        found += range(int(low), int(high or low) + 1)
    return found


@pytest.mark.parametrize("does", [fetches, stores, searches, moves, expunges])
@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.integers(1, MESSAGES), max_size=MESSAGES - 1), st.integers(1, 9), st.integers(1, MESSAGES), st.integers(1, MESSAGES))
def test_all_is_done_in_the_end(
    does: Callable[[Knowing, int, int], Awaitable[list[int]]], gone: set[int], limit: int, one: int, other: int,
) -> None:
    low, high = sorted((one, other))

    async def talk(world: World) -> None:
        client = await world.login()
        for _ in range(MESSAGES):
            await client.command("a APPEND INBOX {1+}\r\nx")
        await client.command("b SELECT INBOX")
        knowing = Knowing(client, limit)
        for uid in gone:
            await knowing.say(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        await knowing.say("EXPUNGE")            # which has no limit
        done = await does(knowing, low, high)
        assert len(set(done)) == len(done)
        assert sorted(done) == [uid for uid in range(low, high + 1) if uid not in gone]

    run(talk, World(settings=ImapSettings(message_limit=limit)))


@pytest.mark.parametrize("command", [
    "UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (RFC822.SIZE)", "UID FETCH 1:* (ENVELOPE)", "UID FETCH 1:* (UID BODY.PEEK[])",
    "UID FETCH 1:* BODY[TEXT]", "UID STORE 1:* +FLAGS (\\Seen)", "UID STORE 1:* -FLAGS (\\Answered)",
])
@pytest.mark.parametrize("limit", [0, 7])
def test_from_the_last_to_the_first_over_all_pages(command: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 3.1: only where not all of it is done."""
    for name in ("FLAG_PAGE", "COLUMN_PAGE", "WIDE_PAGE", "OCTETS_PAGE"):
        monkeypatch.setattr(fetchplan, name, 3)
    monkeypatch.setattr(storing, "PAGE", 3)

    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("a APPEND INBOX" + " {20+}\r\nSubject: x\r\n\r\nbody\r\n" * 6)
        await client.command("b APPEND INBOX" + " {20+}\r\nSubject: x\r\n\r\nbody\r\n" * 4)
        await client.command("c SELECT INBOX")
        answers, _ = await Knowing(client, limit).say(command)
        assert told(answers) == ([10, 9, 8, 7, 6, 5, 4] if limit else list(range(1, 11)))

    run(talk, World(settings=ImapSettings(message_limit=limit)))
