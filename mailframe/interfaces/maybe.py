"""The one helper that makes a plugin's plain value, Deferred and coroutine alike."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def settled(answer: Awaitable[T]) -> T: ...


@overload
async def settled(answer: T) -> T: ...


async def settled(answer: Any) -> Any:
    """What `answer` is, or comes to be: ``await settled(plugin.method(...))`` at every seam."""
    if isawaitable(answer):
        return await answer
    return answer
