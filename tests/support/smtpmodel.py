"""What an SMTP session ought to answer, in the plainest words, to hold the real one against (RFC 5321, 3030, 2033, 6409)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass
class Model:
    """`state` is of: start, greeted, sender, recipient, chunks, closed. Methods return the codes of the replies that are due."""

    limit: int
    role: str = "mx"
    most: int = 3                   # recipients
    account: bool = False           # somebody has logged in
    tls: bool = True
    accepted: int = 0               # recipients of the transaction
    state: str = "start"
    body: str = "7BIT"
    octets: bytes = b""             # of the chunks so far
    failed: bool = False            # a chunk was refused
    delivered: list[bytes] = field(default_factory=list)

    def _over(self) -> None:
        if self.state != "closed":
            self.state, self.body, self.octets, self.failed, self.accepted = "greeted", "7BIT", b"", False, 0

    def hello(self, verb: bytes) -> list[str]:
        if (verb == b"LHLO") != (self.role == "lmtp"):      # RFC 2033 section 4.1
            return ["500 5.5.1"]
        self._over()
        return ["250 "]

    def login(self, right: bool) -> list[str]:
        if self.state == "start" or self.state in ("sender", "recipient", "chunks") or self.account:     # RFC 4954 section 4
            return ["503 5.5.1"]
        if not self.tls:                                        # RFC 4954 section 4: PLAIN wants an encrypted connection
            return ["538 5.7.11"]
        self.account = right
        return ["235 2.7.0" if right else "535 5.7.8"]

    def start_tls(self, injected: bool) -> list[str]:
        """RFC 3207 section 4.2: afterwards everything is forgotten; what follows in the clear ends it (I5)."""
        if self.state != "greeted" or self.tls:
            return ["503 5.5.1"]
        if injected:
            self.state = "closed"
            return ["421 4.7.0"]
        self._over()
        self.state, self.tls, self.account = "start", True, False
        return ["220 2.0.0"]

    def parameter(self, code: str) -> list[str]:
        """MAIL with a parameter, by which it is answered `code`."""
        judged = self.mail("7BIT")
        if judged != ["250 2.1.0"]:
            return judged
        if not code.startswith("250"):
            self.state = "greeted"
        return [code]

    def asks(self, verb: bytes) -> str:
        """VRFY and EXPN are for who may send (252: we do not say); the rest is for others, or not here at all."""
        if verb in (b"VRFY", b"EXPN"):
            return "530 5.7.0" if self.role == "submission" and not self.account else "252 2.5.0"
        if self.state in ("sender", "recipient", "chunks") or (verb == b"ETRN" and self.state == "start"):
            return "503 5.5.1"
        return "502 5.5.1" if verb == b"ETRN" else "550 5.7.0"

    def mail(self, body: str) -> list[str]:
        if self.state != "greeted":
            return ["503 5.5.1"]
        if self.role == "submission" and not self.account:      # RFC 6409 section 4.3
            return ["530 5.7.0"]
        if body not in ("7BIT", "8BITMIME", "BINARYMIME"):
            return ["501 5.5.4"]
        self.state, self.body = "sender", body
        return ["250 2.1.0"]

    def rcpt(self, known: bool) -> list[str]:
        if self.state not in ("sender", "recipient"):
            return ["503 5.5.1"]
        if self.accepted >= self.most:
            return ["452 4.5.3"]
        if not known:
            return ["550 5.1.1"]
        self.state = "recipient"
        self.accepted += 1
        return ["250 2.1.5"]

    def takes_data(self) -> bool:
        return self.state == "recipient" and self.body != "BINARYMIME"

    def data(self, octets: bytes) -> list[str]:
        """`octets` as they are meant: not stuffed."""
        return ["354 End", *self._judged(octets)] if self.takes_data() else ["503 5.5.1"]

    def bdat(self, octets: bytes, last: bool, well_formed: bool) -> list[str]:
        if not well_formed or self.state not in ("recipient", "chunks") or self.failed:
            begun = self.state in ("sender", "recipient", "chunks")
            self.failed = self.failed or begun
            self.state = "chunks" if begun else self.state
            each = self.accepted if last and self.role == "lmtp" and begun and self.accepted else 1     # RFC 2033 section 4.3
            return ["503 5.5.1" if well_formed else "501 5.5.4"] * each
        self.state = "chunks"
        self.octets += octets
        if last:
            return self._judged(self.octets)
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

    def _judged(self, octets: bytes) -> list[str]:
        """One reply, or by LMTP one for each recipient (RFC 2033 section 4.2)."""
        wrong = self._wrong(octets)
        if wrong is None:
            self.delivered.append(octets)
        each = self.accepted if self.role == "lmtp" else 1
        self._over()
        return [wrong or ("250 2.1.5" if self.role == "lmtp" else "250 2.0.0")] * each
