"""URLs that let others fetch a piece of one's mail: for whom they are, until when, and until the key changes (RFC 4467, 5524)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_world import NOW, Client, World, run
from support.inline_engine import InlineEngine
from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from mailframe.imap.append.url import NotOfThisKind, parse_authorized
from mailframe.imap.items.message import SLICE
from mailframe.imap.settings import ImapSettings
from mailframe.interfaces.store import IMailStore
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.urlkeys import MailboxKeys

reactor: Any = the_reactor
MESSAGE = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nfirst\r\n"
    b"--x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n"
    b"--x\r\nContent-Transfer-Encoding: x-odd\r\n\r\n?\r\n--x--\r\n")


def world(store: Any = None, settings: ImapSettings | None = None) -> World:
    engine: Any = InlineEngine()
    store = store or MemoryStore(lambda: NOW)
    return World(store, settings, keys=MailboxKeys(engine, store))


def talk(conversation: Callable[[World], Coroutine[Any, Any, None]], settings: ImapSettings | None = None) -> None:
    run(conversation, world(settings=settings))


async def ready(here: World) -> Client:
    """alice, with one message in INBOX."""
    client = await here.login()
    await client.command(b"r APPEND INBOX {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
    return client


async def made(client: Client, rump: str) -> str:
    """The signed URL."""
    answer = await client.command(f'g GENURLAUTH "{rump}" INTERNAL')
    found = re.fullmatch(r'\* GENURLAUTH "(.*)"', answer[0])
    assert found is not None and found[1].startswith(rump + ":internal:"), answer
    return found[1]


async def fetched(client: Client, url: str, *data: str) -> str:
    """What is told of it."""
    answer = await client.command(f'f URLFETCH ("{url}" {" ".join(data)})' if data else f'f URLFETCH "{url}"')
    assert answer[-1] == "f OK URLFETCH completed"
    assert answer[0].startswith(f'* URLFETCH "{url}" ')
    return answer[0].removeprefix(f'* URLFETCH "{url}" ')


FIRST = "imap://alice@localhost/INBOX/;UID=1/;SECTION=1"


def test_the_owner_and_whoever_it_is_for_fetch_it() -> None:
    async def conversation(here: World) -> None:
        alice, bob = await ready(here), await here.login("bob")
        for access, for_alice, for_bob in (("authuser", True, True), ("anonymous", True, True), ("user+bob", False, True),
                                           ("user+alice", True, False), ("submit+bob", False, False)):
            url = await made(alice, f"{FIRST};URLAUTH={access}")
            assert (await fetched(alice, url) == "{5}\r\nfirst") is for_alice, access
            assert (await fetched(bob, url) == "{5}\r\nfirst") is for_bob, access
        await alice.command("s EXAMINE INBOX")
        assert (await alice.command("u SEARCH UNSEEN"))[0] == "* SEARCH 1"

    talk(conversation)


def test_a_submission_server_fetches_what_is_for_it() -> None:
    async def conversation(here: World) -> None:
        alice, bob = await ready(here), await here.login("bob")
        assert await fetched(bob, await made(alice, f"{FIRST};URLAUTH=submit+alice")) == "{5}\r\nfirst"

    talk(conversation, ImapSettings(url_submit_users=("bob",)))


def test_a_url_is_void_when_its_time_is_over() -> None:
    async def conversation(here: World) -> None:
        alice = await ready(here)
        late = await made(alice, f"{FIRST};EXPIRE=2025-10-09T08:53:21Z;URLAUTH=authuser")      # the clock begins a second before
        zoned = await made(alice, f"{FIRST};expire=2025-10-09T10:53:21.5+02:00;urlauth=authuser")
        assert await fetched(alice, late) == await fetched(alice, zoned) == "{5}\r\nfirst"
        here.clock.advance(1)
        assert await fetched(alice, late) == await fetched(alice, zoned) == "NIL"

    talk(conversation)


@pytest.mark.parametrize("change", [
    lambda url: url.replace("UID=1", "UID=2"), lambda url: url.replace("SECTION=1", "SECTION=2"), lambda url: url[:-1] + "0",
    lambda url: url.replace("authuser", "anonymous"), lambda url: url.replace("internal", "external"), lambda url: url[:-40],
    lambda url: url.replace("localhost", "elsewhere"), lambda url: url.replace("alice@", "bob@"),
    lambda url: url.replace("INBOX", "inbox"),
    lambda url: url.replace(";URLAUTH", ";EXPIRE=2030-01-01T00:00:00Z;URLAUTH"), lambda url: url.partition(":internal")[0],
])
def test_whoever_changes_anything_in_it_gets_nothing(change: Callable[[str], str]) -> None:
    async def conversation(here: World) -> None:
        alice, bob = await ready(here), await here.login("bob")
        await alice.command(b"r APPEND INBOX {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
        url = await made(alice, f"{FIRST};URLAUTH=authuser")
        changed = change(url)
        if changed == url:
            changed = url[:-1] + "1"
        assert await fetched(bob, changed) == "NIL"
        assert await fetched(bob, url) == "{5}\r\nfirst"

    talk(conversation)


def test_reset_keys_make_urls_void_in_one_mailbox_or_in_all() -> None:
    async def conversation(here: World) -> None:
        alice, bob = await ready(here), await here.login("bob")
        await alice.command(b"r APPEND Sent {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
        rumps = f"{FIRST};URLAUTH=authuser", f"{FIRST.replace('INBOX', 'Sent')};URLAUTH=authuser"
        inbox, sent = [await made(alice, rump) for rump in rumps]
        await bob.command("x RESETKEY INBOX")               # one's own keys only
        assert [await fetched(bob, url) for url in (inbox, sent)] == ["{5}\r\nfirst"] * 2
        await alice.command("x RESETKEY INBOX")
        assert [await fetched(bob, url) for url in (inbox, sent)] == ["NIL", "{5}\r\nfirst"]
        again = await made(alice, rumps[0])
        assert again != inbox and await fetched(bob, again) == "{5}\r\nfirst"
        await alice.command("x RESETKEY")
        assert [await fetched(bob, url) for url in (inbox, again, sent)] == ["NIL"] * 3

    talk(conversation)


def test_a_key_goes_with_its_mailbox_and_never_to_another() -> None:
    async def conversation(here: World) -> None:
        alice = await ready(here)
        for command in ("CREATE a", "COPY 1 a", "CREATE b", "COPY 1 b"):
            await alice.command("s SELECT INBOX")
            await alice.command("c " + command)
        url, other = [await made(alice, f"{FIRST.replace('INBOX', name)};URLAUTH=authuser") for name in "ab"]
        await alice.command("c DELETE a")
        assert await fetched(alice, url) == "NIL"
        await alice.command("c RENAME b a")                 # what stands there now was never given to anybody by this name
        assert await fetched(alice, url) == await fetched(alice, other) == "NIL"
        await alice.command("c RENAME a b")
        assert await fetched(alice, other) == "{5}\r\nfirst"

    talk(conversation)


def test_what_is_not_there_or_no_more_is_nil() -> None:
    async def conversation(here: World) -> None:
        alice = await ready(here)
        urls = [await made(alice, f"imap://alice@localhost/INBOX{place};URLAUTH=authuser") for place in (
            "/;UID=7", "/;UID=1/;SECTION=9", "/;UID=1/;SECTION=ODD", ";UIDVALIDITY=7/;UID=1", "/;UID=1/;PARTIAL=0.7")]
        assert [await fetched(alice, url) for url in urls] == ["NIL"] * 4 + ["{7}\r\nSubject"]
        await alice.command("s SELECT INBOX")
        await alice.command("s STORE 1 +FLAGS.SILENT (\\Deleted)")
        await alice.command("s EXPUNGE")
        assert await fetched(alice, urls[-1]) == "NIL"

    talk(conversation)


def test_nobodys_account_is_made_by_a_url() -> None:
    async def conversation(here: World) -> None:
        alice = await ready(here)
        url = await made(alice, f"{FIRST};URLAUTH=authuser")
        assert await fetched(alice, url.replace("alice@", "carol@")) == "NIL"
        assert "carol" not in here.store._accounts

    talk(conversation)


def test_parts_as_they_are_without_their_encoding_and_what_they_are() -> None:
    async def conversation(here: World) -> None:
        alice = await ready(here)
        image, odd, header, whole = [
            await made(alice, f"imap://alice@localhost/INBOX/;UID=1{place};URLAUTH=authuser")
            for place in ("/;SECTION=2", "/;SECTION=3", "/;SECTION=HEADER", "")]
        assert await fetched(alice, image, "BODY") == "(BODY {4}\r\nAAEC)"
        assert await fetched(alice, image, "BINARY") == "(BINARY ~{3}\r\n\0\1\2)"
        assert await fetched(alice, image, "BODYPARTSTRUCTURE", "BINARY", "BINARY") == (
            '(BODYPARTSTRUCTURE ("image" "png" NIL NIL NIL "binary" 3 NIL NIL NIL NIL)) (BINARY ~{3}\r\n\0\1\2)')
        # The structure is told first, and with BINARY that of the octets which come
        assert (await fetched(alice, image, "BINARY", "BODYPARTSTRUCTURE")).startswith(
            '(BODYPARTSTRUCTURE ("image" "png" NIL NIL NIL "binary" 3 NIL')
        assert await fetched(alice, image, "BODYPARTSTRUCTURE") == (
            '(BODYPARTSTRUCTURE ("image" "png" NIL NIL NIL "base64" 4 NIL NIL NIL NIL))')
        assert await fetched(alice, odd, "BINARY") == "(BINARY NIL)"
        assert (await fetched(alice, odd, "BINARY", "BODYPARTSTRUCTURE")).endswith('"x-odd" 1 0 NIL NIL NIL NIL)) (BINARY NIL)')
        assert await fetched(alice, header, "BODYPARTSTRUCTURE") == "NIL"
        assert (await fetched(alice, header, "BINARY", "BODY")).startswith("(BINARY NIL) (BODY {")
        assert (await fetched(alice, whole, "BODYPARTSTRUCTURE")).startswith('(BODYPARTSTRUCTURE (("text" "plain" ')
        piece = await made(alice, "imap://alice@localhost/INBOX/;UID=1/;SECTION=2/;PARTIAL=1.1;URLAUTH=authuser")
        assert await fetched(alice, piece, "BINARY") == "(BINARY {1}\r\n\1)"

    talk(conversation)


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
def test_large_ones_are_streamed(store: type) -> None:
    async def conversation(here: World) -> None:
        alice = await here.login()
        octets = b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(bytes(range(256)) * 4_000)
        account = await here.store.open_account("alice", FRESH_ACCOUNT)
        inbox = await account.open_mailbox(next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX"))
        await inbox.append([New(octets, size=len(octets))])
        url = await made(alice, "imap://alice@localhost/INBOX/;UID=1;URLAUTH=authuser")
        part = await made(alice, "imap://alice@localhost/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser")
        assert len(octets) > 4 * SLICE
        assert await fetched(alice, url) == f"{{{len(octets)}}}\r\n{octets.decode()}"
        await alice.command(f'b URLFETCH ("{part}" BINARY)')
        assert b"(BINARY ~{1024000}\r\n" + bytes(range(256)) * 4_000 + b")\r\n" in alice.transcript

    run(conversation, world(store()))


def test_a_large_one_lost_in_the_middle_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation(here: World) -> None:
        alice = await here.login()
        await alice.command(b"r APPEND INBOX {%d+}\r\n%b" % (4 * SLICE, b"x" * 4 * SLICE))
        url = await made(alice, "imap://alice@localhost/INBOX/;UID=1;URLAUTH=authuser")
        read = MemoryMailbox.read

        async def broken(mailbox: MemoryMailbox, uid: int, offset: int, size: int) -> bytes:
            if offset > 2 * SLICE:
                raise NoSuchMessage
            return await read(mailbox, uid, offset, size)

        monkeypatch.setattr(MemoryMailbox, "read", broken)
        alice.send(f'f URLFETCH "{url}"\r\n')
        here.clock.pump([0] * 10)
        assert alice.closed and b"{%d}\r\nxxx" % (4 * SLICE) in alice.transcript and b"f OK" not in alice.transcript

    talk(conversation)


def test_without_keys_there_is_no_such_thing() -> None:
    async def conversation(here: World) -> None:
        client = await here.login()
        assert "URLAUTH" not in (await client.command("c CAPABILITY"))[0]
        assert not any("URLMECH" in line for line in await client.command("s SELECT INBOX"))
        for command in ("RESETKEY", 'URLFETCH "x"', 'GENURLAUTH "x" INTERNAL'):
            assert (await client.command("a " + command))[-1].startswith("a BAD")

    run(conversation)


@pytest.mark.parametrize("tail", [
    b"", b";URLAUTH=", b";URLAUTH=authuser:", b";URLAUTH=authuser:internal", b";URLAUTH=authuser:internal:", b";URLAUTH=user+",
    b";URLAUTH=authuser:internal:" + b"a" * 31, b";URLAUTH=authuser:internal:" + b"g" * 32, b";EXPIRE=now;URLAUTH=authuser",
    b";EXPIRE=2020-01-01T00:00:00Z", b";EXPIRE=2020-01-01T00:00:00;URLAUTH=authuser",
    b";EXPIRE=0000-01-01T00:00:00Z;URLAUTH=authuser",
    b";URLAUTH=authuser;URLAUTH=anonymous", b";URLAUTH=user+%FF", b";EXPIRE=2020-02-30T00:00:00Z;URLAUTH=authuser",
])
def test_what_is_no_authority_is_refused(tail: bytes) -> None:
    with pytest.raises(NotOfThisKind, match=r"\w"):
        parse_authorized(b"imap://a@b/c/;UID=1" + tail)


class Durable(TestCase):
    def test_the_interface(self) -> None:
        engine: Any = InlineEngine()
        self.assertTrue(verifyObject(IMailboxKeys, MailboxKeys(engine, MemoryStore())))

    async def test_keys_outlive_the_server_and_a_reset_does_too(self) -> None:
        """I1"""
        with TemporaryDirectory() as folder:
            urls: list[str] = []
            for life in range(3):
                engine = Engine(Path(folder) / "mail.sqlite", reactor, name="test")
                store: IMailStore = SqliteStore(engine, reactor)
                here = World(store, clock=reactor, keys=MailboxKeys(engine, store))
                await store.start()
                try:
                    if life == 0:
                        alice = await ready(here)
                        urls += [await made(alice, f"{FIRST};URLAUTH=authuser")]
                    bob = await here.login("bob")
                    self.assertEqual(await fetched(bob, urls[0]), "NIL" if life == 2 else "{5}\r\nfirst")
                    if life == 1:
                        await (await here.login()).command("x RESETKEY INBOX")
                finally:
                    here.close()
                    await store.close()
