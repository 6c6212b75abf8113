"""NOTIFY's bounds and moments (RFC 5465): when it speaks, when it is silent, and when it gives up."""

from __future__ import annotations

from typing import Any

import pytest
from support.imap_world import NOW, World, run
from twisted.internet.defer import Deferred

from mailframe.imap.builtin import EXTENSIONS
from mailframe.imap.news.renames import Listed, changes
from mailframe.imap.news.wishes import MAILBOX_NAME, Event, Group, Wishes
from mailframe.imap.registry import Context, Extension, Registry
from mailframe.imap.search.scopes import Scope
from mailframe.imap.settings import ImapSettings
from mailframe.model.mailbox import FRESH_ACCOUNT, MailboxInfo, MailboxList, New
from mailframe.model.refusal import Refusal
from mailframe.stores.memory_mailbox import MemoryMailbox

EVERYWHERE = "n NOTIFY SET (personal (MessageNew MessageExpunge))"


async def deliver(world: World, count: int = 1, folder: str = "INBOX") -> None:
    await world.store.deliver([("alice", folder, New(b"x", date=NOW, size=1))] * count, FRESH_ACCOUNT)


def test_a_burst_is_a_few_lines() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command(EVERYWHERE)
        for _ in range(1_000):
            await deliver(world)
            world.clock.advance(0.001)
        world.clock.advance(1)
        told = client.pending()
        assert 2 <= len(told) <= 4, told
        assert "MESSAGES 1 " in told[0]         # the first at once
        assert "MESSAGES 1000 " in told[-1]

    run(talk)


def test_nothing_is_said_while_a_command_is_on_its_way() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command(EVERYWHERE)
        for piece in (b"a", b" APPEND Drafts", b" {3}\r\n", b"ab", b"c"):
            client.send(piece)
            await deliver(world)
            world.clock.pump([0, 1, 0])
            assert all(line.startswith("+ ") for line in client.pending()), piece
        client.send(b"\r\n")
        world.clock.pump([0, 1, 0])
        told = client.pending()
        assert told[0].startswith("a OK"), told
        assert any("STATUS INBOX (MESSAGES 5 " in line for line in told[1:]), told

    run(talk)


def test_what_the_store_says_only_when_the_client_speaks_again_waits_for_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("n NOTIFY SET (selected (MessageNew MessageExpunge))")
        await client.command("s SELECT INBOX")
        await client.command("t NOOP")
        asked: Deferred[None] = Deferred()

        async def slowly(mailbox: MemoryMailbox, cursor: object, changes: Any = MemoryMailbox.changes) -> Any:
            await asked
            return await changes(mailbox, cursor)

        monkeypatch.setattr(MemoryMailbox, "changes", slowly)
        await deliver(world)
        world.clock.pump([0, 0])
        client.send(b"a EXAM")
        asked.callback(None)
        world.clock.pump([0, 1, 0])
        assert client.pending() == []
        client.send(b"INE INBOX\r\n")
        told = await client.until(b"a [^\r\n]*\r\n")
        assert told[0].startswith("* OK [CLOSED]") and "* 1 EXISTS" in told, told

    run(talk)


def test_too_many_mailboxes_are_refused_and_what_was_in_force_stays() -> None:
    async def talk(world: World) -> None:
        client, other = await world.login(), await world.login()
        assert (await client.command("n NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))"))[-1].startswith("n OK")
        refused = await client.command(EVERYWHERE)
        assert refused[-1].startswith("n NO [NOTIFICATIONOVERFLOW]")
        await deliver(world)
        world.clock.pump([0, 1])
        assert "STATUS INBOX (MESSAGES 1 " in client.pending()[0]
        assert (await client.command("n NOTIFY SET (subtree A (MessageNew MessageExpunge))"))[-1].startswith("n OK")
        for name in "123":
            await other.command(f"c CREATE A/{name}")
        world.clock.pump([0, 1, 1])
        assert client.pending()[-1].startswith("* OK [NOTIFICATIONOVERFLOW]")
        await other.command("c CREATE A/4")
        world.clock.pump([0, 1, 100])
        assert client.pending() == []           # as after NOTIFY NONE

    run(talk, World(settings=ImapSettings(max_watched_mailboxes=3)))


def test_a_store_that_fails_costs_the_news_and_not_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """I7"""
    async def broken(self: object) -> object:
        raise ZeroDivisionError

    async def talk(world: World) -> None:
        client = await world.login()
        await client.command(EVERYWHERE)
        monkeypatch.setattr(MemoryMailbox, "status", broken)
        await deliver(world)
        world.clock.pump([0, 1])
        assert client.pending() == ["* OK [NOTIFICATIONOVERFLOW] No more is told unasked"]
        assert await client.command("a NOOP") == ["a OK NOOP completed"]

    run(talk)


def test_a_mailbox_that_may_only_be_listed_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 3.1."""
    status = MemoryMailbox.status

    async def closed(self: MemoryMailbox) -> Any:
        if self.id == "2":
            raise Refusal(imap_code=b"NOPERM")
        return await status(self)

    async def talk(world: World) -> None:
        client = await world.login()
        monkeypatch.setattr(MemoryMailbox, "status", closed)
        told = await client.command("n NOTIFY SET STATUS (mailboxes (INBOX Drafts) (MessageNew MessageExpunge))")
        assert '* LIST (\\HasNoChildren \\NoAccess) "/" Drafts' in told
        assert told[-1].startswith("n OK")
        assert any(line.startswith("* STATUS INBOX") for line in told)
        await deliver(world, folder="Drafts")
        world.clock.pump([0, 1])
        assert client.pending() == []

    run(talk)


def test_hints_may_be_lost() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command(EVERYWHERE)
        account: Any = await world.store.open_account("alice", ())
        account.listeners._listeners.clear()
        await deliver(world)
        world.clock.pump([1] * 58)
        assert client.pending() == []
        world.clock.pump([1] * 4)
        assert "STATUS INBOX (MESSAGES 1 " in client.pending()[0]

    run(talk)


def test_nobody_listens_after_unauthenticate_or_hanging_up() -> None:
    async def talk(world: World) -> None:
        client, gone = await world.login(), await world.login()
        account: Any = await world.store.open_account("alice", ())
        await client.command(EVERYWHERE)
        await gone.command(EVERYWHERE)
        gone.hang_up()
        await client.command("u UNAUTHENTICATE")
        assert len(account.listeners) == 0
        assert len(world.clock.getDelayedCalls()) == 1      # of the connection that is left
        await deliver(world)
        world.clock.pump([0, 1])
        assert client.pending() == []

    run(talk)


def test_an_extension_may_add_events_of_its_own() -> None:
    news: list[str] = []
    listening: list[Context] = []

    async def begin(context: Context) -> None:
        async def tell() -> None:
            for name in news:
                if context.watcher is not None and context.watcher.wants(b"SERVERMETADATACHANGE", name):
                    context.out.untagged(b"STATUS %b ()" % name.encode())
            news.clear()

        context.also_tell(tell, lambda: None)
        listening.append(context)

    more = Extension(None, "0", events=(Event(b"SERVERMETADATACHANGE", b"ServerMetadataChange", begin, lambda _: bool(news)),))

    async def talk(world: World) -> None:
        client = await world.login()
        answer = await client.command("n NOTIFY SET (personal (AnnotationChange MessageNew MessageExpunge))")
        assert "SubscriptionChange ServerMetadataChange)]" in answer[-1]
        await client.command("n NOTIFY SET (subtree A (ServerMetadataChange))")
        news.extend(("A", "B"))
        listening[0].heard()
        world.clock.pump([0, 1])
        assert client.pending() == ["* STATUS A ()"]
        await client.command("n NOTIFY NONE")
        news.append("A")
        listening[0].heard()
        world.clock.pump([0, 1])
        assert client.pending() == []
        assert await client.command("o NOOP") == ["o OK NOOP completed"]

    run(talk, World(registry=Registry((*EXTENSIONS, more))))


def test_new_messages_whose_octets_are_asked_for_come_whole() -> None:
    """Also where one is gone before it could be shown."""
    async def talk(world: World) -> None:
        client, other = await world.login(), await world.login()
        await client.command("s SELECT INBOX")
        await client.command("n NOTIFY SET (selected (MessageNew (BODY.PEEK[] FLAGS) MessageExpunge))")
        await other.command("s SELECT INBOX")
        large = b"y" * 300_000
        await world.store.deliver([("alice", "INBOX", New(large, date=NOW, size=len(large)))], FRESH_ACCOUNT)
        await deliver(world)
        world.clock.pump([0, 1])
        told = [response for response in client.responses if response.kind == b"FETCH"]
        assert [response.value[b"BODY[]"] for response in told] == [large, b"x"]
        await deliver(world)
        await other.command("d UID STORE 3 +FLAGS (\\Deleted)")
        await other.command("e EXPUNGE")
        world.clock.pump([0, 1])
        assert not client.closed
        assert (await client.command("a NOOP"))[-1].startswith("a OK")

    run(talk)


def test_what_the_last_notify_had_still_to_say_is_told_with_the_answer_to_the_next() -> None:
    """A client that knows the counts asks for no STATUS again (section 3.1's example)."""
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("n NOTIFY SET STATUS (mailboxes (INBOX Drafts) (MessageNew MessageExpunge))")
        await deliver(world)
        world.clock.advance(0)
        assert "STATUS INBOX (MESSAGES 1 " in client.pending()[0]
        await deliver(world, folder="Drafts")           # it would be told half a second later
        assert client.pending() == []
        told = await client.command("m NOTIFY SET (mailboxes Drafts (MessageNew MessageExpunge FlagChange))")
        assert "STATUS Drafts (MESSAGES 1 " in told[0] and len(told) == 2, told

    run(talk)


def test_a_snapshot_is_one_within_idle_as_well() -> None:
    """Sections 4 and 5: IDLE tells no more than NOTIFY asks for."""
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("s SELECT INBOX")
        await client.command("n NOTIFY SET (selected NONE)")
        await deliver(world)
        await client.command("f UID FETCH 1:* FLAGS")
        client.send(b"i IDLE\r\n")
        await deliver(world)
        world.clock.pump([0, 1, 0])
        client.send(b"DONE\r\n")
        world.clock.pump([0, 1])
        assert "EXISTS" not in "".join(client.pending())
        assert (await client.command("e NOTIFY SET (selected (MessageNew MessageExpunge))"))[0] == "* 2 EXISTS"

    run(talk)


def test_what_left_a_tree_before_the_tree_was_renamed_does_not_go_along() -> None:
    """Section 5.4: a client takes along what lies below a name that is renamed."""
    def listed(**names: str) -> Listed:
        infos = tuple(MailboxInfo(number, name.replace("_", "/")) for number, name in names.items())
        return Listed.of(MailboxList(infos, frozenset()))

    def told(before: Listed, after: Listed) -> list[tuple[str, str | None]]:
        return list(changes(before, after, Wishes((Group(Scope(b"PERSONAL"), frozenset((MAILBOX_NAME,))),))).items())

    before = listed(a="A", b="A_b", c="A_c", x="X")
    assert told(before, listed(a="B", b="B_b", c="B_c", x="X")) == [("B", "A")]
    assert told(before, listed(a="B", b="B_b", c="X_c", x="X")) == [("X/c", "A/c"), ("B", "A"), ("X", None)]
    # what stayed, or came to lie there, makes it no renaming that a client could follow
    assert told(before, listed(a="B", b="B_b", c="A_c", x="X")) == [("A", None), ("B/b", "A/b"), ("B", None)]
    assert told(before, listed(a="B", b="B_b", c="B_c", x="A_x")) == [("X", None), ("B", "A"), ("A/x", None)]
