"""CATENATE streams what it puts together, and is refused for its own faults alone (RFC 4469)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_world import Client, World, run
from twisted.internet import reactor as the_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from mailframe.imap.extensions.catenate import MAX_PARTS
from mailframe.imap.settings import ImapSettings
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
MIB = 1_048_576
SMALL = ImapSettings(max_message_octets=1_000)


async def ready(world: World) -> Client:
    """INBOX holds one message of 300 octets."""
    client = await world.login()
    await client.command("r APPEND INBOX {300+}\r\n" + "x" * 300)
    return client


async def messages(client: Client) -> str:
    return (await client.command("m STATUS INBOX (MESSAGES)"))[0]


@pytest.mark.parametrize("parts", [
    'URL "/INBOX/;UID=1" ' * 4, 'URL "/INBOX/;UID=1" TEXT {701+}\r\n' + "y" * 701 + " ",
    "TEXT {501+}\r\n" + "y" * 501 + " TEXT {500+}\r\n" + "y" * 500 + " ", "TEXT {900+}\r\n" + "y" * 900 + ' URL "/INBOX/;UID=1" ',
])
@pytest.mark.parametrize("store", [MemoryStore, BareStore])
def test_the_limit_counts_all_parts_together(parts: str, store: type) -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        assert (await client.command(f"a APPEND INBOX CATENATE ({parts.strip()})"))[-1].startswith("a NO [TOOBIG]")
        assert await messages(client) == "* STATUS INBOX (MESSAGES 1)"

    run(talk, World(store(), SMALL))


def test_what_would_be_too_big_is_refused_before_it_comes() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        client.send('a APPEND INBOX CATENATE (URL "/INBOX/;UID=1" TEXT {701}\r\nb NOOP\r\n')
        assert [line[:13] for line in client.pending()] == ["a NO [TOOBIG]", "b OK NOOP com"]

    run(talk, World(settings=SMALL))


def test_each_literal_is_waited_for_in_its_turn() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        for said, heard in (("a APPEND INBOX CATENATE (TEXT {2}", ["+ OK"]), ("hi URL {13}", ["+ OK"]),
                            ("/INBOX/;UID=1 TEXT {2}", ["+ OK"]), ('ho URL "/INBOX/;UID=1/;PARTIAL=0.1" URL {12}', ["+ OK"])):
            client.send(said + "\r\n")
            assert client.pending() == heard
        client.send("/Nope/;UID=1)\r\n")
        assert client.pending()[0].startswith("a NO [BADURL /Nope/;UID=1]")
        client.send("b APPEND INBOX CATENATE (TEXT {2}\r\n")
        client.pending()
        client.send('hi URL "/Nope/;UID=1" TEXT {2}\r\nc NOOP\r\n')       # refused in time: no literal follows
        assert [line[:6] for line in client.pending()] == ["b NO [", "c OK N"]
        assert await messages(client) == "* STATUS INBOX (MESSAGES 1)"

    run(talk)


def test_too_many_parts_and_too_long_urls_are_refused() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        most = "CATENATE (" + "URL ;UID=1/;PARTIAL=0.1 " * (MAX_PARTS - 1) + "TEXT {1+}\r\nx"
        await client.command("s SELECT INBOX")
        assert (await client.command(f"a APPEND INBOX {most})"))[-1].startswith("a OK")
        assert (await client.command(f"b APPEND INBOX {most} TEXT {{1+}}\r\ny)"))[-1].startswith("b NO [LIMIT]")
        assert (await client.command("c APPEND INBOX CATENATE (URL {8193+}\r\n" + "u" * 8_193 + ")"))[-1].startswith("c BAD")
        client.send("d APPEND INBOX CATENATE (URL {8193}\r\n")
        assert client.pending()[-1].startswith("d BAD")

    run(talk)


@pytest.mark.parametrize("command", [
    "APPEND INBOX {3+}\r\na\0b", "APPEND INBOX CATENATE (TEXT {3+}\r\na\0b)", "APPEND INBOX {1+}\r\na {3+}\r\nb\0c {1+}\r\nd",
    "APPEND INBOX CATENATE (URL {3+}\r\n\0\0\0 TEXT {1+}\r\nx)", "APPEND INBOX CATENATE (URL ~{13+}\r\n/INBOX/;UID=1)",
])
def test_no_nul_where_the_grammar_has_none(command: str) -> None:
    """RFC 9051 section 9: CHAR8 is any octet but NUL."""
    async def talk(world: World) -> None:
        client = await ready(world)
        assert (await client.command("a " + command))[-1].startswith("a BAD")
        assert await messages(client) == "* STATUS INBOX (MESSAGES 1)"

    run(talk)


def test_one_command_copies_only_so_much() -> None:
    """I3: what costs the client a line each must not fill the disk."""
    async def talk(world: World) -> None:
        client = await ready(world)
        part = ' CATENATE (URL "/INBOX/;UID=1" URL "/INBOX/;UID=1" URL "/INBOX/;UID=1")'
        assert (await client.command("a APPEND INBOX" + part * 5))[-1].startswith("a NO [LIMIT]")
        assert (await client.command("b APPEND INBOX" + part * 4))[-1].startswith("b OK")

    run(talk, World(settings=SMALL))


def test_a_mailbox_deleted_while_its_message_comes_may_be_made_again() -> None:
    async def talk(world: World) -> None:
        client, other = await ready(world), await world.login()
        await other.command("o1 CREATE x")
        client.send("a APPEND x {2}\r\n")
        await other.command("o2 DELETE x")
        client.send("hi\r\n")
        assert client.pending()[-1].startswith("a NO [TRYCREATE]")

    run(talk)


def test_a_literal8_keeps_its_octets_and_so_do_its_copies() -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        octets = bytes(range(256))
        await client.command(b"a APPEND INBOX ~{256+}\r\n" + octets)
        answer = await client.command(b'b APPEND INBOX CATENATE (TEXT ~{256+}\r\n' + octets + b' URL "/INBOX/;UID=2")')
        assert answer[-1].startswith("b OK")
        mailbox = world.store._accounts["alice"].by_id["1"]
        assert await mailbox.read(3, 0, 1_000) == octets * 2

    run(talk)


def test_a_message_that_goes_while_it_is_copied_is_a_bad_url(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(world: World) -> None:
        client = await ready(world)

        async def read(*_: object) -> object:
            raise NoSuchMessage

        monkeypatch.setattr(MemoryMailbox, "read", read)
        answer = await client.command('a APPEND INBOX CATENATE (TEXT {1+}\r\nx URL "/INBOX/;UID=1")')
        assert answer[-1].startswith("a NO [BADURL /INBOX/;UID=1]")

    run(talk)


@pytest.mark.parametrize("unfinished", [
    "CATENATE (TEXT {2+}\r\nhi", "CATENATE (TEXT {2+}\r\nhi URL {3+}\r\n/I", 'CATENATE (URL "/INBOX/;UID=1" TEXT {5}\r\n',
    'CATENATE (TEXT {2+}\r\nhi URL "/INBOX/;UID=1"', 'CATENATE (TEXT {2+}\r\nhi URL "/INBOX/;UID=1")',
])
def test_a_client_that_half_closes_in_the_middle_leaves_nothing(unfinished: str) -> None:
    async def talk(world: World) -> None:
        client = await ready(world)
        client.send("a APPEND INBOX " + unfinished)
        client.end()
        world.clock.pump([0] * 5)
        assert client.closed
        assert await messages(await world.login()) == "* STATUS INBOX (MESSAGES 1)"

    run(talk)


def test_too_many_messages_in_one_command_are_none() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        assert (await client.command("a APPEND INBOX" + " {1+}\r\nx" * 1_001))[-1].startswith("a NO [MESSAGELIMIT 1000]")
        assert (await client.command("b APPEND INBOX" + " {1+}\r\nx" * 1_000))[-1].startswith("b OK [APPENDUID ")
        assert await messages(client) == "* STATUS INBOX (MESSAGES 1000)"
        assert (await client.command("c STATUS INBOX (APPENDLIMIT)"))[0] == "* STATUS INBOX (APPENDLIMIT 52428800)"

    run(talk, World(settings=ImapSettings(save_limit=1_000)))


class Large(TestCase):
    timeout = 120

    @pytest.fixture(autouse=True)
    def _sizes(self, pytestconfig: pytest.Config) -> None:
        self.part = (25 if pytestconfig.getoption("--long") else 4) * MIB

    async def test_a_large_one_is_never_in_memory_as_a_whole(self) -> None:
        """I3: three pieces of a large message and a text as large take as much memory as small ones."""
        with TemporaryDirectory() as folder:
            store = SqliteStore(Engine(Path(folder) / "mail.sqlite", reactor, name="test"), reactor)
            await store.start()
            self.addCleanup(store.close)
            world = World(store, ImapSettings(max_message_octets=200 * MIB), clock=reactor)
            self.addCleanup(world.close)
            client = await world.login()
            await self._pour(client, b"a APPEND INBOX {%d+}\r\n" % self.part, b"\r\n", b"a")
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            await self._pour(client, b'b APPEND INBOX CATENATE (%bTEXT {%d+}\r\n' % (b'URL "/INBOX/;UID=1" ' * 3, self.part),
                             b' URL "/INBOX/;UID=1/;SECTION=TEXT")\r\n', b"b")
            _, peak = tracemalloc.get_traced_memory()
            self.assertLess(peak, 3 * MIB)
            mailbox = await self._inbox(store)
            rows = await mailbox.status()
            self.assertEqual(rows.size, self.part + 4 * self.part + self.part - len(b"Subject: large\r\n\r\n"))
            self.assertEqual(await mailbox.read(2, 3 * self.part - 5, 23), b"line\nSubject: large\r\n\r\n"[-23:])

    async def _inbox(self, store: SqliteStore) -> Any:
        account = await store.open_account("alice", FRESH_ACCOUNT)
        return await account.open_mailbox(next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX"))

    async def _pour(self, client: Client, before: bytes, after: bytes, tag: bytes) -> None:
        """A message of `part` octets, as slowly as it is taken."""
        client.send(before)
        client.send(b"Subject: large\r\n\r\n")
        left = self.part - 18
        line = b"a line\n" * 10_000
        while left:
            piece = line[-min(left, len(line)):]
            left -= len(piece)
            client.send(piece)
            while client.protocol.framer.buffered:
                await deferLater(reactor, 0)
        client.send(after)
        assert (await client.until(tag + rb" [^\r\n]*\r\n"))[-1].startswith(tag.decode() + " OK"), client.transcript[-200:]
