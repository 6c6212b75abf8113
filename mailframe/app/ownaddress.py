"""Which addresses are this server's own, so that mail which the DNS sends back here is seen to loop (RFC 5321 section 5.1)."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable

_WILDCARDS = ("", "0.0.0.0", "::")


def own_address(endpoints: Iterable[str], port: int) -> Callable[[str], bool]:
    """Whether a connection to an address, at `port`, would end at one of these listeners (Twisted endpoint strings)."""
    interfaces = {interface for endpoint in endpoints if (interface := _interface(endpoint, port)) is not None}
    if interfaces.isdisjoint(_WILDCARDS):
        return interfaces.__contains__
    return is_local


def is_local(address: str) -> bool:
    """Whether this machine has `address` now: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _interface(endpoint: str, port: int) -> str | None:
    """Where a listener on `port` listens; None: on another port, or no TCP at all."""
    kind, _, rest = endpoint.partition(":")
    parts = [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", rest)]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    if kind not in ("tcp", "tcp6") or named.get("port", parts[0]) != str(port):
        return None
    return named.get("interface", "")
