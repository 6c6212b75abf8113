"""What a POP3 user gets, and what nobody gets: sessions in memory with a clock of their own."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import MemoryTransport
from support.pop3world import Pop3World, checker, now
from support.transcripts import Player
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailframe.auth.realm import MailRealm, portal
from mailframe.interfaces.store import IMailbox
from mailframe.model.refusal import StorageFull, TryAgainLater
from mailframe.pop3.extension import Command, Conversation, Extension
from mailframe.pop3.extensions import EXTENSIONS
from mailframe.pop3.machine import State
from mailframe.pop3.reply import ok
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.pop3.settings import Pop3Settings
from mailframe.stores.memory import MemoryStore

LOGIN = b"USER bob\r\nPASS secret\r\n"


def say(player: Player, octets: bytes) -> bytes:
    """Send, and return all that comes back."""
    player.transport.clear()
    player.send(octets)
    return player.transport.value()


def logged_in(world: Pop3World, **where: Any) -> Player:
    player = world.connect(**where)
    assert b"+OK Maildrop" in say(player, LOGIN)
    return player


class Breaking:
    """A mailbox in which one method is another's."""

    def __init__(self, mailbox: IMailbox, **methods: Any) -> None:
        self._mailbox, self._methods = mailbox, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._mailbox, name)


class BreakingStore(MemoryStore):
    """Opens every mailbox with `methods` instead of its own."""

    def __init__(self, **methods: Any) -> None:
        super().__init__()
        self.methods = methods

    async def open_account(self, name: str, fresh: Any) -> Any:
        account = await super().open_account(name, fresh)

        async def open_mailbox(mailbox_id: str) -> Any:
            return Breaking(await account.open_mailbox(mailbox_id), **self.methods)

        return Breaking(account, open_mailbox=open_mailbox)


# Deletions (I1, P1)

def test_a_drop_before_quit_leaves_everything_as_it_was() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n", b"two\r\n")
    player = logged_in(world)
    say(player, b"DELE 1\r\nDELE 2\r\n")
    player.transport.drop(player.protocol)
    assert world.uids() == [1, 2]


def test_ok_to_quit_comes_only_when_the_removal_is_durable() -> None:
    commit: Deferred[Any] = Deferred()
    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"one\r\n")
    store.methods["expunge"] = lambda uids, only_deleted: commit
    player = logged_in(world)
    assert say(player, b"DELE 1\r\nQUIT\r\n").count(b"+OK") == 1
    commit.callback([1])
    assert player.transport.value().endswith(b"+OK Bye, 0 messages left\r\n")


def test_a_removal_that_fails_is_an_err_and_nothing_is_half_done() -> None:
    def full(uids: Any, only_deleted: bool) -> Any:
        raise StorageFull(detail="/secret/path")

    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"one\r\n", b"two\r\n")
    store.methods["expunge"] = full
    player = logged_in(world)
    answer = say(player, b"DELE 1\r\nQUIT\r\n")
    assert answer.endswith(b"-ERR [SYS/TEMP] Out of storage space, please try again later\r\n")
    assert world.uids() == [1, 2]
    player.transport.settle(player.protocol)
    assert player.transport.lost
    logged_in(world)


def test_all_removals_of_a_session_are_one_step() -> None:
    calls: list[Any] = []

    async def expunge(uids: Any, only_deleted: bool) -> Any:
        calls.append((list(uids), only_deleted))
        return uids

    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(*[b"x\r\n"] * 5)
    store.methods["expunge"] = expunge
    say(logged_in(world), b"DELE 5\r\nDELE 2\r\nDELE 4\r\nQUIT\r\n")
    assert calls == [([2, 4, 5], False)]


def test_nothing_is_removed_before_the_client_has_taken_what_it_asked_for_in_the_same_breath() -> None:
    world = Pop3World()
    world.deliver(b"x" * 300_000)
    player = logged_in(world)
    player.protocol.pauseProducing()
    player.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
    player.transport.drop(player.protocol)
    assert world.uids() == [1]


# The lock on a maildrop (P2)

def test_a_second_session_is_told_in_use_and_gets_in_when_the_first_has_gone() -> None:
    world = Pop3World()
    first, second = logged_in(world), world.connect()
    assert say(second, LOGIN).endswith(b"-ERR [IN-USE] Another session has this maildrop open\r\n")
    assert b"+OK Maildrop" in say(world.connect(), b"USER alice\r\nPASS pass word\r\n")
    first.transport.drop(first.protocol)
    assert b"+OK Maildrop" in say(second, LOGIN)


def test_the_lock_outlives_a_connection_that_drops_during_its_update() -> None:
    commit: Deferred[Any] = Deferred()
    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"one\r\n")
    store.methods["expunge"] = lambda uids, only_deleted: commit
    first = logged_in(world)
    say(first, b"DELE 1\r\nQUIT\r\n")
    first.transport.drop(first.protocol)
    assert b"[IN-USE]" in say(world.connect(), LOGIN)
    commit.callback([1])
    logged_in(world)


def test_the_lock_is_free_again_when_opening_the_maildrop_fails_or_the_client_leaves_meanwhile() -> None:
    waiting: list[Deferred[Any]] = []

    def status() -> Any:
        waiting.append(Deferred())
        return waiting[-1]

    store = BreakingStore(status=status)
    world = Pop3World(store=store)
    first = world.connect()
    say(first, LOGIN)
    waiting[0].errback(TryAgainLater())
    assert b"-ERR [SYS/TEMP] Temporary failure" in first.transport.value()
    say(first, LOGIN)
    first.transport.drop(first.protocol)
    store.methods.clear()
    logged_in(world)


# Messages

def test_pipelined_answers_are_one_write() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n", b"two\r\n")
    player = logged_in(world)
    player.transport.writes.clear()
    player.send(b"STAT\r\nRETR 1\r\nNOOP\r\nRETR 2\r\n")
    assert player.transport.writes == [b"+OK 2 10\r\n+OK 5 octets\r\none\r\n.\r\n+OK\r\n+OK 5 octets\r\ntwo\r\n.\r\n"]


def test_mail_that_arrives_later_is_not_in_this_session() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n")
    player = logged_in(world)
    world.deliver(b"two\r\n")
    assert say(player, b"STAT\r\n") == b"+OK 1 5\r\n"


def test_a_message_removed_by_another_session_is_an_err_for_itself_alone() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n", b"two\r\n")
    player = logged_in(world)
    now(world.inbox().expunge([1], False))
    world.inbox()._gone.clear()  # type: ignore[attr-defined]  # its grace is over
    gone = b"-ERR [SYS/TEMP] Another session has removed this message\r\n"
    assert say(player, b"RETR 1\r\nTOP 1 0\r\nRETR 2\r\n") == gone + gone + b"+OK 5 octets\r\ntwo\r\n.\r\n"
    assert say(player, b"DELE 1\r\nQUIT\r\n").endswith(b"+OK Bye, 1 messages left\r\n")


def test_large_messages_go_out_in_slices_as_the_client_takes_them() -> None:
    reads: list[int] = []
    store = BreakingStore()
    world = Pop3World(store=store)
    body = b".line\r\n" * 100_000
    world.deliver(body)
    inbox = world.inbox()
    original = inbox.read

    async def read(uid: int, offset: int, size: int) -> bytes:
        reads.append(offset)
        return await original(uid, offset, size)

    store.methods["read"] = read
    player = logged_in(world)
    player.protocol.pauseProducing()          # the client's window is full
    assert say(player, b"RETR 1\r\n") == b"+OK 700000 octets\r\n" or len(reads) == 1
    assert reads == [0]                       # I3: no more is read than the client takes
    player.protocol.resumeProducing()
    player.protocol.pauseProducing()
    player.protocol.resumeProducing()
    assert reads == [0, 262_144, 524_288, 700_000]
    assert player.transport.value() == b"+OK 700000 octets\r\n" + b"..line\r\n" * 100_000 + b".\r\n"


def test_what_arrives_while_the_last_answer_is_taken_slowly_is_answered() -> None:  # I3
    player = logged_in(Pop3World())
    player.protocol.pauseProducing()
    player.send(b"STAT\r\n")
    player.send(b"NOOP\r\n")
    player.protocol.resumeProducing()
    assert player.transport.value().endswith(b"+OK 0 0\r\n+OK\r\n")


def test_top_of_a_large_message_reads_no_more_than_it_shows() -> None:
    world = Pop3World()
    world.deliver(b"A: b\r\n" * 5000 + b"\r\n" + b".line\r\n" * 100_000)
    player = logged_in(world)
    assert say(player, b"TOP 1 2\r\n") == b"+OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n..line\r\n..line\r\n.\r\n"
    assert say(player, b"TOP 1 999999999\r\n").endswith(b"..line\r\n.\r\n")


def test_a_store_that_fails_in_the_middle_of_a_message_ends_the_connection_not_the_message() -> None:
    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"x" * 600_000)
    original = world.inbox().read

    async def read(uid: int, offset: int, size: int) -> bytes:
        if offset:
            raise TryAgainLater(detail="disk")
        return await original(uid, offset, size)

    store.methods["read"] = read
    player = logged_in(world)
    answer = say(player, b"RETR 1\r\n")
    assert b"-ERR" not in answer and not answer.endswith(b"\r\n.\r\n")
    assert player.transport.lost


def test_a_listing_of_many_messages_is_whole() -> None:
    world = Pop3World()
    world.deliver(*[b"x\r\n"] * 9000)
    player = world.connect()
    say(player, LOGIN)
    for _ in range(3):
        world.clock.advance(0)                # the snapshot is taken in batches, others have their turn between
    assert b"+OK Maildrop has 9000" in player.transport.value()
    say(player, b"DELE 4097\r\n")
    lines = say(player, b"LIST\r\n").split(b"\r\n")
    assert lines[1:9000] == [b"%d 3" % n for n in range(1, 9001) if n != 4097] and lines[9000:] == [b".", b""]
    assert say(player, b"UIDL\r\n").count(b"\r\n") == 9001


# Faults of plugins (I7, I8)

def test_a_crash_in_a_store_costs_one_answer_and_tells_nothing() -> None:
    def read(uid: int, offset: int, size: int) -> Any:
        raise ZeroDivisionError("/secret/path")

    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"one\r\n")
    store.methods["read"] = read
    player = logged_in(world)
    answer = say(player, b"RETR 1\r\nNOOP\r\n")
    assert answer == b"-ERR [SYS/TEMP] Internal error, please try again later\r\n+OK\r\n"


def test_a_checker_that_never_answers_costs_a_temporary_failure() -> None:
    class Silent:
        credentialInterfaces = (IUsernamePassword,)

        def requestAvatarId(self, credentials: object) -> Deferred[bytes]:
            return Deferred()

    world = Pop3World(login_timeout_s=60.0)
    world.factory._portal = portal(world.store, [Silent()])  # type: ignore[list-item]
    player = world.connect()
    say(player, LOGIN)
    world.clock.advance(60)
    assert player.transport.value().endswith(b"-ERR [SYS/TEMP] Temporary failure, please try again later\r\n")
    assert say(player, b"PASS x\r\n") == b"-ERR Say USER first\r\n"


# Guessing, flooding, silence

def test_wrong_passwords_are_delayed_and_after_three_the_connection_ends() -> None:
    world = Pop3World()
    player = world.connect()
    for attempt in range(3):
        assert say(player, b"USER bob\r\nPASS wrong\r\n").count(b"\r\n") == 1
        world.clock.advance(1)
        assert player.transport.value().endswith(b"-ERR [AUTH] Wrong user name or password\r\n")
        player.transport.settle(player.protocol)
        assert player.transport.lost == (attempt == 2)


def test_unknown_users_and_names_that_cannot_be_are_answered_alike() -> None:
    answers = set()
    for words in (b"USER bob\r\nPASS wrong\r\n", b"USER nobody\r\nPASS secret\r\n", b"USER \xff\r\nPASS secret\r\n",
                  b"USER bob\r\nPASS \x01\r\n"):
        world = Pop3World()
        player = world.connect()
        before = say(player, words)
        world.clock.advance(1)
        answers.add((before, player.transport.value()))
    assert len(answers) == 1


def test_passwords_are_taken_only_where_nobody_listens() -> None:
    for where, ip, encrypted, allowed in (
        ("tls", "127.0.0.1", False, False), ("tls", "192.0.2.7", True, True), ("loopback", "127.0.0.1", False, True),
        ("loopback", "192.0.2.7", False, False), ("loopback", "::1", False, True), ("always", "192.0.2.7", False, True),
    ):
        player = Pop3World(plaintext_login=where).connect(ip, encrypted=encrypted)
        capabilities = say(player, b"CAPA\r\n")
        assert (b"USER" in capabilities, b"SASL PLAIN LOGIN" in capabilities) == (allowed, allowed)
        assert (b"+OK Maildrop" in say(player, LOGIN)) == allowed
        assert allowed or b"-ERR No such authentication" in say(player, b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n")


def test_octets_behind_stls_in_the_clear_close_the_connection() -> None:
    player = Pop3World().connect()
    assert say(player, b"STLS\r\nUSER bob\r\n") == b""  # I5: not even an answer
    assert player.transport.lost and player.transport.tls_with is None


def test_without_a_certificate_there_is_no_stls() -> None:
    player = Pop3World(tls=None).connect()
    assert b"STLS" not in say(player, b"CAPA\r\n")
    assert say(player, b"STLS\r\n") == b"-ERR TLS is not available\r\n"


def test_silence_ends_the_session_after_ten_minutes_without_an_answer_or_a_removal() -> None:
    world = Pop3World()
    world.deliver(b"one\r\n")
    player = logged_in(world)
    say(player, b"DELE 1\r\n")
    world.clock.advance(599)
    assert say(player, b"NOOP\r\n") == b"+OK\r\n"
    world.clock.advance(599)
    assert not player.transport.disconnecting
    player.transport.clear()
    world.clock.advance(1)
    assert player.transport.disconnecting and player.transport.value() == b""
    player.transport.settle(player.protocol)
    assert world.uids() == [1]
    logged_in(world)


def test_a_client_that_reads_nothing_is_held_back_then_cut() -> None:
    world = Pop3World()
    world.deliver(b"x" * 1000)
    player = logged_in(world)
    player.protocol.pauseProducing()
    for _ in range(100):
        player.send(b"RETR 1\r\n" * 100)
    assert len(player.transport.value()) < 200_000           # I3
    assert player.transport.producerState == "paused"       # nor do we read on
    world.clock.advance(600)
    assert player.transport.disconnected or player.transport.lost


def test_long_lines_and_many_errors() -> None:
    player = Pop3World().connect()
    assert say(player, b"x" * 100_000 + b"\r\n") == b"-ERR Line is too long\r\n"
    assert say(player, b"USER " + b"x" * 600 + b"\r\n") == b"-ERR Line is too long\r\n"
    assert say(player, b"FOO\r\n" * 30).count(b"\r\n") == 18
    assert player.transport.lost


def test_connections_are_limited_in_all_and_for_each_address() -> None:
    world = Pop3World(max_connections=3, max_connections_per_ip=2)
    players = [world.connect("192.0.2.1"), world.connect("192.0.2.1")]
    refused = world.connect("192.0.2.1")
    assert refused.transport.value() == b"-ERR [SYS/TEMP] Too many connections, try again later\r\n" and refused.transport.lost
    world.connect("192.0.2.2")
    assert world.connect("192.0.2.3").transport.lost
    players[0].transport.drop(players[0].protocol)
    assert not world.connect("192.0.2.1").transport.lost


def test_a_stopping_server_hangs_up_but_finishes_updates() -> None:
    commit: Deferred[Any] = Deferred()
    store = BreakingStore()
    world = Pop3World(store=store)
    world.deliver(b"one\r\n")
    store.methods["expunge"] = lambda uids, only_deleted: commit
    busy, idle = logged_in(world), world.connect()
    say(busy, b"DELE 1\r\nQUIT\r\n")
    stopped = Deferred.fromCoroutine(world.factory.stop())
    idle.transport.settle(idle.protocol)
    assert idle.transport.lost and not busy.transport.disconnecting and not stopped.called
    commit.callback([1])
    assert busy.transport.value().endswith(b"left\r\n")
    busy.transport.settle(busy.protocol)
    assert stopped.called


@pytest.mark.parametrize(("key", "value"), [
    ("banner", "<1.2@x> ready"), ("banner", "two\nlines"), ("plaintext_login", "never"), ("idle_timeout_s", 0),
    ("auth_failure_delay_s", -1),
])
def test_wrong_settings_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        Pop3Settings(**{key: value})


def test_the_realm_is_told_when_a_user_leaves() -> None:
    class Realm:
        left = 0

        def requestAvatar(self, name: bytes, mind: object, *interfaces: Any) -> Any:
            interface, avatar, _ = MailRealm(MemoryStore()).requestAvatar(name, mind, *interfaces)
            return interface, avatar, self.leave

        def leave(self) -> None:
            self.left += 1

    realm, clock = Realm(), Clock()
    factory = Pop3ServerFactory(Portal(realm, [checker()]), Pop3Settings(plaintext_login="always"), clock=clock)
    player = Player(factory.buildProtocol(None), MemoryTransport(), clock)
    assert b"+OK Maildrop" in say(player, LOGIN)
    assert realm.left == 0
    player.transport.drop(player.protocol)
    assert realm.left == 1


# Extensions are values

def test_a_third_partys_command_stands_beside_ours_and_may_replace_one() -> None:
    async def xecho(conversation: Conversation, argument: bytes) -> bytes:
        await conversation.write(ok(b"so you say"))
        return b"%b %d\r\n.\r\n" % (argument, conversation.maildrop.count)

    async def noop(conversation: Conversation, argument: bytes) -> bytes:
        return ok(b"ours")

    mine = Extension(
        rfc="none", capability=b"XECHO", offered=lambda conversation: conversation.machine.state is State.TRANSACTION,
        commands=(Command(b"XECHO", State.TRANSACTION, xecho), Command(b"NOOP", State.ANY, noop, bare=True)),
    )
    world = Pop3World()
    world.factory = Pop3ServerFactory(
        portal(world.store, [checker()]), world.settings, clock=world.clock, extensions=(*EXTENSIONS, mine))
    player = world.connect()
    assert b"XECHO" not in say(player, b"CAPA\r\n")
    assert say(player, b"XECHO hi\r\n") == b"-ERR Log in first\r\n"
    say(player, LOGIN)
    assert b"XECHO\r\n" in say(player, b"CAPA\r\n")
    assert say(player, b"xecho hi\r\nNOOP\r\n") == b"+OK so you say\r\nhi 0\r\n.\r\n+OK ours\r\n"


def test_a_client_whose_address_cannot_be_said_is_not_taken_for_a_local_one() -> None:
    world = Pop3World(plaintext_login="loopback")
    for address, allowed in ((None, False), (UNIXAddress(b"/run/pop3"), True)):
        player = Player(world.factory.buildProtocol(address), MemoryTransport(), world.clock)
        assert (b"+OK Maildrop" in say(player, LOGIN)) == allowed


# I4

_WORDS = st.sampled_from([
    b"USER bob\r\n", b"PASS secret\r\n", b"STAT\r\n", b"RETR 1\r\n", b"TOP 2 1\r\n", b"LIST\r\n", b"DELE 2\r\n", b"RSET\r\n",
    b"CAPA\r\n", b"AUTH PLAIN\r\n", b"AGJvYgBzZWNyZXQ=\r\n", b"*\r\n", b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n", b"x" * 700 + b"\r\n",
    b"\r\n", b"NOOP\n", b"UIDL\r\n", b"y" * 13_000 + b"\r\n", b"QUIT\r\n",
])


def converse(pieces: list[bytes]) -> tuple[bytes, list[int], bool]:
    world = Pop3World(auth_failure_delay_s=0.0)
    world.deliver(b"A: b\r\n\r\n.one\r\ntwo", b"B: c\r\n\r\nthree\r\n.\r\nfour\r\n")
    player = world.connect()
    for piece in pieces:
        if not player.transport.lost:
            player.send(piece)
            world.clock.advance(0)
            player.transport.settle(player.protocol)
    for _ in range(20):
        world.clock.advance(0)
    return player.transport.value(), world.uids(), player.transport.lost


@settings(max_examples=40, deadline=None)
@given(st.lists(_WORDS, max_size=12), st.lists(st.integers(0, 500), max_size=10))
def test_the_network_may_cut_anywhere(words: list[bytes], places: list[int]) -> None:
    wire = LOGIN * (len(places) % 2) + b"".join(words)
    edges = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    assert converse([wire[a:b] for a, b in itertools.pairwise(edges)]) == converse([wire])
