"""The content contract finds what it is there to find: every one of these broken stores fails it."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import pytest
from support.memory_content import MemoryContent, MemoryStaged
from twisted.trial.unittest import TestCase

from mailframe.testing.contracts import ContentContract


class Examined(ContentContract, TestCase):
    __test__ = False
    durable = False
    in_memory = True
    timeout = 5

    def make_content(self, place: Path) -> Any:
        return MemoryContent()


def examined(first: bool = False) -> tuple[int, list[str]]:
    """(how many tests, those that failed); with `first` only until one did."""
    result = unittest.TestResult()
    result.failfast = first
    names = [name for name in dir(Examined) if name.startswith("test_")]
    unittest.TestSuite(Examined(name) for name in names).run(result)
    return len(names), [str(case) for case, _ in (*result.failures, *result.errors)]


def offset_ignored(good: Any, self: Any, content_id: str, offset: int, size: int) -> Any:
    return good(self, content_id, 0, size)


def size_ignored(good: Any, self: Any, content_id: str, offset: int, size: int) -> Any:
    return good(self, content_id, offset, 1 << 40)


def missing_is_empty(good: Any, self: Any, content_id: str, offset: int, size: int) -> Any:
    return self.kept.get(content_id, b"")[offset:offset + size]


def same_octets_same_id(good: Any, self: Any, octets: bytes) -> str:
    for content_id, kept in self.kept.items():
        if kept == octets:
            return str(content_id)
    return str(good(self, octets))


def ids_used_again(good: Any, self: Any, octets: bytes) -> str:
    self._last = len(self.kept)
    return str(good(self, octets))


def equal_ones_removed_together(good: Any, self: Any, content_ids: Any) -> None:
    for octets in [self.kept[key] for key in content_ids if key in self.kept]:
        self.kept = {key: kept for key, kept in self.kept.items() if kept != octets}


def removed_only_once(good: Any, self: Any, content_ids: Any) -> None:
    for content_id in content_ids:
        del self.kept[content_id]


def nothing_removed(good: Any, self: Any, content_ids: Any) -> None:
    pass


def ids_unsorted(good: Any, self: Any, after: str, limit: int) -> Any:
    return good(self, after, limit)[::-1]


def ids_unlimited(good: Any, self: Any, after: str, limit: int) -> Any:
    return good(self, after, 1 << 40)


def ids_from_the_last(good: Any, self: Any, after: str, limit: int) -> Any:
    return sorted(content_id for content_id in self.kept if content_id > after)[1:limit]


def abort_keeps(good: Any, self: Any) -> None:
    if self._octets is not None:
        self._store.keep(bytes(self._octets))
    good(self)


def sealed_twice(good: Any, self: Any) -> Any:
    return self._store.keep(bytes(self._octets or b""))


def last_octet_lost(good: Any, self: Any) -> Any:
    self._octets = self._octets[:max(len(self._octets) - 1, 0)] if len(self._octets) > 262_144 else self._octets
    return good(self)


BROKEN = (
    (MemoryContent, "read", offset_ignored), (MemoryContent, "read", size_ignored), (MemoryContent, "read", missing_is_empty),
    (MemoryContent, "keep", same_octets_same_id), (MemoryContent, "keep", ids_used_again),
    (MemoryContent, "remove", equal_ones_removed_together), (MemoryContent, "remove", removed_only_once),
    (MemoryContent, "remove", nothing_removed), (MemoryContent, "ids", ids_unsorted), (MemoryContent, "ids", ids_unlimited),
    (MemoryContent, "ids", ids_from_the_last), (MemoryStaged, "abort", abort_keeps), (MemoryStaged, "seal", sealed_twice),
    (MemoryStaged, "seal", last_octet_lost),
)


def test_the_good_store_passes() -> None:
    count, failed = examined()
    assert count > 200 and not failed


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[2].__name__)
def test_a_broken_store_fails(broken: tuple[type, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, method = broken
    good = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda self, *arguments: method(good, self, *arguments))
    assert examined(first=True)[1]
