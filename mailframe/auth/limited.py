"""A portal that asks the limiter first."""

from __future__ import annotations

from typing import Any

from twisted.cred.error import LoginFailed
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailframe.model.client import Client

from .limiter import LoginLimiter


class LimitedPortal(Portal):
    """As any portal; of logins whose `mind` is a `Client` the failures are counted, and refused when there were too many.

    Credentials without a user name count for their address alone.
    """

    _log = Logger()

    def __init__(self, realm: IRealm, limiter: LoginLimiter) -> None:
        super().__init__(realm)
        self._limiter = limiter

    def login(self, credentials: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        """Fails as `Portal.login`, and with TooManyFailures."""
        if not isinstance(mind, Client):
            return self._login(credentials, mind, interfaces)
        return Deferred.fromCoroutine(self._limited(credentials, mind, interfaces))

    def _login(self, credentials: Any, mind: Any, interfaces: tuple[Any, ...]) -> Deferred[Any]:
        return super().login(credentials, mind, *interfaces)

    async def _limited(self, credentials: Any, client: Client, interfaces: tuple[Any, ...]) -> Any:
        name = getattr(credentials, "username", b"")
        user = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        self._limiter.check(client.ip, user)
        try:
            found = await self._login(credentials, client, interfaces)
        except LoginFailed:
            self._limiter.failed(client.ip, user)
            raise
        self._limiter.succeeded(client.ip, user)
        return found
