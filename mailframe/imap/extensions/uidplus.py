"""UIDPLUS (RFC 4315): APPEND, COPY and MOVE tell the new UIDs, and there is UID EXPUNGE."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(
    capability=b"UIDPLUS", rfc="4315", announced=State.LOGGED_IN,
    when=lambda context: b"UID EXPUNGE" in context.registry.commands,
)
