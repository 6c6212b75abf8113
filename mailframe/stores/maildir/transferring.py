"""COPY and MOVE within an account: hard links and renames, durable before the index follows."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence

import apsw

from mailframe.sqlite.rows import Row
from mailframe.stores import keywords
from mailframe.stores.sqlite import copies
from mailframe.stores.sqlite.schema import masks

from . import disk, names, schema
from .folder import Folder
from .look import path_of, times
from .placing import Placed
from .shared import held

_TRIES = 3

Pairs = tuple["array[int]", "array[int]"]
Act = Callable[[bytes, bytes], None]


async def copy(source: Folder, uids: Sequence[int], target: Folder) -> Pairs:
    """As `ICopyable.copy`."""
    def job(con: apsw.Connection, chosen: Sequence[int]) -> tuple[list[int], range]:
        return copies.copy(con, source.account, source.number, chosen, target.number, source.shared.now(), None)
    return await _transfer(source, uids, target, disk.link, job)


async def move(source: Folder, uids: Sequence[int], target: Folder) -> Pairs:
    """As `IMovable.move`."""
    def job(con: apsw.Connection, chosen: Sequence[int]) -> tuple[list[int], range]:
        old, new = copies.move(con, source.account, source.number, chosen, target.number, source.shared.now())
        schema.forget(con, source.number, old)
        return old, new
    pairs = await _transfer(source, uids, target, os.rename, job)
    if pairs[0]:
        source.tell()
    return pairs


async def _transfer(
    source: Folder, uids: Sequence[int], target: Folder, act: Act,
    job: Callable[[apsw.Connection, Sequence[int]], tuple[list[int], range]],
) -> Pairs:
    async with held(source.lock):
        await source.look_locked()
        for _ in range(_TRIES):
            rows = await source.chosen(uids)
            files = await _names(source, rows, target)
            bases = [names.base_of(name) for name in files]
            target.begin_placing(bases)
            try:
                if await _act(source, rows, target, files, act):
                    old, new = await _record(source, rows, target, files, job, act)
                    break
            finally:
                target.end_placing(bases)
            await source.look_locked(everything=True)       # a file was not there under its name
        else:
            raise FileNotFoundError(f"{os.fsdecode(target.path)} or what was to come there is not there")
    if old:
        target.tell()
    return array("I", old), array("I", new)


async def _names(source: Folder, rows: Sequence[Row], target: Folder) -> list[bytes]:
    """What the copies are called; the target's keywords grow for them as far as they can."""
    flags = masks([row[1] for row in rows])
    mine, theirs = await source.index.keywords(()), await target.index.keywords(())
    words = keywords.carried(mine, flags, theirs)
    if words != theirs:
        await target.index.keywords(words)
    await target.ensure_words(keywords.used(flags, mine))
    letters = await target.all_letters()
    namer = source.shared.namer
    return [names.with_letters(namer.base(names.fields_of(names.base_of(row[6]))),
                               letters.letters(keywords.translate(mask, mine, words))) for row, mask in zip(rows, flags)]


async def _act(source: Folder, rows: Sequence[Row], target: Folder, files: Sequence[bytes], act: Act) -> bool:
    """All or none of them; False when one was not where it was thought to be."""
    pairs = [(path_of(source.path, bool(row[5]), row[6]), path_of(target.path, False, name)) for row, name in zip(rows, files)]
    try:
        left, entered = await source.shared.disk.run(_act_on_all, source.path, target.path, pairs, act)
    except FileNotFoundError:
        return False
    target.noted(entered)
    source.noted(left)
    return True


async def _record(
    source: Folder, rows: Sequence[Row], target: Folder, files: Sequence[bytes],
    job: Callable[[apsw.Connection, Sequence[int]], tuple[list[int], range]], act: Act,
) -> tuple[list[int], range]:
    chosen = [row[0] for row in rows]

    def whole(con: apsw.Connection) -> tuple[list[int], range]:
        old, new = job(con, chosen)
        schema.keep(con, target.number, new, [(False, name) for name in files])
        return old, new
    try:
        outcome: tuple[list[int], range] = await source.shared.engine.submit(whole)
    except BaseException:
        pairs = [(path_of(source.path, bool(row[5]), row[6]), path_of(target.path, False, name))
                 for row, name in zip(rows, files)]
        await source.shared.disk.run(_undo, pairs, act)
        raise
    return outcome


def _act_on_all(source: bytes, target: bytes, pairs: Sequence[tuple[bytes, bytes]], act: Act) -> tuple[Placed, Placed]:
    """In a thread: all or none, durably. Raises OSError."""
    before = times(source), times(target)
    done: list[tuple[bytes, bytes]] = []
    try:
        for old, new in pairs:
            act(old, new)
            done.append((old, new))
    except OSError:
        _undo(done, act)
        raise
    if pairs:
        disk.sync_folder(os.fsdecode(target + b"/cur"))
        if act is os.rename:
            for directory in {os.path.dirname(old) for old, _ in pairs}:
                disk.sync_folder(os.fsdecode(directory))
    return Placed([], before[0], times(source)), Placed([], before[1], times(target))


def _undo(pairs: Sequence[tuple[bytes, bytes]], act: Act) -> None:
    """Copies go; what was moved goes back."""
    if act is not os.rename:
        disk.clear_away([new for _, new in pairs])
        return
    for old, new in pairs:
        try:
            os.rename(new, old)
        except OSError as error:
            disk.log.warn("cannot move {path} back: {error}", path=os.fsdecode(new), error=error)
