"""One folder in use: what is known of its directories, its lock, its letters, and the way in for new messages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
from twisted.internet.defer import DeferredLock

from mailframe.model.flags import FIRST_KEYWORD_BIT
from mailframe.model.mailbox import New
from mailframe.model.refusal import NoSuchMailbox
from mailframe.sqlite.rows import Row
from mailframe.stores import keywords
from mailframe.stores.sqlite import arrivals
from mailframe.stores.sqlite.mailbox import SqliteMailbox
from mailframe.stores.sqlite.schema import uid_set

from . import changes, disk, look, names, schema, words
from .arriving import Written
from .look import Difference, Seen, path_of
from .placing import Placed, Placer
from .shared import Shared, held
from .words import Letters

_SLICE = 500                # files taken in by one job of the writer
_PLAIN = Letters({}, ())


class Folder:
    """One mailbox's files. All that changes names of messages that are known holds `lock`; new ones come in beside it.

    What is `placing` lies in the folder before the index knows it: a look passes it over, so that it is not taken in twice.
    """

    def __init__(self, shared: Shared, account: int, number: int, path: Path, times: Sequence[int] = (0, 0, 0)) -> None:
        """`times` are those that `schema.put_times` kept."""
        self.shared = shared
        self.account = account
        self.number = number
        self.index = SqliteMailbox(shared.parts, account, number)
        self.lock = DeferredLock()
        self.troubled = False           # the last look failed
        self.stores: list[Any] = []     # STOREs that wait for the lock, in their order
        self.move_to(path)
        self._cur, self._new = Seen(times[0]), Seen(times[1])
        self._placing: set[bytes] = set()
        self._placed_meanwhile: set[bytes] | None = None        # while a look compares
        self._placer = Placer(shared.disk, lambda: self.path, self.noted)
        self._words: dict[int, str] | None = None               # not read yet
        self._words_time = times[2]
        self._words_lock = DeferredLock()

    def move_to(self, path: Path) -> None:
        """The folder has another name now."""
        self.path = os.fsencode(path)
        self._words_path = path / words.FILE

    # Looking

    def needs_listing(self, cur: int, new: int) -> bool:
        now = self.shared.system_ns()
        return self._cur.needs_listing(cur, now) or self._new.needs_listing(new, now)

    def held(self) -> AbstractAsyncContextManager[None]:
        """The lock."""
        return held(self.lock)

    async def look(self) -> None:
        """Take in what other programs did. Raises NoSuchMailbox, StorageFull, TryAgainLater."""
        async with held(self.lock):
            await self.look_locked()

    async def look_locked(self, everything: bool = False) -> None:
        """As `look`, by who holds the lock; `everything`: whatever the times say."""
        now = self.shared.system_ns()
        try:
            (cur, new), word_time = await self.shared.disk.run(self._stat)
            fresh = await self._learn_words() if word_time != self._words_time or self._words is None else b""
            in_cur = everything or fresh != b"" or self._cur.needs_listing(cur, now)
            if in_cur or self._new.needs_listing(new, now):
                await self._compare(not in_cur, fresh)
                self._new.listed(new, now)
                if in_cur:
                    self._cur.listed(cur, now)
                await self._remember_times()
        except FileNotFoundError as error:
            raise NoSuchMailbox(detail=f"folder {os.fsdecode(self.path)} is gone") from error

    def _stat(self) -> tuple[tuple[int, int], int]:
        return look.times(self.path), _time(self._words_path)

    async def _compare(self, only_new: bool, fresh: bytes) -> None:
        self._placed_meanwhile = placed = set(self._placing)
        try:
            known = await self.shared.engine.query(schema.KNOWN_FRESH if only_new else schema.KNOWN, (self.number,), bulk=True)
            difference = await self.shared.disk.run(look.compare, self.path, known, placed, only_new, fresh)
        finally:
            self._placed_meanwhile = None
        if difference is None:
            await self._compare(False, fresh)
            return
        await self._take_over(difference)
        for part in look.in_slices(difference.arrived, _SLICE):
            files = await self.shared.disk.run(look.measured, self.path, part)
            if files:
                await self.shared.engine.submit(partial(
                    changes.take_in, mailbox=self.number, words=self._words or {}, files=files, saved=self.shared.now()))
                self.tell()

    async def _take_over(self, difference: Difference) -> None:
        if (difference.gone or difference.renamed) and await self.shared.engine.submit(partial(
                changes.take_over, mailbox=self.number, words=self._words or {}, difference=difference, now=self.shared.now())):
            self.tell()

    async def _remember_times(self) -> None:
        times = self._cur.lasting, self._new.lasting, self._words_time
        if times != (0, 0, 0):
            await self.shared.engine.submit(lambda con: schema.put_times(con, self.number, *times))

    def noted(self, placed: Placed) -> None:
        """The directories' times before and after something that we did."""
        self._cur.changed_by_us(placed.before[0], placed.after[0])
        self._new.changed_by_us(placed.before[1], placed.after[1])

    def tell(self) -> None:
        self.shared.parts.tell(self.account, str(self.number))

    # Letters

    async def letters(self, mask: int) -> Letters:
        """How to write the flags in `mask`; its keywords get letters as long as there are some."""
        if not mask >> FIRST_KEYWORD_BIT:
            return _PLAIN
        table = await self.index.keywords(())
        return Letters(await self.ensure_words(keywords.used((mask,), table)), table)

    async def all_letters(self) -> Letters:
        """How to read and write what has letters now."""
        return Letters(await self.ensure_words(()), await self.index.keywords(()))

    async def ensure_words(self, wanted: Sequence[str]) -> dict[int, str]:
        """Write those of `wanted` that have no letter to the folder's file, so that other programs know them; all of them."""
        if self._words is None or words.missing(self._words, wanted) != self._words:
            await self._learn_words(wanted)
        return self._words or {}

    async def _learn_words(self, wanted: Sequence[str] = ()) -> bytes:
        """The letters that have a meaning only now."""
        async with held(self._words_lock):
            known, time = self._words, self._words_time
            found, self._words_time = await self.shared.disk.run(_add_words, self._words_path, wanted)
            self._words = found
            if known is None and time == self._words_time:
                return b""              # read for the first time, and as it was when it last was looked at
            return bytes(ord("a") + number for number in found if number not in (known or {}))

    # New messages

    async def add(self, written: Sequence[Written], messages: Sequence[New]) -> range:
        """Give files of this folder's tmp their names, then the index their rows: all or none. Returns their UIDs.

        Raises FileNotFoundError when the folder is not where it was, NoSuchMailbox, and what `Disk.run` raises."""
        letters = await self.letters(_together(messages))
        files = [(not message.flags, names.with_letters(each.base, letters.letters(message.flags)) if message.flags else each.base)
                 for each, message in zip(written, messages)]
        rows = [New(b"", b"", message.flags, message.date, each.size, message.attributes)
                for each, message in zip(written, messages)]

        def job(con: apsw.Connection) -> range:
            uids = arrivals.register(con, self.number, rows, self.shared.now())
            schema.keep(con, self.number, uids, files)
            return uids
        bases = [each.base for each in written]
        self.begin_placing(bases)
        try:
            await self._placer.place([(each.path, fresh, name) for each, (fresh, name) in zip(written, files)])
            try:
                uids: range = await self.shared.engine.submit(job)
            except BaseException:
                await self.shared.disk.run(disk.clear_away, [path_of(self.path, *place) for place in files])
                raise
        finally:
            self.end_placing(bases)
        self.tell()
        return uids

    def begin_placing(self, bases: Sequence[bytes]) -> None:
        self._placing.update(bases)
        if self._placed_meanwhile is not None:
            self._placed_meanwhile.update(bases)

    def end_placing(self, bases: Sequence[bytes]) -> None:
        self._placing.difference_update(bases)

    async def chosen(self, uids: Sequence[int] | None) -> list[Row]:
        """Rows as `schema.THESE` has them of those of `uids` (None: all) that exist, ascending."""
        engine = self.shared.engine
        if uids is None:
            rows: list[Row] = await engine.query(f"{schema.THESE} ORDER BY m.uid", (self.number,), bulk=True)
        else:
            rows = await engine.query(
                f"{schema.THESE} AND m.uid IN carray(?) ORDER BY m.uid", (self.number, uid_set(uids)), bulk=len(uids) > _SLICE)
        return rows


def _together(messages: Sequence[New]) -> int:
    mask = 0
    for message in messages:
        mask |= message.flags
    return mask


def _time(path: Path) -> int:
    """0: there is no such file."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def _add_words(path: Path, wanted: Sequence[str]) -> tuple[dict[int, str], int]:
    """In a thread: the keywords of the file, with `wanted` in it; and its time."""
    time = _time(path)
    known = words.parsed(disk.read_file(path))
    grown = words.missing(known, wanted)
    if grown != known:
        disk.replace_file(path, words.written(grown))
        time = _time(path)
    return grown, time
