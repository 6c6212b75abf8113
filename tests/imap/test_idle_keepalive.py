"""Who is idle hears a sign of life, costs one timer, and is given up in the end (RFC 2177, RFC 9051 section 5.4)."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from support.imap_world import Client, World, run

from mailframe.imap.settings import ImapSettings


async def idler(world: World) -> Client:
    client = await world.login()
    await client.command("a SELECT INBOX")
    client.send(b"b IDLE\r\n")
    assert client.pending() == ["+ idling"]
    return client


def test_a_sign_of_life_every_two_minutes() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        world.clock.pump([1.0] * 119)
        assert client.pending() == []
        world.clock.pump([1.0] * 2)
        assert client.pending() == ["* OK Still here"]
        world.clock.pump([1.0] * 240)
        assert client.pending() == ["* OK Still here"] * 2
        client.send(b"DONE\r\n")
        assert client.pending() == ["b OK IDLE completed"]
        world.clock.pump([1.0] * 300)
        assert client.pending() == []               # only while it is idle

    run(talk)


def test_news_are_a_sign_of_life() -> None:
    async def talk(world: World) -> None:
        client, other = await idler(world), await world.login()
        world.clock.pump([1.0] * 100)
        await other.command(b"c APPEND INBOX {1+}\r\nx")
        world.clock.pump([1.0] * 100)
        assert client.pending() == ["* 1 EXISTS", "* 1 RECENT"]
        world.clock.pump([1.0] * 25)
        assert client.pending() == ["* OK Still here"]

    run(talk)


@pytest.mark.parametrize(("keepalive_s", "told"), [(0.0, 0), (30.0, 20), (45.0, 13), (600.0, 1)])
def test_how_often_is_a_setting(keepalive_s: float, told: int) -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        world.clock.pump([0.5] * 1_203)
        assert client.pending() == ["* OK Still here"] * told

    run(talk, World(settings=ImapSettings(idle_keepalive_s=keepalive_s)))


def test_also_without_a_mailbox() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        client.send(b"b IDLE\r\n")
        world.clock.pump([1.0] * 121)
        assert client.pending() == ["+ idling", "* OK Still here"]

    run(talk)


def test_an_idler_is_given_up_after_half_an_hour() -> None:
    """RFC 2177 section 3: clients begin IDLE anew every 29 minutes."""

    async def talk(world: World) -> None:
        client, faithful = await idler(world), await idler(world)
        world.clock.pump([1.0] * 29 * 60)
        faithful.send(b"DONE\r\nc IDLE\r\n")
        assert not client.closed
        world.clock.pump([1.0] * 125)
        assert client.closed and client.pending()[-1] == "* BYE Idle for too long"
        assert not faithful.closed

    run(talk)


def test_who_takes_nothing_any_more_is_noticed() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        client.protocol.pauseProducing()            # what the transport says when its buffer is full
        world.clock.pump([1.0] * 700)
        assert client.closed

    run(talk)


def test_an_idler_costs_one_timer_and_little_memory() -> None:
    async def talk(world: World) -> None:
        clients = [await world.login() for _ in range(60)]
        for client in clients:
            await client.command("a SELECT INBOX")
        timers = len(world.clock.getDelayedCalls())
        tracemalloc.start()
        for client in clients:
            client.send(b"b IDLE\r\n")
        size: Any = tracemalloc.get_traced_memory()[0]
        world.clock.pump([1.0] * 1_000)
        grown: Any = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(world.clock.getDelayedCalls()) == timers + len(clients)
        assert size / len(clients) < 8_192
        told = sum(len(client.transcript) for client in clients)
        assert grown - size < 1_024 * len(clients) + 4 * told           # what the clients keep themselves

    run(talk)
