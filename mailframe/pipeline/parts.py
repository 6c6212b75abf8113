"""What all messages in a pipeline share: its agents, filters, settings and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IReactorTime

from mailframe.interfaces.content import IContent, IReadableContent
from mailframe.interfaces.delivery import IDeliveryAgent, IHonours
from mailframe.interfaces.directory import IDirectory, IValidSince
from mailframe.model.envelope import DeliverBy, Peer
from mailframe.model.networks import within
from mailframe.model.refusal import Refusal
from mailframe.staging.intake import Intake
from mailframe.staging.sharing import ISharingDelivery

from .contain import Limit
from .filters import Filters
from .halfdone import HalfDone
from .holder import Holder
from .route import RouteSettings
from .settings import PipelineSettings
from .sink import Sink
from .submission.desk import Desk
from .submission.sentcopy import SentCopies


class Parts:
    """`local` takes what has an account, `queue` (or None) all else; `engine` is what both rest on, or None."""

    def __init__(
        self, directory: IDirectory, local: IDeliveryAgent, queue: IDeliveryAgent | None, filters: Sequence[object],
        settings: PipelineSettings, clock: IReactorTime, hostname: str, sent: SentCopies | None = None,
    ) -> None:
        self.directory = directory
        self.local = local
        self.queue = queue
        self.filters = Filters(filters, settings.filters, clock)
        self.settings = settings
        self.hostname = hostname
        self.limit = Limit(clock, settings.deadline_s)
        self.desk = Desk(directory, settings.submission, clock, hostname, self.limit, sent)
        self.engine: Any = _shared_engine(local, queue)
        #: Of an agent's answers. On our own engine the session's patience is enough: a disk that hangs, hangs for everybody.
        self.agents_limit = self.limit if self.engine is None else None
        self.half_done = HalfDone(clock, settings.remember_s, settings.remember_messages)
        self.valid_since = IValidSince.providedBy(directory)
        self.passes_rrvs = IHonours.providedBy(queue) and "RRVS" in queue.honours
        self._holder = Holder()
        self._own_only = replace(settings.route, relay_domains=())

    def may_relay(self, peer: Peer) -> bool:
        """Whether `peer` may write to other domains: our own parts, who is logged in, and the operator's networks.

        Who has come to a relay-in listener is in that listener's networks, which the session has seen to. LMTP never relays.
        """
        if peer.role == "lmtp":
            return False
        if peer.account is not None or peer.local_origin or peer.role == "relay-in":
            return True
        return within(peer.ip, self.settings.relay_networks)

    def route_settings(self, peer: Peer) -> RouteSettings:
        """LMTP is for mailboxes of ours: gateways and backup MXs speak SMTP (RFC 2033 section 3)."""
        return self._own_only if peer.role == "lmtp" else self.settings.route

    def in_time(self, by: DeliverBy) -> None:
        """Raises Refusal when a message that took long to arrive must be returned instead of delivered (RFC 2852)."""
        if not by.notify and self.limit.clock.seconds() >= by.at:
            raise Refusal("The time by which it was to be delivered has passed", smtp=(554, "5.4.7"))

    def intake(self, sinks: Sequence[Sink]) -> Intake:
        """A new intake that as many of `sinks` as possible can share."""
        return Intake(self._content(sinks), max_octets=self.settings.max_octets)

    def drop(self, intake: Intake) -> None:
        """The message is over: let go of what was held for it."""
        if intake.content is self._holder and intake.content_id is not None:
            self._holder.drop(intake.content_id)
        intake.abort()

    def _content(self, sinks: Sequence[Sink]) -> IContent:
        """Where large messages are staged: the sinks' own content if all of them share one, else a file that all can read.

        Filters, and a queue that may have to take over, must be able to read the message as well.
        """
        contents = {id(each): each for each in (_content_of(sink) for sink in sinks)}
        if len(contents) == 1:
            content = next(iter(contents.values()))
            if content is not None and IReadableContent.providedBy(content):
                return content
        return self._holder


def _content_of(sink: Sink) -> IContent | None:
    return sink.delivery.content if ISharingDelivery.providedBy(sink.delivery) else None


def _shared_engine(local: IDeliveryAgent, queue: IDeliveryAgent | None) -> Any:
    """The engine on which all our agents rest, or None."""
    engine = getattr(local, "engine", None)
    if queue is not None and getattr(queue, "engine", None) is not engine:
        return None
    return engine

