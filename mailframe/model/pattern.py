"""Patterns for addresses as operators write them: one address, everything at a domain, or everything."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Self

from .address import Address
from .domain import canonical_domain


class AddressPatterns:
    """``sales@example.org``, ``*@lists.example.org`` or ``*``; case does not matter (as in `Address.folded`)."""

    __slots__ = ("_all", "_domains", "_exact")

    def __init__(self, exact: Iterable[str] = (), domains: Iterable[str] = (), every: bool = False) -> None:
        self._exact = frozenset(exact)
        self._domains = frozenset(domains)
        self._all = every

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError with a sentence that names the pattern which is none."""
        exact, domains, every = set(), set(), False
        for text in texts:
            text = text.strip()
            if text == "*":
                every = True
            elif text.startswith("*@"):
                domains.add(canonical_domain(text[2:]))
            else:
                address = Address.parse(text)
                if not address.domain or "*" in address.local:
                    raise ValueError(f"expected an address, *@domain or *: {text!r}")
                exact.add(_folded(address))
        return cls(exact, domains, every)

    def __contains__(self, address: Address) -> bool:
        return self._all or address.domain in self._domains or (bool(self._exact) and _folded(address) in self._exact)

    def __bool__(self) -> bool:
        return self._all or bool(self._domains) or bool(self._exact)


def _folded(address: Address) -> str:
    return unicodedata.normalize("NFC", address.folded)
