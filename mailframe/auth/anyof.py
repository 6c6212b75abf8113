"""Credentials checkers, one or several, as one: the first that says yes decides, and what is wrong with one is named (I7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
            name = type(checker).__name__
            try:
                answer: Any = await settled(checker.requestAvatarId(credentials))
                if isinstance(answer, (bytes, str, tuple)):
                    return answer       # type: ignore[return-value]   # checkers of all ages: text as well
                kind = type(answer).__name__
                self._log.error("checker {checker} answered with {kind}, not with a name", checker=name, kind=kind)
                unsure = InternalError(detail=f"checker {name} answered with no name")
            except CancelledError:
                self._log.error("checker {checker} had not answered when it was given up", checker=name)
                raise            # whoever waited does no longer
            except LoginFailed:
                continue
            except Refusal as refusal:
                unsure = refusal
            except Exception:
                self._log.failure("checker {checker} failed", checker=name)
                unsure = InternalError(detail=f"checker {name} failed")
        if unsure is not None:
            raise unsure
        raise UnauthorizedLogin("Wrong user name or password")
