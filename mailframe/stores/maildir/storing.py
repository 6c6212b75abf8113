"""STORE: flags change by renaming, which is durable before the index follows."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence

import apsw

from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import Field, FlagsStored
from mailframe.sqlite.rows import Row
from mailframe.stores.sqlite import departures
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


async def set_flags(folder: Folder, uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
    """As `IMailbox.set_flags`."""
    async with held(folder.lock):
        await folder.look_locked()
        renamed: list[Renaming] = []
        left: Sequence[int] = uids
        for _ in range(_TRIES):
            wanted = await _wanted(folder, left, change, unchanged_since)
            missing = await _rename(folder, wanted)
            renamed += [each for each in wanted if each[0] not in missing]
            left = sorted(missing)
            if not left:
                break
            await folder.look_locked(everything=True)
        chosen = uids if not left else [uid for uid in uids if uid not in set(left)]

        def job(con: apsw.Connection) -> tuple[list[Row], list[int], bool]:
            outcome = departures.set_flags(con, folder.number, chosen, change, unchanged_since)
            schema.keep(con, folder.number, [each[0] for each in renamed], [(False, each[3]) for each in renamed])
            return outcome
        rows, refused, changed = await folder.shared.engine.submit(job)
    if changed:
        folder.tell()
    return FlagsStored(columns(rows, _FLAGS), array("I", refused))


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
