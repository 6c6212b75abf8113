"""LIST-STATUS (RFC 5819): LIST with RETURN (STATUS (...)); `commands.listing` does it."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"LIST-STATUS", rfc="5819", announced=State.LOGGED_IN)
