"""METADATA on the wire where a conversation as data does not reach: any names, IDLE, limits, and several sessions' caches."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import NOW, Client, World, run
from support.inline_engine import InlineEngine

from mailframe.imap.annotations import INFINITY, chosen, entry, responses
from mailframe.imap.cursor import BadSyntax, Cursor
from mailframe.imap.news.annotationwatch import MAX_CHANGES
from mailframe.imap.settings import ImapSettings
from mailframe.stores.annotated.settings import MetadataLimits
from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore


def world(**limits: int) -> World:
    store = store_annotated(MemoryStore(lambda: NOW), InlineEngine(), name="test", limits=MetadataLimits(**limits))
    return World(store, ImapSettings(admins=("alice",)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=30)
       | st.lists(st.sampled_from([b"/", b"shared", b"PRIVATE", b"vendor", b"x", b"*", b" ", b"\x7f"])).map(b"".join))
def test_an_entry_name_is_taken_or_refused_and_comes_back_as_it_is(octets: bytes) -> None:
    """RFC 5464 section 3.2"""
    spelled = b"{%d}\r\n%b" % (len(octets), octets)
    try:
        name = entry(Cursor(spelled))
    except BadSyntax:
        return
    assert name.encode() == octets
    levels = name.lower().split("/")
    assert levels[0] == "" and levels[1] in ("private", "shared") and len(levels) >= 3 and all(levels[1:])
    assert levels[2] != "vendor" or len(levels) >= 5
    assert not set("*%\x7f\0") & set(name)


def test_depth_counts_levels_below_an_entry_and_not_letters() -> None:
    known = {"/private/a": b"1", "/private/a/b": b"2", "/private/a/b/c": b"3", "/private/ab": b"4", "/private/a-b": b"5"}
    assert chosen(known, ["/private/a"], 0) == {"/private/a": b"1"}
    assert chosen(known, ["/private/A"], 1) == {"/private/A": b"1", "/private/a/b": b"2"}
    assert chosen(known, ["/private/a"], INFINITY) == {"/private/a": b"1", "/private/a/b": b"2", "/private/a/b/c": b"3"}
    assert chosen(known, ["/private/x", "/shared"], INFINITY) == {"/private/x": None}


def test_large_values_come_in_several_responses() -> None:
    """Backpressure works between them (I3)."""
    values: dict[str, bytes | None] = {f"/shared/{number}": b"x" * 40_000 for number in range(5)}
    lines = list(responses("INBOX", values, False))
    assert len(lines) == 5 and all(len(line) < 41_000 for line in lines)


def test_any_octets_come_back_as_they_were_set() -> None:
    async def conversation(world: World) -> None:
        client = await world.login()
        value = bytes(range(256))
        await client.command(b"a SETMETADATA INBOX (/private/vendor/x/y ~{256+}\r\n" + value + b")")
        await client.command("b GETMETADATA INBOX /private/vendor/x/y")
        assert client.responses[-2].value == (b"INBOX", {b"/private/vendor/x/y": value})
    run(conversation, world())


def test_idle_is_told_at_once() -> None:
    async def conversation(world: World) -> None:
        first, second = await world.login(), await world.login()
        await first.command("a ENABLE METADATA")
        first.send("b IDLE\r\n")
        await first.until(rb"\+ idling\r\n")
        await second.command('a SETMETADATA Sent (/shared/comment "x")')
        assert await first.until(rb"\* METADATA [^\r]*\r\n") == ["* METADATA Sent /shared/comment"]
        await second.command('b SETMETADATA "" (/private/comment "x")')
        assert await first.until(rb"\* METADATA [^\r]*\r\n") == ['* METADATA "" /private/comment']
        first.send("DONE\r\n")
        await first.until(rb"b OK")
    run(conversation, world())


def test_a_client_far_behind_begins_afresh() -> None:
    """What is kept for it is bounded (I3)."""
    async def conversation(world: World) -> None:
        first, second = await world.login(), await world.login()
        await first.command("a ENABLE METADATA")
        for start in range(0, MAX_CHANGES + 100, 50):
            pairs = " ".join(f'/private/{number} ""' for number in range(start, start + 50))
            gone = " ".join(f"/private/{number} NIL" for number in range(start, start + 50))
            await second.command(f"a SETMETADATA INBOX ({pairs})")
            await second.command(f"a SETMETADATA INBOX ({gone})")
        assert (await first.command("b NOOP"))[0].startswith("* BYE Too many annotations")
    run(conversation, world())


def test_limits_have_their_codes() -> None:
    """RFC 5464 section 4.3"""
    async def conversation(world: World) -> None:
        client = await world.login()
        too_big = await client.command(b"a SETMETADATA INBOX (/private/a {1025+}\r\n" + b"x" * 1_025 + b")")
        assert too_big == ["a NO [METADATA MAXSIZE 1024] The annotation is too big"]
        pairs = " ".join(f'/private/{number} ""' for number in range(11))
        assert await client.command(f"b SETMETADATA INBOX ({pairs})") == ["b NO [METADATA TOOMANY] Too many annotations"]
        assert (await client.command("c GETMETADATA INBOX /private/0"))[0] == "* METADATA INBOX (/private/0 NIL)"
        pairs = " ".join(f'/private/{number} ""' for number in range(101))
        assert await client.command(f"d SETMETADATA INBOX ({pairs})") == ["d BAD Too many entries"]
    run(conversation, world(max_value_octets=1_024, max_entries=10))


def test_nothing_is_offered_where_nothing_is_kept() -> None:
    async def conversation(world: World) -> None:
        client = await world.login()
        words = (await client.command("a CAPABILITY"))[0].split()
        assert not {"METADATA", "METADATA-SERVER", "LIST-METADATA", "FILTERS"} & set(words)
        await client.command("b SELECT INBOX")
        for command in ("GETMETADATA INBOX /shared/comment", 'SETMETADATA INBOX (/shared/comment "x")', "SEARCH FILTER x",
                        'LIST "" * RETURN (METADATA (/shared/comment))'):
            assert (await client.command(f"c {command}"))[-1].startswith("c BAD"), command
        assert await client.command("d ENABLE METADATA") == ["* ENABLED", "d OK ENABLE completed"]
    run(conversation, World())


def test_nothing_is_left_of_a_session_that_has_gone() -> None:
    async def conversation(world: World) -> None:
        client = await world.login()
        await client.command("a ENABLE METADATA")
        assert world.store._keeper._listeners
        client.hang_up()
        assert not world.store._keeper._listeners
    run(conversation, world())


def test_filters_in_filters_end_whatever_they_are_made_of() -> None:
    """Neither many keys nor deep nesting costs more than one search may (I3)."""
    async def conversation(world: World) -> None:
        client = await world.login()
        await client.command("a SELECT INBOX")
        for number in range(9):
            below = f"FILTER f{number + 1}" if number < 8 else "ALL"
            await client.command(f'a SETMETADATA "" (/private/filters/values/f{number} "{below} {below} {below} {below}")')
            await client.command(f'a SETMETADATA "" (/private/filters/values/n{number} "{"(" * 25}FILTER n{number + 1}{")" * 25}")')
        assert (await client.command("b SEARCH FILTER f6"))[-1].startswith("b OK")
        assert (await client.command("c SEARCH FILTER f0"))[-1].startswith("c NO [UNDEFINED-FILTER f")
        assert (await client.command("d SEARCH FILTER n0"))[-1].startswith("d NO [UNDEFINED-FILTER n")
        deep = "(" * 99 + "ALL" + ")" * 99
        assert (await client.command(f'e SETMETADATA "" (/private/filters/values/x "{deep}")'))[-1].startswith("e NO [CANNOT]")
    run(conversation, world())


class Cache:
    """What a client believes: it asks again for what it is told of, and believes what it has set."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known: dict[tuple[bytes, bytes], bytes | None] = {}
        self._read = len(client.responses)

    async def heed(self) -> None:
        """Others' changes are told by name alone."""
        while self._read < len(self.client.responses):
            response = self.client.responses[self._read]
            self._read += 1
            if response.kind == b"METADATA" and isinstance(response.value[1], list):
                for entry_name in response.value[1]:
                    await self.ask(response.value[0], entry_name)

    async def ask(self, name: bytes, entry_name: bytes) -> None:
        before = len(self.client.responses)
        await self.client.command(b'a GETMETADATA "%b" %b' % (name, entry_name))
        told, values = next(each.value for each in self.client.responses[before:] if isinstance(each.value[1], dict))
        assert (told, list(values)) == (name, [entry_name])
        self.known[name, entry_name] = values[entry_name]


@pytest.mark.parametrize("seed", range(3))
def test_what_each_client_believes_is_true_in_the_end(seed: int) -> None:
    """Random changes by several sessions, each of which keeps what it was told of (RFC 5464 section 4.4)."""
    async def conversation(world: World) -> None:
        caches = [Cache(await world.login()) for _ in range(3)]
        for cache in caches:
            await cache.client.command("a ENABLE METADATA")
        chance = random.Random(seed)
        places = [(name, entry_name) for name in (b"INBOX", b"Sent", b"") for entry_name in (b"/private/a", b"/shared/b")]
        for number in range(150):
            cache = chance.choice(caches)
            changes = dict(chance.choice(places) for _ in range(2))
            name = next(iter(changes))
            value = chance.choice((None, b"%d" % number))
            spelled = b"NIL" if value is None else b'"%b"' % value
            if chance.random() < 0.7:
                await cache.client.command(b'a SETMETADATA "%b" (%b %b)' % (name, changes[name], spelled))
                cache.known[name, changes[name]] = value
            await cache.heed()
        for cache in caches:
            await cache.client.command("a NOOP")
            await cache.heed()
        truth = Cache(await world.login())
        for place in places:
            await truth.ask(*place)
            for cache in caches:
                assert cache.known.get(place) == truth.known[place], place
    run(conversation, world())
