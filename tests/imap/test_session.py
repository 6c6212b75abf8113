"""Sessions: what clients are told, when, and what bad ones cannot do; in memory, on a virtual clock."""

from __future__ import annotations

import base64
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from support.bare_store import BareStore
from support.imap_world import Client, World, run
from twisted.internet.defer import Deferred

from mailframe.imap.settings import ImapSettings
from mailframe.model.mailbox import Listeners
from mailframe.stores.memory_mailbox import MemoryMailbox

PLAIN = base64.b64encode(b"\0alice\0secret")


def test_the_greeting_says_what_can_be_done() -> None:
    async def talk(world: World) -> None:
        greeting, = world.connect().pending()
        assert greeting.startswith("* OK [CAPABILITY IMAP4rev1 ")
        assert "AUTH=PLAIN" in greeting
        assert "STARTTLS" not in greeting           # there is no certificate
        assert "IDLE" not in greeting               # nor anything to wait for

    run(talk)


def test_ready_answers_leave_in_one_write() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        writes = client.writes
        client.send(b"".join(b"a%d NOOP\r\n" % number for number in range(20)))
        assert len(client.pending()) == 20
        assert client.writes == writes + 1

    run(talk)


@pytest.mark.parametrize("command", [
    b"LOGIN alice wrong", b"LOGIN nobody wrong", b'LOGIN "a\x01b" wrong', b"AUTHENTICATE PLAIN AGFsaWNlAHdyb25n",
])
def test_failed_logins_look_alike_and_take_their_time(command: bytes) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        client.send(b"a " + command + b"\r\n")
        world.clock.advance(1.9)
        assert client.pending() == []
        world.clock.advance(0.2)
        assert client.pending() == ["a NO [AUTHENTICATIONFAILED] Wrong user name or password"]

    run(talk)


def test_guessing_ends_the_connection() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        for number in range(5):
            assert not client.closed
            client.send(b"a%d LOGIN alice wrong\r\n" % number)
            world.clock.advance(2)
        assert client.pending()[-2:] == ["* BYE Too many failed logins", "a4 NO [AUTHENTICATIONFAILED] Wrong user name or password"]
        assert client.closed

    run(talk)


def test_authenticate_with_and_without_initial_response() -> None:
    async def talk(world: World) -> None:
        assert (await world.connect().command(b"a AUTHENTICATE PLAIN " + PLAIN))[-1].startswith("a OK [CAPABILITY ")
        client = world.connect()
        client.pending()
        client.send(b"a AUTHENTICATE plain\r\n")
        assert client.pending() == ["+ "]
        client.send(PLAIN + b"\r\n")
        assert client.pending()[-1].startswith("a OK ")
        client = world.connect()
        client.pending()
        client.send(b"a AUTHENTICATE LOGIN\r\n")
        assert client.pending() == ["+ " + base64.b64encode(b"Username:").decode()]
        client.send(base64.b64encode(b"alice") + b"\r\n")
        assert len(client.pending()) == 1
        client.send(base64.b64encode(b"secret") + b"\r\n")
        assert client.pending()[-1].startswith("a OK ")

    run(talk)


@pytest.mark.parametrize(("response", "answer"), [
    (b"*", "a BAD Authentication cancelled"), (b"!!!", "a BAD Authentication: not base64"),
    (b"x" * 20_000, "a BAD Line too long"), (base64.b64encode(b"root\0alice\0secret"), "a NO [AUTHORIZATIONFAILED]"),
])
def test_authenticate_that_goes_wrong(response: bytes, answer: str) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        client.send(b"a AUTHENTICATE PLAIN\r\n" + response + b"\r\nb NOOP\r\n")
        answers = client.pending()
        assert answers[1].startswith(answer)
        assert answers[2] == "b OK NOOP completed"

    run(talk)


def test_no_password_in_the_clear_from_afar() -> None:
    async def talk(world: World) -> None:
        client = world.connect("192.0.2.7")
        greeting, = client.pending()
        assert "LOGINDISABLED" in greeting
        assert "AUTH=" not in greeting
        assert (await client.command("a LOGIN alice secret"))[-1].startswith("a NO [PRIVACYREQUIRED]")
        assert (await client.command(b"b AUTHENTICATE PLAIN " + PLAIN))[-1].startswith("b NO [PRIVACYREQUIRED]")

    run(talk)
    run(_may_log_in, World(settings=ImapSettings(plaintext_login="always")))


async def _may_log_in(world: World) -> None:
    assert (await world.connect("192.0.2.7").command("a LOGIN alice secret"))[-1].startswith("a OK")


def test_other_protocols_are_sent_away() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20)
        assert client.closed
        assert sum(line.startswith("* BYE") for line in client.pending()) == 1

    run(talk)


def test_a_stranger_gets_no_memory() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        assert (await client.command("a LOGIN {100000000}")) == ["a BAD Literal too big"]
        assert (await client.command("b NOOP")) == ["b OK NOOP completed"]
        client.send(b"c " + b"(" * 1_000_000)
        client.send(b"\r\nd NOOP\r\n")
        assert client.pending() == ["c BAD Line too long", "d OK NOOP completed"]

    run(talk)


def test_too_big_says_so_once_logged_in() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        assert await client.command("a SELECT {2000000}") == ["a NO [TOOBIG] Literal too big"]
        assert await client.command("b APPEND INBOX {9999999999}") == ["b NO [TOOBIG] Message is too big"]
        client.send(b"c APPEND INBOX {60000000+}\r\n")
        assert client.pending() == ["c NO [TOOBIG] Message is too big"]
        for _ in range(600):
            client.send(b"z LOGOUT\r\n" * 10_000)
        client.send(b"\r\n")
        assert await client.command("d NOOP") == ["d OK NOOP completed"]
        assert not client.closed

    run(talk)


@pytest.mark.parametrize("octets", [
    b"\0\0\0\r\n", b"a NO\0OP\r\n", b"a LOGIN \"x\0\" y\r\n", b"\xff\xfe\r\n", b"a\r\n", b" a NOOP\r\n", b"+ NOOP\r\n",
    b"a LOGIN {1+}\r\n\0 x\r\n",
])
def test_garbage_is_answered_bad_and_the_session_goes_on(octets: bytes) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        client.send(octets)
        answer, = client.pending()
        assert " BAD " in answer
        assert await client.command("b NOOP") == ["b OK NOOP completed"]

    run(talk)


def test_silence_ends_with_bye() -> None:
    async def talk(world: World) -> None:
        stranger, user = world.connect(), await world.login()
        for _ in range(13):
            world.clock.advance(10)
            stranger.send(b"x")                     # a trickle does not keep a stranger here
        assert stranger.closed
        assert stranger.pending()[-1] == "* BYE Idle for too long"
        world.clock.pump([10] * 150)
        assert await user.command("a NOOP") == ["a OK NOOP completed"]
        world.clock.pump([10] * 178)
        assert not user.closed
        world.clock.pump([10] * 4)
        assert user.closed

    run(talk)


def test_idle_in_a_mailbox_that_is_deleted_ends_with_the_connection() -> None:
    async def talk(world: World) -> None:
        idler, other = await world.login(), await world.login()
        await other.command("a CREATE x")
        await idler.command("a SELECT x")
        idler.send(b"b IDLE\r\n")
        assert idler.pending() == ["+ idling"]
        await other.command("b DELETE x")
        world.clock.advance(60)                         # no hint may come of a mailbox that is no more
        assert idler.pending()[0].startswith("* BYE")
        assert idler.closed

    run(talk)


def test_idle_tells_at_once_and_ends_with_done() -> None:
    async def talk(world: World) -> None:
        idler, other = await world.login(), await world.login()
        await idler.command("a SELECT INBOX")
        idler.send(b"b IDLE\r\n")
        assert idler.pending() == ["+ idling"]
        await other.command(b"c APPEND INBOX {5+}\r\nhello")
        world.clock.advance(0)
        assert idler.pending() == ["* 1 EXISTS", "* 1 RECENT"]
        idler.send(b"DONE\r\n")
        assert idler.pending() == ["b OK IDLE completed"]
        idler.send(b"d IDLE\r\nnonsense\r\ne IDLE\r\ndone\r\n")
        assert idler.pending() == ["+ idling", "d BAD DONE expected", "+ idling", "e OK IDLE completed"]

    run(talk)


def test_idle_says_once_more_what_came_to_the_clients_ears_in_another_command() -> None:
    async def talk(world: World) -> None:
        idler, other = await world.login(), await world.login()
        await other.command(b"c APPEND INBOX {5+}\r\nfirst")
        await idler.command("a SELECT INBOX")
        await other.command(b"c APPEND INBOX {5+}\r\nhello")
        assert "* 2 EXISTS" in await idler.command("b STORE 1 +FLAGS (\\Seen)")
        idler.send(b"c IDLE\r\n")
        assert idler.pending() == ["+ idling", "* 2 EXISTS"]
        idler.send(b"DONE\r\nd IDLE\r\nDONE\r\n")
        assert idler.pending() == ["c OK IDLE completed", "+ idling", "d OK IDLE completed"]
        await other.command(b"e APPEND INBOX {5+}\r\nhello")
        assert "* 3 EXISTS" in await idler.command("f NOOP")
        idler.send(b"g IDLE\r\nDONE\r\n")
        assert idler.pending() == ["+ idling", "g OK IDLE completed"], "NOOP asks for news"

    run(talk)


def test_idle_asks_again_where_no_hint_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listeners, "tell", lambda self, mailbox_id: None)

    async def talk(world: World) -> None:
        idler, other = await world.login(), await world.login()
        await idler.command("a SELECT INBOX")
        idler.send(b"b IDLE\r\n")
        await other.command(b"c APPEND INBOX {5+}\r\nhello")
        world.clock.advance(59)
        assert idler.pending() == ["+ idling"]
        world.clock.advance(2)
        assert idler.pending() == ["* 1 EXISTS", "* 1 RECENT"]

    run(talk)


def test_much_news_is_told_in_pieces_and_to_the_last() -> None:
    """I2: others get their turn between them."""
    async def talk(world: World) -> None:
        one, other = await world.login(), await world.login()
        for _ in range(5):
            await one.command("a APPEND INBOX" + " {1+}\r\nx" * 1_000)
        await one.command("b SELECT INBOX")
        await other.command("c SELECT INBOX")
        await one.command("d STORE 1:* +FLAGS.SILENT (\\Deleted)")
        writes = other.writes
        told = await other.command("e NOOP")
        assert len(told) == 5_001
        assert other.writes >= writes + 5
        await one.command("f EXPUNGE")
        told = await other.command("g NOOP")
        assert told[0] == "* 5000 EXPUNGE"
        assert told[4_999] == "* 1 EXPUNGE"
        assert (await other.command("h STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 0)"

    run(talk)


def test_going_down_says_bye_to_all() -> None:
    async def talk(world: World) -> None:
        clients = [world.connect(), await world.login(), await world.login()]
        clients[2].send(b"a IDLE\r\n")
        stopped = world.factory.stop()
        assert stopped.called
        for client in clients:
            assert client.closed
            assert client.pending()[-1] == "* BYE [UNAVAILABLE] Server is going down"

    run(talk)


def test_going_down_waits_for_the_running_command_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = slow(monkeypatch, "status")

    async def talk(world: World) -> None:
        client = await world.login()
        client.send(b"a STATUS INBOX (MESSAGES)\r\n")
        world.factory.stop()
        assert not client.closed
        waits[0].callback(None)
        world.clock.advance(0)
        assert client.pending()[1:] == ["a OK STATUS completed", "* BYE [UNAVAILABLE] Server is going down"]
        assert client.closed

    run(talk)


def test_a_fault_of_the_store_costs_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """I7, I8."""
    async def broken(self: MemoryMailbox) -> Any:
        raise RuntimeError("the disk at /secret/path is on fire")

    async def talk(world: World) -> None:
        client = await world.login()
        monkeypatch.setattr(MemoryMailbox, "status", broken)
        assert await client.command("a STATUS INBOX (MESSAGES)") == ["a NO [SERVERBUG] Internal error, please try again later"]
        assert await client.command("b SELECT INBOX") == ["b NO [SERVERBUG] Internal error, please try again later"]
        assert await client.command("c NOOP") == ["c OK NOOP completed"]

    run(talk)


def slow(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Deferred[None]]:
    """Make MemoryMailbox.`name` wait until the next of these is fired."""
    original: Callable[..., Any] = getattr(MemoryMailbox, name)
    waits: list[Deferred[None]] = []

    async def waiting(self: MemoryMailbox, *args: Any) -> Any:
        wait: Deferred[None] = Deferred()
        waits.append(wait)
        await wait
        return await original(self, *args)

    monkeypatch.setattr(MemoryMailbox, name, waiting)
    return waits


def test_reading_ahead_is_bounded_while_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """I3."""
    waits = slow(monkeypatch, "status")

    async def talk(world: World) -> None:
        client = await world.login()
        client.send(b"a STATUS INBOX (MESSAGES)\r\n")
        client.send(b"b NOOP\r\n" * 40_000)
        assert client.transport.producerState == "paused"
        other = await world.login()
        assert await other.command("c NOOP") == ["c OK NOOP completed"]
        waits[0].callback(None)
        while world.clock.getDelayedCalls() and client.transport.producerState == "paused":
            world.clock.advance(0)
        assert client.transport.producerState == "producing"
        assert client.transcript.endswith(b"b OK NOOP completed\r\n" * 1_000)

    run(talk)


def test_a_store_that_never_answers_costs_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """I7."""
    slow(monkeypatch, "status")

    async def talk(world: World) -> None:
        client = await world.login()
        client.pending()
        client.send(b"a STATUS INBOX (MESSAGES)\r\nb NOOP\r\n")
        world.clock.pump([10] * 26)
        assert client.pending() == ["a NO [UNAVAILABLE] Temporary failure, please try again later", "b OK NOOP completed"]
        client.send(b"c STATUS INBOX (MESSAGES)\r\n")
        world.clock.pump([10] * 26)
        assert len(client.pending()) == 1

    run(talk)


def test_who_does_not_read_is_held_back_then_cut() -> None:
    """I3."""
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("a NOOP")
        client.protocol.pauseProducing()
        client.send(b"b LIST \"\" *\r\n" * 10)
        written = len(client.transcript)
        client.send(b"c LIST \"\" *\r\n" * 10)
        assert len(client.transcript) == written        # nothing is done for who takes nothing
        client.protocol.resumeProducing()
        assert len(client.transcript) > written
        client.protocol.pauseProducing()
        client.send(b"d NOOP\r\n")
        world.clock.pump([60] * 7)
        assert client.closed

    run(talk)


def test_an_append_cut_off_leaves_nothing() -> None:
    async def talk(world: World) -> None:
        client, other = await world.login(), await world.login()
        client.send(b"a APPEND INBOX {1000000}\r\n")
        assert client.pending() == ["+ OK"]
        client.send(b"x" * 500_000)
        client.hang_up()
        assert (await other.command("b STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 0)"

    run(talk)


def test_an_append_is_refused_before_its_message_is_sent() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        client.pending()
        assert await client.command("a APPEND Nowhere {1000000}") == ["a NO [TRYCREATE] No such mailbox"]
        assert await client.command("b APPEND INBOX (\\Odd) {1000000}") == ["b BAD Unknown system flag"]
        assert await client.command("c NOOP") == ["c OK NOOP completed"]

    run(talk)


def test_a_large_append_comes_whole_however_it_is_cut() -> None:
    message = b"Subject: large\r\n\r\n" + bytes(range(1, 256)) * 4_000

    async def talk(world: World) -> None:
        client = await world.login()
        wire = b"a APPEND INBOX {%d+}\r\n" % len(message) + message + b"\r\n"
        for start in range(0, len(wire), 30_011):
            client.send(wire[start:start + 30_011])
        assert (await client.until(rb"a [^\r\n]*\r\n"))[-1].startswith("a OK [APPENDUID ")
        await client.command("b SELECT INBOX")
        answer = await client.command("c FETCH 1 RFC822.SIZE")
        assert answer[0] == f"* 1 FETCH (RFC822.SIZE {len(message)})"

    run(talk)


def test_one_connection_too_many_is_told_so() -> None:
    async def talk(world: World) -> None:
        first: list[Client] = [world.connect("192.0.2.1") for _ in range(2)]
        assert world.connect("192.0.2.1").pending() == ["* BYE [LIMIT] Too many connections"]
        assert world.connect("192.0.2.2").pending()[0].startswith("* OK")
        first[0].hang_up()
        assert world.connect("192.0.2.1").pending()[0].startswith("* OK")

    run(talk, World(settings=ImapSettings(max_connections_per_ip=2)))


def test_300_silent_connections_are_cheap() -> None:
    async def talk(world: World) -> None:
        world.connect()
        gc.collect()
        tracemalloc.start()
        for _ in range(300):
            world.connect()
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used < 300 * 20_000

    run(talk, World(settings=ImapSettings(max_connections_per_ip=1_000)))


def test_renaming_inbox_moves_its_messages_in_any_store() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("a APPEND INBOX (\\Seen $Hot) {5+}\r\nhello ($Other) {3+}\r\nbye")
        assert (await client.command("b RENAME INBOX Old"))[-1].startswith("b OK")
        assert (await client.command("c STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 0)"
        await client.command("d SELECT Old")
        assert (await client.command("e FETCH 1:2 (FLAGS BODY.PEEK[])"))[:2] == [
            "* 1 FETCH (FLAGS (\\Seen $Hot) BODY[] {5}\r\nhello)", "* 2 FETCH (FLAGS ($Other) BODY[] {3}\r\nbye)"]

    run(talk, World(BareStore()))
