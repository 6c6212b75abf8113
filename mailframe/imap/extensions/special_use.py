"""SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154): which mailbox is for drafts, sent mail, junk... also told in a plain LIST."""

from __future__ import annotations

from ..commands.listing import ListReturn
from ..registry import Extension, State

EXTENSION = Extension(
    capability=b"SPECIAL-USE CREATE-SPECIAL-USE", rfc="6154", announced=State.LOGGED_IN,
    list_returns=(ListReturn(b"SPECIAL-USE"),))
