"""One message on its way to one destination: host after host, until each recipient has an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailframe.mime.convert import CannotConvert
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import Refusal, TryAgainLater
from mailframe.pacing.breath import Breath
from mailframe.smtp.client import SmtpClient
from mailframe.smtp.client_plan import Outcome, Stage
from mailframe.smtp.reply import Reply

from .connect import Target
from .fitting import Fitting
from .mx import NoRoute
from .outcome import NEVER, HopFailed, judged, refusal_of, try_next_host, words_of
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
        breath = Breath(clock.seconds, self._turn)
        self._fitting = Fitting(envelope, head, source, settings.spool_octets, breath.take)

    @property
    def unserved(self) -> bool:
        """Whether recipients remain that no host has said its word about."""
        return bool(self._remaining)

    def close(self) -> None:
        """Let go of what was made for hosts that take less."""
        self._fitting.close()

    async def go(self, route: Route) -> None:
        """Raises what reading the content raises; a connection is never kept after that. By another route it can go again."""
        for _ in range(self._settings.max_hosts):
            if not self._remaining:
                return
            if self._clock.seconds() >= self._ends:
                break
            target = await route.next()
            if target is None:
                break
            failure = await self._try(target)
            if failure is not None:
                self._failures.append(failure)
                if failure.smtp[0] == NEVER:
                    route.leave(target.host)
        failures = [*route.failures, *self._failures]
        if self._clock.seconds() >= self._ends:
            failures.append(TryAgainLater("The next mail servers were too slow", smtp=(451, "4.4.1")))
        self.outcomes.update(dict.fromkeys(self._remaining, judged(failures) if failures else NoRoute()))

    async def _try(self, target: Target) -> Refusal | None:
        """All batches to one address, as long as it takes them; returns why it takes no more."""
        fresh = False
        while self._remaining and self._clock.seconds() < self._ends:
            try:
                client = await self._pool.take(target, fresh=fresh)
            except HopFailed as failed:
                self.log.info("{id} not handed to {target}: {why}", id=self._envelope.id, target=target, why=failed)
                return failed.refusal
            kept = client.sent > 0
            lost = self._record(target, client, await self._send(target, client))
            aged = kept and lost is not None and (lost.stage is Stage.LOST or lost.reply.code == 421)
            if lost is not None and not aged:
                return refusal_of(lost, target.host)
            fresh = aged        # a kept connection may have died of old age: that says nothing about the host
        return None

    async def _send(self, target: Target, client: SmtpClient) -> dict[Recipient, Outcome]:
        batch = client.limits.batch(self._remaining, client.domains, self._settings.recipients_per_message)
        try:
            body, converted = await self._fitting.fitted(client.extensions)
            if converted is not None:
                return await client.send(replace(self._envelope, body=body), batch, converted)
            return await client.send(self._envelope, batch, self._source, self._head)
        except CannotConvert as error:
            words = f"It takes fewer octets than the message has, which cannot be converted, as {error}"
            return dict.fromkeys(batch, Outcome(Reply.of(554, "5.6.3", words), Stage.HOST))
        except BaseException:
            client.abort()
            raise
        finally:
            self._pool.give(target, client)

    async def _turn(self) -> None:
        """Leave the reactor to others."""
        turn: Deferred[None] = Deferred()
        self._clock.callLater(0, turn.callback, None)
        await turn

    def _record(self, target: Target, client: SmtpClient, outcomes: dict[Recipient, Outcome]) -> Outcome | None:
        """Note what is settled; returns how this host failed for the others, if it did."""
        lost: Outcome | None = None
        settled: set[Recipient] = set()
        for recipient, outcome in outcomes.items():
            if outcome.accepted:
                self.outcomes.note(recipient, client.extensions, target.host, words_of(outcome.reply))
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
