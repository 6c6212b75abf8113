"""What the spool keeps comes back as it was, over the real engine and its threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.coroutines import result_of
from support.queueworld import CONTENT, World, to
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.model.address import Address
from mailframe.model.envelope import DeliverBy, Envelope, Peer, Recipient
from mailframe.queue import codec
from mailframe.queue.agent import QueueAgent
from mailframe.queue.item import START, Change, NewItem, Problem
from mailframe.queue.spool import Spool
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine

reactor: Any = _reactor
TEXT = st.text(max_size=20)


NOTIFY = st.sets(st.sampled_from(["NEVER", "SUCCESS", "FAILURE", "DELAY"]))


@given(TEXT, TEXT, NOTIFY, st.none() | TEXT, st.none() | TEXT, st.booleans())
@settings(max_examples=60, deadline=None)
def test_envelopes_and_recipients_come_back_as_they_were(
    local: str, domain: str, notify: set[str], orcpt: str | None, account: str | None, utf8: bool,
) -> None:
    address = Address(local, domain)
    recipient = Recipient(address, frozenset(notify), orcpt, account, domain)
    assert codec.load_recipient(codec.dump_recipient(recipient)) == recipient
    peer = Peer("192.0.2.1", helo=domain, account=account)
    envelope = Envelope(local, address if utf8 else None, peer, 5.5, None, "8BITMIME", utf8, "FULL", orcpt)
    assert codec.load_envelope(codec.dump_envelope(envelope)) == envelope
    asked = replace(envelope, hold_until=7.5, deliver_by=DeliverBy(-3.0, utf8, not utf8), priority=-9)
    assert codec.load_envelope(codec.dump_envelope(asked)) == asked
    alias = replace(recipient, expanded=True, valid_since=1.5, without_rrvs="C")
    assert codec.load_recipient(codec.dump_recipient(alias)) == alias
    problem = Problem(local, 451, "4.0.0", domain, local)
    assert codec.load_problem(codec.dump_problem(problem)) == problem and codec.load_problem(None) is None


def test_what_is_due_comes_in_order_and_in_pages() -> None:
    world = World()
    result_of(world.runner.stop())
    for number in range(5):
        world.queue(to(f"b{number}@example{number % 2}.net"))
    items = world.items()
    assert [str(item.waiting[0].recipient) for item in items] == [f"b{n}@example{n % 2}.net" for n in range(5)]
    spool, now = world.spool, world.clock.seconds()
    first = result_of(spool.due(now, 2))
    second = result_of(spool.due(now, 10, (first[-1].next_try, first[-1].id)))
    assert [one.id for one in (*first, *second)] == [item.waiting[0].id for item in items]
    assert len(result_of(spool.due(now, 10, START, "example1.net"))) == 2
    assert len(result_of(spool.due(now, 10, START, None, ["example1.net"]))) == 3
    result_of(spool.settle(items[0].message.id, [Change(items[0].waiting[0].id, now + 60, Problem("busy"), now)]))
    assert len(result_of(spool.due(now, 10))) == 4 and len(result_of(spool.due(now + 60, 10))) == 5
    assert result_of(spool.next_due(now)) == now + 60
    [one] = result_of(spool.troubled(items[0].message.id))
    assert (one.tries, one.tried_at, one.problem) == (1, now, Problem("busy"))


def test_a_message_ends_with_its_last_recipient_and_its_content_with_it() -> None:
    world = World()
    result_of(world.runner.stop())
    world.queue(to("a@example.net"), to("b@example.net"))
    [item] = world.items()
    result_of(world.spool.settle(item.message.id, [Change(item.waiting[0].id, None)]))
    assert len(world.items()[0].waiting) == 1
    result_of(world.spool.settle(item.message.id, [Change(item.waiting[1].id, None)]))
    assert world.is_empty() and result_of(world.spool.message(item.message.id)) is None


class RealEngineTests(TestCase):
    """Over a file and the writer's thread."""

    def _folder(self) -> Path:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name) / "data"

    async def test_many_queue_at_once_in_few_transactions(self) -> None:
        engine = Engine(self._folder() / "mail.sqlite", reactor)
        spool = Spool(engine, SqliteContent(engine, reactor), reactor)
        await spool.start()
        agent = QueueAgent(spool)

        async def one(number: int) -> None:
            delivery = await agent.begin(Envelope(f"e{number}", None))
            await delivery.add_recipient(to(f"b{number}@example.net"))
            await delivery.write(CONTENT * (1 if number else 10_000))
            await delivery.commit(b"Received: by us\r\n")

        try:
            before = engine.commits
            await gatherResults([Deferred.fromCoroutine(one(number)) for number in range(100)])
            self.assertLess(engine.commits - before, 50)
            items = await spool.list()
            self.assertEqual(len(items), 100)
            large = next(item.message for item in items if item.message.envelope.id == "e0")
            self.assertEqual(large.size, 10_000 * len(CONTENT))
            self.assertEqual(await spool.read(large.content, large.size - 10, 100), CONTENT[-10:])
        finally:
            await spool.close()

    async def test_a_queue_is_there_again_after_a_restart(self) -> None:
        path = self._folder() / "mail.sqlite"
        for number in range(2):
            engine = Engine(path, reactor)
            spool = Spool(engine, SqliteContent(engine, reactor), reactor)
            await spool.start()
            try:
                self.assertEqual(len(await spool.list()), number)
                await spool.add(NewItem(Envelope("e1", None), (to("a@example.net"),), CONTENT, len(CONTENT)))
            finally:
                await spool.close()


def test_a_row_that_cannot_be_read_is_held_and_stops_nobody_else() -> None:
    world = World()
    result_of(world.runner.stop())
    for name in ("a", "b", "c"):
        world.queue(to(f"{name}@example.net"))
    broken, worse, sound = (item.message.id for item in world.items())
    world.engine.connection.execute("UPDATE queue_recipient SET recipient = 'x' WHERE message = ?", (broken,))
    world.engine.connection.execute("UPDATE queue_message SET envelope = '{}' WHERE id = ?", (worse,))
    world.runner.start()
    world.pass_time(60)
    assert [names for names, _ in world.relay.tries] == [["c@example.net"]]
    assert world.engine.read("SELECT message FROM queue_recipient WHERE held = 1 ORDER BY message") == [(broken,), (worse,)]
    assert [item.message.id for item in world.items()] == [broken] and sound != broken
