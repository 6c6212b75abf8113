"""Where our own users' messages are taken in: what a pipeline does for them besides, and each message's part of it."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope
from mailframe.model.pattern import AddressPatterns
from mailframe.pipeline.contain import Limit
from mailframe.pipeline.trace import gap

from . import authors
from .mending import account_address, author_field, missing_fields, own_address
from .opening import Opening
from .rates import Rates
from .rights import Rights
from .sentcopy import SentCopies, SentCopy
from .settings import SubmissionSettings


class Desk:
    """Serves all submitted messages. `sent` is where copies go when the settings want some."""

    def __init__(
        self, directory: IDirectory, settings: SubmissionSettings, clock: IReactorTime, hostname: str, limit: Limit,
        sent: SentCopies | None = None,
    ) -> None:
        self.settings = settings
        self.hostname = hostname
        self.rights = Rights(directory, settings, limit)
        self.rates = Rates(settings.rates, clock)
        self._sent = sent
        self._saves = AddressPatterns.parse(settings.save_sent)
        self._sent_limit = Limit(clock, settings.sent_timeout_s)

    def open(self, envelope: Envelope, account: str) -> Submission:
        """Raises SendingTooMuch."""
        return Submission(self, envelope, account)

    def saves(self, account: str) -> bool:
        """Whether copies of what `account` sends go into Sent."""
        return bool(self._saves) and self._sent is not None and account_address(account, "") in self._saves

    async def copy(self, envelope: Envelope, account: str, head: bytes) -> SentCopy | None:
        """Such a copy, waiting for its message."""
        return None if self._sent is None else await self._sent.begin(envelope, account, head, self._sent_limit)


class Submission:
    """One message from a user. Order: opening.feed*, opening.finish, check, fields, copy; at last exactly one of settle and
    release, of which the first counts."""

    def __init__(self, desk: Desk, envelope: Envelope, account: str) -> None:
        settings = desk.settings
        self.opening = Opening(settings.max_header_octets, settings.strip_bcc, settings.complete_domain)
        self._desk = desk
        self._envelope = envelope
        self._account = account
        self._counted = desk.rates.counts(envelope.peer)
        self._recipients = 0
        self._header = b""
        self._found = authors.Authors(frozenset(), ())
        if self._counted:
            desk.rates.charge(account, 1, 0)

    # -- rates -----------------------------------------------------------------------------------------------------

    def add_recipient(self) -> None:
        """Raises SendingTooMuch."""
        if self._counted:
            self._desk.rates.charge(self._account, 0, 1)
            self._recipients += 1

    def drop_recipient(self) -> None:
        """It was refused."""
        if self._counted:
            self._desk.rates.refund(self._account, 0, 1)
            self._recipients -= 1

    def settle(self) -> None:
        """The message was accepted."""
        self._counted = False

    def release(self) -> None:
        """The message has come to nothing."""
        if self._counted:
            self._desk.rates.refund(self._account, 1, self._recipients)
        self._counted = False

    # -- the header ------------------------------------------------------------------------------------------------

    async def check(self, header: bytes) -> None:
        """The header as it was submitted. Raises BadHeader, SenderNotAllowed."""
        self._read(header)
        if b"from" not in self._found.names and self._desk.settings.missing_from == "refuse":
            raise authors.BadHeader("The message has no From field (RFC 5322 section 3.6)")
        await self._desk.rights.check_header(self._found, self._envelope, self._account)

    def fields(self, header: bytes) -> bytes:
        """What was left out of the header, as filters have left it; complete lines."""
        if header is not self._header:
            self._read(header)
        return (self._author_fields() + missing_fields(self._found, self._envelope, self._desk.hostname)).encode()

    async def copy(self, header: bytes) -> SentCopy | None:
        """The sender's own, where it is wanted: what was mended is in it, and to whom it went in secret."""
        if not self._desk.saves(self._account):
            return None
        return await self._desk.copy(self._envelope, self._account, self.opening.blind + self.fields(header) + gap(header))

    def _author_fields(self) -> str:
        found, wanted = self._found, self._desk.settings.add_sender
        if b"from" not in found.names:
            return author_field("From", own_address(self._envelope, self._account, self._desk.hostname))
        if wanted == "never" or b"sender" in found.names or (found.redirected and self._desk.settings.redirects):
            return ""
        listed = found.named(b"from")
        if len(listed) < 2 and wanted == "several":
            return ""
        me = account_address(self._account, self._desk.hostname)
        return author_field("Sender", me) if len(listed) > 1 or not _among(me, listed) else ""

    def _read(self, header: bytes) -> None:
        self._header = header
        self._found = authors.read(header if gap(header) == b"" else b"", self._desk.settings.max_authors)


def _among(address: Address, listed: tuple[Address, ...]) -> bool:
    return any(address.folded == each.folded for each in listed)
