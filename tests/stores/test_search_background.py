"""Texts for SEARCH are made in the background: what goes on after a restart, what is left open, what goes with its content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.imap_stub import run
from support.imap_talk import Talk
from support.inline_engine import InlineEngine
from support.textworld import World
from twisted.internet import reactor as the_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.mime.casemap import fold
from mailframe.model.mailbox import New
from mailframe.model.query import InBody, InHeader, InText
from mailframe.model.refusal import StorageFull
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore, contenttext, fulltext, textsearch
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.stores.sqlite.textmaker import TextLimits, TextMaker
from mailframe.testing.contracts import StoreContract

reactor: Any = the_reactor
RETURN = b"Return-Path: <ada@example.org>\r\n"
TO = b"Delivered-To: Beta\r\n"
#: Lists of what is to be done, and walks over what was made for the purpose.
HARMLESS = re.compile(r"SCAN (carray|judged|some|words|gone|\(|CONSTANT|\d)|(text_unindexed|mailbox_deleted)$")


def mail(number: int) -> bytes:
    return b"Subject: number %d\r\n\r\nbody %d says Alpha\r\n" % (number, number)


@pytest.mark.parametrize("words", [False, True])
def test_a_restart_goes_on_and_a_new_version_makes_all_anew(words: bool, tmp_path: Path) -> None:
    world = World(words, str(tmp_path / "mail.db"))
    run(world.mailbox().append([New(mail(number)) for number in range(9)]))
    world.maker = world.fresh_maker(together=2)
    world.make(2)
    assert world.left_open(InBody(fold("alpha"))) == [1, 2, 3, 4, 5]          # the newest were made first
    world.maker = world.fresh_maker(together=2)
    world.make()
    assert world.left_open(InBody(fold("alpha"))) == []
    world.version += 1
    assert len(world.left_open(InBody(fold("alpha")))) == len(world.left_open(InHeader(b"subject", fold("n")))) == 9
    world.maker = world.fresh_maker(together=4)
    for _ in range(5):
        assert world.search(InBody(fold("7 says"))) == world.search(InText(fold("number 7"))) == [8]
        world.make(1)
    world.make()
    assert world.left_open(InText(fold("alpha"))) == [] and world.count("text") == 9


@pytest.mark.parametrize("words", [False, True])
def test_a_text_goes_when_its_content_goes_and_not_before(words: bool) -> None:
    world = World(words)
    octets = mail(1)
    run(world.mailbox().append([New(octets), New(mail(2))]))
    run(world.mailbox().copy([1], run(world.account.find_mailbox("Archive")).id))
    world.make()
    assert world.count("text") == world.count("text_body") == 2         # a copy needs none of its own
    run(world.mailbox().expunge([1, 2], False))
    world.sweep()
    assert world.search(InBody(fold("body 1"))) == [] and world.search(InBody(fold("body 1")), "Archive") == [1]
    assert world.count("text") == world.count("text_body") == 1
    if words:
        assert [row[0] for row in world.engine.read("SELECT rowid FROM words WHERE words MATCH '\"SAY\"'")] == [1]


def test_new_mail_and_content_that_was_not_ready_gets_its_text_later() -> None:
    world = World(False)
    run(world.mailbox().append([New(mail(1))]))
    world.make()
    staged = run(world.store.content.stage())
    run(staged.write(mail(2)))
    sealed = run(staged.seal())
    run(world.mailbox().append([New(mail(3))]))
    world.make()
    assert world.count("text") == 2
    run(world.mailbox().append([New(sealed)]))
    assert world.left_open(InBody(fold("says"))) == [3]
    world.make()
    assert world.left_open(InBody(fold("says"))) == [] and world.search(InBody(fold("body 2"))) == [3]


def test_of_large_mail_only_the_header_is_kept_and_the_body_is_read() -> None:
    world = World(True)
    file = b"--b\r\nContent-Type: application/zip\r\n\r\n" + b"z" * 400_000 + b"\r\n--b\r\n\r\nafter alpha\r\n--b--\r\n"
    attached = b"Subject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    run(world.mailbox().append([
        New(attached + file), New(attached + file * 4), New(b"Subject: two\r\n\r\n" + b"long \r\n" * 20_000 + b"alpha")]))
    world.make()
    assert world.left_open(InBody(fold("alpha"))) == [2, 3]
    assert world.left_open(InHeader(b"subject", fold("one"))) == []
    assert world.search(InHeader(b"subject", fold("one"))) == [1, 2]
    assert world.search(InBody(fold("alpha"))) == world.read(InBody(fold("alpha"))) == [1, 2, 3]


@pytest.mark.parametrize("words", [False, True])
def test_ranges_in_pieces_and_pages_give_what_the_whole_gives(words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textsearch, "_PAGE", 70)
    world = World(words)
    box = world.mailbox()
    run(box.append([New(mail(number), RETURN if number % 6 else TO) for number in range(1, 301)]))
    run(box.expunge(range(100, 140), False))
    world.make()
    there = [uid for uid in range(1, 301) if not 100 <= uid < 140]
    odd = [(uid, uid) for uid in range(1, 301, 2)]
    for ranges in ([(1, 1_000)], [(5, 5), (7, 9), (90, 260)], odd, [(50, 120), (130, 150)], []):
        wanted = [uid for uid in there if any(low <= uid <= high for low, high in ranges)]
        for leaf in (InBody(fold("says")), InText(fold("number")), InHeader(b"subject", fold("number"))):
            assert list(run(box.search(leaf, ranges)).found) == wanted
        assert list(run(box.search(InHeader(b"delivered-to", fold("beta")), ranges)).found) == [
            uid for uid in wanted if not uid % 6]


def test_a_needle_that_many_others_have_is_looked_for_in_ones_own_texts() -> None:
    """One account's few messages among everybody's: the index would lead through all of theirs."""
    assert fulltext.worthwhile(1_000, 1, 40_000) and not fulltext.worthwhile(1_000, 1, 60_000)
    world = World(True)
    run(world.mailbox().append([New(mail(1))]))
    for _ in range(5):
        run(world.mailbox("Junk").append([New(mail(number)) for number in range(50)]))
    run(world.mailbox().append([New(mail(2))]))
    world.make()
    assert world.search(InBody(fold("says"))) == [1, 2]


def test_a_full_disk_and_a_message_that_cannot_be_understood_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(False)
    run(world.mailbox().append([New(mail(number)) for number in range(3)]))
    world.store.texts.start()
    world.engine.broken = StorageFull()
    world.clock.advance(1)
    assert world.count("text") == 0
    world.engine.broken = None
    world.clock.advance(60)
    assert world.count("text") == 3
    monkeypatch.setattr(contenttext, "kept_header", lambda octets: 1 / 0)
    run(world.mailbox().append([New(mail(9))]))
    world.clock.advance(1)
    assert world.left_open(InBody(fold("says"))) == [4] and world.search(InBody(fold("says"))) == [1, 2, 3, 4]
    world.store.texts.stop()
    run(world.mailbox().append([New(mail(9))]))
    world.clock.advance(100)
    assert world.count("text") == 4 and not world.clock.getDelayedCalls()


def test_the_makers_of_several_files_together_take_what_one_would() -> None:
    """I2: 64 files with a tenth of the reactor's time each would leave nothing for anybody else."""
    engine: Any = InlineEngine()
    store = SqliteStore(engine, reactor, settings=SqliteSettings(search_text=True), shard=(2, 64))
    assert store.texts is not None
    one, each = TextLimits(), store.texts.limits
    assert (each.share * 64, each.busy_jobs_s * 64) == (one.share, one.busy_jobs_s)
    assert 0.005 * (1 / each.share - 1) < each.busy_rest_s      # seconds: a slice's rest is not cut short


def test_every_statement_searches() -> None:
    """I2: SQLite's plan of every statement walks over nothing but the page it is asked for."""
    world = World(True)
    said: dict[str, Any] = {}

    def trace(cursor: Any, sql: str, bindings: Any) -> bool:
        said[sql] = bindings
        return True

    run(world.mailbox().append([New(mail(1) + b"x" * 300_000), *[New(mail(number), TO) for number in range(40)]]))
    world.engine.connection.exec_trace = trace
    world.make()
    for ranges in ([(1, 100)], [(uid, uid) for uid in range(1, 40, 2)]):
        for leaf in (InBody("SAYS"), InText("X"), InText("BETA"), InHeader(b"subject", ""), InHeader(b"subject", "X")):
            run(world.mailbox().search(leaf, ranges))
    run(world.mailbox().expunge([5], False))
    world.sweep()
    world.engine.connection.exec_trace = None
    steps = {step for sql in said if sql.split()[0] in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
             for *_, step in world.engine.connection.execute("EXPLAIN QUERY PLAN " + sql, said[sql])}
    assert any("words" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") and not HARMLESS.search(step)]
    assert not [step for step in steps if re.search(r"SEARCH (message|m|h|head) .*\(mailbox=\?\)", step)]


class ContractWithTextsTests(StoreContract, TestCase):
    """A store that keeps texts and an index keeps every promise of a store."""

    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp()) / "mail.db"
        return self.reopen(None)

    def reopen(self, store: IMailStore | None) -> IMailStore:
        made: IMailStore = SqliteStore(Engine(self.path, reactor), reactor, settings=SqliteSettings(search_index=True))
        return made


class InASessionTests(TestCase):
    """Real sockets, the engine's own threads, and the maker at work meanwhile."""

    async def test_a_client_finds_the_same_before_during_and_after(self) -> None:
        settings = SqliteSettings(search_index=True)
        store: Any = SqliteStore(Engine(Path(self.mktemp()) / "mail.db", reactor), reactor, settings=settings)
        maker = TextMaker(store.engine, store.content, reactor, words=True, limits=TextLimits(share=0.9, idle_s=0.01, together=20))
        await store.start()
        store.texts.stop()      # its limits are for a server that has other things to do
        talk = Talk(reactor, store)
        await talk.start()
        try:
            await talk.give([New(mail(number), RETURN if number % 6 else TO) for number in range(1, 201)])
            client = await talk.client("1")
            await client.say(b"a", b"SELECT INBOX")
            wanted = await self.asked(client)
            every_sixth = b" ".join(b"%d" % number for number in range(6, 201, 6))
            self.assertEqual([b"* SEARCH 7", b"* SEARCH 7 70 71 72 73 74 75 76 77 78 79", b"* SEARCH " + every_sixth], wanted[:3])
            maker.start()
            while not store.engine.read("SELECT count(*) = 200 FROM text WHERE indexed = 1")[0][0]:
                self.assertEqual(wanted, await self.asked(client))
                await deferLater(reactor, 0.001)
            self.assertEqual(wanted, await self.asked(client))
            await client.say(b"m", b"UID MOVE 7 Archive")
            self.assertIn(b"* SEARCH\r\n", await client.say(b"b", b"SEARCH BODY \"body 7 says\""))
            await client.say(b"c", b"SELECT Archive")
            self.assertIn(b"* SEARCH 1\r\n", await client.say(b"d", b"SEARCH BODY \"body 7 says\""))
        finally:
            maker.stop()
            await talk.stop()
            await store.close()

    async def asked(self, client: Any) -> list[bytes]:
        answers = [await client.say(b"s", b"SEARCH " + keys) for keys in (
            b'BODY "body 7 says"', b'SUBJECT "NUMBER 7" NOT SUBJECT "number 7 "', b"TEXT beta", b"OR FROM nobody NOT TEXT alpha",
            b'HEADER Return-Path "" LARGER 10 NOT BODY "body 1"')]
        return [answer.split(b"\r\n")[0] for answer in answers]
