"""The engine: durable groups, a job that fails alone, clear words when the database cannot be used."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.model.refusal import Forbidden, StorageFull, TryAgainLater
from mailframe.sqlite.bundle import Bundled, mapped
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.errors import EngineError
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
TABLE = "CREATE TABLE word (word TEXT PRIMARY KEY)"


def put(word: str) -> Any:
    def job(con: apsw.Connection) -> str:
        con.execute("INSERT INTO word VALUES (?)", (word,))
        return word.upper()
    return job


class EngineTests(TemporaryPlaces, TestCase):
    async def opened(self, path: Path | None = None, component: str = "words", migrations: Any = (TABLE,)) -> Engine:
        engine = Engine(path or Path(self.mktemp()) / "mail.db", reactor)
        engine.register(component, migrations)
        await engine.start()

        def close() -> Any:
            return Deferred.fromCoroutine(engine.close())
        self.addCleanup(close)
        return engine

    def words(self, engine: Engine) -> list[str]:
        return [row[0] for row in engine.read("SELECT word FROM word ORDER BY word")]

    async def refused(self, path: Path, migrations: Any = (TABLE,)) -> str:
        try:
            await self.opened(path, migrations=migrations)
        except EngineError as error:
            return str(error)
        raise AssertionError("the engine started")

    async def test_what_was_answered_is_there_after_reopening(self) -> None:
        """I1"""
        engine = await self.opened()
        self.assertEqual("ONE", await engine.submit(put("one")))
        await engine.close()
        again = await self.opened(engine.path)
        self.assertEqual(["one"], self.words(again))

    async def test_jobs_that_wait_share_a_commit(self) -> None:
        engine = await self.opened()
        await gatherResults([engine.submit(put(f"{number:03}")) for number in range(400)])
        self.assertEqual(400, engine.jobs)
        self.assertLess(engine.commits, 100)
        self.assertEqual(400, len(self.words(engine)))

    async def test_a_failing_job_fails_alone_and_leaves_nothing(self) -> None:
        engine = await self.opened()
        hold = threading.Event()

        def bad(con: apsw.Connection) -> None:
            put("half")(con)
            raise Forbidden("no")

        def twice(con: apsw.Connection) -> None:
            put("b")(con)
            put("b")(con)
        first = engine.submit(lambda con: hold.wait(5))
        rest = DeferredList([engine.submit(put("a")), engine.submit(bad), engine.submit(twice), engine.submit(put("c"))],
                            consumeErrors=True)
        hold.set()
        await first
        outcomes = await rest
        self.assertEqual([True, False, False, True], [good for good, _ in outcomes])
        self.assertIsInstance(outcomes[1][1].value, Forbidden)
        self.assertIsInstance(outcomes[2][1].value, TryAgainLater)
        self.assertEqual(["a", "c"], self.words(engine))

    async def test_jobs_of_one_kind_are_done_together_and_the_bad_one_fails_alone(self) -> None:
        engine = await self.opened()
        calls: list[int] = []

        def together(con: apsw.Connection, words: Sequence[str]) -> list[str]:
            calls.append(len(words))
            con.executemany("INSERT INTO word VALUES (?)", [(word,) for word in words])
            return [word.upper() for word in words]

        async def all_at_once(words: str) -> list[Any]:
            hold = threading.Event()
            first = engine.submit(lambda con: hold.wait(5))
            rest = DeferredList([engine.submit(mapped(Bundled(together, word, str), lambda done: done + "!")) for word in words],
                                consumeErrors=True)
            hold.set()
            await first
            return [outcome if good else type(outcome.value) for good, outcome in await rest]

        self.assertEqual(["A!", "B!", "C!"], await all_at_once("abc"))
        self.assertEqual([3], calls)
        self.assertEqual(["D!", TryAgainLater, "E!"], await all_at_once("dae"))
        self.assertEqual([3, 3, 1, 1, 1], calls)
        self.assertEqual(list("abcde"), self.words(engine))

    async def test_a_group_of_one_kind_only_is_undone_whole_when_it_fails_and_then_done_one_by_one(self) -> None:
        engine = await self.opened()
        calls: list[int] = []

        def together(con: apsw.Connection, words: Sequence[str]) -> Sequence[str]:
            calls.append(len(words))
            con.executemany("INSERT INTO word VALUES (?)", [(word,) for word in words])
            return words

        async def all_at_once(words: str) -> list[Any]:
            jobs = [engine.submit(Bundled(together, word, str.upper)) for word in words]
            return [outcome if good else type(outcome.value) for good, outcome in await DeferredList(jobs, consumeErrors=True)]

        self.assertEqual(["A", "B", "C"], await all_at_once("abc"))
        self.assertEqual([3], calls)
        self.assertEqual(["D", TryAgainLater, "E"], await all_at_once("dae"))
        self.assertEqual([3, 3, 1, 1, 1], calls)
        self.assertEqual(list("abcde"), self.words(engine))
        self.assertEqual(2, engine.commits)

    async def test_a_job_alone_that_fails_leaves_nothing(self) -> None:
        engine = await self.opened()

        def bad(con: apsw.Connection) -> None:
            put("half")(con)
            raise Forbidden("no")
        with self.assertRaises(Forbidden):
            await engine.submit(bad)
        self.assertEqual([], self.words(engine))
        await engine.submit(put("next"))

    async def test_on_a_full_disk_what_fits_is_kept_and_the_rest_is_refused(self) -> None:
        engine = await self.opened(migrations=("CREATE TABLE word (word TEXT PRIMARY KEY); CREATE TABLE big (octets BLOB)",))
        await engine.submit(lambda con: con.execute(f"PRAGMA max_page_count = {con.pragma('page_count') + 20}") and None)
        hold = threading.Event()

        def big(con: apsw.Connection) -> None:
            con.execute("INSERT INTO big VALUES (zeroblob(500000))")
        jobs = (lambda con: hold.wait(5), put("a"), big, put("b"))
        waiting = DeferredList([engine.submit(job) for job in jobs], consumeErrors=True)
        hold.set()
        (_, _), (first, _), (second, failure), (third, _) = await waiting
        self.assertEqual((True, False, True), (first, second, third))
        self.assertIsInstance(failure.value, StorageFull)
        self.assertEqual("C", await engine.submit(put("c")))
        self.assertEqual(["a", "b", "c"], self.words(engine))

    async def test_commits_wait_for_the_disk(self) -> None:
        """I1"""
        engine = await self.opened()
        settings = await engine.submit(lambda con: [con.pragma(name) for name in ("journal_mode", "synchronous", "temp_store")])
        self.assertEqual(["wal", 2, 2], settings)

    async def test_a_commit_that_fails_is_said_to_everyone_in_it(self) -> None:
        """I1"""
        engine = await self.opened()

        def refuse(con: apsw.Connection) -> None:
            con.set_commit_hook(lambda: True)
        for waiting in ([put("a"), refuse, put("b")], [put("c")]):
            outcomes = await DeferredList([engine.submit(job) for job in waiting], consumeErrors=True)
            for good, failure in outcomes:
                self.assertFalse(good)
                self.assertIsInstance(failure.value, TryAgainLater)
        self.assertEqual([], self.words(engine))
        # Not in a transaction of its own: the hook has to go first.
        await engine.submit(lambda con: con.set_commit_hook(None))
        self.assertEqual("D", await engine.submit(put("d")))

    async def test_an_answer_nobody_waits_for_any_more_harms_nobody(self) -> None:
        engine = await self.opened()
        given_up = engine.submit(put("a"))
        given_up.addErrback(lambda failure: None)
        given_up.cancel()
        self.assertEqual("B", await engine.submit(put("b")))
        self.assertEqual(["a", "b"], self.words(engine))

    async def test_closing_finishes_what_waits(self) -> None:
        engine = await self.opened()
        waiting = gatherResults([engine.submit(put(str(number))) for number in range(50)])
        await engine.close()
        self.assertEqual(50, len(await waiting))
        with self.assertRaises(EngineError):
            await engine.submit(put("late"))
        with self.assertRaises(EngineError):
            engine.read("SELECT 1")

    async def test_folder_and_files_are_private(self) -> None:
        """I9"""
        old = os.umask(0)
        try:
            engine = await self.opened()
            await engine.submit(put("secret"))
        finally:
            os.umask(old)
        self.assertEqual(0o700, stat.S_IMODE(engine.path.parent.stat().st_mode))
        for path in engine.path.parent.iterdir():
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode), path)

    async def test_all_who_share_it_may_start_it(self) -> None:
        engine = Engine(Path(self.mktemp()) / "mail.db", reactor)
        engine.register("words", (TABLE,))
        self.addCleanup(lambda: Deferred.fromCoroutine(engine.close()))
        await gatherResults([Deferred.fromCoroutine(engine.start()) for _ in range(3)])
        await engine.start()
        self.assertEqual("ONE", await engine.submit(put("one")))

    async def test_a_failed_start_is_said_to_all_who_share_it(self) -> None:
        (folder := Path(self.mktemp())).write_text("a file, not a folder")
        engine = Engine(folder / "mail.db", reactor)
        outcomes = await DeferredList([Deferred.fromCoroutine(engine.start()) for _ in range(2)], consumeErrors=True)
        self.assertEqual([EngineError] * 2, [failure.type for _, failure in outcomes])
        with self.assertRaises(EngineError):
            await engine.start()
        with self.assertRaises(EngineError):
            await engine.submit(put("late"))
        await engine.close()

    async def test_two_servers_never_share_one_database(self) -> None:
        engine = await self.opened()
        self.assertIn("another process is using", await self.refused(engine.path))

    async def test_a_question_that_comes_while_it_closes_is_answered(self) -> None:
        """With a fault, not with silence: who waits for it would wait for ever."""
        engine = await self.opened()
        await engine.read_async("SELECT 1")
        closing = Deferred.fromCoroutine(engine.close())
        with self.assertRaises(EngineError):
            await engine.read_async("SELECT 2")
        await closing

    async def test_the_lock_ends_with_close(self) -> None:
        engine = await self.opened()
        await engine.close()
        await self.opened(engine.path)

    async def test_an_unwritable_folder_is_one_sentence(self) -> None:
        (folder := Path(self.mktemp())).write_text("a file, not a folder")
        self.assertIn("cannot write the database", await self.refused(folder / "mail.db"))

    async def test_another_kind_of_file_is_one_sentence(self) -> None:
        (path := Path(self.mktemp())).write_bytes(b"From bob@example.org Sat Jan  3 01:05:34 1996\n" * 200)
        self.assertIn("is not a mailframe database", await self.refused(path))

    async def test_a_newer_schema_is_one_sentence(self) -> None:
        engine = await self.opened(migrations=(TABLE, "CREATE TABLE later (x)"))
        await engine.close()
        self.assertIn("newer version", await self.refused(engine.path))

    async def test_migrations_run_once_and_in_order(self) -> None:
        def fill(con: apsw.Connection) -> None:
            con.execute("INSERT INTO word VALUES ('by function')")
        engine = await self.opened()
        await engine.close()
        again = await self.opened(engine.path, migrations=(TABLE, fill))
        await again.close()
        third = await self.opened(engine.path, migrations=(TABLE, fill))
        self.assertEqual(["by function"], self.words(third))

    async def test_components_cannot_come_late_or_twice(self) -> None:
        engine = await self.opened()
        with self.assertRaises(RuntimeError):
            engine.register("late", (TABLE,))
        other = Engine(Path(self.mktemp()), reactor)
        other.register("a", (TABLE,))
        other.register("a", (TABLE,))
        with self.assertRaises(RuntimeError):
            other.register("a", ("something else",))

    async def test_slow_reads_move_to_a_thread_and_back(self) -> None:
        """I2"""
        engine = await self.opened()
        await engine.submit(put("a"))
        for _ in range(40):
            engine._pace.note(0.02)
        self.assertTrue(engine._pace.slow)
        for _ in range(40):
            self.assertEqual([("a",)], await engine.query("SELECT word FROM word"))
        self.assertFalse(engine._pace.slow)

    async def test_the_reader_cannot_write(self) -> None:
        engine = await self.opened()
        with self.assertRaises(TryAgainLater):
            engine.read("INSERT INTO word VALUES ('x')")
        with self.assertRaises(TryAgainLater):
            await engine.query("INSERT INTO word VALUES ('x')", bulk=True)

    async def test_the_log_is_checkpointed_as_it_grows(self) -> None:
        engine = await self.opened(migrations=("CREATE TABLE big (octets BLOB)",))
        for _ in range(40):
            await engine.submit(lambda con: con.execute("INSERT INTO big VALUES (zeroblob(500000))") and None)
        self.assertLess(engine.path.with_name("mail.db-wal").stat().st_size, 12_000_000)

    async def test_the_log_is_checkpointed_again_when_a_reader_has_let_go_of_it(self) -> None:
        engine = await self.opened(migrations=("CREATE TABLE big (octets BLOB)",))
        reader = apsw.Connection(str(engine.path))
        reader.execute("BEGIN; SELECT count(*) FROM big").fetchall()

        async def write(times: int) -> int:
            for _ in range(times):
                await engine.submit(lambda con: con.execute("INSERT INTO big VALUES (zeroblob(500000))") and None)
            return engine.path.with_name("mail.db-wal").stat().st_size
        held = await write(40)
        self.assertGreater(held, 18_000_000)        # all of it: the reader may still want what was before
        reader.close()
        self.assertLess(await write(40), held + 20_000_000)
