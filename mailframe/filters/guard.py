"""What the guards share: their names, how they refuse, and what they let be looked at."""

from __future__ import annotations

from collections.abc import Mapping

from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Pass, Refuse

from .scope import Scope, concerned

PASS = Pass()


class Guard:
    """A filter with a name, under which the log and `mailframe guards` know it."""

    name = "guard"

    def __init__(self, scope: Scope) -> None:
        self.concerns = concerned(scope)

    def refuse(self, code: int, enhanced: str, public: str, why: str, final: bool = False) -> Refuse:
        """`why` is for the log: the session's line of the refusal shows it, beside the client's address and name (I8)."""
        return Refuse(Refusal(public, smtp=(code, enhanced), detail=f"guard={self.name} {why}"), final)

    async def told(self) -> Mapping[str, int]:
        """What it remembers, in numbers with their words."""
        return {}

    async def forget(self, ip: str) -> int:
        """Forget all about an address; returns how much that was."""
        return 0
