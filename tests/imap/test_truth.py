"""Several sessions on one mailbox at once: what a client can know from the octets alone is what is (I6, RFC 3501 section 7.4.1)."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_mirror import RECENT, Mirror
from support.imap_world import NOW, Client, World, run
from support.stumbling import stumbling
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailbox, IModSequenced
from mailframe.model.flags import flag_names
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore

PLAIN = (
    "NOOP", "CHECK", "EXPUNGE", "CLOSE", "UNSELECT", "EXAMINE", "IDLE", "IDLE", "DELIVER", "DELIVER", "PIPE",
    "AHEAD {n}", "AHEAD {n}",
    "FETCH {n} (UID FLAGS)", "FETCH {n}:* (UID FLAGS INTERNALDATE)", "UID FETCH {u}:* (FLAGS RFC822.SIZE)", "FETCH {n} BODY[]",
    "UID FETCH {u} (UID BODY[TEXT])", "FETCH {n} BODY.PEEK[HEADER]", "FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
    "UID FETCH 4294967295:1 FLAGS",
    "STORE {n} +FLAGS (\\Deleted)", "STORE {n} FLAGS (\\Seen $Odd)", "STORE {n} -FLAGS.SILENT (\\Seen)",
    "UID STORE {u} +FLAGS.SILENT (\\Flagged $Even)", "STORE 1:* +FLAGS.SILENT (\\Answered)", "UID STORE 1:* -FLAGS (\\Answered)",
    "STORE {n} FLAGS.SILENT (\\Deleted)", "UID STORE {u}:* +FLAGS (\\Deleted)",
    "SEARCH ALL", "SEARCH UNDELETED", "SEARCH SUBJECT 1", "UID SEARCH UID {u}:*", "SORT (REVERSE ARRIVAL) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL", "SEARCH RETURN (SAVE COUNT) UNSEEN", "UID FETCH $ FLAGS",
    "COPY {n} INBOX", "COPY {n}:* Archive", "UID COPY {u} Archive", "MOVE {n} Archive", "UID MOVE {u} INBOX", "MOVE {n} INBOX",
    "UID EXPUNGE {u}", "UID EXPUNGE 1:*", "APPEND INBOX", "APPEND INBOX", "APPEND Archive",
    "REPLACE {n} INBOX", "UID REPLACE {u} INBOX", "REPLACE {n} Archive",
    "STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
)
CONDITIONAL = (
    *PLAIN, "STORE {n} (UNCHANGEDSINCE {q}) +FLAGS.SILENT (\\Draft)", "UID STORE {u} (UNCHANGEDSINCE {q}) FLAGS (\\Draft $Odd)",
    "UID FETCH 1:* (FLAGS) (CHANGEDSINCE {q})", "FETCH {n} (FLAGS MODSEQ)", "SEARCH MODSEQ {q}", "STATUS INBOX (HIGHESTMODSEQ)",
)
RESYNCING = (*CONDITIONAL, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE {q} VANISHED)", "RESYNC")
BY_UID = (
    *(operation for operation in RESYNCING if "{n}" not in operation and not operation.startswith(
        ("FETCH", "STORE", "SEARCH", "SORT", "THREAD", "COPY", "MOVE"))),
    "UID SEARCH RETURN (SAVE) ALL", "UID FETCH $ (UID FLAGS)",
)
KINDS = (PLAIN, CONDITIONAL, RESYNCING, BY_UID)
ENABLES = ("", "CONDSTORE", "QRESYNC", "QRESYNC UIDONLY")
BY_NUMBER = re.compile(r"(?:FETCH|STORE|UID SEARCH) \d")
REFUSED = re.compile(rb"|CANNOT|EXPUNGEISSUED|NONEXISTENT")


class Peer:
    """One client and what it believes. It does with INBOX what it is told to, one command or a pipeline at a time."""

    def __init__(self, client: Client, world: Truth, kind: int) -> None:
        self.client, self.world, self.kind = client, world, kind
        self.mirror = Mirror()
        self.read_only = False
        self._tags = 0
        self._seen = len(client.responses)
        self._queue: list[tuple[bytes, str]] = []
        self._appended = b""

    async def start(self) -> None:
        if self.kind:
            await self.say("ENABLE " + ENABLES[self.kind])
            self.mirror.condstore, self.mirror.qresync, self.mirror.uid_only = True, self.kind >= 2, self.kind == 3
        await self.select("SELECT INBOX")

    async def select(self, command: str) -> None:
        self.mirror.forget()
        self.read_only = command.startswith("EXAMINE")
        await self.say(command)
        if self.world.alone:
            status = await self.world.mailbox.status()
            assert self.mirror.uidnext == status.uidnext and self.mirror.uidvalidity == status.uidvalidity
            assert len(self.mirror.messages) == status.messages
            assert not self.world.modseqs or self.mirror.highest_modseq == status.highest_modseq
        if self.mirror.messages:
            await self.say(self.all_flags)

    @property
    def all_flags(self) -> str:
        return "UID FETCH 1:* (FLAGS)" if self.mirror.uid_only else "FETCH 1:* (UID FLAGS)"

    async def do(self, operation: str, number: int) -> None:
        """One step of the story; what makes no sense in the present state is passed over."""
        if self.mirror.command == "IDLE":
            await self.done()
        mirror = self.mirror
        if not mirror.messages and ("{n}" in operation or operation.startswith(("FETCH", "STORE", "COPY", "MOVE", "REPLACE"))):
            return
        match operation:
            case "IDLE":
                await self._idle()
            case "DELIVER":
                await self.world.deliver()
            case "CLOSE" | "UNSELECT":
                await self.say(operation)
                await self.select("SELECT INBOX")
            case "EXAMINE":
                await self.select("EXAMINE INBOX")
            case "RESYNC":
                await self._resync()
            case "PIPE":
                await self.say("NOOP", "UID FETCH 1:* FLAGS", "CHECK", "UID SEARCH ALL")
            case "AHEAD {n}":
                await self._ahead(number % len(mirror.messages) + 1)
            case _:
                await self._command(operation, number)

    async def _ahead(self, number: int) -> None:
        """Commands by number behind some that may tell of expunges."""
        await self.say("NOOP", f"FETCH {number} (UID FLAGS)", "UID SEARCH ALL", "CHECK", f"STORE {number} +FLAGS (\\Flagged)",
                       "UID FETCH 1:* FLAGS", f"UID SEARCH {number}", "NOOP")

    async def _command(self, operation: str, number: int) -> None:
        mirror, uids = self.mirror, self.mirror.uids
        place = number % max(len(mirror.messages), 1)
        uid = uids[number % len(uids)] if uids else 1
        command = operation.format(n=place + 1, u=uid, q=max(mirror.highest_modseq - number % 3, 1))
        if "APPEND" in operation or "REPLACE" in operation:
            self._appended = self.world.message()
            command += f" ($Even) {{{len(self._appended)}+}}\r\n{self._appended.decode()}"
        if ".SILENT" in operation and not self.read_only:
            self._believe_stored(operation, command, place, uid)
        await self.say(command)

    def _believe_stored(self, operation: str, command: str, place: int, uid: int) -> None:
        found = re.search(r"([+-]?)FLAGS\.SILENT \((.*)\)", command)
        assert found is not None
        for number, known in enumerate(self.mirror.messages, 1):
            if "UNCHANGEDSINCE" in operation:
                known.flags = None              # until it is told, or asks
            elif "1:*" in operation or (known.uid == uid if "{u}" in operation else number == place + 1):
                self.mirror.stored(number, found[1], frozenset(found[2].encode().split()))

    async def _idle(self) -> None:
        self._tags += 1
        self._queue.append((b"t%d" % self._tags, "IDLE"))
        self.mirror.begin("IDLE")
        self.client.send(b"t%d IDLE\r\n" % self._tags)
        await self.client.until(rb"\+ [^\r\n]*\r\n")
        await self.absorb()

    async def done(self) -> None:
        """End IDLE."""
        tag, _ = self._queue[0]
        self.client.send(b"DONE\r\n")
        await self._until(tag)

    async def _resync(self) -> None:
        """As a client that was away and kept what it knew (RFC 7162 section 3.2.5)."""
        known, validity, modseq = self.mirror.messages, self.mirror.uidvalidity, self.mirror.highest_modseq
        await self.say("UNSELECT")
        # Up to the first one that it has never fetched: what lies behind is new to it.
        self.mirror.messages = list(takewhile(lambda message: message.uid and message.flags is not None, known))
        self.read_only = False
        uids = ",".join(str(message.uid) for message in self.mirror.messages)
        await self.say(f"SELECT INBOX (QRESYNC ({validity} {modseq}{' ' + uids if uids else ''}))", resync=True)

    async def say(self, *commands: str, resync: bool = False) -> None:
        """Send these at once and take in all answers."""
        lines = []
        for command in commands:
            self._tags += 1
            self._queue.append((b"t%d" % self._tags, command))
            lines.append(b"t%d %s\r\n" % (self._tags, command.encode()))
        self.mirror.begin(commands[0])
        self.client.send(b"".join(lines))
        await self._until(self._queue[-1][0], resync)

    async def _until(self, tag: bytes, resync: bool = False) -> None:
        await self.client.until(re.escape(tag) + rb" [^\r\n]*\r\n")
        await self.absorb(resync)

    async def absorb(self, resync: bool = False) -> None:
        """Believe what came."""
        responses, self._seen = self.client.responses[self._seen:], len(self.client.responses)
        if resync:
            responses = self._exists_last(responses)
        for response in responses:
            if response.kind in (b"EXPUNGE", b"VANISHED"):
                later = [command for _, command in self._queue[1:] if BY_NUMBER.match(command)]
                assert not later, f"{response} told to a client that has sent {later}"
            self.mirror.told(response)
            if response.code == b"COPYUID":
                await self.world.same(self._queue[0][1], *response.code_value)
            if response.code == b"APPENDUID":
                await self.world.appended(self._queue[0][1], self._appended, *response.code_value)
            if response.tag in (b"*", b"+"):
                continue
            tag, command = self._queue.pop(0)
            assert response.tag == tag, (response, tag)
            assert response.kind == b"OK" or (response.kind == b"NO" and REFUSED.fullmatch(response.code)), (command, response)
            settled = response.kind == b"OK" and not self._queue        # what was sent behind it has changed things since
            await self.world.check(self, command if settled else "")
            self.mirror.begin(self._queue[0][1] if self._queue else "")

    def _exists_last(self, responses: list[Any]) -> list[Any]:
        """A client that comes back applies VANISHED to what it kept, before EXISTS tells it how much it does not know."""
        order = {b"EXISTS": 0, b"RECENT": 1, b"FETCH": 2, b"UIDFETCH": 2}
        late = [response for response in responses if response.kind in order or response.tag not in b"*+"]
        first = [response for response in responses if response not in late]
        return first + sorted(late, key=lambda response: order.get(response.kind, 3))


class Truth:
    """The server, and what it really holds. `alone`: nothing else goes on while a command runs."""

    def __init__(self, world: World, store: Any, alone: bool) -> None:
        self.world, self.store, self.alone = world, store, alone
        self.peers: list[Peer] = []
        self.boxes: dict[str, IMailbox] = {}
        self.modseqs = False
        self._count = 0

    async def start(self, kinds: tuple[int, ...]) -> None:
        account = await self.store.open_account("alice", FRESH_ACCOUNT)
        for info in (await account.mailboxes()).mailboxes:
            self.boxes[info.name] = await account.open_mailbox(info.id)
        self.modseqs = IModSequenced.providedBy(self.mailbox)
        for _ in range(4):
            await self.deliver()
        for kind in kinds:
            self.peers.append(Peer(await self.world.login(), self, kind if self.modseqs else 0))
            await self.peers[-1].start()

    @property
    def mailbox(self) -> IMailbox:
        return self.boxes["INBOX"]

    def message(self) -> bytes:
        self._count += 1
        return b"From: a@example.org\r\nSubject: number %d\r\n\r\nbody %d\r\n" % (self._count, self._count)

    async def deliver(self) -> None:
        """As the dispatcher does."""
        octets = self.message()
        await self.mailbox.append([New(octets, date=NOW, size=len(octets))])

    async def same(self, command: str, validity: int, old: bytes, new: bytes) -> None:
        """COPYUID names, pairwise, messages with the same octets (RFC 4315 section 3)."""
        target = self.boxes["Archive" if command.endswith("Archive") else "INBOX"]
        assert validity == (await target.status()).uidvalidity
        pairs = list(zip(numbers(old), numbers(new), strict=True))
        assert pairs
        for was, now in pairs:
            assert await self.mailbox.read(was, 0, 1_000) == await target.read(now, 0, 1_000), (command, was, now)

    async def appended(self, command: str, octets: bytes, validity: int, uid: bytes) -> None:
        target = self.boxes["Archive" if " Archive " in command else "INBOX"]
        assert validity == (await target.status()).uidvalidity
        assert await target.read(int(uid), 0, 1_000) == octets

    async def state(self) -> list[tuple[int, frozenset[bytes], int]]:
        """UID, flags and mod-sequence of every message."""
        fields = Field.FLAGS | Field.MODSEQ if self.modseqs else Field.FLAGS
        rows = await self.mailbox.rows([(1, MAX_UID)], 100_000, fields)
        words = await self.mailbox.keywords(())
        modseqs = rows.modseqs or [0] * len(rows)
        return [(uid, frozenset(flag_names(mask, words)), modseq) for uid, mask, modseq in zip(rows.uids, rows.flags, modseqs)]

    async def check(self, peer: Peer, command: str) -> None:
        """What holds whenever a command has ended."""
        mirror = peer.mirror
        if not mirror.uidvalidity:
            return
        if self.modseqs and mirror.highest_modseq:
            await self._promise_kept(mirror, command)
        if not self.alone:
            return
        if command.startswith("STATUS"):
            status = await self.mailbox.status()
            known = {b"MESSAGES": status.messages, b"UIDNEXT": status.uidnext, b"UNSEEN": status.unseen,
                     b"HIGHESTMODSEQ": status.highest_modseq}
            assert all(known[item] == value for item, value in mirror.status[1].items()), (mirror.status, known)
        if command in ("NOOP", "CHECK", "EXPUNGE") or command.startswith(("UID EXPUNGE", "UID MOVE", "MOVE")):
            await self.agrees(peer)
        if command == "UID SEARCH ALL":
            assert mirror.searched == [uid for uid, _, _ in await self.state()][:len(mirror.messages)]

    async def _promise_kept(self, mirror: Mirror, command: str) -> None:
        """All up to the HIGHESTMODSEQ that was told is known: expunges above all (I6, RFC 7162 section 3.1.2)."""
        promised = mirror.highest_modseq
        there = {uid: (flags, modseq) for uid, flags, modseq in await self.state()}
        changes = await self.mailbox.changes(promised)      # after it: what goes in between is then in both
        assert changes is not None
        for known in mirror.messages:
            if known.uid and known.uid not in there:
                assert known.uid in changes.vanished, f"after {command!r}: UID {known.uid} went before {promised}, untold"
            if known.uid in there and known.flags is not None:
                flags, modseq = there[known.uid]
                assert known.flags == flags or modseq > promised, (command, promised, known, flags, modseq)

    async def agrees(self, peer: Peer) -> None:
        """The client's picture is the truth, as far as it was painted."""
        truth, mirror = await self.state(), peer.mirror
        assert len(mirror.messages) == len(truth), (mirror.messages, truth)
        if mirror.uid_only:
            truth = [each for each in truth if each[0] in mirror.uids]
            assert len(truth) == len(mirror.uids), (mirror.uids, truth)
        for known, (uid, flags, modseq) in zip(mirror.messages, truth):
            assert known.uid in (0, uid), (known, uid)
            assert known.flags in (None, flags - {RECENT}), (known, uid, flags)
            if peer.kind:
                assert known.modseq in (0, modseq) or known.flags is None, (known, uid, modseq)


def numbers(told: bytes) -> list[int]:
    found = []
    for part in told.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


Round = list[tuple[int, int, int]]      # who, which operation, which message: all of a round at once


async def live(truth: Truth, rounds: list[Round], kinds: tuple[int, ...]) -> None:
    await truth.start(kinds)
    for each in rounds:
        busy: dict[int, Any] = {}
        for who, operation, number in each:
            peer = truth.peers[who % len(truth.peers)]
            if who % len(truth.peers) in busy:
                continue
            operations = KINDS[peer.kind]
            busy[who % len(truth.peers)] = Deferred.fromCoroutine(peer.do(operations[operation % len(operations)], number))
        await gatherResults(busy.values(), consumeErrors=True)
    truth.alone = True
    for peer in truth.peers:
        if peer.mirror.command == "IDLE":
            await peer.done()
        await peer.say("NOOP")
        await truth.agrees(peer)
        if peer.mirror.messages:
            await peer.say(peer.all_flags)
            assert all(known.uid and known.flags is not None for known in peer.mirror.messages)
            await truth.agrees(peer)


STEP = st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 9))
ONE_BY_ONE = st.lists(st.lists(STEP, min_size=1, max_size=1), max_size=30)
AT_ONCE = st.lists(st.lists(STEP, min_size=1, max_size=4), max_size=14)
ALL_KINDS = (0, 1, 2, 3)


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=40, deadline=None)
@given(ONE_BY_ONE)
def test_one_after_the_other(store: type, rounds: list[Round]) -> None:
    inner = store()
    run(lambda world: live(Truth(world, inner, True), rounds, ALL_KINDS), World(inner))


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=40, deadline=None)
@given(AT_ONCE, st.integers(0, 1 << 30))
def test_all_at_once_over_a_store_that_stumbles(store: type, rounds: list[Round], seed: int) -> None:
    stumble(store(), rounds, seed)


def stumble(inner: Any, rounds: list[Round], seed: int) -> None:
    clock = Clock()
    clock.rightNow = float(NOW)
    world = World(stumbling(inner, Random(seed), clock), clock=clock)
    run(lambda world: live(Truth(world, inner, False), rounds, ALL_KINDS), world)


def story(random: Random, length: int, crowd: int) -> list[Round]:
    return [[(random.randrange(4), random.randrange(61), random.randrange(10)) for _ in range(crowd)] for _ in range(length)]


def test_long_stories(request: pytest.FixtureRequest) -> None:
    for seed in range(2_000 if request.config.getoption("--long") else 12):
        random = Random(seed)
        try:
            stumble(BareStore() if seed % 4 == 3 else MemoryStore(), story(random, 60, 3), seed)
        except BaseException:
            print(f"seed {seed}")
            raise


class OverSqlite(TestCase):
    """The same over the durable store, whose commits come from a thread."""

    timeout = 120

    async def test_stories(self) -> None:
        for seed in range(6):
            await self.tell(seed)

    async def tell(self, seed: int) -> None:
        clock: Any = reactor
        with TemporaryDirectory() as folder:
            store = SqliteStore(Engine(Path(folder) / "mail.sqlite", clock, name="test"), clock)
            await store.start()
            world = World(store, clock=clock)
            try:
                await live(Truth(world, store, seed % 2 == 0), story(Random(seed), 40, 1 if seed % 2 == 0 else 3), ALL_KINDS)
                assert not world.faults, world.faults
            finally:
                world.close()
                await store.close()
