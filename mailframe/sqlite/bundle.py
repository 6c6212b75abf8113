"""Jobs of one kind that the writer may do together: fewer statements, and each of those waits for the interpreter once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import apsw

Item = TypeVar("Item")
R = TypeVar("R")
S = TypeVar("S")


class Bundled(Generic[Item, R]):
    """A job for `Engine.submit`. Those that wait in one group with the same `together` are given to it at once.

    `together(connection, items)` returns one result for each item, in their order, or raises: then each is done alone,
    as if it had never been bundled. `finish` makes the job's result of its item's; it must do no SQL.
    """

    __slots__ = ("finish", "item", "together")

    def __init__(
        self, together: Callable[[apsw.Connection, Sequence[Item]], Sequence[Any]], item: Item, finish: Callable[[Any], R],
    ) -> None:
        self.together = together
        self.item = item
        self.finish = finish

    def __call__(self, connection: apsw.Connection) -> R:
        """Do it alone."""
        return self.finish(self.together(connection, (self.item,))[0])


def mapped(job: Callable[[Any], R], change: Callable[[R], S]) -> Callable[[Any], S]:
    """A job with the result ``change(result)``; one that can be bundled stays so."""
    if isinstance(job, Bundled):
        finish = job.finish
        return Bundled(job.together, job.item, lambda result: change(finish(result)))
    return lambda connection: change(job(connection))
