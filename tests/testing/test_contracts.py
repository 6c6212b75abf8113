"""The store contract finds what it is there to find: every one of these broken stores fails it."""

from __future__ import annotations

import unittest
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import Changes, FlagsStored, Rows
from mailframe.stores.memory import MemoryAccount, MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox
from mailframe.testing.contracts import StoreContract


def breaks(owner: type, name: str) -> Callable[[Any], Any]:
    """Replace a method of the store in memory by one that is given the good one first."""
    return lambda broken: (owner, name, broken)


@breaks(MemoryMailbox, "expunge")
async def uids_used_again(good: Any, self: Any, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
    gone: array[int] = await good(self, uids, only_deleted)
    self._uidnext = max(self._uids, default=0) + 1
    return gone


@breaks(MemoryMailbox, "expunge")
async def deleted_flag_ignored(good: Any, self: Any, uids: Any, only_deleted: bool) -> Any:
    return await good(self, uids, False)


@breaks(MemoryMailbox, "read")
async def offset_ignored(good: Any, self: Any, uid: int, offset: int, size: int) -> Any:
    return (await good(self, uid, 0, 1 << 40))[:size]


@breaks(MemoryMailbox, "append")
async def not_all_or_none(good: Any, self: Any, messages: Any) -> Any:
    new = array("I")
    for message in messages:
        new += await good(self, [message])
    return new


@breaks(MemoryMailbox, "append")
async def head_forgotten(good: Any, self: Any, messages: Any) -> Any:
    return await good(self, [replace(message, head=b"") for message in messages])


@breaks(MemoryMailbox, "changes")
async def expunges_not_told(good: Any, self: Any, cursor: object) -> Any:
    changes = await good(self, cursor)
    return Changes(changes.cursor, changes.rows, array("I"))


@breaks(MemoryMailbox, "set_flags")
async def unchanged_since_ignored(good: Any, self: Any, uids: Any, change: Any, unchanged_since: Any) -> Any:
    return await good(self, uids, change, None)


@breaks(MemoryMailbox, "set_flags")
async def answer_of_flags_empty(good: Any, self: Any, uids: Any, change: Any, unchanged_since: Any) -> Any:
    return FlagsStored(Rows(), (await good(self, uids, change, unchanged_since)).refused)


@breaks(MemoryMailbox, "rows")
async def limit_ignored(good: Any, self: Any, ranges: Any, limit: int, fields: Any) -> Any:
    return await good(self, ranges, 1 << 40, fields)


@breaks(MemoryMailbox, "move")
async def move_only_copies(good: Any, self: Any, uids: Any, target_id: str) -> Any:
    return await self.copy(uids, target_id)


@breaks(MemoryMailbox, "claim_recent")
async def always_recent(good: Any, self: Any) -> int:
    return 1


@breaks(MemoryAccount, "rename")
async def rename_half_done(good: Any, self: Any, moves: Any) -> None:
    for move in moves:
        await good(self, [move])


@breaks(MemoryAccount, "subscribe")
def nobody_told(good: Any, self: Any, listener: Any) -> Any:
    return lambda: None


class Examined(StoreContract, TestCase):
    __test__ = False
    timeout = 1

    def make_store(self) -> Any:
        return MemoryStore()


def examined() -> tuple[int, list[str]]:
    result = unittest.TestResult()
    names = [name for name in dir(Examined) if name.startswith("test_")]
    unittest.TestSuite(Examined(name) for name in names).run(result)
    return len(names), [str(case) for case, _ in (*result.failures, *result.errors)]


def test_the_good_store_passes() -> None:
    count, failed = examined()
    assert count > 40 and not failed


@pytest.mark.parametrize("broken", [
    uids_used_again, deleted_flag_ignored, offset_ignored, not_all_or_none, head_forgotten, expunges_not_told,
    unchanged_since_ignored, answer_of_flags_empty, limit_ignored, move_only_copies, always_recent, rename_half_done, nobody_told,
], ids=lambda broken: broken[2].__name__)
def test_a_broken_store_fails(broken: tuple[type, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, method = broken
    good = getattr(owner, name)
    if method is nobody_told[2]:
        monkeypatch.setattr(owner, name, lambda self, *args: method(good, self, *args))
    else:
        async def replaced(self: Any, *args: Any) -> Any:
            return await method(good, self, *args)
        monkeypatch.setattr(owner, name, replaced)
    assert examined()[1]
