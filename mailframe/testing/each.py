"""One check for many cases, each a test with a name of its own, under pytest and trial alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

Check = TypeVar("Check", bound=Callable[..., Awaitable[None]])


def each(cases: Mapping[str, tuple[Any, ...]]) -> Callable[[Check], Check]:
    """Decorates a method ``check_...`` of a `Cased` class: it becomes one test for each word, called with its arguments."""
    def mark(check: Check) -> Check:
        check.cases = cases     # type: ignore[attr-defined]
        return check
    return mark


class Cased:
    """Its subclasses' checks become tests: ``check_reading`` with the case "empty" is ``test_reading_empty``."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, check in list(vars(cls).items()):
            for word, given in getattr(check, "cases", {}).items():
                test = _test(check, given)
                test.__name__ = f"{name.replace('check_', 'test_', 1)}_{word}"
                test.__qualname__ = f"{cls.__qualname__}.{test.__name__}"
                test.__doc__ = check.__doc__
                setattr(cls, test.__name__, test)


def _test(check: Callable[..., Awaitable[None]], given: tuple[Any, ...]) -> Callable[[Any], Awaitable[None]]:
    async def test(self: Any) -> None:
        await check(self, *given)
    return test
