"""Work that is begun at once, and goes on when what it waits for has come."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mailframe.pacing.begun import begun


def outcomes(work: Any) -> list[Any]:
    waiting = begun(work)
    assert isinstance(waiting, Deferred)
    found: list[Any] = []
    waiting.addCallbacks(found.append, lambda failure: found.append(failure.value))
    found.append(waiting)
    return found


async def sums(*parts: Deferred[int]) -> int:
    return sum([await part for part in parts])


def test_what_has_nothing_to_wait_for_is_done() -> None:
    done: Deferred[int] = Deferred()
    done.callback(3)
    assert begun(sums(done)) == (3,)


def test_what_fails_at_once_raises() -> None:
    failed: Deferred[int] = Deferred()
    failed.errback(ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        begun(sums(failed))


def test_it_waits_as_often_as_it_has_to() -> None:
    one: Deferred[int] = Deferred()
    two: Deferred[int] = Deferred()
    waiting, *found = outcomes(sums(one, two))
    one.callback(1)
    assert not waiting.called and not found
    two.callback(2)
    assert waiting.result is None and waiting.called


def test_a_failure_comes_where_it_is_waited_for() -> None:
    async def careful(part: Deferred[int]) -> str:
        try:
            await part
        except ValueError as error:
            return f"caught {error}"
        return ""

    for work, expected in ((careful, "caught no"), (sums, "no")):
        part: Deferred[int] = Deferred()
        found = outcomes(work(part))
        part.errback(ValueError("no"))
        assert str(found[1]) == expected


def test_to_cancel_it_is_to_cancel_what_it_waits_for_and_it_says_what_comes_of_it() -> None:
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()

    async def reluctant() -> int:
        try:
            return await first
        except CancelledError:
            return await second

    found = outcomes(reluctant())
    found[0].cancel()
    assert first.called and len(found) == 1        # it has something left to do
    second.callback(5)
    assert found[1] == 5
    found[0].cancel()                              # too late, and no harm


def test_who_does_not_object_is_cancelled() -> None:
    found = outcomes(sums(Deferred()))
    found[0].cancel()
    assert isinstance(found[1], CancelledError)
