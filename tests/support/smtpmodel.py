"""What an SMTP session ought to answer, in the plainest words: a model to hold the real one against (RFC 5321, RFC 3030)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass
class Model:
    """`state` is of: start, greeted, sender, recipient, chunks, closed. Methods return the codes of the replies that are due."""

    limit: int
    state: str = "start"
    body: str = "7BIT"
    octets: bytes = b""             # of the chunks so far
    failed: bool = False            # a chunk was refused
    delivered: list[bytes] = field(default_factory=list)

    def _over(self) -> None:
        if self.state != "closed":
            self.state, self.body, self.octets, self.failed = "greeted", "7BIT", b"", False

    def hello(self) -> list[str]:
        self._over()
        return ["250 "]

    def mail(self, body: str) -> list[str]:
        if self.state != "greeted":
            return ["503 5.5.1"]
        if body not in ("7BIT", "8BITMIME", "BINARYMIME"):
            return ["501 5.5.4"]
        self.state, self.body = "sender", body
        return ["250 2.1.0"]

    def rcpt(self, known: bool) -> list[str]:
        if self.state not in ("sender", "recipient"):
            return ["503 5.5.1"]
        if not known:
            return ["550 5.1.1"]
        self.state = "recipient"
        return ["250 2.1.5"]

    def takes_data(self) -> bool:
        return self.state == "recipient" and self.body != "BINARYMIME"

    def data(self, octets: bytes) -> list[str]:
        """`octets` as they are meant: not stuffed."""
        return ["354 End", self._judged(octets)] if self.takes_data() else ["503 5.5.1"]

    def bdat(self, octets: bytes, last: bool, well_formed: bool) -> list[str]:
        if not well_formed or self.state not in ("recipient", "chunks") or self.failed:
            begun = self.state in ("sender", "recipient", "chunks")
            self.failed = self.failed or begun
            self.state = "chunks" if begun else self.state
            return ["503 5.5.1" if well_formed else "501 5.5.4"]
        self.state = "chunks"
        self.octets += octets
        if last:
            return [self._judged(self.octets)]
        judged = self._wrong(self.octets.removesuffix(b"\r"))       # a CR may yet be half a line end
        self.failed = judged is not None
        return [judged or "250 2.0.0"]

    def rset(self) -> list[str]:
        if self.state != "start":
            self._over()
        return ["250 2.0.0"]

    def _wrong(self, octets: bytes) -> str | None:
        if len(octets) > self.limit:
            return "552 5.3.4"
        return "550 5.6.11" if self.body != "BINARYMIME" and _BARE.search(octets) else None

    def _judged(self, octets: bytes) -> str:
        wrong = self._wrong(octets)
        if wrong is None:
            self.delivered.append(octets)
        self._over()
        return wrong or "250 2.0.0"
