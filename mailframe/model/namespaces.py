"""How the names of own, others' and shared mailboxes begin (RFC 2342)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Prefixes of the three kinds of names (RFC 2342 section 5), each with the separator at its end, or ""."""

    personal: Sequence[str] = ("",)
    others: Sequence[str] = ()
    shared: Sequence[str] = ()
