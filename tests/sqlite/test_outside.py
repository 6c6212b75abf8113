"""The ledger of content that rests in a store beside the database: what each order of steps leaves behind, and who clears it up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from support.coroutines import result_of
from support.inline_engine import InlineEngine
from support.memory_content import MemoryContent
from twisted.internet.task import Clock

from mailframe.model.refusal import NoSuchMessage, StorageFull, TryAgainLater
from mailframe.sqlite.content import GRACE_S, SqliteContent
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.migrate import open_writer
from mailframe.sqlite.outside import ORPHAN_S
from mailframe.sqlite.pieces import MIGRATIONS, PIECE

LARGE = b"l" * (PIECE + 1)


class World:
    """A ledger over a content store in memory, at one time."""

    def __init__(self, outside: MemoryContent | None = None, *, beside: World | None = None, engine: Any = None) -> None:
        self.clock: Any = Clock()
        self.clock.advance(1_000_000)
        self.outside = outside if outside is not None else MemoryContent()
        self.engine: Any = InlineEngine() if engine is None else engine
        self.engine.path = Path("mail2.db" if beside else "mail.db")
        if beside is None:
            self.content = SqliteContent(self.engine, self.clock, self.outside)    # type: ignore[arg-type]
        else:
            self.clock, self.outside, self.content = beside.clock, beside.outside, beside.content.beside(self.engine)

    def kept(self, octets: bytes = LARGE) -> str:
        staged = result_of(self.content.stage())
        for offset in range(0, len(octets), 100_000):
            result_of(staged.write(octets[offset:offset + 100_000]))
        return result_of(staged.seal())

    def sweep(self, after: float = GRACE_S + 1) -> int:
        self.clock.rightNow += after
        return result_of(self.content.sweep())

    def rows(self, table: str = "content") -> int:
        return int(self.engine.read(f"SELECT count(*) FROM {table}")[0][0])

    def refer(self, name: str, count: int = 1) -> None:
        self.engine.submit(lambda con: self.content.reference(con, int(name), count))


@pytest.mark.parametrize(("size", "outside"), [(0, 0), (1, 0), (PIECE, 0), (PIECE + 1, 1), (10 * PIECE, 1)])
def test_what_is_larger_than_a_piece_rests_outside(size: int, outside: int) -> None:
    world, octets = World(), bytes(size)
    name = world.kept(octets)
    assert (len(world.outside.kept), world.rows("piece")) == (outside, 1 - outside)
    assert result_of(world.content.read(name, 0, 1 << 30)) == octets
    assert result_of(world.content.read(name, size, 1)) == b""


def test_it_goes_ten_minutes_after_the_last_reference_and_not_before() -> None:
    world = World()
    name = world.kept()
    world.refer(name, 2)
    assert world.sweep() == 0
    world.engine.submit(lambda con: world.content.release(con, int(name)))
    assert world.sweep() == 0
    world.engine.submit(lambda con: world.content.release(con, int(name)))
    assert world.sweep(GRACE_S - 1) == 0
    assert result_of(world.content.read(name, 0, 5)) == b"lllll"
    assert world.sweep(2) == 1
    assert not world.outside.kept and not world.rows()
    with pytest.raises(NoSuchMessage):
        result_of(world.content.read(name, 0, 1))


def test_nobody_can_refer_to_what_is_being_removed() -> None:
    """The row is dead before the octets go, so a delivery in between is refused for now and comes again."""
    world = World()
    name = world.kept()
    remove = world.outside.remove
    refused: list[Any] = []

    def meanwhile(places: Sequence[str]) -> None:
        world.engine.submit(lambda con: world.content.reference(con, int(name))).addErrback(refused.append)
        remove(places)

    world.outside.remove = meanwhile    # type: ignore[method-assign]
    assert world.sweep() == 1
    assert isinstance(refused[0].value, TryAgainLater)


def test_what_got_a_reference_while_the_sweeper_was_on_its_way_stays() -> None:
    world = World()
    first, second = world.kept(), world.kept()
    submit = world.engine.submit

    def late(job: Any, size: int = 0) -> Any:
        world.engine.submit = submit
        world.refer(second)
        return submit(job, size)

    world.engine.submit = late
    assert world.sweep() == 1
    assert result_of(world.content.read(second, 0, 1)) == b"l"
    with pytest.raises(NoSuchMessage):
        result_of(world.content.read(first, 0, 1))


def test_a_removal_that_fails_is_done_by_a_later_sweep() -> None:
    world = World()
    world.kept()
    remove, world.outside.remove = world.outside.remove, _broken        # type: ignore[method-assign]
    with pytest.raises(OSError, match="disk"):
        world.sweep()
    assert (world.rows(), len(world.outside.kept)) == (1, 1)
    world.outside.remove = remove       # type: ignore[method-assign]
    assert world.sweep(60) == 1
    assert (world.rows(), len(world.outside.kept)) == (0, 0)


def _broken(places: Sequence[str]) -> None:
    raise OSError("the disk is gone")


def test_a_crash_after_the_removal_is_finished_at_the_next_start() -> None:
    world = World()
    name = world.kept()
    world.engine.connection.execute("UPDATE content SET size = NULL")     # it got so far
    world.outside.kept.clear()                                             # and so far
    world.sweep(0)
    result_of(world.content.start())
    world.content.stop()
    assert world.sweep(0) == 1
    assert world.rows() == 0
    with pytest.raises(NoSuchMessage):
        result_of(world.content.read(name, 0, 1))


def test_what_was_sealed_outside_without_a_row_goes_after_a_day() -> None:
    world = World()
    world.refer(world.kept())
    world.outside.keep(LARGE)
    for _ in range(3):
        world.sweep(ORPHAN_S / 4)
    assert len(world.outside.kept) == 2
    world.sweep(ORPHAN_S / 2)
    assert (len(world.outside.kept), world.rows(), world.rows("content_orphan")) == (1, 1, 0)


def test_what_got_its_row_after_it_was_noted_is_no_orphan() -> None:
    world = World()
    place = world.outside.keep(LARGE)
    world.sweep(0)
    assert world.rows("content_orphan") == 1
    world.engine.connection.execute("INSERT INTO content (size, refs, since, outside) VALUES (1, 1, 0, ?)", (place,))
    world.sweep(ORPHAN_S * 2)
    assert (len(world.outside.kept), world.rows("content_orphan")) == (1, 0)


def test_all_are_compared_by_and_by() -> None:
    world = World()
    for _ in range(500):
        world.outside.keep(b"x")
    for _ in range(3):
        world.sweep(0)
    assert world.rows("content_orphan") == 500
    for _ in range(4):
        world.sweep(ORPHAN_S)
    assert not world.outside.kept


def test_a_database_that_knows_next_to_nothing_removes_nothing() -> None:
    """Perhaps the right one was lost and comes back from a backup tomorrow."""
    world = World()
    for _ in range(1_100):
        world.outside.keep(b"x")
    for _ in range(8):
        world.sweep(0)
    for _ in range(3):
        world.sweep(ORPHAN_S)
    assert len(world.outside.kept) == 1_100


def test_two_ledgers_over_one_store_leave_one_another_alone_and_orphans_go() -> None:
    one = World()
    two = World(beside=one)
    for world in (one, two):
        result_of(world.content.start())
    names = one.kept(), two.kept()
    orphan = one.outside.keep(b"sealed before a crash")
    for world, name in zip((one, two), names):
        world.refer(name)
    for world in (one, two) * 3:
        world.sweep(ORPHAN_S)
    assert len(one.outside.kept) == 2 and orphan not in one.outside.kept
    one.engine.submit(lambda con: one.content.release(con, int(names[0])))
    one.sweep()
    assert len(one.outside.kept) == 1
    assert result_of(two.content.read(names[1], 0, 1)) == b"l"
    one.content.stop()
    two.content.stop()


def test_where_another_database_ever_kept_content_nothing_is_an_orphan_without_it() -> None:
    """The storage was set to something else for some days: its mail is there when it is set back."""
    one = World()
    two = World(beside=one)
    result_of(one.content.start())
    name = two.kept()
    two.refer(name)
    one.content.stop()
    alone = World(one.outside, engine=_Same(one.engine))
    for _ in range(4):
        alone.sweep(ORPHAN_S)
    assert result_of(two.content.read(name, 0, 1)) == b"l"


def test_a_row_that_cannot_be_written_leaves_nothing_outside() -> None:
    world = World()
    staged = result_of(world.content.stage())
    result_of(staged.write(LARGE))
    world.engine.broken = StorageFull()
    with pytest.raises(StorageFull):
        result_of(staged.seal())
    assert not world.outside.kept


def test_a_database_without_its_content_store_says_so() -> None:
    world = World()
    name = world.kept()
    result_of(world.content.engine.start())
    alone = SqliteContent(_Same(world.engine), world.clock)     # type: ignore[arg-type]
    with pytest.raises(EngineError, match="content store, which is not named"):
        alone.require_outside()
    with pytest.raises(TryAgainLater):
        result_of(alone.read(name, 0, 10))
    world.clock.rightNow += ORPHAN_S
    assert result_of(alone.sweep()) == 0
    assert world.rows() == 1


class _Same:
    """An engine whose tables are there already."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def register(self, component: str, migrations: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def test_a_database_of_the_first_version_keeps_its_content(tmp_path: Any) -> None:
    path = tmp_path / "mail.db"
    first = open_writer(path, {"content": MIGRATIONS[:1]})
    first.execute("INSERT INTO content (size, refs, since) VALUES (3, 1, 0)")
    first.execute("INSERT INTO piece VALUES (1 << 16, x'414243')")
    first.close()
    again = open_writer(path, {"content": MIGRATIONS})
    assert again.execute("SELECT id, size, refs, outside FROM content").fetchall() == [(1, 3, 1, None)]
    assert again.execute("SELECT version FROM components WHERE name = 'content'").fetchall() == [(len(MIGRATIONS),)]
    with pytest.raises(apsw.ConstraintError):
        again.execute("INSERT INTO content (size, refs, since, outside) VALUES (1, 1, 0, 'x'), (1, 1, 0, 'x')")
    again.close()
