"""A client that sends all it has and half-closes is answered all it sent whole; without QUIT nothing is removed (P1)."""

from __future__ import annotations

from typing import Any

from support.halfclose import converse
from support.pop3world import Pop3World, checker
from support.transcripts import Player
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.auth.realm import portal
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.stores.memory import MemoryStore

LOGIN = b"USER bob\r\nPASS secret\r\n"
BIG = b".a line that wants a second dot\r\n" * 10_000


def end(player: Player) -> list[bytes]:
    """Half-close; the answers so far."""
    player.transport.end(player.protocol)
    return list(player.transport.value().split(b"\r\n")[:-1])


def is_over(world: Pop3World, player: Player) -> bool:
    player.transport.settle(player.protocol)
    return player.transport.lost and world.clock.getDelayedCalls() == []


def test_what_was_asked_is_answered_and_quit_removes() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n", b"two\r\n")
    player = world.connect()
    player.send(LOGIN + b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
    assert end(player)[3:] == [b"+OK 5 octets", b"one", b".", b"+OK Marked as deleted", b"+OK Bye, 1 messages left"]
    assert is_over(world, player) and world.uids() == [2]


def test_without_quit_nothing_is_removed_and_the_lock_is_given_back() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n", b"two\r\n")
    for unfinished in (b"", b"QUIT", b"NOOP\r\nQUI"):
        player = world.connect()
        player.send(LOGIN + b"DELE 1\r\n" + unfinished)
        assert end(player)[3] == b"+OK Marked as deleted"
        assert is_over(world, player) and world.uids() == [1, 2]


def test_an_unfinished_login_is_given_up() -> None:
    world = Pop3World()
    player = world.connect()
    player.play("S: +OK *\nC: AUTH PLAIN\nS: + \nE:\nS: <closed>")
    assert is_over(world, player)


def test_a_wrong_password_takes_its_time_all_the_same() -> None:
    world = Pop3World()
    player = world.connect()
    player.play("S: +OK *\nC: USER bob\nS: +OK*\nC: PASS wrong\nE:\nS: <nothing>\nT: 60\nS: -ERR *\nS: <closed>")
    assert is_over(world, player)


def test_starttls_is_answered_and_no_handshake_awaited() -> None:
    world = Pop3World()
    player = world.connect()
    player.send(b"USER bob\r\nPASS wrong\r\nSTLS\r\n")
    end(player)
    world.clock.advance(60)
    assert is_over(world, player) and player.transport.tls_with is None
    assert player.transport.value().split(b"\r\n")[-2].startswith(b"+OK")


def test_who_reads_slowly_gets_all_answers() -> None:  # I3
    world = Pop3World()
    world.deliver(BIG)
    player = world.connect()
    player.protocol.pauseProducing()
    player.send(LOGIN + b"RETR 1\r\nNOOP\r\nQUIT\r\n")
    end(player)
    assert not player.transport.disconnecting
    player.protocol.resumeProducing()
    world.clock.pump([0] * 20)
    assert player.transport.value().count(b"\r\n..a line") == 10_000
    assert player.transport.value().endswith(b"\r\n+OK Bye, 1 messages left\r\n") and is_over(world, player)


def test_who_reads_nothing_is_cut_off() -> None:  # I3
    world = Pop3World()
    player = world.connect()
    player.protocol.pauseProducing()
    player.send(LOGIN)
    end(player)
    assert not player.transport.disconnecting
    world.clock.advance(601)
    assert is_over(world, player)


class Sockets(TestCase):
    timeout = 20

    async def setUp(self) -> None:
        clock: Any = reactor
        self.store = MemoryStore()
        self.factory = Pop3ServerFactory(portal(self.store, [checker()]), Pop3Settings(plaintext_login="always"), clock=clock)
        self.port = clock.listenTCP(0, self.factory, interface="127.0.0.1")
        account = await self.store.open_account("bob", FRESH_ACCOUNT)
        self.inbox = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
        await self.inbox.append([New(BIG, size=len(BIG))])

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop()

    async def converse(self, octets: bytes, window: int = 0) -> bytes:
        return await deferToThread(converse, self.port.getHost().port, octets, window=window)

    async def messages(self) -> int:
        return (await self.inbox.status()).messages

    async def test_quit_removes_and_is_answered(self) -> None:
        assert (await self.converse(LOGIN + b"DELE 1\r\nQUIT\r\n")).endswith(b"\r\n+OK Bye, 0 messages left\r\n")
        assert await self.messages() == 0

    async def test_without_quit_all_stays(self) -> None:
        assert (await self.converse(LOGIN + b"DELE 1\r\nQUIT")).endswith(b"\r\n+OK Marked as deleted\r\n")
        assert await self.messages() == 1

    async def test_who_reads_slowly_gets_all_answers(self) -> None:  # I3
        answers = await self.converse(LOGIN + b"RETR 1\r\n" * 20 + b"STAT\r\n", 4_096)
        assert answers.count(b"\r\n..a line") == 200_000 and answers.endswith(b"\r\n+OK 1 %d\r\n" % len(BIG))
