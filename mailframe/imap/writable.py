"""The one question of every command that changes the selected mailbox."""

from __future__ import annotations

from mailframe.model.refusal import Refusal

from .registry import Context, Selected


class ReadOnly(Refusal):
    public, imap_code = "The mailbox is open for reading only", b"CANNOT"


def writable(context: Context) -> Selected:
    """The selected mailbox; raises ReadOnly after EXAMINE."""
    if context.selected.read_only:
        raise ReadOnly
    return context.selected
