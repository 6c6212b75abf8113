"""What the guards share: their names, how they refuse, and what they let be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.logger import Logger

from mailframe.model.envelope import Peer
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Pass, Refuse

from .scope import Scope, concerned

PASS = Pass()
log = Logger(namespace="mailframe.guards")


class Guard:
    """A filter with a name, under which the log and `mailframe guards` know it."""

    name = "guard"

    def __init__(self, scope: Scope) -> None:
        self.concerns = concerned(scope)
        self.only_log = scope.only_log
        self.refused = 0            # how often since the start, or how often it would have

    def refuse(self, peer: Peer, code: int, enhanced: str, public: str, why: str, final: bool = False) -> Refuse | Pass:
        """`why` is for the log: the session's line of the refusal shows it, beside the client's address and name (I8). Where only
        the log is to know, that line is written here."""
        self.refused += 1
        if self.only_log:
            log.info("guard={guard} would refuse ip={ip} name={name} helo={helo} reply={code} {enhanced} {public} ({why})",
                     guard=self.name, ip=peer.ip, name=peer.name or "-", helo=peer.helo or "-", code=code, enhanced=enhanced,
                     public=public, why=why)
            return PASS
        return Refuse(Refusal(public, smtp=(code, enhanced), detail=f"guard={self.name} {why}"), final)

    async def told(self) -> Mapping[str, int]:
        """What it remembers, in numbers with their words."""
        return {}

    async def known(self, ip: str) -> Sequence[str]:
        """What it knows of an address, in words for an operator."""
        return ()

    async def forget(self, ip: str) -> int:
        """Forget all about an address; returns how much that was."""
        return 0
