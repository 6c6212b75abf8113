"""IDLE (RFC 2177): what may come while it lasts, and what comes after it."""

from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import NOW, Client, World, run

from mailframe.model.mailbox import FRESH_ACCOUNT, New


async def deliver(world: World, user: str = "alice") -> None:
    await world.store.deliver([(user, "INBOX", New(b"x", date=NOW, size=1))], FRESH_ACCOUNT)
    world.clock.pump([0, 0])


async def idler(world: World) -> Client:
    client = await world.login()
    await client.command("a SELECT INBOX")
    client.send(b"i IDLE\r\n")
    assert client.pending() == ["+ idling"]
    return client


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=6).map(sorted), st.lists(st.booleans(), min_size=8, max_size=8))
def test_done_in_pieces_with_commands_behind_it(cuts: list[int], news: list[bool]) -> None:
    """Whatever is cut, and whenever something happens: the news come in IDLE or after, DONE ends it, and the rest is run."""
    whole = b"DONE\r\nb NOOP\r\nc FETCH 1 UID\r\nd IDLE\r\nDONE\r\n"

    async def talk(world: World) -> None:
        await deliver(world)
        client = await idler(world)
        told, count = [], 1
        for start, stop, something in zip([0, *cuts], [*cuts, len(whole)], news):
            client.send(whole[start:stop])
            if something:
                await deliver(world)
                count += 1
            told += client.pending()
        told += await client.command("e NOOP")
        assert [line for line in told if line[0] not in "*+"] == [
            "i OK IDLE completed", "b OK NOOP completed", "c OK FETCH completed", "d OK IDLE completed", "e OK NOOP completed"]
        exists = [line for line in told if "EXISTS" in line]
        assert count == 1 or exists[-1] == f"* {count} EXISTS"

    run(talk)


def test_who_has_been_silent_for_half_an_hour_is_logged_out_though_news_came() -> None:
    """RFC 2177: the client says DONE and IDLE again every 29 minutes."""
    async def talk(world: World) -> None:
        silent, busy = await idler(world), await idler(world)
        for minute in range(1, 31):
            world.clock.pump([10] * 6)
            if minute % 10 == 0:
                await deliver(world)
                busy.send(b"DONE\r\ni IDLE\r\n")
        world.clock.pump([10] * 6)
        assert silent.closed
        assert silent.pending()[-1] == "* BYE Idle for too long"
        assert not busy.closed

    run(talk)


def test_a_server_that_goes_down_says_so() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        client.send(b"DO")
        world.factory.stop()
        assert client.pending() == ["* BYE [UNAVAILABLE] Server is going down"]
        assert client.closed

    run(talk)


def test_a_line_without_end_ends_it() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        client.send(b"x" * 20_000)
        assert client.pending() == ["i BAD Line too long"]
        client.send(b"y\r\nj NOOP\r\n")
        assert client.pending() == ["j OK NOOP completed"]

    run(talk)


def test_after_unauthenticate_another_user_hears_of_its_own() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        client.send(b"DONE\r\nu UNAUTHENTICATE\r\nl LOGIN bob secret\r\ns SELECT INBOX\r\ni IDLE\r\n")
        assert client.pending()[-1] == "+ idling"
        await deliver(world)
        assert client.pending() == []
        await deliver(world, "bob")
        assert client.pending() == ["* 1 EXISTS", "* 1 RECENT"]

    run(talk)


def test_compressed_it_tells_as_soon() -> None:
    async def talk(world: World) -> None:
        client = await idler(world)
        client.send(b"DONE\r\nc COMPRESS DEFLATE\r\n")
        assert client.pending()[-1].startswith("c OK")
        client.strict = None
        plain = len(client.transcript)
        pack, unpack = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
        for piece in (b"i ID", b"LE\r\n"):
            client.send(pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH))
        await deliver(world)
        client.send(pack.compress(b"DONE\r\n") + pack.flush(zlib.Z_SYNC_FLUSH))
        assert unpack.decompress(client.transcript[plain:]) == b"+ idling\r\n* 1 EXISTS\r\n* 1 RECENT\r\ni OK IDLE completed\r\n"

    run(talk)
