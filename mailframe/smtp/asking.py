"""The one place where a session meets a plugin: what a plugin raises stays here (I7, I8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from twisted.logger import Logger

from mailframe.interfaces.maybe import waits
from mailframe.model.envelope import Peer
from mailframe.model.refusal import InternalError, Refusal

T = TypeVar("T")
P = ParamSpec("P")

log = Logger(namespace="mailframe.smtp")


async def ask(peer: Peer, what: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function`, which may also return the plain value. Raises Refusal: its own, or InternalError for any other fault."""
    try:
        answer: Any = function(*args, **kwargs)
        outcome: T = await answer if waits(answer) else answer
    except Refusal:
        raise
    except Exception:
        raise fault(peer, what, function) from None
    return outcome


def fault(peer: Peer, what: str, function: object) -> InternalError:
    """Within an ``except``: log what `function` raised, and what to answer instead."""
    name = getattr(function, "__qualname__", repr(function))
    log.failure("{what}: {plugin} failed for {ip}", what=what, plugin=name, ip=peer.ip)
    return InternalError(detail=f"{what}: {name}")


def tell(what: str, function: Callable[[], object]) -> None:
    """Call `function`, which has promised not to raise; if it does, that is logged."""
    try:
        function()
    except Exception:
        log.failure("{what}: {plugin} failed", what=what, plugin=getattr(function, "__qualname__", repr(function)))
