"""LIST-EXTENDED (RFC 5258): selection and return options, several patterns; `commands.listing` does them."""

from __future__ import annotations

from ..commands.listing import ListReturn
from ..registry import Extension, State

EXTENSION = Extension(
    capability=b"LIST-EXTENDED", rfc="5258", announced=State.LOGGED_IN, list_returns=(ListReturn(b"SUBSCRIBED"),))
