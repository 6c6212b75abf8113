"""TLS cipher suites by the names of the IANA registry, which the ``tls`` clause of Received wants (RFC 8314 section 4.3) [pure]."""

from __future__ import annotations

import re
from functools import lru_cache

_REGISTERED = re.compile(r"TLS_[A-Z0-9_]{1,80}")
_AES = re.compile(r"(?:(ECDHE|DHE)-(RSA|ECDSA)-)?AES(128|256)-(?:(GCM)-)?(SHA(?:256|384)?)")
_CHACHA = re.compile(r"(ECDHE|DHE)-(RSA|ECDSA)-CHACHA20-POLY1305")


@lru_cache(maxsize=64)
def suite(tls: str) -> str:
    """The registered name of the suite in `Peer.tls` ("TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256"); "" when it is not known.

    TLS 1.3 uses the registry's names; those of TLS 1.2 are OpenSSL's own.
    """
    name = tls.rpartition(" ")[2]
    if _REGISTERED.fullmatch(name):
        return name
    if match := _CHACHA.fullmatch(name):
        return f"TLS_{match[1]}_{match[2]}_WITH_CHACHA20_POLY1305_SHA256"
    if match := _AES.fullmatch(name):
        exchange = f"{match[1]}_{match[2]}" if match[1] else "RSA"
        return f"TLS_{exchange}_WITH_AES_{match[3]}_{match[4] or 'CBC'}_{match[5]}"
    return ""
