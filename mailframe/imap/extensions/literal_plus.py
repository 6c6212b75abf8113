"""LITERAL+ (RFC 7888): literals for which the client need not wait, small ones (LITERAL-) before the login. The framer does it."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(
    capability=None, rfc="7888",
    capabilities=lambda context: [b"LITERAL+" if context.state in State.LOGGED_IN else b"LITERAL-"],
)
