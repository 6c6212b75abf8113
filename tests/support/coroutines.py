"""Running coroutines in tests without a reactor."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns or raises; it must not have to wait for anything."""
    found: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(found.append)
    assert found, "the coroutine still waits for something"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    answer: T = found[0]
    return answer
