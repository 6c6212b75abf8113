"""Whose addresses an account may use: the directory's answer, and what the configuration allows besides."""

from __future__ import annotations

from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope
from mailframe.model.pattern import AddressPatterns
from mailframe.model.refusal import SenderNotAllowed
from mailframe.pipeline.contain import Limit, contained

from .authors import Authors, BadHeader, check_form, title, unreadable
from .settings import SubmissionSettings

_ADVICE = "choose one of your own addresses in your mail program, or ask the administrator to allow this one (allow-from)"


class Rights:
    """Asks about each address of a message once."""

    def __init__(self, directory: IDirectory, settings: SubmissionSettings, limit: Limit) -> None:
        self._directory = directory
        self._settings = settings
        self._limit = limit
        self._more = {account.lower(): AddressPatterns.parse(patterns) for account, patterns in settings.allow_from.items()}

    async def may(self, account: str, address: Address) -> bool:
        """Raises Refusal when the directory cannot say."""
        if self._more and address in self._more.get(account.lower(), _NONE):
            return True
        directory = self._directory
        return bool(await contained(directory, directory.may_send_as, account, address, limit=self._limit))

    async def check_envelope(self, envelope: Envelope, account: str) -> None:
        """MAIL FROM. Raises SenderNotAllowed."""
        sender = envelope.sender
        if self._settings.check_from != "off" and sender is not None and not await self.may(account, sender):
            raise SenderNotAllowed(f"{account} may not send as {sender}: {_ADVICE}", detail=f"{account} as {sender}")

    async def check_header(self, found: Authors, envelope: Envelope, account: str) -> None:
        """The fields that readers take for the author's. Raises SenderNotAllowed, BadHeader."""
        settings = self._settings
        if settings.check_from != "header":
            return
        check_form(found, settings.max_authors)
        known = {envelope.sender.folded if envelope.sender else ""}      # has been asked about at MAIL
        for name in (b"resent-from", b"resent-sender") if found.redirected and settings.redirects else _ALL:
            for address in found.named(name):
                if address.folded in known:
                    continue
                if unreadable(address):
                    raise BadHeader(f"{title(name)} holds {str(address).rstrip('@')!r}, which is no full address")
                if not await self.may(account, address):
                    raise SenderNotAllowed(f"{account} may not send as {address} ({title(name)}): {_ADVICE}",
                                           detail=f"{account} as {address} in {title(name)}")
                known.add(address.folded)


_ALL = (b"from", b"sender", b"resent-from", b"resent-sender")
_NONE = AddressPatterns()
