"""Where the pipeline meets a plugin: its refusals pass, its faults become a temporary failure and a log entry (I7, I8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailframe.interfaces.maybe import waits
from mailframe.model.refusal import InternalError, Refusal
from mailframe.pacing.deadline import within

T = TypeVar("T")
log = Logger()


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a part may take for one answer."""

    clock: IReactorTime
    seconds: float


@overload
async def contained(part: object, call: Callable[..., Awaitable[T]], *arguments: Any, limit: Limit | None = None) -> T: ...


@overload
async def contained(part: object, call: Callable[..., T], *arguments: Any, limit: Limit | None = None) -> T: ...


async def contained(part: object, call: Callable[..., Any], *arguments: Any, limit: Limit | None = None) -> Any:
    """``call(*arguments)``, settled. Raises Refusal only: InternalError for whatever else went wrong inside, or took too long."""
    try:
        answer = call(*arguments)
        if not waits(answer):
            return answer
        return await answer if limit is None else await within(limit.seconds, limit.clock, answer)
    except Refusal:
        raise
    except Exception as error:
        raise fault(part, call) from error


def fault(part: object, call: Callable[..., Any]) -> InternalError:
    """Within an ``except``: log the fault of `part` with its traceback and name it for the refusal's detail."""
    what = f"{type(part).__qualname__}.{getattr(call, '__name__', 'call')}"
    log.failure("{what} failed", what=what)
    return InternalError(detail=what)
