"""Several sessions change several mailboxes; one that never asks, but NOTIFY, knows in the end how things stand (RFC 5465, I6)."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.imap_mirror import RECENT, Mirror
from support.imap_strict import Response
from support.imap_world import NOW, Client, World, run
from support.stumbling import stumbling
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from mailframe.imap.names import all_parents
from mailframe.imap.settings import ImapSettings
from mailframe.model.flags import flag_names
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore

NAMES = ("INBOX", "A", "A/x", "A/y", "B", "B/x", "Trash")
OTHERS = (
    "CREATE {a}", "CREATE {a}", "DELETE {a}", "RENAME {a} {b}", "RENAME {a} {b}", "SUBSCRIBE {a}", "UNSUBSCRIBE {a}",
    "APPEND {a} {{1+}}\r\nx", "APPEND {a} (\\Seen) {{1+}}\r\nx {{1+}}\r\ny", "DELIVER", "DELIVER", "SELECT {a}", "SELECT {a}",
    "UID STORE 1:{u} +FLAGS.SILENT (\\Deleted)", "UID STORE {u} FLAGS.SILENT (\\Seen)", "UID STORE {u}:* FLAGS (\\Flagged $k)",
    "EXPUNGE", "UID COPY {u}:* {a}", "UID MOVE {u} {a}", "CLOSE", "NOOP",
)
OWN = ("NOOP", "IDLE", "IDLE", "SELECT {a}", "SELECT {a}", "UNSELECT", "UID FETCH 1:* (UID FLAGS)", "FETCH 1:* (FLAGS)", "REST")
GROUPS = (
    "({s} (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
    "(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))",
    "({s} (MessageNew MessageExpunge FlagChange)) (subtree (INBOX A B Trash Drafts Sent Junk Archive) "
    "(MessageNew MessageExpunge FlagChange)) (inboxes (MailboxName)) (subtree Nowhere NONE) (personal (SubscriptionChange))",
)


class Listener:
    """What a client knows that listens."""

    def __init__(self, client: Client, specifier: str, groups: str, resyncs: bool) -> None:
        self.client, self.specifier, self.groups = client, specifier, groups
        self.mirror = Mirror(condstore=True, qresync=resyncs)
        self.children: dict[str, bool] = {}         # of each name, whether it has some
        self.subscribed: set[str] = set()
        self.counts: dict[str, dict[bytes, int]] = {}
        self.selected = ""
        self._tags = 0
        self._seen = len(client.responses)

    async def start(self) -> None:
        await self.say("ENABLE IMAP4rev2 " + ("QRESYNC" if self.mirror.qresync else "CONDSTORE"))
        await self.say("NOTIFY SET STATUS " + self.groups.format(s=self.specifier))
        await self.say('LIST "" * RETURN (SUBSCRIBED)')

    async def do(self, operation: str, name: str) -> None:
        await self.done()
        if "FETCH" in operation and not self.mirror.messages:
            return
        if operation == "IDLE":
            self.mirror.begin("IDLE")
            self.client.send(b"i IDLE\r\n")
            await self.client.until(rb"\+ [^\r\n]*\r\n")
        elif operation.startswith("SELECT"):
            await self.say(f'SELECT "{name}"')
            if self.selected:
                self.selected = name
                if self.mirror.messages:
                    await self.say("FETCH 1:* (UID FLAGS)")
        elif operation == "UNSELECT" and self.selected:
            await self.say("UNSELECT")
        elif operation in ("NOOP", "REST") or self.selected:
            self.absorb() if operation == "REST" else await self.say(operation)

    async def done(self) -> None:
        self.absorb()
        if self.mirror.command == "IDLE":
            self.client.send(b"DONE\r\n")
            await self.client.until(rb"i [^\r\n]*\r\n")
            self.absorb()

    async def say(self, command: str) -> None:
        self.absorb()
        self._tags += 1
        self.mirror.begin(command)
        await self.client.command(f"t{self._tags} {command}")
        self.absorb()

    def absorb(self) -> None:
        responses, self._seen = self.client.responses[self._seen:], len(self.client.responses)
        for response in responses:
            self.told(response)

    def told(self, response: Response) -> None:
        mirror = self.mirror
        if response.code == b"CLOSED":
            self._leave()
        mirror.told(response)
        if response.kind == b"STATUS":
            name, counts = response.value
            self.counts[name.decode()] = counts
        elif response.kind == b"LIST":
            self._listed(response.value)
        if response.tag not in (b"*", b"+"):
            assert response.kind != b"BAD", (mirror.command, response, self.client.transcript[-2_000:])
            if mirror.command.startswith("SELECT"):
                self._leave() if response.kind == b"NO" else setattr(self, "selected", "?")
            elif mirror.command == "UNSELECT":
                self._leave()
            mirror.begin("(rest)" if self.specifier == "selected" else "")       # between commands: no EXPUNGE but for "selected"

    def _leave(self) -> None:
        self.selected = ""
        self.mirror.forget()

    def _listed(self, told: dict[str, Any]) -> None:
        name, flags = told["name"].decode(), told["flags"]
        for old in map(bytes.decode, told.get("oldname", ())):
            for each in [each for each in self.children if each == old or each.startswith(old + "/")]:      # section 5.4
                self.children[name + each[len(old):]] = self.children.pop(each)
                self.counts.pop(each, None)
        if b"\\Subscribed" in flags:
            self.subscribed.add(name)
        else:
            self.subscribed.discard(name)
        if b"\\NonExistent" in flags:
            self.children.pop(name, None)
            self.counts.pop(name, None)
        else:
            self.children[name] = b"\\HasChildren" in flags


async def other(client: Client, account: Any, operation: str, a: str, b: str, uid: int) -> None:
    """Someone else at work; a NO is no harm, a BAD only where no mailbox is selected any more."""
    if operation == "DELIVER":
        known = {info.name: info.id for info in (await account.mailboxes()).mailboxes}
        await (await account.open_mailbox(known["INBOX"])).append([New(b"x\r\n", date=NOW, size=3)])
        return
    answer = await client.command("x " + operation.format(a=a, b=b, u=uid))
    assert not answer[-1].startswith("x BAD") or "select" in answer[-1], answer


async def live(world: World, store: Any, seed: int, rounds: int, crowd: int) -> None:
    random = Random(seed)
    account = await store.open_account("alice", FRESH_ACCOUNT)
    others = [await world.login() for _ in range(3)]
    for client in others:
        await client.command("e ENABLE IMAP4rev2")          # so that a mailbox deleted by another is no end
    listener = Listener(
        await world.login(), ("selected", "selected-delayed")[seed % 2], GROUPS[seed // 2 % 2], seed % 3 == 0)
    await listener.start()
    for _ in range(rounds):
        busy = [other(client, account, random.choice(OTHERS), random.choice(NAMES), random.choice(NAMES), random.randint(1, 4))
                for client in random.sample(others, min(crowd, 3))]
        if random.random() < 0.4:
            busy.append(listener.do(random.choice(OWN), random.choice(NAMES)))
        await gatherResults([Deferred.fromCoroutine(each) for each in busy], consumeErrors=True)
        if random.random() < 0.2:
            await settle(world)
    await listener.done()
    await settle(world)
    await agrees(world, listener, account)


async def settle(world: World) -> None:
    """The dust."""
    if isinstance(world.clock, Clock):
        world.clock.pump([0] * 60 + [0.6] + [0] * 60 + [0.6] + [0] * 60)
    else:
        await deferLater(world.clock, 0.05)


async def agrees(world: World, listener: Listener, account: Any) -> None:
    known = await account.mailboxes()
    if listener.specifier == "selected-delayed":
        await listener.say("NOOP")
    listener.absorb()
    if listener.selected:
        for mailbox in [await account.open_mailbox(info.id) for info in known.mailboxes]:
            if (await mailbox.status()).uidvalidity == listener.mirror.uidvalidity:
                await same_messages(listener.mirror, mailbox)
        await listener.say("UNSELECT")
        await settle(world)
        listener.absorb()
    infos = {info.name: info for info in known.mailboxes}
    parents = all_parents(infos)
    assert listener.children == {name: name in parents for name in infos}
    assert listener.subscribed == known.subscribed
    for name, info in infos.items():
        status = await (await account.open_mailbox(info.id)).status()
        wanted = {b"MESSAGES": status.messages, b"UIDNEXT": status.uidnext, b"UIDVALIDITY": status.uidvalidity,
                  b"UNSEEN": status.unseen, b"HIGHESTMODSEQ": status.highest_modseq}
        assert listener.counts.get(name) == wanted, name


async def same_messages(mirror: Mirror, mailbox: Any) -> None:
    rows = await mailbox.rows([(1, MAX_UID)], 100_000, Field.FLAGS)
    words = await mailbox.keywords(())
    assert len(mirror.messages) == len(rows)
    for message, uid, mask in zip(mirror.messages, rows.uids, rows.flags):
        assert message.uid in (0, uid)
        assert message.flags in (None, frozenset(flag_names(mask, words)) - {RECENT})


def stumble(seed: int, crowd: int) -> None:
    clock = Clock()
    clock.rightNow = float(NOW)
    inner = MemoryStore(clock.seconds)
    world = World(stumbling(inner, Random(seed), clock), clock=clock)
    run(lambda world: live(world, inner, seed, 60, crowd), world)


@pytest.mark.parametrize("crowd", [1, 3])
def test_who_listens_knows(request: pytest.FixtureRequest, crowd: int) -> None:
    for seed in range(1_000 if request.config.getoption("--long") else 20):
        try:
            stumble(seed, crowd)
        except BaseException:
            print(f"seed {seed}")
            raise


class OverSqlite(TestCase):
    """The same over the durable store, whose commits come from a thread."""

    timeout = 60

    async def test_who_listens_knows(self) -> None:
        clock: Any = reactor
        for seed in range(4):
            with TemporaryDirectory() as folder:
                store = SqliteStore(Engine(Path(folder) / "mail.sqlite", clock, name="test"), clock)
                await store.start()
                world = World(store, ImapSettings(notify_gather_s=0.0), clock=clock)
                try:
                    await live(world, store, seed, 40, 3)
                    assert not world.faults, world.faults
                finally:
                    world.close()
                    await store.close()
