"""Authentication: twisted.cred does the work; this is what a portal hands out."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from .store import IAccount


class IMailUser(Interface):
    """The avatar of a logged-in user: ``portal.login(credentials, client, IMailUser)`` with a `mailframe.model.client.Client`."""

    name = Attribute("the account's name (str)")

    async def open_account() -> IAccount:
        """The user's mail, made with the usual folders when it is used for the first time."""
