"""A pipeline's delivery that others can commit together with, where mailboxes and queue rest on one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.delivery import IJoinedDelivery
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Judgement

from .parts import Parts
from .submission.desk import Submission
from .transaction import PipelineDelivery


@implementer(IJoinedDelivery)
class JoinedPipelineDelivery(PipelineDelivery):
    """The same where mailboxes and queue rest on one engine: others (the queue's reports) can commit together with it."""

    def __init__(self, pipeline: Parts, envelope: Envelope, judgement: Judgement, submission: Submission | None = None) -> None:
        super().__init__(pipeline, envelope, judgement, submission)
        self.engine = pipeline.engine

    async def unit(
        self, head: bytes, heads: Mapping[Recipient, bytes],
    ) -> tuple[Callable[[Any], Mapping[Recipient, Refusal | None]], Callable[[], None]]:
        """See `IJoinedDelivery`: outcomes as they are, nothing is handed on to the queue. Raises Refusal for all."""
        whole = await self._prepare(head)
        if whole is None:
            return lambda _: dict.fromkeys(self._to.targets.origins), lambda: None
        run, after = await self._joined(whole, self._to.targets.heads(heads))

        def then() -> None:
            after()
            self._drop()

        return lambda connection: self._to.targets.by_origin(run(connection)), then
