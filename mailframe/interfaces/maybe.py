"""What makes a plugin's plain value, Deferred and coroutine alike, and costs next to nothing where nobody has to wait."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from types import CoroutineType
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def settled(answer: Awaitable[T]) -> T: ...


@overload
async def settled(answer: T) -> T: ...


async def settled(answer: Any) -> Any:
    """What `answer` is, or comes to be: ``await settled(plugin.method(...))`` at every seam."""
    if waits(answer):
        return await answer
    return answer


def waits(answer: object) -> bool:
    """Whether `answer` is to be awaited; quick for what the house itself answers."""
    return type(answer) is CoroutineType or (answer is not None and isawaitable(answer))
