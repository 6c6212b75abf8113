"""Where a connection comes from, as far as its transport can tell: the address, and how it is encrypted."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, ISSLTransport


def encrypted(transport: object) -> bool:
    """Whether TLS runs on it."""
    return bool(ISSLTransport.providedBy(transport))


def tls_words(transport: Any) -> str:
    """``TLSv1.3 TLS_AES_256_GCM_SHA384`` for the trace header; "" before the handshake."""
    handle = transport.getHandle()
    cipher = handle.get_cipher_name()
    return f"{handle.get_protocol_version_name()} {cipher}" if cipher else ""


def ip_and_port(address: IAddress | None) -> tuple[str, int]:
    """Of a peer, without zone, IPv4 in its own notation; ("", 0) for what is no Internet address (a Unix socket)."""
    host = getattr(address, "host", "")
    return host.partition("%")[0].removeprefix("::ffff:") if "." in host else host.partition("%")[0], getattr(address, "port", 0)


def is_loopback(ip: str) -> bool:
    return ip == "" or ip == "::1" or ip.startswith("127.")
