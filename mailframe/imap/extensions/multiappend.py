"""MULTIAPPEND (RFC 3502): several messages in one APPEND, all or none; `commands.append` does it."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"MULTIAPPEND", rfc="3502", announced=State.LOGGED_IN)
