"""The store contract finds what it is there to find: every one of these broken stores fails it."""

from __future__ import annotations

import unittest
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from support.coroutines import result_of
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import Changes, FlagsStored, NewMailbox, Rows
from mailframe.model.refusal import MailboxExists
from mailframe.stores.memory import MemoryAccount, MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox
from mailframe.testing.cases import Cases, cases
from mailframe.testing.contracts import StoreContract
from mailframe.testing.store_columns import ColumnsContract
from mailframe.testing.store_copies import CopiesContract
from mailframe.testing.store_crash import CrashContract
from mailframe.testing.store_deliveries import DeliveriesContract
from mailframe.testing.store_flags import FlagsContract
from mailframe.testing.store_mailboxes import MailboxesContract
from mailframe.testing.store_modseqs import ModSeqsContract
from mailframe.testing.store_names import NamesContract
from mailframe.testing.store_octets import OctetsContract
from mailframe.testing.store_optional import OptionalContract
from mailframe.testing.store_quota import QuotaContract
from mailframe.testing.store_renames import RenamesContract
from mailframe.testing.store_sessions import SessionsContract
from mailframe.testing.store_uids import UidsContract


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


@breaks(MemoryMailbox, "copy")
async def keywords_copied_as_numbers(good: Any, self: Any, uids: Any, target_id: str) -> Any:
    words, self._words = self._words, self._siblings[target_id]._words if target_id in self._siblings else ()
    try:
        return await good(self, uids, target_id)
    finally:
        self._words = words


@breaks(MemoryMailbox, "append")
async def a_number_lost_at_each_tenth(good: Any, self: Any, messages: Any) -> Any:
    uids = await good(self, messages)
    if uids and self._uidnext % 10 == 0:
        self._uidnext -= 1
    return uids


@breaks(MemoryMailbox, "changes")
async def others_changes_are_not_told(good: Any, self: Any, cursor: object) -> Any:
    changes = await good(self, cursor)
    return Changes(changes.cursor, Rows(), changes.vanished)


@breaks(MemoryMailbox, "keywords")
async def keywords_with_case(good: Any, self: Any, add: Sequence[str]) -> Any:
    self._words = (*self._words, *(word for word in add if word not in self._words))
    return self._words


@breaks(MemoryAccount, "create")
async def names_without_case(good: Any, self: Any, mailbox: NewMailbox) -> Any:
    if mailbox.name.lower() in (name.lower() for name in self._infos):
        raise MailboxExists()
    return await good(self, mailbox)


@breaks(MemoryAccount, "delete")
async def deleted_with_its_children(good: Any, self: Any, mailbox_id: str) -> None:
    name = next(info.name for info in self._infos.values() if info.id == mailbox_id)
    for info in [info for info in self._infos.values() if info.name == name or info.name.startswith(name + "/")]:
        await good(self, info.id)


@breaks(MemoryAccount, "set_quota")
async def quota_never_kept(good: Any, self: Any, max_octets: int | None, max_messages: int | None) -> None:
    pass


@breaks(MemoryStore, "deliver")
async def all_outcomes_are_the_first(good: Any, self: Any, targets: Any, *fresh: Any) -> Any:
    outcomes = await good(self, targets, *fresh)
    return outcomes[:1] * len(outcomes)


class Forgetful(CrashContract, TestCase):
    __test__ = False
    child_factory = "support.crash_factories:forgetful"


def test_a_store_that_forgets_what_it_promised_fails_when_it_is_killed() -> None:
    result = unittest.TestResult()
    unittest.TestSuite(Forgetful(name) for name in dir(Forgetful) if name.startswith("test_")).run(result)
    (_, words), = result.failures
    assert "MAILFRAME_SEED=" in words and "was acknowledged" in words


def examined(contract: type) -> tuple[int, list[str]]:
    """How many tests there are, and which one failed first."""
    class Examined(contract, TestCase):       # type: ignore[misc]
        timeout = 1

        def make_store(self) -> Any:
            return MemoryStore()

    result = unittest.TestResult()
    result.failfast = True
    names = [name for name in dir(Examined) if name.startswith("test_")]
    unittest.TestSuite(Examined(name) for name in names).run(result)
    return len(names), [str(case) for case, _ in (*result.failures, *result.errors)]


def test_the_good_store_passes() -> None:
    count, failed = examined(StoreContract)
    assert count > 1_000 and not failed


def test_no_part_of_the_contract_hides_what_another_defines() -> None:
    own: dict[str, str] = {}
    for part in StoreContract.__bases__:
        for name, value in vars(part).items():
            if callable(value) and not name.startswith("__"):
                assert name not in own, f"{name} of {own[name]} is hidden by that of {part.__name__}"
                own[name] = part.__name__


def test_each_row_of_a_table_is_a_test_with_a_name_of_its_own() -> None:
    class Tables(Cases):
        seen: ClassVar[list[tuple[Any, ...]]] = []

        @cases({"one": (1, "a"), "two": 2})
        async def test_rows(self, *row: Any) -> None:
            """What it says."""
            self.seen.append(row)

    names = [name for name in dir(Tables) if name.startswith("test_")]
    assert names == ["test_rows__one", "test_rows__two"]
    for name in names:
        method = getattr(Tables(), name)
        assert method.__name__ == name and method.__doc__ == "What it says."
        result_of(method())
    assert Tables.seen == [(1, "a"), (2,)]


@pytest.mark.parametrize(("broken", "part"), [
    (uids_used_again, UidsContract), (deleted_flag_ignored, FlagsContract), (offset_ignored, OctetsContract),
    (not_all_or_none, QuotaContract), (head_forgotten, OctetsContract), (expunges_not_told, ModSeqsContract),
    (unchanged_since_ignored, ModSeqsContract), (answer_of_flags_empty, FlagsContract), (limit_ignored, ColumnsContract),
    (move_only_copies, CopiesContract), (always_recent, OptionalContract), (rename_half_done, RenamesContract),
    (nobody_told, MailboxesContract), (keywords_copied_as_numbers, CopiesContract), (a_number_lost_at_each_tenth, UidsContract),
    (others_changes_are_not_told, SessionsContract), (keywords_with_case, FlagsContract), (names_without_case, NamesContract),
    (deleted_with_its_children, MailboxesContract), (quota_never_kept, QuotaContract),
    (all_outcomes_are_the_first, DeliveriesContract),
], ids=lambda row: row[2].__name__ if isinstance(row, tuple) else row.__name__)
def test_a_broken_store_fails(broken: tuple[type, str, Any], part: type, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, method = broken
    good = getattr(owner, name)
    if method is nobody_told[2]:
        monkeypatch.setattr(owner, name, lambda self, *args: method(good, self, *args))
    else:
        async def replaced(self: Any, *args: Any) -> Any:
            return await method(good, self, *args)
        monkeypatch.setattr(owner, name, replaced)
    assert examined(part)[1]
