"""Several agents' parts of one message as one job of the engine that they all rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mailframe.model.envelope import Recipient
from mailframe.staging.intake import Intake

from .sink import Outcomes, Sink
from .submission.sentcopy import SentCopy


async def joined(
    sinks: Sequence[Sink], intake: Intake, head: bytes, heads: Mapping[Recipient, bytes], copy: SentCopy | None = None,
) -> tuple[Callable[[Any], Outcomes], Callable[[], None]]:
    """(what the writer does with the connection; what to call after the commit), as `IJoinedDelivery.unit`. Raises Refusal.

    `copy`, the sender's own, is kept in the same job if anybody's is.
    """
    shared = intake.share() if len(sinks) + (copy is not None) > 1 else None
    units = []
    for sink in sinks:
        await sink.feed(intake)
        units.append(await sink.unit(head, heads))
    own = await copy.unit(intake) if copy is not None else None

    def run(connection: Any) -> Outcomes:
        outcomes: Outcomes = {}
        if shared is not None:
            shared.kept = None
        for unit, _ in units:
            outcomes.update(unit(connection))
        if own is not None and None in outcomes.values():
            own[0](connection)
        return outcomes

    def after() -> None:
        for _, then in (*units, *([own] if own is not None else ())):
            then()

    return run, after
