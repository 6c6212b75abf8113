"""LITERAL+ (RFC 7888): literals for which the client need not wait. The framer does it; here it is announced."""

from __future__ import annotations

from ..registry import Extension

EXTENSION = Extension(capability=b"LITERAL+", rfc="7888")
