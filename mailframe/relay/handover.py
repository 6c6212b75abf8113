"""One message on its way to one destination: host after host, until each recipient has an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import Refusal, TryAgainLater
from mailframe.smtp.client import SmtpClient
from mailframe.smtp.client_plan import Outcome, Stage

from .connect import Target
from .mx import NoRoute
from .outcome import HopFailed, judged, refusal_of, try_next_host
from .pool import Pool
from .route import Route
from .settings import RelaySettings


class Handover:
    """Give it a route; `outcomes` is complete when `go` returns."""

    log = Logger()

    def __init__(
        self, pool: Pool, settings: RelaySettings, clock: Any, envelope: Envelope, recipients: Sequence[Recipient], source: Any,
        head: bytes,
    ) -> None:
        self.outcomes = Handed()
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._ends = clock.seconds() + settings.patience_s
        self._envelope = envelope
        self._remaining = list(dict.fromkeys(recipients))
        self._source = source
        self._head = head
        self._failures: list[Refusal] = []

    async def go(self, route: Route) -> None:
        """Raises what reading the content raises; a connection is never kept after that."""
        for _ in range(self._settings.max_hosts):
            if not self._remaining:
                return
            if self._clock.seconds() >= self._ends:
                break
            target = await route.next()
            if target is None:
                break
            await self._try(target)
        failures = [*route.failures, *self._failures]
        if self._clock.seconds() >= self._ends:
            failures.append(TryAgainLater("The next mail servers were too slow", smtp=(451, "4.4.1")))
        failure = judged(failures) if failures else NoRoute()
        for recipient in self._remaining:
            self.outcomes[recipient] = failure

    async def _try(self, target: Target) -> None:
        """All batches to one address, as long as it takes them."""
        fresh = False
        while self._remaining and self._clock.seconds() < self._ends:
            try:
                client = await self._pool.take(target, fresh=fresh)
            except HopFailed as failed:
                self.log.info("{id} not handed to {target}: {why}", id=self._envelope.id, target=target, why=failed)
                self._failures.append(failed.refusal)
                return
            kept = client.sent > 0
            lost = self._record(target, client, await self._send(target, client))
            aged = kept and lost is not None and (lost.stage is Stage.LOST or lost.reply.code == 421)
            if lost is not None and not aged:
                self._failures.append(refusal_of(lost, target.host))
                return
            fresh = aged        # a kept connection may have died of old age: that says nothing about the host

    async def _send(self, target: Target, client: SmtpClient) -> dict[Recipient, Outcome]:
        batch = self._remaining[: self._settings.recipients_per_message]
        try:
            return await client.send(self._envelope, batch, self._source, self._head)
        except BaseException:
            client.abort()
            raise
        finally:
            self._pool.give(target, client)

    def _record(self, target: Target, client: SmtpClient, outcomes: dict[Recipient, Outcome]) -> Outcome | None:
        """Note what is settled; returns how this host failed for the others, if it did."""
        lost: Outcome | None = None
        settled: set[Recipient] = set()
        for recipient, outcome in outcomes.items():
            if outcome.accepted:
                self.outcomes.note(recipient, client.extensions)
            elif try_next_host(outcome):
                lost = outcome
                continue
            else:
                self.outcomes[recipient] = refusal_of(outcome, target.host)
            settled.add(recipient)
        self._remaining = [recipient for recipient in self._remaining if recipient not in settled]
        self._tell(target, client, outcomes)
        return lost

    def _tell(self, target: Target, client: SmtpClient, outcomes: dict[Recipient, Outcome]) -> None:
        taken = sum(outcome.accepted for outcome in outcomes.values())
        replies = dict.fromkeys(f"{outcome.stage.value}: {outcome.reply}" for outcome in outcomes.values())
        self.log.info(
            "{id} handed to {target} ({tls}): {taken} of {count} recipients taken; {replies}", id=self._envelope.id, target=target,
            tls=client.tls or "in the clear", taken=taken, count=len(outcomes), replies="; ".join(list(replies)[:5]),
        )
