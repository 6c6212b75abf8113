"""One mail transaction, from MAIL to the replies that its outcomes become."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from mailframe.interfaces.delivery import IDelivery
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import InternalError, MessageTooBig, Refusal

from .asking import ask, log, tell
from .data import ChunkReader, DataReader
from .origin import is_loopback
from .reply import Answer, Replies, Reply
from .roles import manners
from .settings import SmtpSettings

NO_REMARKS: Mapping[str, str] = MappingProxyType({})
_SHOWN = 5      # recipients in a log line
_FORGOTTEN = InternalError(detail="no outcome from commit")


class BareNewline(Refusal):
    public, smtp = "Message holds a CR or LF alone; its lines must end with CRLF (RFC 5321 section 2.3.8)", (550, "5.6.11")


class Transaction:
    """What was accepted so far, and what is wrong with it.

      T1  the delivery gets exactly one of commit and abort (after a commit that raises, both).
      T2  once `refusal` is set the delivery is aborted, and the rest of the message only read.
    """

    __slots__ = (
        "_chunks", "_each", "_limit", "_remarks", "_repair", "accepted", "delivery", "ending", "envelope", "reader", "recipients",
        "refusal", "size",
    )

    def __init__(
        self, envelope: Envelope, delivery: IDelivery, settings: SmtpSettings, remarks: Mapping[str, str] = NO_REMARKS,
    ) -> None:
        """`remarks` stand in the message's log line."""
        self.envelope = envelope
        self.delivery = delivery
        self.recipients: dict[Recipient, None] = {}    # accepted, in order, each once
        self.accepted: list[Recipient] = []            # one for each RCPT, also for one that was asked for before
        self.reader: DataReader | None = None          # while the message is coming in
        self.size = 0                                  # octets of it so far
        self.refusal: Refusal | None = None
        self._each = manners(settings.role).each
        self._remarks = remarks
        self.ending = False                            # all of it is there, and being made durable
        self._limit = settings.max_message_octets
        self._chunks: ChunkReader | None = None        # of a text that comes by BDAT; BINARYMIME is kept as it is
        self._repair = settings.normalises(local=is_loopback(envelope.peer.ip))

    async def add(self, recipient: Recipient) -> None:
        """Raises Refusal for this one."""
        if recipient not in self.recipients:
            await ask(self.envelope.peer, "add_recipient", self.delivery.add_recipient, recipient)
            self.recipients[recipient] = None
        self.accepted.append(recipient)

    def begin_data(self) -> DataReader:
        """The reader that finds its end."""
        reader = self.reader = DataReader(repair=self._repair)
        return reader

    def begin_chunk(self, size: int) -> None:
        """So many octets are announced by BDAT: what cannot be taken is refused before it comes."""
        if self._chunks is None and self.envelope.body != "BINARYMIME":
            self._chunks = ChunkReader(repair=self._repair)
        if self._limit and self.size + size > self._limit:
            self.fail(MessageTooBig())

    async def write_chunk(self, octets: bytes, *, last: bool) -> None:
        """`write`, of what came by BDAT; `last`: nothing more will come."""
        if self._chunks is not None:
            octets = self._chunks.feed(octets, last=last)
        if octets:
            await self.write(octets)

    async def write(self, octets: bytes) -> None:
        """The next octets of the message; what is wrong with them is said at the end."""
        self.size += len(octets)
        if self.refusal is not None:
            return
        try:
            if self._limit and self.size > self._limit:
                raise MessageTooBig
            reader = self.reader or self._chunks
            if reader is not None and reader.bare_newline and not self._repair:
                raise BareNewline
            await ask(self.envelope.peer, "write", self.delivery.write, octets)
        except Refusal as refusal:
            self.fail(refusal)

    def fail(self, refusal: Refusal) -> None:
        """It cannot be delivered any more; the first reason counts."""
        if self.refusal is None:
            self.refusal = refusal
            self._forget()

    async def finish(self) -> Answer:
        """After the end of the message: make it durable, and say what came of it. The log gets the message's one line."""
        outcomes: Mapping[Recipient, Refusal | None] = {}
        self.ending = True
        if self.refusal is None:
            try:
                outcomes = await ask(self.envelope.peer, "commit", self.delivery.commit)
            except Refusal as refusal:
                self.refusal = refusal
                self._forget()
            else:
                self.refusal = verdict(self.recipients, outcomes)
        reply = self._reply(sum(outcome is not None for outcome in outcomes.values()))
        return Replies(tuple(self._each_reply(outcomes))) if self._each else reply

    def answer(self, reply: Reply) -> Answer:
        """What is said to a message that cannot be taken: as often as this role answers one (RFC 2033 sections 4.2, 4.3)."""
        return Replies((reply,) * len(self.accepted)) if self._each and self.accepted else reply

    def abort(self) -> None:
        """It ends without a message."""
        if self.refusal is None:
            self._forget()

    def _forget(self) -> None:
        tell("abort", self.delivery.abort)

    def _each_reply(self, outcomes: Mapping[Recipient, Refusal | None]) -> Iterator[Reply]:
        """One for each RCPT that was accepted, in their order (RFC 2033 section 4.2)."""
        for recipient in self.accepted:
            refusal = outcomes.get(recipient, _FORGOTTEN) if outcomes else self.refusal
            if refusal is None:
                yield Reply.of(250, "2.1.5", f"<{recipient}> Ok: delivered as {self.envelope.id}")
                continue
            reply = Reply.from_refusal(refusal)
            yield replace(reply, lines=(f"<{recipient}> {reply.lines[0]}", *reply.lines[1:]))
            if outcomes:       # else the message's own line has said it
                detail = f" ({refusal.detail})" if refusal.detail else ""
                log.info("refused id={id} to={to} reply={reply!s}{detail}", id=self.envelope.id, to=str(recipient), reply=reply,
                         detail=detail)

    def _reply(self, failed: int) -> Reply:
        envelope, refusal = self.envelope, self.refusal
        reply = Reply.from_refusal(refusal) if refusal else Reply.of(250, "2.0.0", f"Ok: queued as {envelope.id}")
        word, detail = ("refused", f" ({refusal.detail})" if refusal.detail else "") if refusal else ("accepted", "")
        sender, account = envelope.sender or "", envelope.peer.account or "-"
        to = ",".join([f"<{recipient}>" for recipient in islice(self.recipients, _SHOWN)])
        if len(self.recipients) > _SHOWN:
            to += f",... ({len(self.recipients)})"
        # Finished here and not by the observer: formatting field by field would cost as much as the rest of the line.
        line = (f"{word} id={envelope.id} from=<{sender}> to={to} failed={failed} size={self.size} ip={envelope.peer.ip} "
                f"account={account} reply={reply}{detail}")
        if envelope.priority:
            line += f" priority={envelope.priority}"          # RFC 6710 section 4.1
        if self._remarks:
            line += "".join([f" {name}={value}" for name, value in self._remarks.items()])
        log.info("{line}", line=line, word=word, id=envelope.id, sender=sender, count=len(self.recipients), to=to, failed=failed,
                 size=self.size, ip=envelope.peer.ip, account=account, reply=reply)
        return reply


def verdict(recipients: Collection[Recipient], outcomes: Mapping[Recipient, Refusal | None]) -> Refusal | None:
    """None: accepted, which it is for all if for anyone, as the delivery answers for the rest.

    When everybody was refused, a temporary refusal counts: then the sender tries again and nobody's mail is lost.
    """
    if any(recipient in outcomes and outcomes[recipient] is None for recipient in recipients):
        return None
    refusals = [outcomes.get(recipient) or _FORGOTTEN for recipient in recipients]
    return next((refusal for refusal in refusals if refusal.temporary), refusals[0])
