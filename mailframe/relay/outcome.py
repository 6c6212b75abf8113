"""From what a next hop said to what the queue is told, and whether another host is to be tried."""

from __future__ import annotations

from collections.abc import Sequence

from mailframe.model.refusal import Refusal, RemoteRefusal
from mailframe.smtp.client import PeerRefused
from mailframe.smtp.client_plan import Outcome, Stage
from mailframe.smtp.reply import Reply

_MAX_WORDS = 800        # of a reply's text in a bounce; some servers write whole stories
_OURS = (Stage.LOCAL, Stage.HOST, Stage.LOST, Stage.DOUBTFUL)
NEVER = 521             # said by a host that never takes mail (RFC 7504 section 3): no address of it is worth a try
_STATUS = {NEVER: "5.3.2", 556: "5.1.10"}       # of replies without one (RFC 7504 section 5)


class HopFailed(Exception):
    """A host could not be talked to; `refusal` says why, as if for every recipient."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def refusal_of(outcome: Outcome, mta: str) -> RemoteRefusal:
    """`mta`: the name by which we know the host."""
    reply = outcome.reply
    if outcome.stage in _OURS and not _said(reply):
        return RemoteRefusal(_cut(f"{mta}: {reply.text}"), smtp=_codes(reply), mta=mta)
    words = _cut(f"{mta} answered {outcome.stage.value} with: {reply}")
    return RemoteRefusal(words, smtp=_codes(reply), mta=mta, diagnostic=words_of(reply))


def refusal_of_host(error: PeerRefused, mta: str) -> RemoteRefusal:
    """A wrong password or a missing STARTTLS is for us to mend, so never permanent."""
    code, enhanced = _codes(error.reply)
    if error.to not in ("greeting", "EHLO") and code >= 500:
        code, enhanced = 454, "4.7.0"
    words = _cut(f"{mta} answered {error.to} with: {error.reply}")
    return RemoteRefusal(words, smtp=(code, enhanced), mta=mta, diagnostic=words_of(error.reply))


def unreachable(mta: str, why: str, enhanced: str = "4.4.1") -> RemoteRefusal:
    """No answer from the host (RFC 3463 section 3.5)."""
    return RemoteRefusal(_cut(f"{mta}: {why}"), smtp=(451, enhanced), mta=mta)


def unprotected(mta: str, why: str) -> RemoteRefusal:
    """The host does not give the protection that the sender requires (RFC 8689 section 4.2.1)."""
    return RemoteRefusal(_cut(f"{mta}: {why}"), smtp=(550, "5.7.10"), mta=mta)


def words_of(reply: Reply) -> str:
    """A reply as Diagnostic-Code has it (RFC 3461 section 9.2)."""
    return _cut(str(reply))


def try_next_host(outcome: Outcome) -> bool:
    """Whether it failed for this host, not for the message or the recipient.

    A temporary refusal of a recipient (a full mailbox, greylisting) is believed: the next host would say the same or, being
    a backup, take it and wait in our place. A connection lost at the very end is not tried elsewhere, for the message may
    have been taken.
    """
    if outcome.stage in (Stage.LOST, Stage.HOST):
        return True
    if outcome.stage is Stage.MAIL:
        return 400 <= outcome.reply.code < 500 or outcome.reply.code == NEVER
    return outcome.reply.code == 421 and outcome.stage in (Stage.RCPT, Stage.DATA)


def judged(failures: Sequence[Refusal]) -> Refusal:
    """One refusal for what all hosts together said: permanent only if each of them meant it so; never empty."""
    for failure in reversed(failures):
        if failure.temporary:
            return failure
    return failures[-1]


def _said(reply: Reply) -> bool:
    return reply.code == 421 and reply.enhanced != "4.4.2"


def _codes(reply: Reply) -> tuple[int, str]:
    """The reply's codes; what is no refusal counts as a temporary one."""
    if not 400 <= reply.code < 600:
        return 451, "4.5.0"
    return reply.code, reply.enhanced or _STATUS.get(reply.code) or f"{reply.code // 100}.0.0"


def _cut(words: str) -> str:
    return words if len(words) <= _MAX_WORDS else words[:_MAX_WORDS] + "..."
