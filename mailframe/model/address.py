"""A mailbox address of the envelope (RFC 5321 section 4.1.2, RFC 6531 section 3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from .domain import canonical_domain

_DOT_STRING = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*")
_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*)"')
_MAX_LOCAL_OCTETS = 255  # RFC 5321 section 4.5.3.1.1 asks for 64 at least; lists and forwarders write longer return paths


@dataclass(frozen=True, slots=True)
class Address:
    """`local` is unquoted and keeps its case; `domain` is canonical (`canonical_domain`), "" for a bare postmaster."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``local@domain`` (no angle brackets). Raises ValueError."""
        quoted = text.startswith('"')
        match = (_QUOTED if quoted else _DOT_STRING).match(text)
        if match is None:
            raise ValueError(f"not an address: {text!r}")
        local = re.sub(r"\\(.)", r"\1", match[1]) if quoted else match[0]
        if len(local) > _MAX_LOCAL_OCTETS // 4 and len(local.encode("utf-8", "surrogatepass")) > _MAX_LOCAL_OCTETS:
            raise ValueError(f"local part longer than {_MAX_LOCAL_OCTETS} octets: {text!r}")
        rest = text[match.end():]
        if not rest and local.lower() == "postmaster":
            return cls(local, "")
        if not rest.startswith("@"):
            raise ValueError(f"not an address: {text!r}")
        return cls(local, canonical_domain(rest[1:]))

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a next hop with SMTPUTF8 can be given this address (the domain is always A-labels)."""
        return not self.local.isascii()

    @property
    def folded(self) -> str:
        """The key under which addresses compare here: everything in lower case."""
        return f"{self.local.lower()}@{self.domain}"

    def __str__(self) -> str:
        local = self.local
        if not _DOT_STRING.fullmatch(local):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local
