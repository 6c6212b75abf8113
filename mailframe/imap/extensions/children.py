"""CHILDREN (RFC 3348): \\HasChildren or \\HasNoChildren on every name in a LIST."""

from __future__ import annotations

from ..commands.listing import ListReturn
from ..registry import Extension, State

EXTENSION = Extension(capability=b"CHILDREN", rfc="3348", announced=State.LOGGED_IN, list_returns=(ListReturn(b"CHILDREN"),))
