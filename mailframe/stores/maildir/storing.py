"""STORE: flags change by renaming, which is durable before the index follows."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw
from twisted.internet.defer import Deferred, gatherResults

from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Field, FlagsStored
from mailframe.stores.sqlite import flagging
from mailframe.stores.sqlite.listing import columns
from mailframe.stores.sqlite.schema import masks

from . import disk, names, schema
from .folder import Folder
from .look import path_of, times
from .placing import Placed
from .shared import held
from .words import Letters

_TRIES = 3                  # another program may rename what we are about to rename
_FLAGS = Field.FLAGS | Field.MODSEQ

#: (uid, the file as it is: in new, name; its new name, in cur)
Renaming = tuple[int, bool, bytes, bytes]


@dataclass(eq=False)
class Store:
    """One STORE that waits for its turn; `left` are the UIDs whose files were not where they were thought to be."""

    uids: Sequence[int]
    change: FlagChange
    unchanged_since: int | None
    left: Sequence[int] = ()
    renamed: list[Renaming] = field(default_factory=list)
    done: Deferred[FlagsStored] = field(default_factory=Deferred)


async def set_flags(folder: Folder, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
    """As `IMailbox.set_flags`. Those that wait for the folder go together: one look, one fsync, one commit for all of them."""
    store = Store(uids, change, unchanged_since, uids)
    folder.stores.append(store)
    try:
        async with held(folder.lock):
            while store in folder.stores:       # else it went with others
                await _store_together(folder, _together(folder))
    finally:
        if store in folder.stores:              # who asked has given up
            folder.stores.remove(store)
    return await store.done


async def _store_together(folder: Folder, batch: Sequence[Store]) -> None:
    try:
        await folder.look_locked()
        await _rename_for(folder, batch)
    except Exception as error:                  # each hears of it
        for each in batch:
            each.done.errback(error)
    else:
        await gatherResults([Deferred.fromCoroutine(_record(folder, each)) for each in batch])


def _together(folder: Folder) -> list[Store]:
    """From the front those that have no message in common: what comes second to a message must see what the first did."""
    taken: set[int] = set()
    batch: list[Store] = []
    while folder.stores and taken.isdisjoint(folder.stores[0].uids):
        batch.append(folder.stores.pop(0))
        taken.update(batch[-1].uids)
    return batch


async def _rename_for(folder: Folder, batch: Sequence[Store]) -> None:
    for _ in range(_TRIES):
        wanted = [await _wanted(folder, each.left, each.change, each.unchanged_since) for each in batch]
        missing = await _rename(folder, [renaming for part in wanted for renaming in part])
        for each, part in zip(batch, wanted):
            each.renamed += [renaming for renaming in part if renaming[0] not in missing]
            each.left = sorted(missing.intersection(each.left))
        if not missing:
            return
        await folder.look_locked(everything=True)


async def _record(folder: Folder, store: Store) -> None:
    left = set(store.left)
    chosen = [uid for uid in store.uids if uid not in left] if left else store.uids

    def job(con: apsw.Connection) -> flagging.Flagged:
        outcome = flagging.set_flags(con, folder.number, chosen, store.change, store.unchanged_since)
        schema.keep(con, folder.number, [each[0] for each in store.renamed], [(False, each[3]) for each in store.renamed])
        return outcome
    try:
        rows, refused, modseq = await folder.shared.engine.submit(job)
    except Exception as error:
        store.done.errback(error)
        return
    if modseq:
        folder.tell()
    store.done.callback(FlagsStored(columns(rows, _FLAGS), array("I", refused)))


async def settle(folder: Folder) -> None:
    """Move what is in new to cur: a session was told of it as recent."""
    async with held(folder.lock):
        rows = await folder.shared.engine.query(schema.KNOWN_FRESH, (folder.number,), bulk=True)
        moves: list[Renaming] = [
            (uid, True, name, names.with_letters(name, names.letters_of(name))) for uid, _, name in rows]
        if moves:
            missing = await _rename(folder, moves, durable=False)
            done = [each for each in moves if each[0] not in missing]
            await folder.shared.engine.submit(lambda con: schema.keep(
                con, folder.number, [each[0] for each in done], [(False, each[3]) for each in done]))


async def _wanted(folder: Folder, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> list[Renaming]:
    """Which files need another name."""
    rows = await folder.chosen(uids)
    letters = await folder.letters(change.set) if rows else Letters({}, ())
    if rows:
        letters = await folder.all_letters()
    wanted: list[Renaming] = []
    for (uid, _, modseq, _, _, fresh, name), mask in zip(rows, masks([row[1] for row in rows])):
        if unchanged_since is not None and modseq > unchanged_since:
            continue
        after, now = change.apply(mask), names.letters_of(name)
        if after != mask and (fresh or letters.mask(now) != after & letters.known):
            wanted.append((uid, bool(fresh), name, names.with_letters(name, letters.letters(after, now))))
    return wanted


async def _rename(folder: Folder, wanted: Sequence[Renaming], durable: bool = True) -> set[int]:
    """The UIDs of those whose file was not there."""
    if not wanted:
        return set()
    placed, missing = await folder.shared.disk.run(_rename_all, folder.path, wanted, durable)
    folder.noted(placed)
    return {wanted[place][0] for place in missing}


def _rename_all(folder: bytes, wanted: Sequence[Renaming], durable: bool) -> tuple[Placed, list[int]]:
    before = times(folder)
    missing = disk.rename_all([
        (path_of(folder, fresh, name), path_of(folder, False, new)) for _, fresh, name, new in wanted])
    if durable:
        disk.sync_folder(os.fsdecode(folder + b"/cur"))
    return Placed([], before, times(folder)), missing
