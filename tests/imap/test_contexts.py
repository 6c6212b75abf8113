"""A client that only applies the ADDTO and REMOVEFROM it was told knows what a fresh SEARCH or SORT would say (RFC 5267, I6)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_strict import Response
from support.imap_world import Client, World, run

from mailframe.imap.settings import ImapSettings
from mailframe.stores.memory import MemoryStore

CONTEXTS = {
    "u": "UID SEARCH RETURN ({}) UNSEEN", "n": "SEARCH RETURN ({}) OR FLAGGED SUBJECT b",
    "k": "SEARCH RETURN ({}) NOT KEYWORD $Odd",
    "s": "SORT RETURN ({}) (REVERSE SUBJECT ARRIVAL) UTF-8 UNFLAGGED",
    "t": "UID SORT RETURN ({}) (SUBJECT REVERSE SIZE) UTF-8 UNSEEN",
}


def numbers(octets: bytes) -> Iterator[int]:
    for part in octets.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)


class Follower:
    """What a client believes: by the tag of each context, the list of its results."""

    def __init__(self, client: Client) -> None:
        self.client, self.read, self.exists = client, 0, 0
        self.results: dict[bytes, list[int]] = {}
        self.by_uid: dict[bytes, bool] = {}
        self._tag = 0

    async def say(self, command: str, tag: str = "") -> str:
        self._tag += 1
        status = (await self.client.command(f"{tag or f'x{self._tag}'} {command}"))[-1]
        self.listen()
        return status.split(" ", 1)[1]

    def listen(self) -> None:
        for response in self.client.responses[self.read:]:
            self._told(response)
        self.read = len(self.client.responses)

    def _told(self, response: Response) -> None:
        if response.kind == b"EXISTS":
            self.exists = response.number
        elif response.kind == b"EXPUNGE":
            self.exists -= 1
            for tag, found in self.results.items():
                if not self.by_uid[tag]:
                    assert response.number not in found, "REMOVEFROM stands before EXPUNGE (section 4.3.4)"
                    self.results[tag] = [number - (number > response.number) for number in found]
        elif response.kind == b"VANISHED":
            for uid in numbers(response.value[1]):
                assert not any(uid in found for found in self.results.values()), "REMOVEFROM stands before VANISHED"
        elif response.kind == b"ESEARCH":
            self._esearch(response.value)

    def _esearch(self, told: dict[bytes, Any]) -> None:
        tag = told[b"TAG"]
        if b"UPDATES" not in told:
            self.results[tag] = list(numbers(told[b"ALL"])) if b"ALL" in told else []
            self.by_uid[tag] = b"UID" in told
            return
        assert self.by_uid[tag] == (b"UID" in told)
        found = self.results[tag]
        for word, places in told[b"UPDATES"]:
            for place, text in places:
                part = list(numbers(text))
                assert self.by_uid[tag] or max(part) <= self.exists, "after EXISTS, before EXPUNGE (sections 4.3.3 and 4.3.4)"
                assert bool(place) == (tag in (b"s", b"t")), "places are told where there is an order"
                if word == b"REMOVEFROM":
                    assert set(part) <= set(found) and (not place or found[place - 1:place - 1 + len(part)] == part)
                    found = [number for number in found if number not in part]
                elif place:
                    assert place <= len(found) + 1 and not set(part) & set(found)
                    found = found[:place - 1] + part + found[place - 1:]
                else:
                    assert not set(part) & set(found)
                    found = sorted(found + part)
        self.results[tag] = found


STEPS = st.lists(st.tuples(
    st.integers(0, 2),
    st.sampled_from([
        "NOOP", "EXPUNGE", "STORE {n} +FLAGS (\\Deleted)", "STORE {n} FLAGS (\\Seen $Odd)", "STORE {n} -FLAGS.SILENT (\\Seen)",
        "FETCH {n} BODY[]", "UID STORE 1:* +FLAGS (\\Flagged)", "UID STORE 1:* FLAGS ()", "COPY {n} INBOX", "MOVE {n} INBOX",
        "STORE {n} +FLAGS (\\Flagged)", "UID EXPUNGE 1:*", "SEARCH ALL", "APPEND",
    ]),
    st.integers(0, 9),
), max_size=25)


async def live(world: World, steps: list[tuple[int, str, int]], contexts: dict[str, str] = CONTEXTS, enable: str = "") -> None:
    followers = [Follower(await world.login()) for _ in range(3)]
    for number in range(3):
        await followers[0].say(append(number))
    for follower in followers:
        if enable:
            await follower.say(enable)
        await follower.say("SELECT INBOX")
        for tag, command in contexts.items():
            assert (await follower.say(command.format("UPDATE"), tag)).startswith("OK")
    for who, command, number in steps:
        follower = followers[who]
        if command == "APPEND":
            await follower.say(append(number))
        elif "{n}" not in command or follower.exists:
            await follower.say(command.format(n=number % max(follower.exists, 1) + 1))
    for follower in followers:
        await follower.say("NOOP")
        believed = dict(follower.results)
        for tag, command in contexts.items():
            await follower.say(command.format("ALL"), "fresh" + tag)
            assert believed[tag.encode()] == follower.results[b"fresh" + tag.encode()], tag


def append(number: int) -> str:
    text = f"Subject: {'abc'[number % 3]}\r\n\r\n{'x' * number}"
    return f"APPEND INBOX {{{len(text)}+}}\r\n{text}"


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_a_follower_knows_the_truth(store: type, steps: list[tuple[int, str, int]]) -> None:
    run(lambda world: live(world, steps), World(store()))


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_so_does_one_who_is_told_of_vanished_uids(steps: list[tuple[int, str, int]]) -> None:
    by_uid = {tag: command for tag, command in CONTEXTS.items() if command.startswith("UID ")}
    run(lambda world: live(world, steps, by_uid, "ENABLE QRESYNC"))


def test_for_a_long_time(pytestconfig: pytest.Config) -> None:
    """A thousand steps at a stretch; with --long twenty times as many."""
    chance = random.Random(5)
    commands = ["NOOP", "EXPUNGE", "APPEND", "APPEND", "STORE {n} +FLAGS (\\Deleted)", "STORE {n} FLAGS (\\Seen)",
                "STORE {n} FLAGS ()", "STORE {n} +FLAGS (\\Flagged)", "COPY {n} INBOX"]
    count = 20_000 if pytestconfig.getoption("--long") else 1_000
    run(lambda world: live(world, [(chance.randrange(3), chance.choice(commands), chance.randrange(100)) for _ in range(count)]))


def test_more_contexts_than_allowed_are_searched_once_and_no_more() -> None:
    async def conversation(world: World) -> None:
        client = await world.login()
        await client.command("a SELECT INBOX")
        for number in range(2):
            assert len(await client.command(f"c{number} SEARCH RETURN (UPDATE COUNT) ALL")) == 2
        assert await client.command("c2 SEARCH RETURN (UPDATE COUNT) ALL") == [
            '* NO [NOUPDATE "c2"] Too many contexts', '* ESEARCH (TAG "c2") COUNT 0', "c2 OK SEARCH completed"]
        await client.command('d CANCELUPDATE "c0"')
        assert len(await client.command("c3 SEARCH RETURN (UPDATE COUNT) ALL")) == 2

    run(conversation, World(settings=ImapSettings(max_contexts=2)))


def test_ages_are_looked_at_again_every_minute() -> None:
    """RFC 5032: a message grows older without anything happening to it."""
    async def conversation(world: World) -> None:
        client = await world.login()
        await client.command("a APPEND INBOX {1+}\r\nx")
        await client.command("b SELECT INBOX")
        assert (await client.command("c UID SEARCH RETURN (UPDATE) YOUNGER 90"))[0] == '* ESEARCH (TAG "c") UID ALL 1'
        client.send("d IDLE\r\n")
        await client.until(rb"\+ idling\r\n")
        world.clock.advance(61)
        assert client.pending() == []
        world.clock.advance(61)
        assert client.pending() == ['* ESEARCH (TAG "c") UID REMOVEFROM (0 1)']

    run(conversation)


def test_a_cancelled_context_is_told_no_more() -> None:
    async def conversation(world: World) -> None:
        client = await world.login()
        await client.command("a SELECT INBOX")
        await client.command("c SEARCH RETURN (UPDATE) ALL")
        await client.command('d CANCELUPDATE "c" "never"')
        await client.command("e APPEND INBOX {1+}\r\nx")
        assert not any("ADDTO" in line for line in await client.command("f NOOP"))

    run(conversation)
