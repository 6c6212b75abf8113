"""Abilities are values: what is announced is what works, and a third party can add what we could."""

from __future__ import annotations

import pytest
from support.bare_store import BareStore
from support.imap_world import World, run
from zope.interface import Interface

from mailframe.imap.builtin import EXTENSIONS, default_registry
from mailframe.imap.commands.status import StatusItem
from mailframe.imap.cursor import Cursor
from mailframe.imap.registry import Command, Completion, Context, Effect, Extension, State
from mailframe.interfaces.store import IMailbox, IMovable
from mailframe.model.mailbox import MailboxStatus
from mailframe.model.refusal import OverQuota


def parse_shout(args: Cursor) -> bytes:
    args.space()
    word = args.astring()
    args.end()
    return word


async def shout(context: Context, word: bytes) -> Completion:
    if word == b"quota":
        raise OverQuota(detail="nothing for the client")
    context.out.untagged(b"SHOUT " + word.upper())
    return Completion(b"Shouted", b"LOUD")


async def lucky(context: Context, mailbox: IMailbox, status: MailboxStatus) -> bytes:
    return b"7"


class INobodyHasThis(Interface):
    """An ability of no store."""


SHOUT = Extension(
    capability=b"X-SHOUT", rfc="none", enables=(b"X-SHOUT",), announced=State.LOGGED_IN,
    commands=(Command(b"SHOUT", State.LOGGED_IN, parse_shout, shout, Effect.NONE),),
    status_items=(StatusItem(b"LUCK", lucky),),
)


def test_a_third_partys_extension_has_all_that_ours_have() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        assert "X-SHOUT" not in client.pending()[0]
        assert (await client.command("a SHOUT x"))[0].startswith("a BAD")
        client = await world.login()
        client.strict = None
        assert " X-SHOUT" in (await client.command("b CAPABILITY"))[0]
        assert await client.command("c SHOUT {3+}\r\nfoo") == ["* SHOUT FOO", "c OK [LOUD] Shouted"]
        assert await client.command("d SHOUT quota") == ["d NO [OVERQUOTA] Mailbox is full"]
        assert await client.command("e SHOUT a b") == ["e BAD Too many arguments"]
        assert await client.command("f STATUS INBOX (LUCK)") == ["* STATUS INBOX (LUCK 7)", "f OK STATUS completed"]
        assert await client.command("g ENABLE X-SHOUT X-OTHER") == ["* ENABLED X-SHOUT", "g OK ENABLE completed"]

    run(talk, World(registry=default_registry().with_extensions(SHOUT)))


def test_what_a_store_cannot_do_is_not_announced() -> None:
    more = (Extension(b"X-MOVES", "none", needs=(IMovable,)), Extension(b"X-NOT", "none", needs=(INobodyHasThis,)))

    async def talk(world: World) -> None:
        client = await world.login()
        words = (await client.command("a CAPABILITY"))[0].split()
        assert "X-MOVES" in words
        assert "X-NOT" not in words

    run(talk, World(registry=default_registry().with_extensions(*more)))


def test_each_command_has_one_home_and_each_extension_its_rfc() -> None:
    names = [command.name for extension in EXTENSIONS for command in extension.commands]
    assert len(names) == len(set(names))
    assert all(extension.rfc for extension in EXTENSIONS)


@pytest.mark.parametrize("word", [
    "IMAP4rev1", "IDLE", "NAMESPACE", "ID", "ENABLE", "LITERAL+", "UIDPLUS", "MOVE", "UNSELECT", "CHILDREN", "LIST-EXTENDED",
    "LIST-STATUS", "SPECIAL-USE", "CREATE-SPECIAL-USE", "STATUS=SIZE", "MULTIAPPEND", "ESEARCH",
])
def test_what_clients_look_for_is_there_after_login(word: str) -> None:
    async def talk(world: World) -> None:
        assert word in (await (await world.login()).command("a CAPABILITY"))[0].split()

    run(talk)


def test_without_mod_sequences_nobody_is_promised_any() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        assert "CONDSTORE" not in (await client.command("a CAPABILITY"))[0].split()
        assert await client.command("b ENABLE CONDSTORE") == ["* ENABLED", "b OK ENABLE completed"]
        assert (await client.command("c SELECT INBOX (CONDSTORE)"))[-1].startswith("c BAD")
        assert not any("MODSEQ" in line for line in await client.command("d SELECT INBOX"))
        for command in (
            "FETCH 1:* MODSEQ", "SEARCH MODSEQ 1", "STATUS INBOX (HIGHESTMODSEQ)", "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
        ):
            await client.command("e APPEND INBOX {1+}\r\nx")
            assert (await client.command("f " + command))[-1].startswith("f BAD"), command

    run(talk, World(BareStore()))
