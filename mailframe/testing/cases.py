"""One test method for each row of a table, each with a name of its own in the report, under pytest and trial alike."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, None]])
_ROWS = "rows_of_cases"


def cases(table: Mapping[str, Any]) -> Callable[[Method], Method]:
    """``@cases({"empty": (b"",)})`` above ``async def test_x(self, octets)`` makes ``test_x__empty``, in a class with `Cases`.

    A row is the arguments as a tuple; anything else is the only argument. Labels are parts of Python names.
    """
    def mark(method: Method) -> Method:
        setattr(method, _ROWS, {label: row if isinstance(row, tuple) else (row,) for label, row in table.items()})
        return method
    return mark


class Cases:
    """A class whose methods marked by `cases` are replaced by one for each row."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name, method in [*vars(cls).items()]:
            rows: dict[str, tuple[Any, ...]] | None = getattr(method, _ROWS, None)
            if rows is None:
                continue
            delattr(cls, name)
            for label, row in rows.items():
                one = _bound(method, row)
                one.__name__ = f"{name}__{label}"
                one.__qualname__ = f"{cls.__qualname__}.{one.__name__}"
                one.__doc__ = method.__doc__
                one.__module__ = method.__module__
                setattr(cls, one.__name__, one)


def _bound(method: Callable[..., Coroutine[Any, Any, None]], row: tuple[Any, ...]) -> Callable[..., Coroutine[Any, Any, None]]:
    async def one(self: Any) -> None:
        await method(self, *row)
    return one
