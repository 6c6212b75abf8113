"""EXPUNGE: files go, durably, before the index forgets them."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from functools import partial

from mailframe.model.flags import DELETED

from . import changes, disk
from .folder import Folder
from .look import path_of, times
from .placing import Placed
from .shared import held


async def expunge(folder: Folder, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
    """As `IMailbox.expunge`."""
    async with held(folder.lock):
        await folder.look_locked()
        rows = [row for row in await folder.chosen(uids) if not only_deleted or row[1] & DELETED]
        if not rows:
            return array("I")
        files = [(bool(row[5]), row[6]) for row in rows]
        folder.noted(await folder.shared.disk.run(_remove_all, folder.path, files))
        gone = await folder.shared.engine.submit(partial(
            changes.remove, mailbox=folder.number, uids=[row[0] for row in rows], only_deleted=False, now=folder.shared.now()))
    folder.tell()
    return array("I", gone)


def _remove_all(folder: bytes, files: Sequence[tuple[bool, bytes]]) -> Placed:
    """In a thread. One that is under another name now is found at the next look, and stays: it was changed, not deleted."""
    before = times(folder)
    disk.remove(path_of(folder, fresh, name) for fresh, name in files)
    for fresh in {fresh for fresh, _ in files}:
        disk.sync_folder(os.fsdecode(path_of(folder, fresh, b"")))
    return Placed([], before, times(folder))
