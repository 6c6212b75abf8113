"""Several credentials checkers as one: the first that says yes decides."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import LoginFailed, UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import InternalError, Refusal


@implementer(ICredentialsChecker)
class AnyOf:
    """All of them are asked in turn, the same for every user name. A checker that cannot say now (or breaks, I7) does
    not keep the next from saying yes; but then a "no" of the others is not the last word, and the answer is temporary."""

    _log = Logger()

    def __init__(self, checkers: Sequence[ICredentialsChecker]) -> None:
        self._checkers = tuple(checkers)
        self.credentialInterfaces = tuple({kind: None for checker in checkers for kind in checker.credentialInterfaces})

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        """See ICredentialsChecker."""
        return Deferred.fromCoroutine(self._ask(credentials))

    async def _ask(self, credentials: object) -> bytes | tuple[()]:
        unsure: Refusal | None = None
        for checker in self._checkers:
            if not any(kind.providedBy(credentials) for kind in checker.credentialInterfaces):
                continue
            try:
                return await settled(checker.requestAvatarId(credentials))
            except CancelledError:
                raise            # whoever waited does no longer
            except LoginFailed:
                continue
            except Refusal as refusal:
                unsure = refusal
            except Exception:
                self._log.failure("checker {checker} failed", checker=type(checker).__name__)
                unsure = InternalError(detail=f"checker {type(checker).__name__} failed")
        if unsure is not None:
            raise unsure
        raise UnauthorizedLogin("Wrong user name or password")
