"""Domain names as mail compares them: one canonical form for A-labels and U-labels alike."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import idna


@lru_cache(maxsize=4_096)       # the same few come again and again; of each it takes as long as reading the address around it
def canonical_domain(text: str) -> str:
    """Return `text` as a lower-case A-label domain without a trailing dot (RFC 5890, RFC 5321 section 2.3.5).

    An address literal (``[192.0.2.1]``, ``[IPv6:2001:db8::1]``) is returned in its canonical spelling.
    Raises ValueError when `text` is no domain.
    """
    if text.startswith("["):
        return _canonical_literal(text)
    domain = text[:-1] if text.endswith(".") else text
    if not domain or len(domain) > 255:
        raise ValueError(f"not a domain: {text!r}")
    if domain.isascii():
        domain = domain.lower()
        for label in domain.split("."):
            if not 0 < len(label) <= 63 or label[0] == "-" or label[-1] == "-" or not _LDH.issuperset(label):
                raise ValueError(f"not a domain: {text!r}")
        return domain
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ValueError(f"not a domain: {text!r} ({error})") from None


def _canonical_literal(text: str) -> str:
    if not text.endswith("]"):
        raise ValueError(f"not an address literal: {text!r}")
    inner = text[1:-1]
    if inner[:5].lower() == "ipv6:":
        return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
    return f"[{ipaddress.IPv4Address(inner)}]"


_LDH = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
