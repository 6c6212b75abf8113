"""The queue's durable memory: what is still to be handed on, to whom, and when. Values: `mailframe.queue.item`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import Attribute, Interface


class ISpool(Interface):
    """Keeps queued messages. What is handed out stays due until it is settled: nothing is lost in a crash (I1).

    One process runs the queue; others may add to it. Times are seconds since the epoch.
    """

    engine = Attribute("the `mailframe.sqlite.engine.Engine` it rests on, or None; with one, the `_unit` methods are called")
    content = Attribute("the IContent for large messages, or None")

    async def start() -> None:
        """As `IMailStore.start`."""

    async def add(item: Any) -> None:
        """Keep a `NewItem`; durable on return. It is not due before its envelope's `hold_until`, whatever `retry` and
        `release` are asked. Raises StorageFull, TryAgainLater."""

    def add_unit(item: Any) -> tuple[Callable[[Any], None], Callable[[], None]]:
        """Instead of add: (what a job of the engine does with the connection; what to call after its commit)."""

    async def due(
        now: float, limit: int, after: Any, domain: str | None = None, skip: Sequence[str] = (), urgent: bool = False,
    ) -> Sequence[Any]:
        """The first `limit` `Waiting`s with next_try <= now that are not held, in order of (next_try, id), beyond the
        `Position` `after`; of one domain if one is given, of none in `skip`; of `urgent` ones a priority above 0."""

    async def next_due(after: float) -> float | None:
        """The earliest next_try, or deadline of `overdue`, later than `after` of what is not held."""

    async def overdue(now: float, limit: int) -> Sequence[Any]:
        """`Waiting`s that are due, not held, and must be returned instead: `deliver_by` is past and says so. Oldest first."""

    async def message(message_id: int) -> Any:
        """The `Message`, or None when it has left the queue."""

    async def waiting(message_ids: Sequence[int]) -> Sequence[Any]:
        """All `Waiting`s of these messages, held ones too."""

    async def still(ids: Sequence[int]) -> Sequence[Any]:
        """Of these recipients (`Waiting.id`, at most some hundred) those that still wait and are not held."""

    async def troubled(message_id: int) -> Sequence[Any]:
        """The `Waiting`s of this message that have a `problem`, held ones too."""

    async def read(content_id: str, offset: int, size: int) -> bytes:
        """Octets of a message's content; shorter at the end."""

    async def settle(message_id: int, changes: Sequence[Any]) -> None:
        """Write down the `Change`s of one message's recipients; durable on return. Without recipients the message goes, too."""

    def settle_unit(message_id: int, changes: Sequence[Any]) -> Callable[[Any], None]:
        """Instead of settle: what a job of the engine does with the connection."""

    async def list(limit: int = 1000) -> Sequence[Any]:
        """`Item`s, oldest first."""

    async def retry(ids: Sequence[int]) -> int:
        """Make these messages due now; returns how many recipients that were waiting, and not on hold. No ids: all."""

    async def retry_domain(domain: str, below: bool) -> int:
        """Make due now what was tried in vain for `domain`, and if `below` for its subdomains; how many recipients."""

    async def hold(ids: Sequence[int]) -> int:
        """Keep these messages without trying; returns how many recipients. A try under way is finished, and counts."""

    async def release(ids: Sequence[int]) -> int:
        """End `hold`; they are due now. What was not on hold keeps its time."""

    async def remove(ids: Sequence[int]) -> int:
        """Drop these messages without telling anybody; returns how many recipients. A try under way is finished."""

    def subscribe(listener: Callable[[Sequence[int]], None]) -> Callable[[], None]:
        """Call `listener(message ids)` in the reactor's thread after messages were added or made due; returns what ends that."""

    async def close() -> None:
        """As `IMailStore.close`."""
