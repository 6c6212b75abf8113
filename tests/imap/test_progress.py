"""INPROGRESS (RFC 9585): who waits long is told how far it is, every 10 seconds; who does not is told nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_world import NOW, Client, World, run
from support.stumbling import stumbling
from twisted.internet.task import Clock

from mailframe.imap import copying
from mailframe.imap.commands import store as storing
from mailframe.imap.extensions import move, sort, thread
from mailframe.imap.settings import ImapSettings
from mailframe.stores.memory import MemoryStore

MESSAGES = 40


def slow_world(inner: Any, pause_s: float = 0.0, settings: ImapSettings | None = None) -> World:
    """Over a store whose every call takes some times `pause_s`."""
    clock = Clock()
    clock.rightNow = float(NOW)
    return World(stumbling(inner, Random(1), clock, pause_s), settings, clock=clock)


async def ready(world: World) -> Client:
    """A client in INBOX; the store is quick until then."""
    pause, world.store._pause_s = world.store._pause_s, 0.0
    client = await world.login()
    await client.command("a APPEND INBOX" + " {20+}\r\nSubject: x\r\n\r\nbody\r\n" * MESSAGES)
    await client.command("b SELECT INBOX")
    client.pending()
    client.responses.clear()
    slow: Any = client.protocol.on_lost.__self__.selected.mailbox
    slow._pause_s = pause
    return client


def wait(world: World, client: Client, tag: bytes) -> None:
    for _ in range(10_000):
        if client.responses and client.responses[-1].tag == tag:
            return
        world.clock.advance(0.25)
    raise AssertionError(f"no answer: {client.pending()}")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (storing, "PAGE", 2), (copying, "PAGE", 2), (copying, "LARGE", 2), (move, "LARGE", 2), (sort, "PAGE", 2),
        (thread, "PAGE", 2),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@pytest.mark.parametrize("command", [
    "SEARCH TEXT bod", "UID SEARCH RETURN (COUNT) BODY nothing", "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL",
    "STORE 1:* +FLAGS (\\Seen)", "STORE 1:* +FLAGS.SILENT (\\Seen)", "COPY 1:* Archive", "MOVE 1:* Archive",
])
@pytest.mark.usefixtures("small_pages")
def test_a_long_command_says_how_far_it_is(store: type, command: str) -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        timers = len(world.clock.getDelayedCalls())
        begun = world.clock.seconds()
        client.send(f"c1 {command}\r\n")
        wait(world, client, b"c1")
        assert client.responses[-1].kind == b"OK"
        told = [response.code_value for response in client.responses if response.code == b"INPROGRESS"]
        seconds = world.clock.seconds() - begun
        assert told and len(told) <= seconds / 10
        assert all(tag == b"c1" for tag, _, _ in told)
        numbers = [(done, total) for _, done, total in told if done is not None]
        assert numbers == sorted(numbers) and all(total == MESSAGES for _, total in numbers)
        assert len(world.clock.getDelayedCalls()) == timers                 # nothing is left behind

    run(talk, slow_world(store(), 7.0))


def test_quick_commands_pay_nothing() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        timers = len(world.clock.getDelayedCalls())
        client.send("c1 SEARCH BODY bod\r\nc2 STORE 1:* +FLAGS.SILENT (\\Seen)\r\n")
        wait(world, client, b"c2")
        assert [response.code for response in client.responses if response.code] == []
        assert len(world.clock.getDelayedCalls()) == timers

    run(talk, slow_world(MemoryStore()))


def test_a_tag_that_would_not_fit_is_left_out() -> None:
    """RFC 9585 section 4: one with "]"."""

    async def talk(world: World) -> None:
        client = await ready(world)
        client.send("c] SEARCH BODY bod\r\n")
        wait(world, client, b"c]")
        told = [response.code_value for response in client.responses if response.code == b"INPROGRESS"]
        assert told and all(tag is None for tag, _, _ in told)

    run(talk, slow_world(MemoryStore(), 7.0))


def test_it_can_be_turned_off() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        assert "INPROGRESS" not in (await client.command("c CAPABILITY"))[0]
        client.send("d SEARCH BODY bod\r\n")
        wait(world, client, b"d")
        assert not any(response.code for response in client.responses)

    run(talk, slow_world(MemoryStore(), 7.0, ImapSettings(progress_s=0)))


def test_a_client_that_goes_away_is_not_told() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        client.send("c SEARCH BODY bod\r\n")
        world.clock.pump([1.0] * 15)
        client.hang_up()
        world.clock.pump([1.0] * 200)
        assert world.clock.getDelayedCalls() == []

    run(talk, slow_world(MemoryStore(), 7.0))
