"""REPLACE over stores that can and that cannot, with clients that pipeline, wait, or go away in the middle (RFC 8508)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_world import Client, World, run

from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox

BOTH = pytest.mark.parametrize("store", [MemoryStore, BareStore])


async def ready(world: World) -> Client:
    """INBOX with three messages is selected."""
    client = await world.login()
    await client.command("r1 APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\nc")
    await client.command("r2 SELECT INBOX")
    client.pending()
    return client


async def uids(world: World) -> str:
    return (await (await ready_only(world)).command("u UID SEARCH ALL"))[0]


async def ready_only(world: World) -> Client:
    client = await world.login()
    await client.command("s EXAMINE INBOX")
    return client


def talk(store: type, conversation: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    run(conversation, World(store()))


@BOTH
def test_the_new_message_stands_at_the_end_and_the_old_one_is_gone(store: type) -> None:
    async def conversation(world: World) -> None:
        client = await ready(world)
        answers = await client.command("a REPLACE 2 INBOX {3+}\r\nnew")
        assert [answer.split("]")[0][:16] for answer in answers if "RECENT" not in answer] == [
            "* OK [APPENDUID ", "* 2 EXPUNGE", "* 3 EXISTS", "a OK REPLACE com"]
        assert await uids(world) == "* SEARCH 1 3 4"

    talk(store, conversation)


@BOTH
def test_the_number_is_settled_when_the_command_begins(store: type) -> None:
    """Another session expunges message 1 while the message comes: it is still the second that goes."""
    async def conversation(world: World) -> None:
        client, other = await ready(world), await world.login()
        await other.command("o1 SELECT INBOX")
        client.send("a REPLACE 2 INBOX {3}\r\n")
        assert client.pending() == ["+ OK"]
        await other.command("o2 UID STORE 1 +FLAGS.SILENT (\\Deleted)")
        await other.command("o3 UID EXPUNGE 1")
        client.send("new\r\nb NOOP\r\n")
        assert (await client.until(rb"b [^\r\n]*\r\n"))[-2].startswith("a OK")
        assert await uids(world) == "* SEARCH 3 4"

    talk(store, conversation)


@BOTH
def test_who_is_second_to_replace_a_message_adds_nothing(store: type) -> None:
    async def conversation(world: World) -> None:
        first, second = await ready(world), await world.login()
        await second.command("o1 SELECT INBOX")
        first.send("a REPLACE 2 INBOX {5}\r\n")
        second.send("b UID REPLACE 2 INBOX {6}\r\n")
        first.send("first\r\n")
        assert (await first.until(rb"a [^\r\n]*\r\n"))[-1].startswith("a OK")
        second.pending()
        second.send("second\r\n")
        assert (await second.until(rb"b [^\r\n]*\r\n"))[-1].startswith("b NO [EXPUNGEISSUED]")
        assert await uids(world) == "* SEARCH 1 3 4"

    talk(store, conversation)


def test_pipelined_replacements_each_count_what_the_client_was_told() -> None:
    async def conversation(world: World) -> None:
        client = await ready(world)
        client.send("a REPLACE 1 INBOX {1+}\r\nx\r\nb REPLACE 1 INBOX {1+}\r\ny\r\nc NOOP\r\n")
        assert (await client.until(rb"c [^\r\n]*\r\n"))[-1].startswith("c OK")
        assert await uids(world) == "* SEARCH 3 4 5"

    talk(MemoryStore, conversation)


@pytest.mark.parametrize("unfinished", [
    b"a REPLACE 1 INBOX {3+}\r\nne", b"a REPLACE 1 INBOX {3+}\r\nnew", b"a REPLACE 1 INBOX (\\Seen) {3}\r\n",
    b"a REPLACE 1 INBOX {3+",
])
@pytest.mark.parametrize("ends", [Client.end, Client.hang_up])
def test_a_client_gone_in_the_middle_replaces_nothing(unfinished: bytes, ends: Callable[[Client], None]) -> None:
    async def conversation(world: World) -> None:
        client = await ready(world)
        client.send(unfinished)
        ends(client)
        world.clock.pump([0] * 5)
        assert client.closed
        assert await uids(world) == "* SEARCH 1 2 3"

    talk(MemoryStore, conversation)


def test_a_full_account_lets_be_replaced_what_fits_in_the_place() -> None:
    async def conversation(world: World) -> None:
        client = await ready(world)
        await (await world.store.open_account("alice", FRESH_ACCOUNT)).set_quota(3, 3)
        assert (await client.command("a REPLACE 1 INBOX {2+}\r\nxx"))[-1].startswith("a NO [OVERQUOTA]")
        assert (await client.command("b APPEND INBOX {1+}\r\nx"))[-1].startswith("b NO [OVERQUOTA]")
        assert (await client.command("c REPLACE 1 INBOX {1+}\r\nx"))[-1].startswith("c OK")
        assert await uids(world) == "* SEARCH 2 3 4"

    talk(MemoryStore, conversation)


def test_where_the_store_fails_after_the_append_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """I1: emulated, the new message is there before the old one goes."""
    async def conversation(world: World) -> None:
        client = await ready(world)

        async def expunge(*_: object) -> object:
            raise OSError("no")

        monkeypatch.setattr(MemoryMailbox, "expunge", expunge)
        assert (await client.command("a REPLACE 1 INBOX {1+}\r\nx"))[-1].startswith("a NO [SERVERBUG]")
        assert await uids(world) == "* SEARCH 1 2 3 4"

    talk(BareStore, conversation)


def test_a_refused_replacement_is_refused_before_it_comes() -> None:
    async def conversation(world: World) -> None:
        client = await ready(world)
        for command, code in (("REPLACE 1 Nowhere {10}", "NO [TRYCREATE]"), ("UID REPLACE 9 INBOX {10}", "NO [NONEXISTENT]"),
                              ("REPLACE 1 INBOX {99999999}", "NO [TOOBIG]"), ("REPLACE 9 INBOX {10}", "BAD"),
                              ("REPLACE 1 INBOX ~{0}", "NO [CANNOT]")):
            client.send(f"a {command}\r\n")
            assert client.pending()[0].startswith("a " + code), command

    talk(MemoryStore, conversation)
