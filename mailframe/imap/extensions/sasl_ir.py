"""SASL-IR (RFC 4959): AUTHENTICATE with an initial response, one round trip less; `commands.login` does it."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"SASL-IR", rfc="4959", announced=State.NOT_AUTHENTICATED)
